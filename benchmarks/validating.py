"""
The rows of offline commands: all files on disk, again, one file of them, dry-runs, the worst.

Rule: a run of `gitsource validate` is timed from the exec of a fresh process to its exit, with
every rule and reference on. The first has a cache folder of its own that is empty; what the kernel
remembers of the files is there. A run that finds anything in the generated files, which have no
fault, gives no figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dry_running
import floors
from gitsource.build.builder import Builder
from gitsource.configuration.catalogs import catalog_for
from gitsource.git.mirror import Mirror
from gitsource.reconcile.judging import evaluate
from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import accept, nothing
from measures import Floor, Row, when_quiet
from processes import CLEAN, HERE, MeasureError
from repository import git
from rows import OURS, Plan, Site

STATS = "interpreter + stat of each file"
CHANGES = "git: which files changed, and read them"
_STAT_ALL = """
import os, sys
waiting = [sys.argv[1]]
while waiting:
    for entry in os.scandir(waiting.pop()):
        waiting.append(entry.path) if entry.is_dir() else entry.stat()
"""


def site_rows(site: Site, names: set[str]) -> Iterator[Row]:
    """Yield those of the rows about one repository that are in *names*."""
    if "validate" in names:
        yield from tree_rows(site)
    if "recheck" in names:
        yield from change_rows(site)
    if "dry-run" in names:
        yield from dry_running.dry_run_rows(site)


def other_rows(plan: Plan, names: set[str]) -> Iterator[Row]:
    """Yield those that are about no repository."""
    if "worst" in names:
        yield from worst_row(plan)
    if "start" in names:
        yield from dry_running.start_of_program(plan)


def tree_rows(site: Site) -> Iterator[Row]:
    """`gitsource validate` of all files: with nothing remembered, and again."""
    plan, size = site.plan, site.made.size
    at_10k = size == 10_000
    cold = Row("validate", "validate all files: fresh process, empty cache", size, "s")
    cold.target = 3.0 if at_10k else None
    cold.floors = [Floor(OURS)]
    again = Row("validate-again", "… again, nothing changed", size, "s", 0.6 if at_10k else None)
    again.floors = [Floor(STATS)]
    one = Row("validate-one", "… again, one file changed", size, "s")
    one.floors = [Floor(STATS)]
    tree = _checked_out(site)
    caches = site.folder / "caches"
    texts = [path for path in sorted(tree.rglob("*.yaml")) if path.is_file()]
    # A file that was written a moment ago is read again for safety: see gitsource/seen.py.
    _leave_alone(texts)
    for run in range(plan.repeat):
        cache = caches / str(run)
        cold.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
        cold.values.append(_validated(tree, cache, size))
        cold.floors[0].values.append(floors.read_everything(site.made, "ours"))
        for row in (again, one):
            if row is one:
                changed = texts[run * 7919 % len(texts)]
                changed.write_text(f"{changed.read_text()}# run {run}\n")
            row.values.append(_validated(tree, cache, size))
            row.floors[0].values.append(_stat_all(tree))
        plan.say(f"validate {size}: {cold.values[-1]:.2f} s, again {again.values[-1]:.2f} s")
    yield from (cold, again, one)


def _checked_out(site: Site) -> Path:
    tree = site.folder / "tree"
    tree.mkdir()
    git(site.made.folder, f"--work-tree={tree}", "checkout", "--force", "main", "--", ".")
    return tree


def _leave_alone(texts: list[Path]) -> None:
    """Make files look as if they were written an hour ago, as far as that can be."""
    then = time.time() - 3600
    for path in texts:
        os.utime(path, (then, then))
    time.sleep(2.5)  # the time of the change itself cannot be set


def _validated(tree: Path, cache: Path, size: int) -> float:
    command = [str(Path(sys.executable).parent / "gitsource"), "validate", str(tree)]
    started = time.monotonic()
    done = subprocess.run(
        command,
        env=CLEAN | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - started
    if done.returncode or not done.stdout.startswith(f"{size} files: 0 errors, 0 warnings"):
        raise MeasureError(f"validate said {done.stdout[-300:]} {done.stderr[-300:]}")
    return took


def _stat_all(tree: Path) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", _STAT_ALL, str(tree)], env=CLEAN, check=True)
    return time.monotonic() - started


def change_rows(site: Site) -> Iterator[Row]:
    """One changed file, judged in a process that holds the revision before it."""
    plan, size = site.plan, site.made.size
    row = Row("recheck", "one file changed: judge it and all that it may affect", size, "ms")
    row.target = 0.015 if size == 10_000 else None
    row.floors = [Floor(CHANGES)]
    settings = Settings(repository=Repository(url=site.made.url))
    mirror = Mirror(site.folder / "recheck.git", settings.repository)
    mirror.open()
    mirror.fetch()
    catalog = catalog_for(settings, lambda _name: "true")
    builder = Builder(catalog, settings.build, BlobCache(site.folder / "recheck.sqlite"))
    objects = mirror.objects
    standing = nothing()
    accept(standing, evaluate(objects, None, mirror.head(), builder, settings))
    for _ in range(plan.repeat * 3):
        site.committer.publish(site.committer.prepare())
        mirror.fetch()
        revision = mirror.head()
        old = standing.snapshot.revision
        row.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
        started = time.monotonic()
        changes = objects.changes(old.tree, revision.tree)
        blobs = [change.entry.blob for change in changes if change.entry is not None]
        read = list(objects.read(blobs, settings.limits.file_bytes))
        row.floors[0].values.append(time.monotonic() - started)
        started = time.monotonic()
        proposal = evaluate(objects, standing, revision, builder, settings)
        row.values.append(time.monotonic() - started)
        if len(read) != 1 or not proposal.acceptable or proposal.findings:
            raise MeasureError(f"{len(read)} files changed, and {proposal.findings[:3]} was found")
        accept(standing, proposal)
    mirror.close()
    plan.say(f"recheck {size}: {row.median * 1000:.1f} ms")
    yield row


def worst_row(plan: Plan) -> Iterator[Row]:
    """The document that takes longest of those that are just within the limits."""
    row = Row("worst", "the worst document of 1 MiB, CPU", 1, "s", 1.0)
    alone = Floor("reading it")
    row.floors = [alone]
    for _ in range(plan.repeat):
        told = json.loads(
            subprocess.run(
                [sys.executable, str(HERE / "worst.py"), "--json"],
                env=CLEAN,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        name, (took, reading) = max(told.items(), key=lambda item: item[1][0])
        row.values.append(took)
        alone.values.append(reading)
        row.notes.setdefault("document", []).append(name)
    yield row
