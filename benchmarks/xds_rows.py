"""
The rows of xDS: full sets, updates, idle streams and storms, over SotW and delta.

Rule: as in `rows`; and the source is pinned to one core, the clients to the other. An update is
timed twice: from the moved branch, with git's fetch in it, and from the moment gitsource says that
it is published. The floor is an echo of the very same responses, on the same core.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import documents
import envoy_documents
import floors
import processes
from measures import Floor, Row, when_quiet
from processes import CLIENT, MeasureError, Sinks, Source, Talker
from repository import OneFile
from rows import ECHO, FETCH, Plan, Site, site_of

CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENTS = {CORES[0]}, {CORES[-1]}
CDS, EDS = (envoy_documents.URLS[f"envoy/{name}"] for name in ("clusters", "endpoints"))
FULL = {False: 1.2, True: 1.5}
UPDATE = {False: 0.8, True: 0.06}
"""Seconds wanted, by whether it is delta."""
IDLE = 2000
STORM = 500
GIVES_BACK = 4.0
"""Seconds after which memory that large messages took was given back."""
LIMIT = 4 * 1024 * 1024
OTHERS = ("xds-idle", "xds-storm", "limited")
MIXES = {
    "": envoy_documents.CLUSTERS,
    "-mesh": envoy_documents.MESH,
    "-lean": envoy_documents.LEAN,
}
CALLED = {"": "clusters", "-mesh": "a mesh", "-lean": "clusters of 0.2 KB"}


class XdsSinks(Sinks):
    """xDS clients in one process, on a core of their own."""

    def __init__(self, address: str, site: Site, count: int, *, delta: bool) -> None:
        asked = site.folder / "asked.json"
        asked.write_text(json.dumps(asked_of(site)))
        flags = ["--delta"] if delta else []
        self._clients = [
            Talker("xds_client.py", address, str(asked), "--sinks", str(count), *flags, env=CLIENT)
        ]
        os.sched_setaffinity(self._clients[0].process.pid, CLIENTS)
        self.count = count

    def storm(self) -> dict[str, Any]:
        """Have all hang up, dial again and be heard."""
        self._tell({"do": "storm"})
        return self.report()


def asked_of(site: Site) -> dict[str, list[str]]:
    """Return what a client asks for: by type, the names of what it asks for by name."""
    named: dict[str, list[str]] = {envoy_documents.URLS[name]: [] for name in site.counts}
    for number in range(site.made.size):
        collection = documents.COLLECTIONS[documents.kind_of(number, site.made.mix)]
        if collection in {"envoy/endpoints", "envoy/routes"}:
            named[envoy_documents.URLS[collection]].append(documents.name_of(number))
    return named


def counts_of(site: Site) -> dict[str, int]:
    """Return how many resources there are of each type."""
    return {envoy_documents.URLS[name]: count for name, count in site.counts.items()}


@contextlib.contextmanager
def pinned(site: Site) -> Iterator[Source]:
    """Run a source on one core."""
    site.prepare()
    with site.source() as source:
        os.sched_setaffinity(source.pid, SERVER)
        source.settled()
        source.memory.reset(source.pid)
        yield source


def xds_rows(plan: Plan, size: int, folder: Path, work: Path, names: set[str]) -> Iterator[Row]:
    """Yield all of them."""
    for tag, mix in MIXES.items():
        if not names & {f"xds{tag}", *(OTHERS if not tag else ())}:
            continue
        site = site_of(size, folder / f"xds{tag}", plan, mix, work=work)
        if f"xds{tag}" in names:
            for delta in (False, True):
                for count in plan.sinks:
                    yield from stream_rows(site, tag, count, delta=delta)
        if not tag and "xds-idle" in names:
            yield from idle_rows(site, IDLE if size >= 10_000 else 20)
        if not tag and "xds-storm" in names:
            for delta in (False, True):
                yield storm_row(site, STORM if size >= 10_000 else 20, delta=delta)
        if not tag and "limited" in names:
            yield limited_row(site)


def stream_rows(site: Site, tag: str, count: int, *, delta: bool) -> Iterator[Row]:
    """Yield the rows of a full set to *count* new clients, and of updates to them; and memory."""
    plan, size = site.plan, site.made.size
    wire = "delta" if delta else "SotW"
    name = f"xds-{wire.lower()}{tag}-{count}"
    about = f"{wire}, {CALLED[tag]}"
    judged = size == 10_000 and count == plan.crowd == 200
    full = Row(f"{name}-full", f"{about}: full set → last of {count} new clients", size, "s")
    commit = Row(f"{name}-commit", f"{about}: one file, committed → last of {count}", size, "ms")
    update = Row(f"{name}-update", f"{about}: the same, published → last of {count}", size, "ms")
    memory = Row(f"{name}-memory", f"… peak memory of all of it, {count} clients", size, "MB")
    full.floors, update.floors = [Floor(ECHO)], [Floor(ECHO)]
    commit.floors = [Floor(FETCH)]
    if judged:
        full.target, update.target, memory.target = FULL[delta], UPDATE[delta], 600e6
    payloads = site.folder / f"payloads-{name}"
    payloads.mkdir()
    mirror = floors.SecondMirror(site.made, site.folder / f"second-{name}.git")
    for run in range(plan.repeat):
        full.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
        with pinned(site) as source:
            with XdsSinks(source.address, site, count, delta=delta) as sinks:
                before = source.cpu()
                sinks.dial(counts_of(site))
                report = sinks.report()
                full.values.append(report["last"] - report["started"])
                full.notes.setdefault("source_cpu", []).append(source.cpu() - before)
                full.notes.setdefault("decoding", []).append(report["decoding"])
                full.notes.setdefault("clients_cpu", []).append(report["cpu"])
                for _ in range(3):
                    _one_update(site, source, sinks, (commit, update), delta=delta)
                    commit.floors[0].values.append(mirror.fetch())
                _check(sinks, site, payloads)
            memory.values.append(source.memory.tree)
        _echoed(site, payloads, count, (full, update), delta=delta)
        plan.say(
            f"{name} {run + 1}: full {full.values[-1]:.3f} s "
            f"(CPU {full.notes['source_cpu'][-1]:.2f}, of clients {report['cpu']:.2f}, "
            f"echo {full.floors[0].values[-1]:.3f}, its CPU {full.notes['echo_cpu'][-1]:.2f}, "
            f"{full.notes['payload'] / 1e6:.1f} MB a set), update {update.median * 1000:.1f} ms "
            f"(CPU {1000 * update.notes['source_cpu'][-1]:.0f}, "
            f"echo {update.floors[0].values[-1] * 1000:.1f}), "
            f"{memory.values[-1] / 1e6:.0f} MB"
        )
    yield from (full, commit, update, memory)


def _one_update(
    site: Site, source: Source, sinks: Sinks, rows: tuple[Row, Row], *, delta: bool
) -> None:
    """Time one changed file, an endpoint if there are any, into both rows."""
    change = site.committer.prepare(_to_change(site))
    time.sleep(0.3)
    for row in rows:
        row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
    sinks.arm()
    before = source.cpu()
    site.committer.publish(change)
    moved = time.monotonic()
    source.sync()
    report = sinks.report()
    _expected(change, report["push"], site, delta=delta)
    published = datetime.fromisoformat(source.status()["published"]["at"]).timestamp()
    rows[0].values.append(report["last"] - moved)
    rows[1].values.append(report["last"] - (published - time.time() + time.monotonic()))
    rows[1].notes.setdefault("source_cpu", []).append(source.cpu() - before)


def _to_change(site: Site) -> int:
    wanted = "ClusterLoadAssignment" if "envoy/endpoints" in site.counts else site.made.mix[0]
    return next(n for n in range(7, 99) if documents.kind_of(n, site.made.mix) == wanted)


def _expected(change: OneFile, push: Mapping[str, Any], site: Site, *, delta: bool) -> None:
    part = delta or change.collection == "envoy/endpoints"
    count = 1 if part else site.counts[change.collection]
    url = envoy_documents.URLS[change.collection]
    if (push["collection"], push["resources"], push["removed"]) != (url, count, 0) or (
        delta and push["names"] != [change.name]
    ):
        raise MeasureError(f"{change.name} changed, and the clients were sent {push}")


def _check(sinks: Sinks, site: Site, payloads: Path | None = None) -> None:
    """Fail unless the first client holds everything, having decoded every body."""
    found = sinks.check(payloads)
    for url, count in counts_of(site).items():
        if found[url] != count:
            raise MeasureError(f"{url}: {count} expected, held {found[url]}")


def _echoed(site: Site, payloads: Path, count: int, rows: tuple[Row, Row], *, delta: bool) -> None:
    """Time the same responses from a server that does nothing else."""
    files = sorted(payloads.iterdir(), key=lambda file: int(file.name.partition("-")[2]))
    # The first ones are the full set, the last three updates.
    full, last = files[:-3], files[-1]
    rows[0].notes["payload"] = sum(file.stat().st_size for file in full)
    rows[1].notes["payload"] = last.stat().st_size
    with processes.echo([*full, last], 0) as (address, server):
        os.sched_setaffinity(server.process.pid, SERVER)
        with XdsSinks(address, site, count, delta=delta) as sinks:
            before = processes.cpu_of(server.process.pid)
            sinks.dial(counts_of(site))
            report = sinks.report()
            after = processes.cpu_of(server.process.pid)
            rows[0].notes.setdefault("echo_cpu", []).append(after - before)
            rows[0].notes.setdefault("echo_clients_cpu", []).append(report["cpu"])
            rows[0].floors[0].values.append(report["last"] - report["started"])
            for _ in range(3):
                time.sleep(0.2)
                sinks.arm()
                pushed = time.monotonic()
                server.tell(str(len(full)))
                rows[1].floors[0].values.append(sinks.report()["last"] - pushed)
    for file in files:
        file.unlink()


def idle_rows(site: Site, count: int) -> Iterator[Row]:
    """Yield what each of many idle delta streams takes, and how long an update takes to all."""
    plan, size = site.plan, site.made.size
    each = Row("xds-idle-memory", f"each of {count} idle delta streams: memory", size, "KB")
    update = Row("xds-idle-update", f"delta, one update → last of {count} idle", size, "ms")
    commit = Row("xds-idle-commit", f"… with git, from the commit on, {count} idle", size, "ms")
    if size == 10_000:
        each.target, update.target = 60e3, 0.6
    for _ in range(max(1, plan.repeat // 2)):
        with pinned(site) as source:
            # One client first, so that what all share is there.
            with XdsSinks(source.address, site, 1, delta=True) as sinks:
                sinks.dial(counts_of(site))
                sinks.report()
            alone = _at_rest(source)
            with XdsSinks(source.address, site, count, delta=True) as sinks:
                sinks.dial(counts_of(site))
                report = sinks.report()
                each.notes.setdefault("full_set", []).append(report["last"] - report["started"])
                each.values.append((_at_rest(source) - alone) / count)
                for _ in range(3):
                    _one_update(site, source, sinks, (commit, update), delta=True)
        plan.say(
            f"idle: {each.values[-1] / 1e3:.1f} KB each, update {update.median * 1000:.0f} ms, "
            f"full sets {each.notes['full_set'][-1]:.1f} s"
        )
    yield from (each, update, commit)


def _at_rest(source: Source) -> int:
    """Return what memory is resident once it had the time to give back what it does not need."""
    source.settled()
    time.sleep(GIVES_BACK)
    return source.resident()


def limited_row(site: Site) -> Row:
    """
    Return how long a classic incremental sink with gRPC's limit takes for all clusters.

    Fails if a full-state sink with that limit, which can never have them, is not told of once.
    """
    title = "classic MCP, incremental, takes 4 MiB at most: full set → it holds everything"
    row = Row("limited", title, site.made.size, "s")
    large = site.made.size >= 10_000
    for _ in range(site.plan.repeat):
        with pinned(site) as source:
            address, names = source.address, site.collections
            with Sinks(address, names, 1, incremental=True, limit=LIMIT) as sinks:
                sinks.dial(site.counts)
                report = sinks.report()
                row.values.append(report["last"] - report["started"])
                row.notes["last_push"] = report["push"]
            for _ in range(2 if large else 0):
                with Sinks(address, names, 1, limit=LIMIT) as sinks:
                    sinks.dial(site.counts)
                    _lost(sinks)
            told = source.log().count("WARNING")
            if large and told != 1:
                raise MeasureError(f"a sink that cannot take its collection: told {told} times")
    return row


def _lost(sinks: Sinks) -> None:
    try:
        sinks.report()
    except MeasureError:
        return
    raise MeasureError("a sink took more than it takes")


def storm_row(site: Site, count: int, *, delta: bool) -> Row:
    """Return how long it takes *count* clients that hold everything to come back at once."""
    wire = "delta" if delta else "SotW"
    title = f"{wire}: {count} clients that hold everything dial again → the last was heard"
    row = Row(f"xds-storm-{wire.lower()}", title, site.made.size, "s")
    row.target = 5.0 if site.made.size == 10_000 else None
    for _ in range(max(1, site.plan.repeat // 2)):
        with pinned(site) as source, XdsSinks(source.address, site, count, delta=delta) as sinks:
            sinks.dial(counts_of(site))
            sinks.report()
            source.settled()
            row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
            before = source.cpu()
            report = sinks.storm()
            if report["resent"]:
                raise MeasureError(f"{report['resent']} resources were sent again in a storm")
            row.values.append(report["last"] - report["started"])
            row.notes.setdefault("source_cpu", []).append(source.cpu() - before)
            row.notes.setdefault("memory", []).append(source.memory.tree)
        site.plan.say(
            f"{row.name}: {row.values[-1]:.2f} s (CPU {row.notes['source_cpu'][-1]:.2f}), "
            f"peak {row.notes['memory'][-1] / 1e6:.0f} MB"
        )
    return row
