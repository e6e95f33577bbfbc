"""
The meeting point of the two halves: what is served, who watches it, and what sinks said of it.

Rule: used on the event loop's thread only, so nothing here locks. The write half sets a group's
snapshot and the watches wake; the read half leaves a `SinkReport` for each thing that happened to a
stream. Memory is bounded by what is served, the window of diff bases and a constant for each sink.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

from gitsource.model import Collection, Resource, Snapshot
from gitsource.snapshot.build import CollectionDelta
from gitsource.snapshot.endings import Endings
from gitsource.snapshot.gone import Gone
from gitsource.snapshot.reports import (
    CollectionStatus,
    Identity,
    SinkReport,
    SinkStatus,
    Verdicts,
    Wanted,
)
from gitsource.snapshot.window import Window

DEFAULT = "default"
"""The group every sink is in."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How far a snapshot has come, among the sinks that are connected and have subscribed."""

    sinks: int
    """Streams with at least one subscription."""
    accepted: int
    """Those whose last ACK of every collection they ask for is the version in the snapshot."""
    waiting: tuple[str, ...]
    """The others, by node ID or else address."""
    refused: tuple[str, ...] = ()
    """Those of the others that refused a part of it: they accept it after another try at most."""

    @property
    def complete(self) -> bool:
        """Whether no sink is waited for; also true if there is none."""
        return not self.waiting


class SnapshotCache:
    """Snapshots by group, with the watches on them and the reports about them."""

    def __init__(
        self,
        *,
        window: Window | None = None,
        verdicts: Verdicts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._window = window or Window()
        self._verdicts = verdicts or Verdicts()
        self._clock = clock
        self._groups: dict[str, Snapshot] = {}
        self._watches: dict[str, dict[int, Callable[[], None]]] = {}
        self._listeners: dict[int, Callable[[SinkReport], None]] = {}
        self._sinks: dict[int, SinkStatus] = {}
        self._past: dict[str, Gone] = {}
        self._changed: dict[str, float] = {}
        """When each collection came to what is served of it, in seconds since the epoch."""
        self.endings = Endings()
        """Streams that were ended for what their sinks did, or not taken at all."""
        self._keys = count()
        self._streams = count(1)

    def __repr__(self) -> str:
        served = {name: snapshot.version for name, snapshot in self._groups.items()}
        return f"<SnapshotCache serves={served} streams={len(self._sinks)}>"

    # ------------------------------------------------------------------ snapshots

    def set(self, group: str, snapshot: Snapshot) -> None:
        """Serve *snapshot* to *group* from now on and wake its watches."""
        before = self._groups.get(group)
        self._groups[group] = snapshot
        self._note_changes(before, snapshot)
        if before is not None:
            self._note_gone(group, before, snapshot)
        self._window.serve(
            before.collections.values() if before is not None else (),
            snapshot.collections.values(),
        )
        self.wake(group)

    def _note_changes(self, before: Snapshot | None, snapshot: Snapshot) -> None:
        """Remember since when each collection is what it is: ages count from there."""
        now = self._clock()
        for name in snapshot.collections.keys() | (before.collections.keys() if before else ()):
            version = snapshot.collection(name).version
            if before is None or before.collection(name).version != version:
                self._changed[name] = now

    def _note_gone(self, group: str, before: Snapshot, snapshot: Snapshot) -> None:
        """Remember what was served *before* and is no longer."""
        gone = self._past.setdefault(group, Gone())
        for name in before.collections.keys() | snapshot.collections.keys():
            old, new = before.collection(name), snapshot.collection(name)
            if old.version != new.version:
                changes = self._window.between(old, new)
                gone.note(old, changes.removed)
                for one in changes.put:
                    gone.back(name, one.name)

    def gone(self, collection: str, name: str, group: str = DEFAULT) -> Resource | None:
        """Return a resource that *group* is served no longer, as it was last, if still known."""
        known = self._past.get(group)
        return known.find(collection, name) if known is not None else None

    def get(self, group: str = DEFAULT) -> Snapshot | None:
        """Return what *group* is served; None before its first snapshot."""
        return self._groups.get(group)

    def clear(self, group: str) -> None:
        """Serve *group* nothing until its next snapshot: requests wait, nothing is withdrawn."""
        before = self._groups.pop(group, None)
        self._window.serve(before.collections.values() if before is not None else (), ())
        self.wake(group)

    def watch(self, wake: Callable[[], None], group: str = DEFAULT) -> Callable[[], None]:
        """Call *wake* after each change of what *group* is served; returns how to cancel."""
        key = next(self._keys)
        watches = self._watches.setdefault(group, {})
        watches[key] = wake
        return partial(_drop, watches, key)

    def wake(self, group: str = DEFAULT) -> None:
        """Wake the watches of *group*: what is made of its snapshot has changed."""
        for wake in tuple(self._watches.get(group, {}).values()):
            wake()

    def find(self, collection: str, version: str) -> Collection | None:
        """Return a version of *collection* that is served, or was and is still kept."""
        return self._window.find(collection, version)

    def delta(self, collection: str, base: str, target: Collection) -> CollectionDelta | None:
        """Return what turns version *base* into *target*; None if *base* is no longer kept."""
        return self._window.delta(collection, base, target)

    def between(self, base: Collection, target: Collection) -> CollectionDelta:
        """Return what turns *base* into *target*, whether *base* is kept or not."""
        return self._window.between(base, target)

    def derived(self, before: Collection | None, now: Collection | None) -> None:
        """
        Keep *now*, made of what is served and served in place of *before*, as a diff base.

        Whoever makes it says so once for each that it serves, and says in the end (with None for
        *now*) that it serves it no longer.
        """
        self._window.derive(before, now)

    # ------------------------------------------------------------------ what sinks said

    def open_stream(self) -> int:
        """Return the number of a new stream."""
        return next(self._streams)

    def report(self, report: SinkReport, *, protocol: str = "mcp") -> None:
        """Take in what happened on a stream, then tell the listeners."""
        if report.event == "connected":
            self._sinks[report.stream] = SinkStatus(
                report.stream, report.peer, protocol, self._clock(), report.sink
            )
        elif report.event == "disconnected":
            if report.ours:
                sink = report.sink if isinstance(report.sink, str) else ""
                self.turned_away(report.peer, protocol, report.error, sink=sink)
            self._gone(report.stream)
        else:
            self._noted(report)
        for listener in tuple(self._listeners.values()):
            listener(report)

    def _noted(self, report: SinkReport) -> None:
        sink = self._sinks[report.stream]
        sink.identity = report.sink
        if report.event == "returned":
            sink.returned = report.version
            return
        status = sink.collections.get(report.requested)
        if status is None:
            status = sink.collections[report.requested] = CollectionStatus(report.collection)
        if report.event != "subscribed":
            status.since = self._clock()
        if report.event == "sent":
            status.sent, status.note = report.version, report.note or None
        elif report.event == "subscribed" and report.version:
            status.acked = report.version
            self._verdicts.accept(report.sink, report.collection, report.version)
        elif report.event == "acked":
            status.acked, status.nacked, status.error = report.version, None, None
            if not report.part:
                self._verdicts.accept(report.sink, report.collection, report.version)
        elif report.event == "nacked":
            status.nacked, status.error = report.target or report.version, report.error
            for version in {report.version, report.target or report.version}:
                self._verdicts.refuse(report.sink, report.collection, version, report.error)

    def turned_away(self, peer: str, protocol: str, why: str, *, sink: str = "") -> bool:
        """Note a stream that was not taken, or ended; returns whether that is news."""
        return self.endings.note(self._clock(), sink, peer, protocol, why)

    def assign(
        self,
        stream: int,
        *,
        views: tuple[str, ...] | None,
        wanted: Wanted,
        rights: dict[str, Any] | None = None,
    ) -> None:
        """
        Say which *views* take the sink of an open *stream*, and what it should have.

        *rights*: what it may receive, for the status; None where everybody may receive everything.
        """
        sink = self._sinks.get(stream)
        if sink is not None:
            sink.views, sink.wanted, sink.rights = views, wanted, rights

    def _gone(self, stream: int) -> None:
        sink = self._sinks.pop(stream)
        for status in sink.collections.values():
            # An anonymous sink cannot come back as itself: its verdicts die with its stream.
            self._verdicts.forget(stream, status.collection)

    def listen(self, listener: Callable[[SinkReport], None]) -> Callable[[], None]:
        """Call *listener* with every report; returns how to cancel."""
        key = next(self._keys)
        self._listeners[key] = listener
        return partial(_drop, self._listeners, key)

    def refused(self, identity: Identity, collection: str, version: str) -> bool:
        """Whether *identity* NACKed this version of *collection* and never accepted it since."""
        verdict = self._verdicts.of(identity, collection)
        return verdict is not None and version in verdict.refused

    def forgive(self, identity: Identity) -> None:
        """Forget what *identity* refused: it may be sent again."""
        names = {
            status.collection
            for sink in self._sinks.values()
            if sink.identity == identity
            for status in sink.collections.values()
        }
        for name in names:
            self._verdicts.forgive(identity, name)

    def last_accepted(self, identity: Identity, collection: str) -> str | None:
        """Return the version of *collection* that *identity* ACKed last, if that is remembered."""
        verdict = self._verdicts.of(identity, collection)
        return verdict.accepted if verdict is not None else None

    # ------------------------------------------------------------------ status

    @property
    def streams(self) -> int:
        """Open streams."""
        return len(self._sinks)

    def sinks(self, group: str = DEFAULT) -> list[dict[str, Any]]:
        """Return a row for each open stream, as in the status JSON, oldest first."""
        snapshot = self._groups.get(group)
        rows = []
        for sink in self._sinks.values():
            row = sink.as_json()
            for name in sink.collections:
                row["collections"][name]["behind"] = self._behind(sink, name, snapshot)
                self._tell_refused_before(sink, name, row["collections"][name], snapshot)
            rows.append(row)
        return rows

    def _behind(self, sink: SinkStatus, name: str, snapshot: Snapshot | None) -> float | None:
        """Return for how many seconds there is something newer than it accepted, if there is."""
        status = sink.collections[name]
        if snapshot is None or status.acked == sink.target(snapshot, name):
            return None
        return round(self._clock() - self._changed.get(status.collection, self._clock()), 3)

    def _tell_refused_before(
        self,
        sink: SinkStatus,
        name: str,
        row: dict[str, Any],
        snapshot: Snapshot | None,
    ) -> None:
        """Say why a sink does not get what is served: it refused that on an earlier stream."""
        status = sink.collections[name]
        verdict = self._verdicts.of(sink.identity, status.collection)
        if snapshot is None or verdict is None:
            return
        current = sink.target(snapshot, name)
        if current is None or current not in verdict.refused or status.nacked == current:
            return
        got = "got what it accepted last" if status.sent else "what it accepted last is not kept"
        row["nacked"] = current
        row["error"] = (
            f"{verdict.refused[current]} (refused earlier; {got}; waits for the next version)"
        )

    def accepted(self, snapshot: Snapshot) -> Acceptance:
        """Return how many of the connected sinks have accepted *snapshot*."""
        waiting, refused = [], []
        subscribed = [sink for sink in self._sinks.values() if sink.collections]
        for sink in subscribed:
            missing = [
                (status, target)
                for name, status in sink.collections.items()
                if status.acked != (target := sink.target(snapshot, name))
            ]
            if missing:
                waiting.append(sink.label)
            if any(self._refuses(sink, status, target) for status, target in missing):
                refused.append(sink.label)
        accepted = len(subscribed) - len(waiting)
        return Acceptance(len(subscribed), accepted, tuple(waiting), tuple(refused))

    def _refuses(self, sink: SinkStatus, status: CollectionStatus, target: str | None) -> bool:
        """Whether *sink* refused the version *target*, on this stream or on an earlier one."""
        if target is None:
            return False
        return status.nacked == target or self.refused(sink.identity, status.collection, target)


def _drop(callbacks: dict[int, T], key: int) -> None:
    callbacks.pop(key, None)
