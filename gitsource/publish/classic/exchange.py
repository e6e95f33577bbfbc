"""
The exchange with one sink: say what the sink said, get what to send. No I/O, no clock of its own.

Rule: at most one push of a collection is un-answered, and it is always the newest: nothing queues.
A version that was refused is not offered again by itself. What a sink may not have any more is
taken from it first, by itself, as soon as nothing of that collection is un-answered. What it holds
is known by version alone; the bodies are looked up among the versions that are kept, and when the
one needed is gone the sink gets the whole collection.

What can happen to one subscription is the table in `states`, what to send is worked out in
`content`. What is too large for one message goes in several (`chunks`), each after the ACK of the
one before.

A transport calls `receive` for each request, asks `offer` what to send whenever it could write
(after a request, a new snapshot, the end of a write, or at `next_look`), and says `sent` before it
writes. Which wire the words travel on, and who dialled whom, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gitsource.catalog.whole import Catalog
from gitsource.errors import OverLimit
from gitsource.model import Collection, Snapshot
from gitsource.publish.classic.states import TRANSITIONS, Event, InFlight, State, Stated, Watch
from gitsource.publish.sending.chunks import Chunks, as_stated
from gitsource.publish.sending.content import Contents, Identity, Kept, identity_of, itself
from gitsource.publish.words import (
    Acked,
    Heard,
    Holding,
    Nacked,
    Named,
    Node,
    Push,
    Request,
    Stale,
    Subscribed,
    weight,
)

PATIENCE = 1.0
"""Seconds a push waits for the answer to another one that has to arrive first."""
SETTLE = 0.005
"""Seconds after a subscription in which others may come in, to be ordered with it."""
STATED = 10_000
"""Differences from a known version remembered for one stream; with more it gets full state."""
LARGEST = 2**31 - 1
"""The largest message of gRPC, in bytes."""

# --------------------------------------------------------------------------- the machine


@dataclass(frozen=True, slots=True)
class _Due:
    """A subscription for which there is something to send."""

    watch: Watch
    target: Collection
    ready: bool
    until: float
    """If it is not ready: how long others that come after it wait."""
    removes: bool = False
    """Whether nothing is added or changed."""
    left: Collection | None = None
    """What the sink may still have of what it has; None: all of that, as far as is known."""


class Exchange:
    """All subscriptions of one stream."""

    def __init__(
        self,
        stream: int,
        kept: Kept,
        catalog: Callable[[], Catalog],
        *,
        chunks: Chunks | None = None,
        whole: bool = True,
        settle: float = SETTLE,
        patience: float = PATIENCE,
    ) -> None:
        """*whole*: whether the wire has full state; one that has not always merges."""
        self.identity: Identity = stream
        """By the first node ID the sink tells; until then the number of its stream."""
        self.whose = ""
        """What the sink proved to be; empty if nothing."""
        self.within: Callable[[Collection], Collection] = itself
        """What the sink may be sent of a collection of any time."""
        self.node: Node | None = None
        """Who the sink said it is, at first."""
        self.next_look: float | None = None
        """When `offer` may have something even if nothing happens before; None: it will not."""
        self._kept = kept
        self._catalog = catalog
        self._contents = Contents(kept, chunks or Chunks(LARGEST), whole=whole)
        self._whole = whole
        self._settle = settle
        self._patience = patience
        self._watches: dict[str, Watch] = {}
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

    def wanted(self, snapshot: Snapshot, _requested: str, collection: str) -> str:
        """Return the version that a subscription comes to once *snapshot* is accepted."""
        return snapshot.collection(collection).version

    def refuses(self, snapshot: Snapshot, requested: str) -> bool:
        """Whether the sink refused what *snapshot* has of *requested*."""
        watch = self._watches.get(requested)
        return watch is not None and watch.refused == snapshot.collection(watch.collection).version

    def retry(self) -> None:
        """Forget what was refused on this stream; `Kept` may still know better."""
        for watch in self._watches.values():
            watch.refused = None

    def holdings(self) -> Iterator[Holding]:
        """Yield what each subscription was sent last and has accepted."""
        for watch in self._watches.values():
            sent, accepted = watch.in_flight, watch.accepted
            last = sent.version if sent is not None else watch.refused or accepted
            yield Holding(
                watch.requested,
                watch.collection,
                self._contents.known(watch.collection, last, sent.state if sent else None),
                self._contents.known(watch.collection, accepted, watch.held),
                watch.refused,
            )

    def stuck(self, snapshot: Snapshot) -> bool:
        """
        Whether a sink has what it may not have any more, and cannot be told that now.

        It may have what is un-answered, and nothing more is sent until it answers. What it may have
        of a version that nobody knows any more is not known either.
        """
        for watch in self._watches.values():
            sent = watch.in_flight
            if sent is None or sent.version == snapshot.collection(watch.collection).version:
                continue
            state = self._contents.known(watch.collection, sent.version, sent.state)
            if state is None or self.within(state) is not state:
                return True
        return False

    def named(self, requested: str) -> Named:
        """Return what the sink names under *requested*, which it subscribed to."""
        watch = self._watches[requested]
        # On a wire without full state what it holds is remembered as it is.
        stated = None if self._whole else watch.held
        return Named(every=True, stated=stated, own=watch.stated_bytes if watch.stated else 0)

    # ------------------------------------------------------------------ hearing

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
        """Take in what the sink says; *snapshot* is what is served, if anything is."""
        if self.node is None:
            self.node = request.node
        if request.node_id and isinstance(self.identity, int):
            self.identity = identity_of(self.whose, request.node_id)
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
        self, watch: Watch | None, request: Request, snapshot: Snapshot | None, now: float
    ) -> Subscribed:
        first = watch is None
        if watch is None:
            name = self.collection(self._catalog(), request.collection)
            watch = self._watches[request.collection] = Watch(
                request.collection,
                name,
                self._catalog().rank(name),
                TRANSITIONS[None][Event.SUBSCRIBE],
                now,
            )
        else:
            watch.move(Event.SUBSCRIBE)
        # Whatever was in flight is void, and what the sink holds is no longer known.
        lost = watch.in_flight
        watch.in_flight, watch.accepted, watch.stated = None, None, None
        watch.asked_at, watch.incremental = now, request.incremental
        watch.merges = request.incremental
        if not self._whole:
            self._merge_only(watch, lost, request, snapshot, first=first)
        elif first and request.incremental and request.initial_versions:
            watch.held = None
            watch.stated = self._compared(watch, request, snapshot)
            if watch.stated is not None:
                watch.stated_bytes = weight(f"{k}{v}" for k, v in watch.stated.other.items())
        else:
            watch.held = None
        resumed = self._resumed(watch, request, snapshot)
        return Subscribed(
            watch.requested,
            watch.collection,
            watch.incremental,
            len(request.initial_versions),
            resumed,
        )

    def collection(self, catalog: Catalog, requested: str) -> str:
        """Return the collection of *catalog* that a sink means by *requested*, or that itself."""
        kind = catalog.by_collection.get(requested)
        return kind.collection if kind else requested

    def _resumed(self, watch: Watch, request: Request, snapshot: Snapshot | None) -> str:
        """Take a sink at its word that it holds what is served; returns that version, or ""."""
        if not request.version or snapshot is None:
            return ""
        current = snapshot.collection(watch.collection)
        if current.version != request.version or self._refuses(watch, current.version):
            return ""
        watch.move(Event.RESUME)
        watch.accepted = current.version
        return current.version

    def _merge_only(
        self,
        watch: Watch,
        lost: InFlight | None,
        request: Request,
        snapshot: Snapshot | None,
        *,
        first: bool,
    ) -> None:
        """Work out what a sink holds that cannot be sent full state."""
        if first:
            stated = self._compared(watch, request, snapshot)
            base = self._contents.find(watch.collection, stated.base) if stated else None
            if stated is None or base is None:
                raise OverLimit(
                    f"initial_resource_versions differ in more than {STATED} resources",
                    hint="reconnect without them, holding nothing",
                )
            watch.held = as_stated(base, stated.other)
            return
        watch.again = True
        if lost is not None and lost.state is not None and watch.held is not None:
            # It may have merged that, so its names have to go as well if they are not served.
            more = {one.name: one for one in lost.state if watch.held.get(one.name) is None}
            watch.held = watch.held.changed((), more)

    def _compared(self, watch: Watch, request: Request, snapshot: Snapshot | None) -> Stated | None:
        """Return what the sink says it holds, or None if that is more than may be remembered."""
        watches = self._watches.values()
        remembered = sum(len(other.stated.other) for other in watches if other.stated)
        most = STATED - remembered
        return self._contents.compared(watch.collection, request.initial_versions, snapshot, most)

    def _answered(
        self, watch: Watch, in_flight: InFlight, request: Request, now: float
    ) -> Acked | Nacked:
        watch.in_flight, watch.incremental = None, request.incremental
        seconds = now - in_flight.sent_at
        about = watch.requested, watch.collection
        if request.error is not None:
            watch.move(Event.NACK)
            # A part that is refused is the whole refused: there is no other way there.
            watch.refused = in_flight.goal
            return Nacked(*about, in_flight.goal, in_flight.nonce, seconds, request.error)
        watch.move(Event.ACK)
        watch.accepted, watch.stated, watch.again = in_flight.version, None, False
        watch.held, watch.merges = in_flight.state, request.incremental
        if watch.refused == watch.accepted:
            watch.refused = None
        part = in_flight.version != in_flight.goal
        return Acked(*about, in_flight.version, in_flight.nonce, seconds, part)

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
        if (lost := next((one for one in due if one.left is not None), None)) is not None:
            return self._push(lost)
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
        watch.in_flight = InFlight(
            push.nonce, push.version, now, push.goal or push.version, push.state
        )
        self._nonces += 1

    def _due(self, watch: Watch, snapshot: Snapshot, now: float) -> _Due | None:
        target = self._target(watch, snapshot)
        if target is None:
            return None
        if watch.in_flight is not None:
            return _Due(watch, target, ready=False, until=watch.in_flight.sent_at + self._patience)
        settled = watch.asked_at + self._settle
        ready = watch.state is not State.ASKED or settled <= now
        left = self._left(watch)
        if left is not None and left.version == target.version:
            left = target
        return _Due(watch, target, ready, settled, left=left)

    def _left(self, watch: Watch) -> Collection | None:
        """Return what may be left of what *watch* has, if that is less and it is to be told so."""
        if watch.state is State.ASKED or watch.in_flight is not None:
            return None  # An answer is owed as a whole, and has nothing of it; or is waited for.
        has = self._contents.base(watch)
        left = has if has is None else self.within(has)
        # It is told though it refused that version at another time, but not again and again.
        if left is None or left is has:
            return None
        just = watch.state is State.REFUSED and left.version == watch.refused
        return None if just else left

    def _target(self, watch: Watch, snapshot: Snapshot) -> Collection | None:
        """Return what *watch* should hold and does not, if there is such a thing."""
        current = snapshot.collection(watch.collection)
        if watch.state is not State.ASKED:
            on_its_way = watch.in_flight.version if watch.in_flight else watch.accepted
            if current.version == on_its_way:
                return None
        if not self._refuses(watch, current.version):
            return current
        on_the_way = watch.held is not None and watch.state is State.REFUSED and self._whole
        if (left := self._left(watch)) is not None:
            return left
        if watch.state is not State.ASKED and not on_the_way:
            return None
        # What it accepted last; also for one who refused a part and now holds something halfway.
        last = self._kept.last_accepted(self.identity, watch.collection)
        if last is None or last in {watch.accepted, watch.refused}:
            return None
        found = self._kept.find(watch.collection, last)
        left = found if found is None else self.within(found)
        owed = watch.state is State.ASKED
        return left if left is None or owed or not self._refuses(watch, left.version) else None

    def _refuses(self, watch: Watch, version: str) -> bool:
        return version == watch.refused or self._kept.refused(
            self.identity, watch.collection, version
        )

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
        watch, target = one.watch, one.target if one.left is None else one.left
        content, state, note = self._contents.content(watch, target)
        # Nobody else keeps what is on the way, or what is left when something was lost.
        kept = state if state.version != one.target.version or not self._whole else None
        return Push(
            requested=watch.requested,
            collection=watch.collection,
            nonce=str(self._nonces + 1),
            version=state.version,
            content=content,
            goal=target.version,
            state=kept,
            note=note,
        )


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
