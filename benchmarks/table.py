"""
Measure gitsource and print the table of docs/benchmarks.md.

    python benchmarks/table.py                         everything: about half an hour
    python benchmarks/table.py --quick                 1 000 and 10 000 resources, fewer runs
    python benchmarks/table.py --rows cold,warm --sizes 10000 --repeat 9

Rule: one row at a time, nothing else started meanwhile; how busy others keep the machine is
measured before each value and told below the table. The last run is kept as JSON (`--json`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import git_rows
import order_rows
import repository
import rights_rows
import rows
import tls_rows
import validating
import xds_rows
from measures import Row, load_of_others, machine, table
from processes import MeasureError

NAMES = (
    *("cold", "warm", "commit", "watch", "full-set", "full-change", "one-collection"),
    *("validate", "recheck", "worst", "dry-run", "start"),
    *("poll", "large-commit", "webhook", "orders", "soak"),
    *("xds", "xds-mesh", "xds-lean", "xds-idle", "xds-storm", "limited", "tls"),
    "rights",
)


def main() -> int:
    options = _options()
    plan = rows.Plan(
        repeat=options.repeat,
        slow=min(options.repeat, options.repeat_slow),
        sinks=tuple(options.sinks),
        crowd=max(options.sinks),
        patience=options.patience,
        say=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
    )
    folder = options.work / "runs" / str(os.getpid())
    begun = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "others_busy": load_of_others(2.0),
    }
    done: list[Row] = []
    failed = ""
    started = time.monotonic()
    try:
        for row in _all(options, plan, folder):
            done.append(row)
            _keep(options.json, begun, done)
    except MeasureError as error:
        failed = str(error)
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(done))
    print()
    print(_told(begun, done, time.monotonic() - started))
    if failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    return 0


def _all(options: argparse.Namespace, plan: rows.Plan, folder: Path) -> Iterator[Row]:
    names = set(options.rows)
    for size in options.sizes:
        site = rows.site_of(size, folder / str(size), plan, work=options.work)
        if names & {"cold", "warm"}:
            yield from rows.start_rows(site, names)
        if "commit" in names:
            yield from rows.commit_rows(site)
        ours = names if size < 50_000 else names & {"poll", "webhook"}
        yield from git_rows.git_rows(site, ours, options.soak)
        if "orders" in ours:
            yield from order_rows.order_rows(site)
        if size >= 50_000:
            # 200 sinks times 90 MB says nothing that 10 000 resources do not.
            continue
        yield from validating.site_rows(site, names)
        if "watch" in names:
            yield from rows.commit_rows(site, watch=True)
        if names & {"full-set", "full-change"}:
            yield from rows.crowd_rows(site, names, "")
        if "one-collection" in names and size >= 10_000:
            alone = rows.site_of(
                size, folder / f"{size}-one", plan, ("VirtualService",), work=options.work
            )
            yield from rows.crowd_rows(alone, names, " in one collection")
        yield from _over_tls(options, plan, size, folder, names)
        yield from xds_rows.xds_rows(plan, size, folder / str(size), options.work, names)
    yield from validating.other_rows(plan, names)


def _over_tls(
    options: argparse.Namespace, plan: rows.Plan, size: int, folder: Path, names: set[str]
) -> Iterator[Row]:
    if "tls" in names:
        alike = rows.site_of(size, folder / f"{size}-tls", plan, work=options.work)
        yield from tls_rows.tls_rows(alike)
    if "rights" in names:
        grouped = rows.site_of(size, folder / f"{size}-rights", plan, work=options.work)
        yield from rights_rows.rights_rows(grouped)


def _keep(path: Path, begun: dict[str, Any], done: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = begun | {"gitsource": version("gitsource"), "rows": [row.kept() for row in done]}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _told(begun: dict[str, Any], done: list[Row], seconds: float) -> str:
    """Say what one has to know about the machine to believe the table."""
    busy = [value for row in done for value in row.notes.get("others_busy", [])]
    on = begun["machine"]
    return (
        f"{begun['at'][:10]}, {on['cores']} cores ({on['cpu']}), "
        f"Python {sys.version.split()[0]}, grpcio {version('grpcio')}. "
        f"Others kept the cores busy to {100 * statistics.fmean(busy or [0]):.0f} % on average "
        f"(at most {100 * max(busy or [0]):.0f} %) just before the values were taken. "
        f"The run took {seconds / 60:.0f} min."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure gitsource and print the table.")
    parser.add_argument("--quick", action="store_true", help="1 000 and 10 000 resources, 3 runs")
    parser.add_argument("--rows", type=_words, default=list(NAMES), help=", ".join(NAMES))
    parser.add_argument("--sizes", type=_numbers, help="repositories (1000,10000,100000)")
    parser.add_argument("--sinks", type=_numbers, default=[1, 50, 200], help="(1,50,200)")
    parser.add_argument("--repeat", type=int, help="runs of each row at least (5)")
    parser.add_argument("--repeat-slow", type=int, default=5, help="the same for long rows (5)")
    parser.add_argument(
        "--patience", type=float, default=0, help="seconds to wait for a quiet machine, each value"
    )
    parser.add_argument("--soak", type=int, default=10_000, help="commits of the soak (10000)")
    parser.add_argument("--work", type=Path, default=repository.WORK, help="where all of it lies")
    parser.add_argument("--json", type=Path, help="where the figures go (WORK/latest.json)")
    parser.add_argument("--keep", action="store_true", help="keep state directories and logs")
    options = parser.parse_args()
    unknown = set(options.rows) - set(NAMES)
    if unknown:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    quick = options.quick
    options.sizes = options.sizes or ([1000, 10_000] if quick else [1000, 10_000, 100_000])
    options.repeat = options.repeat or (3 if quick else 5)
    options.work = options.work.absolute()
    options.json = options.json or options.work / "latest.json"
    return options


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


if __name__ == "__main__":
    sys.exit(main())
