"""
What reading one file costs: `gitsource.parse` beside the stock reader and the floor under both.

    python benchmarks/parse.py [FILE]

The readers take turns, and the best of many rounds counts, so that a busy machine shows in the
figures little and in the ratios hardly at all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import ruamel.yaml
from _ruamel_yaml import CParser

from gitsource.parse import locate, parse

EXAMPLE = Path(__file__).parent.parent / "tests/parse/accepted/virtual-service.yaml"
ROUNDS, CALLS = 25, 40


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else EXAMPLE).read_bytes()
    stock = ruamel.yaml.YAML(typ="safe")
    others = cycle((data, data + b"\n"))  # it remembers the last file
    readers: dict[str, Callable[[], object]] = {
        "ruamel.yaml, safe, with its C scanner": lambda: list(stock.load_all(data)),
        "gitsource.parse.parse": lambda: parse(data),
        "gitsource.parse.locate": lambda: locate(next(others), 0, ("spec",)),
        "libyaml alone, no Python values": lambda: CParser(data).raw_parse(),
    }
    best = dict.fromkeys(readers, float("inf"))
    for _ in range(ROUNDS):
        for name, read in readers.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                read()
            best[name] = min(best[name], (time.perf_counter() - started) / CALLS)
    ours = best["gitsource.parse.parse"]
    print(f"{len(data)} bytes, best of {ROUNDS} rounds of {CALLS}")
    for name, seconds in best.items():
        print(f"{name:40} {seconds * 1e6:8.1f} us   {seconds / ours:6.2f} x parse")


if __name__ == "__main__":
    main()
