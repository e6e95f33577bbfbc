"""
The rows of the dry-run: what CI waits for, whole processes from exec to exit.

Rule: each run tries a commit that no run has seen, against a base that is remembered (warm) or not
(cold, with an empty cache folder). A run whose plan is not what the commit changes gives no figure.
The start of the program itself is measured beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from git_rows import MANY, thousand
from measures import Floor, Row, when_quiet
from processes import CLEAN, MeasureError, Memory
from repository import Committer
from rows import Plan, Site

BARE = "interpreter alone"
PROGRAM = str(Path(sys.executable).parent / "gitsource")


def dry_run_rows(site: Site) -> Iterator[Row]:
    """One commit with nothing remembered and with the base remembered; a thousand files; memory."""
    plan, size = site.plan, site.made.size
    at_10k = size == 10_000
    cold = Row("dry-run-cold", "dry-run of a one-file commit: nothing remembered", size, "s")
    cold.target = 2.5 if at_10k else None
    memory = Row("dry-run-memory", "… peak memory of it, worker processes included", size, "MB")
    memory.target = 400e6 if at_10k else None
    warm = Row("dry-run", "… its base remembered", size, "s", 0.5 if at_10k else None)
    many = Row("dry-run-many", f"… a commit of {MANY} files, its base remembered", size, "s")
    many.target = 1.5 if at_10k else None
    for row in (cold, warm, many):
        row.floors = [Floor(BARE)]
    caches, numbers = site.folder / "dry-run-caches", count()
    for run in range(plan.repeat):
        cache = caches / str(run)
        for row in (cold, warm, warm, many):
            if row is many and size < MANY:
                continue
            head, changes = _head(site, row, next(numbers))
            row.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
            row.floors[0].values.append(_took([sys.executable, "-c", ""]))
            took, peak = _dry_run(site, head, changes, cache)
            row.values.append(took)
            if row is cold:
                memory.values.append(peak)
        plan.say(f"dry-run {size}: {cold.values[-1]:.2f} s, warm {warm.values[-1]:.2f} s")
    yield from (row for row in (cold, memory, warm, many) if row.values)


def _head(site: Site, row: Row, number: int) -> tuple[str, int]:
    """Return a new commit on top of main, on no branch, and how many resources it changes."""
    if row.name == "dry-run-many":
        return thousand(site, 20_000 + number), MANY
    return Committer(site.made).prepare(number * 1009 % site.made.size).commit, 1


def _dry_run(site: Site, head: str, changes: int, cache: Path) -> tuple[float, int]:
    """Return seconds and peak memory of a dry-run of *head* over main."""
    told = cache.parent / "plan.json"
    told.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(PROGRAM, "dry-run", "--repo", str(site.made.folder), "--base", "main", "--head", head),
        *("--cache", str(cache), "--output", f"json={told}"),
    ]
    memory = Memory()
    started = time.monotonic()
    with subprocess.Popen(command, env=CLEAN, stderr=subprocess.PIPE, text=True) as process:
        memory.watch(process.pid)
        _, err = process.communicate()
    took = time.monotonic() - started
    memory.stop()
    if process.returncode:
        raise MeasureError(f"dry-run ended with {process.returncode}: {err[-300:]}")
    plan = json.loads(told.read_text(encoding="utf-8"))
    changed = sum(len(each["changed"]) for each in plan["collections"].values())
    if changed != changes:
        raise MeasureError(f"{changes} resources changed, and the plan has {changed}")
    return took, memory.tree


def start_of_program(plan: Plan) -> Iterator[Row]:
    """`gitsource --version` and `gitsource dry-run --help`: what every call pays."""
    for name, words, target in (
        ("version", ["--version"], 0.080),
        ("help", ["dry-run", "--help"], 0.150),
    ):
        row = Row(name, f"gitsource {' '.join(words)}", 1, "ms", target, [Floor(BARE)])
        for _ in range(plan.repeat * 3):
            row.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
            row.floors[0].values.append(_took([sys.executable, "-c", ""]))
            row.values.append(_took([PROGRAM, *words]))
        yield row


def _took(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=CLEAN, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started
