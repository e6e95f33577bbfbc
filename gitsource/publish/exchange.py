"""
The exchange with one sink: say what the sink said, get what to send. No I/O, no clock of its own.

Rule: at most one push of a collection is un-answered, and it is always the newest: nothing queues.
A version that was refused is not offered again by itself. What a sink holds is known by version
alone; the bodies are looked up among the versions that are kept, and when the one needed is gone
the sink gets the whole collection.

`TRANSITIONS` is all that can happen to one subscription; docs/protocol.md draws it. A transport
calls `receive` for each request, asks `offer` what to send whenever it could write (after a
request, a new snapshot, the end of a write, or at `next_look`), and says `sent` before it writes.
Which wire the words travel on, and who dialled whom, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, TypeAlias

from gitsource.catalog import Catalog
from gitsource.model import Collection, Resource, Snapshot, empty_collection
from gitsource.publish.words import (
    Acked,
    Delta,
    Full,
    Heard,
    Holding,
    Nacked,
    Node,
    Push,
    Request,
    Stale,
    Subscribed,
)

PATIENCE = 1.0
"""Seconds a push waits for the answer to another one that has to arrive first."""
SETTLE = 0.005
"""Seconds after a subscription in which others may come in, to be ordered with it."""
STATED = 10_000
"""Differences from a known version remembered for one stream; with more it gets full state."""

Identity: TypeAlias = str | int


# --------------------------------------------------------------------------- states


class State(Enum):
    """Where one subscription stands."""

    ASKED = "asked"
    """An answer is owed, whatever was sent before."""
    SENT = "sent"
    """One push is un-answered; news wait."""
    ACCEPTED = "accepted"
    """The last push was ACKed; news go out."""
    REFUSED = "refused"
    """The last push was NACKed; another version goes out."""


class Event(Enum):
    """What can happen to it."""

    SUBSCRIBE = "subscribe"
    PUSH = "push"
    ACK = "ACK"
    NACK = "NACK"
    STALE = "stale answer"


TRANSITIONS: Mapping[State | None, Mapping[Event, State]] = {
    None: {Event.SUBSCRIBE: State.ASKED},
    State.ASKED: {
        Event.SUBSCRIBE: State.ASKED,
        Event.PUSH: State.SENT,
        Event.STALE: State.ASKED,
    },
    State.SENT: {
        Event.ACK: State.ACCEPTED,
        Event.NACK: State.REFUSED,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.SENT,
    },
    State.ACCEPTED: {
        Event.PUSH: State.SENT,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.ACCEPTED,
    },
    State.REFUSED: {
        Event.PUSH: State.SENT,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.REFUSED,
    },
}
"""From state and event to state; what is not here cannot happen. None: before the first request."""


# --------------------------------------------------------------------------- the machine


class Changes(Protocol):
    """What turns one version of a collection into another."""

    @property
    def put(self) -> tuple[Resource, ...]:
        """Resources added or changed."""

    @property
    def removed(self) -> tuple[str, ...]:
        """Names that are gone."""


class Kept(Protocol):
    """What the exchange asks of the snapshot cache."""

    def find(self, collection: str, version: str) -> Collection | None:
        """Return a version that is still kept."""

    def delta(self, collection: str, base: str, target: Collection) -> Changes | None:
        """Return what turns *base* into *target*; None if *base* is no longer kept."""

    def refused(self, identity: Identity, collection: str, version: str) -> bool:
        """Whether *identity* NACKed this version."""

    def last_accepted(self, identity: Identity, collection: str) -> str | None:
        """Return the version that *identity* ACKed last."""


@dataclass(frozen=True, slots=True)
class _InFlight:
    nonce: str
    version: str
    sent_at: float


@dataclass(frozen=True, slots=True)
class _Holding:
    """What a sink said it holds, as differences from a version that is kept."""

    base: str
    other: Mapping[str, str | None]
    """Resource name to the version the sink has instead; None: it has none."""


@dataclass(slots=True)
class _Watch:
    """One subscription; at most `_Holding.other` in it is more than a few words."""

    requested: str
    collection: str
    rank: int
    state: State
    asked_at: float
    incremental: bool = False
    in_flight: _InFlight | None = None
    accepted: str | None = None
    """The version this sink holds, since it ACKed it on this stream."""
    refused: str | None = None
    """The version it refused last on this stream."""
    holding: _Holding | None = None
    """Until its first ACK, what it said it holds."""

    def move(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state][event]


@dataclass(frozen=True, slots=True)
class _Due:
    """A subscription for which there is something to send."""

    watch: _Watch
    target: Collection
    ready: bool
    until: float
    """If it is not ready: how long others that come after it wait."""
    removes: bool = False
    """Whether nothing is added or changed."""


class Exchange:
    """All subscriptions of one stream."""

    def __init__(
        self,
        stream: int,
        kept: Kept,
        catalog: Callable[[], Catalog],
        *,
        settle: float = SETTLE,
        patience: float = PATIENCE,
    ) -> None:
        self.identity: Identity = stream
        """The first node ID the sink tells; until then the number of its stream."""
        self.node: Node | None = None
        """Who the sink said it is, at first."""
        self.next_look: float | None = None
        """When `offer` may have something even if nothing happens before; None: it will not."""
        self._kept = kept
        self._catalog = catalog
        self._settle = settle
        self._patience = patience
        self._watches: dict[str, _Watch] = {}
        self._nonces = 0

    def __repr__(self) -> str:
        states = {watch.requested: watch.state.value for watch in self._watches.values()}
        return f"<Exchange identity={self.identity!r} nonces={self._nonces} {states}>"

    def __len__(self) -> int:
        return len(self._watches)

    def __contains__(self, requested: str) -> bool:
        return requested in self._watches

    # ------------------------------------------------------------------ how it stands

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether every subscription has accepted its collection of *snapshot*."""
        return all(
            watch.accepted == snapshot.collection(watch.collection).version
            for watch in self._watches.values()
        )

    def retry(self) -> None:
        """Forget what was refused on this stream; `Kept` may still know better."""
        for watch in self._watches.values():
            watch.refused = None

    def holdings(self) -> Iterator[Holding]:
        """Yield what each subscription was sent last and has accepted."""
        for watch in self._watches.values():
            sent = watch.in_flight.version if watch.in_flight else watch.refused or watch.accepted
            yield Holding(
                watch.requested,
                watch.collection,
                self._kept.find(watch.collection, sent) if sent else None,
                self._kept.find(watch.collection, watch.accepted) if watch.accepted else None,
                watch.refused,
            )

    # ------------------------------------------------------------------ hearing

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
        """Take in what the sink says; *snapshot* is what is served, if anything is."""
        if self.node is None:
            self.node = request.node
        if request.node_id and isinstance(self.identity, int):
            self.identity = request.node_id
        watch = self._watches.get(request.collection)
        in_flight = watch.in_flight if watch is not None else None
        answers = request.nonce or (request.error is not None and in_flight is not None)
        if not answers:
            return self._subscribe(watch, request, snapshot, now)
        if watch is None or in_flight is None or request.nonce not in {in_flight.nonce, ""}:
            if watch is not None:
                watch.move(Event.STALE)
            return Stale(request.collection, request.nonce)
        return self._answered(watch, in_flight, request, now)

    def _subscribe(
        self, watch: _Watch | None, request: Request, snapshot: Snapshot | None, now: float
    ) -> Subscribed:
        first = watch is None
        if watch is None:
            kind = self._catalog().by_collection.get(request.collection)
            watch = self._watches[request.collection] = _Watch(
                request.collection,
                kind.collection if kind else request.collection,
                self._catalog().rank(request.collection),
                TRANSITIONS[None][Event.SUBSCRIBE],
                now,
            )
        else:
            watch.move(Event.SUBSCRIBE)
        # Whatever was in flight is void, and what the sink holds is no longer known.
        watch.in_flight, watch.accepted, watch.holding = None, None, None
        watch.asked_at, watch.incremental = now, request.incremental
        if first and request.incremental and request.initial_versions:
            watch.holding = self._compared(watch, request.initial_versions, snapshot)
        return Subscribed(
            watch.requested, watch.collection, watch.incremental, len(request.initial_versions)
        )

    def _compared(
        self, watch: _Watch, stated: Mapping[str, str], snapshot: Snapshot | None
    ) -> _Holding | None:
        """Return *stated* as differences, or None if there are more than may be remembered."""
        if snapshot is None:
            base = empty_collection(watch.collection)
            other: dict[str, str | None] = dict(stated) if len(stated) <= STATED else {}
            differences = len(stated)
        else:
            base = snapshot.collection(watch.collection)
            other = {
                resource.name: stated.get(resource.name)
                for resource in base
                if stated.get(resource.name) != resource.version
            }
            if len(stated) + len(other) > len(base):  # else every name it stated is in the base
                known = set(base.names)
                other.update(
                    (name, version) for name, version in stated.items() if name not in known
                )
            differences = len(other)
        remembered = sum(len(w.holding.other) for w in self._watches.values() if w.holding)
        fits = differences + remembered <= STATED
        return _Holding(base.version, other) if fits else None

    def _answered(
        self, watch: _Watch, in_flight: _InFlight, request: Request, now: float
    ) -> Acked | Nacked:
        watch.in_flight, watch.incremental = None, request.incremental
        about = (
            watch.requested,
            watch.collection,
            in_flight.version,
            in_flight.nonce,
            now - in_flight.sent_at,
        )
        if request.error is not None:
            watch.move(Event.NACK)
            watch.refused = in_flight.version
            return Nacked(*about, request.error)
        watch.move(Event.ACK)
        watch.accepted, watch.holding = in_flight.version, None
        if watch.refused == watch.accepted:
            watch.refused = None
        return Acked(*about)

    # ------------------------------------------------------------------ offering

    def offer(self, snapshot: Snapshot | None, now: float) -> Push | None:
        """
        Return what to send now, if anything; nothing changes until it is `sent`.

        Before the first snapshot there is nothing: requests wait.
        """
        self.next_look = None
        if snapshot is None:
            return None
        due = [one for watch in self._watches.values() if (one := self._due(watch, snapshot, now))]
        if len(due) > 1:
            due = _in_order([self._told_apart(one) for one in due])
        waits: list[_Due] = []
        blocked = False
        for one in due:
            if one.ready:
                if all(other.watch.rank == one.watch.rank for other in waits):
                    return self._push(one)
                blocked = True
            elif one.until > now:
                waits.append(one)
        looks = [one.until for one in waits if blocked or one.watch.state is State.ASKED]
        self.next_look = min(looks, default=None)
        return None

    def sent(self, push: Push, now: float) -> None:
        """Note that *push*, the last one offered, is being written."""
        watch = self._watches[push.requested]
        watch.move(Event.PUSH)
        watch.in_flight = _InFlight(push.nonce, push.version, now)
        self._nonces += 1

    def _due(self, watch: _Watch, snapshot: Snapshot, now: float) -> _Due | None:
        target = self._target(watch, snapshot)
        if target is None:
            return None
        if watch.in_flight is not None:
            return _Due(watch, target, ready=False, until=watch.in_flight.sent_at + self._patience)
        settled = watch.asked_at + self._settle
        ready = watch.state is not State.ASKED or settled <= now
        return _Due(watch, target, ready, settled)

    def _target(self, watch: _Watch, snapshot: Snapshot) -> Collection | None:
        """Return what *watch* should hold and does not, if there is such a thing."""
        current = snapshot.collection(watch.collection)
        refused = current.version == watch.refused or self._kept.refused(
            self.identity, watch.collection, current.version
        )
        if watch.state is State.ASKED:
            if not refused:
                return current
            last = self._kept.last_accepted(self.identity, watch.collection)
            return self._kept.find(watch.collection, last) if last is not None else None
        on_its_way = watch.in_flight.version if watch.in_flight is not None else watch.accepted
        return None if refused or current.version == on_its_way else current

    def _told_apart(self, one: _Due) -> _Due:
        """Return *one*, knowing whether it only removes."""
        watch = one.watch
        base = watch.in_flight.version if watch.in_flight is not None else watch.accepted
        if base is None:
            return one
        changes = self._kept.delta(watch.collection, base, one.target)
        removes = changes is not None and bool(changes.removed) and not changes.put
        return replace(one, removes=removes)

    def _push(self, one: _Due) -> Push:
        watch, target = one.watch, one.target
        return Push(
            requested=watch.requested,
            collection=watch.collection,
            nonce=str(self._nonces + 1),
            version=target.version,
            content=self._delta(watch, target) or Full(target),
        )

    def _delta(self, watch: _Watch, target: Collection) -> Delta | None:
        """Return the delta to send, or None if it has to be full state."""
        held = watch.holding
        base = held.base if held is not None else watch.accepted
        if not watch.incremental or base is None:
            return None
        changes = self._kept.delta(watch.collection, base, target)
        if changes is None:
            return None
        if held is None:
            return Delta(base, changes.put, changes.removed)
        return _corrected(changes, held.other, target)


def _in_order(due: list[_Due]) -> list[_Due]:
    """
    Return *due* in the order in which to send: what is referred to before what refers to it.

    What only removes goes the other way round: after everything of higher rank that changes, since
    that may still refer to what goes; and first of all if nothing of higher rank changes.
    """
    top = max((one.watch.rank for one in due if not one.removes), default=-1)

    def place(one: _Due) -> tuple[int, int]:
        rank = one.watch.rank
        if not one.removes:
            return 1, rank
        return (0 if rank > top else 2), -rank

    return sorted(due, key=place)


def _corrected(changes: Changes, other: Mapping[str, str | None], target: Collection) -> Delta:
    """Return *changes* for a sink that differs from their base as *other* says."""
    put = {resource.name: resource for resource in changes.put}
    removed = set(changes.removed)
    for name, version in other.items():
        resource = target.get(name)
        put.pop(name, None)
        removed.discard(name)
        if resource is None:
            if version is not None:
                removed.add(name)
        elif resource.version != version:
            put[name] = resource
    return Delta(None, tuple(put[name] for name in sorted(put)), tuple(sorted(removed)))
