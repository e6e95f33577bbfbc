"""
The rows of the table: what is done, what is timed, and what it is compared with.

Rule: the clock starts with the exec of a fresh `gitsource serve`, the dialling of the sinks, or the
moment `git update-ref` has returned, and stops when the last sink has decoded and counted what it
was sent and its ACK is with the kernel. A row whose sinks were sent anything but what was expected
fails rather than give a figure.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import documents
import floors
import processes
import repository
from measures import Floor, Row, when_quiet
from processes import MeasureError, Sinks, Source
from repository import Committer, Made

GRPC = "interpreter + grpc import"
FETCH = "git fetch of it"
ECHO = "raw gRPC echo"
OURS = "git + the default YAML reader"
STOCK = "git + ruamel.yaml safe (C)"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    repeat: int = 5
    slow: int = 5
    """Runs of what takes more than some ten seconds each."""
    sinks: tuple[int, ...] = (1, 50, 200)
    """Sinks of the commit rows."""
    crowd: int = 200
    """Sinks of the full-set rows."""
    patience: float = 0.0
    """Seconds to wait, before each value, for others to leave the cores alone."""
    say: Callable[[str], None] = print


class Site:
    """A copy of a generated repository, and the state directory of those who follow it."""

    def __init__(self, made: Made, folder: Path, plan: Plan) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.plan = plan
        self.made = repository.copy(made, folder / "upstream.git")
        self.state = folder / "state"
        self.committer = Committer(self.made)
        self.counts = self.made.counts
        self.collections = list(self.counts)

    def source(self, *, watch: bool = False) -> Source:
        """Return a source that follows this repository."""
        return Source(self.made.url, self.state, watch=watch)

    def prepare(self) -> None:
        """Have the mirror and the last good snapshot there, as after a first run."""
        if not self.state.exists():
            with self.source() as source:
                source.settled()


def start_rows(site: Site, names: set[str]) -> Iterator[Row]:
    """Cold and warm starts: exec to the first sink complete."""
    plan, size = site.plan, site.made.size
    large = size >= 50_000
    cold = Row("cold", "cold start: mirror present, empty cache → one sink complete", size, "s")
    cold_memory = Row("cold-memory", "… peak memory of it, worker processes included", size, "MB")
    cold.target = {10_000: 2.5, 100_000: 25.0}.get(size)
    ours = Floor(OURS, 2.0 if size == 10_000 else None)
    stock = Floor(STOCK)
    cold.floors = [ours, stock]
    site.prepare()
    if "cold" in names:
        for run in range(plan.slow if large else plan.repeat):
            processes.forget_all_but_mirror(site.state)
            source = _start(site, cold)
            cold_memory.values.append(source.memory.tree)
            ours.values.append(floors.read_everything(site.made, "ours"))
            if run == 0 or not large:
                stock.values.append(floors.read_everything(site.made, "stock"))
            plan.say(f"cold {size}: {cold.values[-1]:.2f} s, reader {ours.values[-1]:.2f} s")
        yield cold
        yield cold_memory
    warm = Row("warm", "warm start: the same, last good on disk → one sink complete", size, "s")
    warm.target = {10_000: 0.5, 100_000: 1.2}.get(size)
    bare = Floor(GRPC, 3.0 if size == 10_000 else None)
    warm.floors = [bare]
    if "warm" in names:
        for _ in range(plan.repeat * 2):
            bare.values.append(floors.interpreter_and_grpc())
            _start(site, warm)
            plan.say(f"warm {size}: {warm.values[-1]:.3f} s, bare {bare.values[-1]:.3f} s")
        yield warm


def _start(site: Site, row: Row) -> Source:
    """Time one start into *row*."""
    row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
    source = site.source()
    with Sinks(source.address, site.collections, 1) as sinks:
        sinks.dial(site.counts)
        with source:
            report = sinks.report()
            row.values.append(report["last"] - source.started)
            row.notes.setdefault("source_cpu", []).append(source.cpu())
            row.notes["decoding"] = report["decoding"]
            _check(sinks, site)
            source.settled()
    return source


def commit_rows(site: Site, *, watch: bool = False) -> Iterator[Row]:
    """A one-file commit to the ACK of the last incremental sink; and what was held meanwhile."""
    plan, size = site.plan, site.made.size
    targets = {1: 0.045, 50: 0.050, 200: 0.070} if size == 10_000 else {}
    targets = {200: 0.2} if size == 100_000 else targets
    how = "watched" if watch else "POST /sync"
    site.prepare()
    mirror = floors.SecondMirror(site.made, site.folder / f"second-{how.split(maxsplit=1)[0]}.git")
    for count in plan.sinks if size < 50_000 else plan.sinks[-1:]:
        name = f"commit-{count}" + ("-watch" if watch else "")
        title = f"one-file commit ({how}) → ACK of {count} incremental sinks"
        fetch = Floor(FETCH, 3.0 if size == 10_000 else None)
        row = Row(name, title, size, "ms", None if watch else targets.get(count), [fetch])
        memory = Row(
            f"memory-{count}", f"… peak memory, {count} sinks, from the start on", size, "MB"
        )
        memory.target = 700e6 if size == 100_000 and count == 200 else None
        with site.source(watch=watch) as source:
            with Sinks(source.address, site.collections, count, incremental=True) as sinks:
                sinks.dial(site.counts)
                sinks.report()
                source.settled()
                for _ in range(plan.repeat * 3):
                    row.values.append(_one_commit(site, source, sinks, row, watch=watch))
                    fetch.values.append(mirror.fetch())
            row.notes["serving_process"] = source.memory.serving
            memory.values.append(source.memory.tree)
        plan.say(f"{name} {size}: {row.median * 1000:.1f} ms")
        yield row
        if not watch and count == plan.sinks[-1]:
            memory.notes["serving_process"] = row.notes["serving_process"]
            yield memory


def _one_commit(site: Site, source: Source, sinks: Sinks, row: Row, *, watch: bool) -> float:
    """Return the seconds from the moved branch to the last ACK."""
    change = site.committer.prepare()
    row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
    sinks.arm()
    gc.collect()
    site.committer.publish(change)
    moved = time.monotonic()
    if not watch:
        source.sync()
    report = sinks.report()
    push = report["push"]
    if push["names"] != [change.name] or not push["incremental"] or push["removed"]:
        raise MeasureError(f"{change.name} changed, and the sinks were sent {push}")
    return float(report["last"] - moved)


def crowd_rows(site: Site, names: set[str], what: str) -> Iterator[Row]:
    """A full set to many new sinks, and a change to all of them in full state; and the memory."""
    plan, size, count = site.plan, site.made.size, site.plan.crowd
    tag = "" if len(site.collections) > 1 else "-one-collection"
    at_10k = size == 10_000
    full = Row(f"full-set{tag}", f"full set{what} → last of {count} new sinks", size, "s")
    full.target = 1.3 if at_10k else None
    full.floors = [Floor(ECHO, 2.0 if at_10k else None)]
    change = Row(f"full-change{tag}", f"one change, full state{what} → last of {count}", size, "s")
    change.target = 1.3 if at_10k else None
    change.floors = [Floor(ECHO, 2.0 if at_10k else None)]
    memory = Row(f"full-memory{tag}", f"… peak memory of both{what}", size, "MB")
    memory.target = 300e6 if at_10k else None
    payloads = site.folder / f"payloads{tag}"
    payloads.mkdir()
    site.prepare()
    largest = max(site.counts, key=lambda name: site.counts[name])
    number = next(n for n in range(size) if _collection(site, n) == largest)
    for run in range(plan.repeat):
        with site.source() as source:
            source.settled()
            full.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
            with Sinks(source.address, site.collections, count) as sinks:
                before = source.cpu()
                sinks.dial(site.counts)
                report = sinks.report()
                full.values.append(report["last"] - report["started"])
                full.notes.setdefault("source_cpu", []).append(source.cpu() - before)
                full.notes.setdefault("decoding", []).append(report["decoding"])
                _check(sinks, site, payloads)
                if "full-change" in names:
                    for _ in range(2):
                        _change_in_full(site, source, sinks, change, number)
            memory.values.append(source.memory.tree)
            memory.notes.setdefault("serving_process", []).append(source.memory.serving)
        _echoed(site, payloads, count, full, change if "full-change" in names else None)
        took, bare = full.values[-1], full.floors[0].values[-1]
        held = memory.values[-1] / 1e6
        plan.say(f"crowd {size}{tag} {run + 1}: {took:.2f} s, echo {bare:.2f} s, {held:.0f} MB")
    yield full
    if "full-change" in names:
        yield change
    yield memory


def _change_in_full(site: Site, source: Source, sinks: Sinks, row: Row, number: int) -> None:
    commit = site.committer.prepare(number)
    time.sleep(0.5)
    sinks.arm()
    before = source.cpu()
    site.committer.publish(commit)
    moved = time.monotonic()
    source.sync()
    report = sinks.report()
    row.values.append(report["last"] - moved)
    row.notes.setdefault("source_cpu", []).append(source.cpu() - before)
    push = report["push"]
    row.notes["payload"] = push["size"]
    if push["incremental"] or push["resources"] != site.counts[commit.collection]:
        raise MeasureError(f"{commit.collection} changed, and the sinks were sent {push}")


def _echoed(site: Site, payloads: Path, count: int, full: Row, change: Row | None) -> None:
    """Time the same bytes from a server that does nothing else."""
    files = [payloads / f"payload-{at}" for at in range(len(site.collections))]
    largest = max(files, key=lambda file: file.stat().st_size)
    full.notes["payload"] = sum(file.stat().st_size for file in files)
    with (
        processes.echo(files, len(files)) as (address, server),
        Sinks(address, site.collections, count) as sinks,
    ):
        sinks.dial(site.counts)
        report = sinks.report()
        full.floors[0].values.append(report["last"] - report["started"])
        for _ in range(2 if change is not None else 0):
            time.sleep(0.5)
            sinks.arm()
            pushed = time.monotonic()
            server.tell(str(files.index(largest)))
            assert change is not None
            change.floors[0].values.append(sinks.report()["last"] - pushed)


def _collection(site: Site, number: int) -> str:
    return documents.COLLECTIONS[documents.kind_of(number, site.made.mix)]


def _check(sinks: Sinks, site: Site, payloads: Path | None = None) -> None:
    """Fail unless each resource has arrived once, with its version and body."""
    told = sinks.check(payloads)
    for name, count in site.counts.items():
        found = told[name]
        if not found["resources"] == found["names"] == found["whole"] == count:
            raise MeasureError(f"{name}: {count} expected, sent {found}")


def site_of(
    size: int,
    folder: Path,
    plan: Plan,
    mix: tuple[str, ...] = documents.MIX,
    *,
    work: Path = repository.WORK,
) -> Site:
    """Return a fresh site of *size* resources in *folder*; generated repositories lie in *work*."""
    plan.say(f"preparing a repository of {size} resources")
    shutil.rmtree(folder, ignore_errors=True)
    return Site(repository.make(size, mix, work), folder, plan)
