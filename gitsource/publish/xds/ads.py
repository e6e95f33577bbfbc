"""
The exchange with one xDS client: say what the client said, get what to send. No I/O, no clock.

Rule: the same as `publish.exchange` keeps, of resources rather than collections. Each type of a
stream is on its own: at most one response with news is un-answered, and it leads to the newest
snapshot by the steps of `steps`. What is asked for is answered at once, and over delta beside news
that are un-answered. What a client has is known by ACKs alone; contents that it refused are not
sent again until they change, and all others of the same response are.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

from gitsource.catalog.whole import Catalog
from gitsource.errors import ExchangeError, OverLimit
from gitsource.model import Collection, Snapshot
from gitsource.publish.classic.exchange import PATIENCE, SETTLE
from gitsource.publish.sending.content import Identity, Kept, identity_of, itself
from gitsource.publish.words import (
    Acked,
    Error,
    Heard,
    Holding,
    Nacked,
    Named,
    Node,
    Stale,
    Subscribed,
)
from gitsource.publish.xds import standing, subscription
from gitsource.publish.xds.blame import Grudges, judge
from gitsource.publish.xds.due import Due, beat, due, in_order, stuck
from gitsource.publish.xds.selection import Shelf
from gitsource.publish.xds.steps import Plan
from gitsource.publish.xds.subscription import NO_NAMES
from gitsource.publish.xds.types import CLUSTER, ENDPOINTS, type_of
from gitsource.publish.xds.watch import Event, Flight, State, Watch
from gitsource.publish.xds.words import ALL, DeltaRequest, Request, Response, SotwRequest

REMOVAL_TIMEOUT = 5.0
"""Seconds a step waits at most for the ACK of the one before."""
NAMES = 100_000
"""Names of resources that one stream may ask for, or say it has."""
SUBSCRIPTIONS = 1000
"""Types that one stream may ask for."""
SHOWN = 500
"""Characters kept of what a client says of what it refuses."""


@dataclass(slots=True)
class Memory:
    """What all streams of a server share: what was worked out, and what clients refused."""

    shelf: Shelf = field(default_factory=Shelf)
    grudges: Grudges = field(default_factory=Grudges)


class Ads:
    """All subscriptions of one stream."""

    def __init__(
        self,
        stream: int,
        kept: Kept,
        catalog: Callable[[], Catalog],
        memory: Memory | None = None,
        *,
        delta: bool,
        settle: float = SETTLE,
        patience: float = PATIENCE,
        timeout: float = REMOVAL_TIMEOUT,
        subscriptions: int = SUBSCRIPTIONS,
        names: int = NAMES,
    ) -> None:
        self.identity: Identity = stream
        """By the node ID the client tells; until then the number of its stream."""
        self.whose = ""
        """What the client proved to be; empty if nothing."""
        self.within: Callable[[Collection], Collection] = itself
        """What the client may be sent of a collection of any time."""
        self.node: Node | None = None
        self.next_look: float | None = None
        """When `offer` may have something even if nothing happens before; None: it will not."""
        self._kept = kept
        self._catalog = catalog
        self._memory = memory or Memory()
        self._shelf = self._memory.shelf
        self._delta = delta
        self._settle = settle
        self._patience = patience
        self._timeout = timeout
        self._bounds = (subscriptions, names)
        self._watches: dict[str, Watch] = {}
        self._ordered: list[Watch] = []
        self._nonces = 0

    def __repr__(self) -> str:
        states = {watch.type.label: watch.state.value for watch in self._ordered}
        mode = "delta" if self._delta else "SotW"
        return f"<Ads {mode} identity={self.identity!r} nonces={self._nonces} {states}>"

    def __len__(self) -> int:
        """Types and names that are subscribed to."""
        return len(self._watches) + sum(len(one.wanted.names) for one in self._ordered)

    def __contains__(self, requested: str) -> bool:
        return requested in self._watches

    # ------------------------------------------------------------------ how it stands

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether every subscription has accepted what it is to hold of *snapshot*."""
        plan = self._plan(snapshot, -inf)
        return all(standing.holds(watch, plan) for watch in self._ordered)

    def wanted(self, snapshot: Snapshot, requested: str, _collection: str) -> str | None:
        """
        Return the version whose ACK is waited for until *requested* has all of *snapshot*.

        That is the one reported last if there is nothing to wait for, None if there never was.
        """
        watch = self._watches.get(requested)
        if watch is None:
            return self._shelf.empty(requested).version
        return standing.wanted(watch, self._plan(snapshot, -inf))

    def refuses(self, snapshot: Snapshot, requested: str) -> bool:
        """Whether the client refused a part of what *snapshot* has of *requested*."""
        watch = self._watches.get(requested)
        if watch is None:
            return False
        return standing.refuses(watch, self._plan(snapshot, -inf), self._bad(watch))

    def retry(self) -> None:
        """Forget what was refused: it may be sent again. `Kept` may still know better."""
        for watch in self._ordered:
            watch.trouble = None
            self._memory.grudges.forgive(self.identity, watch.requested)

    def holdings(self) -> Iterator[Holding]:
        """Yield what each subscription was sent last and has accepted."""
        for watch in self._ordered:
            yield standing.holding(watch, self._bad(watch))

    def stuck(self, snapshot: Snapshot) -> bool:
        """Whether the client has what it may not have any more, and cannot be told that now."""
        plan = self._plan(snapshot, -inf)
        return any(stuck(watch, plan) for watch in self._ordered)

    def named(self, requested: str) -> Named:
        """Return what the client names under *requested*, a type that it asked for."""
        watch = self._watches[requested]
        wanted = watch.wanted
        return Named(wanted.names, wanted.all, watch.has if watch.strange else None)

    # ------------------------------------------------------------------ hearing

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
        """
        Take in what the client says; *snapshot* is what it is served, if anything is.

        Raises ExchangeError if it becomes another node, OverLimit if it asks for too much.
        """
        self._introduced(request.node)
        watch = self._watches.get(request.type_url)
        if watch is None:
            return self._subscribed(request, snapshot, now)
        if isinstance(request, DeltaRequest):
            return self._delta_again(watch, request, snapshot, now)
        return self._sotw_again(watch, request, snapshot, now)

    def _introduced(self, node: Node | None) -> None:
        if node is None or node == self.node:
            return
        if self.node is not None:
            raise ExchangeError(
                "a second, different node on one stream",
                hint="a node is told once, or every time the same",
            )
        self.node = node
        if node.id:
            self.identity = identity_of(self.whose, node.id)

    def _subscribed(self, request: Request, snapshot: Snapshot | None, now: float) -> Subscribed:
        """Take in the first request of a type, whatever nonce it carries."""
        url = request.type_url
        kind = self._catalog().by_collection.get(url)
        of = type_of(url, self._catalog().rank(url))
        stated = 0
        if isinstance(request, DeltaRequest):
            wanted, _ = subscription.delta(None, of, request.subscribe, request.unsubscribe)
            stated = len(request.initial_versions)
        else:
            wanted = subscription.sotw(None, of, request.names)
        self._bounded(len(wanted.names) + stated, types=1)
        collection = kind.collection if kind else url
        watch = Watch(
            of,
            url,
            collection,
            merges=self._delta or not of.complete,
            wanted=self._shelf.shared(wanted),
            has=self._shelf.empty(collection),
            ready_at=now + self._settle,
        )
        if isinstance(request, DeltaRequest):
            self._stated(watch, request, snapshot)
        elif watch.wanted.wildcard and not of.wrapped:
            # Whoever refused something since may have a part of that: it gets everything again.
            doubted = self._memory.grudges.doubted(self.identity, url)
            watch.stated = "" if doubted else request.version
        self._watches[url] = watch
        insort(self._ordered, watch, key=lambda one: one.type.order)
        if snapshot is not None:
            plan = self._plan(snapshot, now)
            self._skip(watch, plan)
            if standing.holds(watch, plan):
                watch.told = watch.has.version
        return Subscribed(url, collection, self._delta, stated, watch.told or "")

    def _stated(self, watch: Watch, request: DeltaRequest, snapshot: Snapshot | None) -> None:
        """Take in what a client has from an earlier stream."""
        if not request.initial_versions:
            return
        whole = self._shelf.empty(watch.collection)
        if snapshot is not None:
            whole = self._plan(snapshot, 0.0).whole(watch)
        has = self._shelf.stated(whole, request.initial_versions)
        watch.strange = has is not whole
        watch.has = self._shelf.narrowed(has, watch.wanted)
        if watch.requested == ENDPOINTS and (clusters := self._watches.get(CLUSTER)):
            needs = NO_NAMES.union(*(self._shelf.endpoints(one.put) for one in clusters.flights))
            watch.owed = frozenset(name for name in needs if watch.has.get(name))

    def _skip(self, watch: Watch, plan: Plan) -> None:
        """Say nothing to a client that needs to hear nothing."""
        if watch.merges:
            if not watch.flights and due(watch, plan) is None:
                watch.first, watch.owed = False, NO_NAMES
                watch.move(Event.HOLDS)
            return
        target = plan.target(watch)
        refused = self._kept.refused(self.identity, watch.collection, target.version)
        if watch.stated == target.version and not refused:
            watch.has, watch.sure, watch.first = target, True, False
            watch.move(Event.HOLDS)

    def _bounded(self, more: int, types: int = 0) -> None:
        most_types, most_names = self._bounds
        if len(self._watches) + types > most_types:
            text = f"more than {most_types} types on one stream (limits.subscriptions)"
            raise OverLimit(text)
        if len(self) - len(self._watches) + more > most_names:
            raise OverLimit(f"more than {most_names} names on one stream (limits.names)")

    def _delta_again(
        self, watch: Watch, request: DeltaRequest, snapshot: Snapshot | None, now: float
    ) -> Heard:
        flight = watch.flying(request.nonce) if request.nonce else None
        heard: Heard = Stale(request.type_url, request.nonce)
        if flight is not None:
            heard = self._answered(watch, flight, request.error, now)
        elif not request.subscribe and not request.unsubscribe:
            watch.move(Event.STALE)
        if not request.subscribe and not request.unsubscribe:
            return heard
        before = watch.wanted
        wanted, owed = subscription.delta(
            before, watch.type, request.subscribe, request.unsubscribe
        )
        self._bounded(len(wanted.names) - len(before.names))
        watch.wants(wanted, self._shelf, _whole(watch, snapshot))
        watch.owed = watch.owed - request.unsubscribe | owed if owed or watch.owed else NO_NAMES
        if owed or (ALL in request.subscribe):
            watch.move(Event.SUBSCRIBE)
            watch.ready_at = now
            if snapshot is not None:
                self._skip(watch, self._plan(snapshot, now))
        if flight is not None:
            return heard
        return Subscribed(watch.requested, watch.collection, incremental=True, stated=0)

    def _sotw_again(
        self, watch: Watch, request: SotwRequest, snapshot: Snapshot | None, now: float
    ) -> Heard:
        flight = watch.flying(request.nonce) if request.nonce else None
        repeats = request.nonce in {"", watch.nonce}
        if flight is None and (not repeats or request.error is not None):
            watch.move(Event.STALE)
            return Stale(request.type_url, request.nonce)
        heard: Heard | None = None
        if flight is not None:
            heard = self._answered(watch, flight, request.error, now)
        before = watch.wanted
        wanted = subscription.sotw(before, watch.type, request.names)
        if wanted == before:
            return heard or self._repeated(watch, request, now)
        self._bounded(len(wanted.names) - len(before.names))
        watch.wants(wanted, self._shelf, _whole(watch, snapshot))
        watch.ready_at = now
        if watch.merges:
            watch.owed = (watch.owed & watch.wanted.names) | (wanted.names - before.names)
        if watch.owed if watch.merges else not wanted.nothing:
            watch.flights = ()  # It was sent for other names: its content goes out again.
            watch.move(Event.SUBSCRIBE)
        return heard or Subscribed(watch.requested, watch.collection, incremental=False, stated=0)

    def _repeated(self, watch: Watch, request: SotwRequest, now: float) -> Heard:
        """Send again what is asked for again; not endlessly, since a second ACK looks alike."""
        if watch.owed or watch.state is State.ASKED or watch.wanted.nothing:
            watch.move(Event.STALE)
            return Stale(request.type_url, request.nonce)
        watch.flights = ()
        watch.owed = watch.wanted.names if watch.merges else NO_NAMES
        watch.ready_at = max(now, watch.repeated_at + self._patience)
        watch.repeated_at = watch.ready_at
        watch.move(Event.SUBSCRIBE)
        return Subscribed(watch.requested, watch.collection, incremental=False, stated=0)

    def _answered(
        self, watch: Watch, flight: Flight, error: Error | None, now: float
    ) -> Acked | Nacked:
        about = (
            watch.requested,
            watch.collection,
            flight.after.version,
            flight.nonce,
            now - flight.sent_at,
        )
        if error is None:
            watch.accepted(flight, self._shelf)
            watch.told = flight.after.version
            if not watch.merges:
                self._memory.grudges.trust(self.identity, watch.requested)
            return Acked(*about)
        trouble = watch.refused(flight, self._shelf, now)
        trouble.why = error.message[:SHOWN]
        if not watch.merges:
            trouble.refused |= {flight.after.version, flight.target}
            trouble.had = flight.after
            self._memory.grudges.doubt(self.identity, watch.requested)
            return Nacked(*about, error, flight.target)
        put = {one.name: one.version for one in flight.put}
        verdict = judge(trouble, frozenset(put), error.message)
        grudges = self._memory.grudges
        grudges.forgive(self.identity, watch.requested, verdict.cleared)
        bad = frozenset((name, put[name]) for name in verdict.bad)
        grudges.bear(self.identity, watch.requested, bad)
        trouble.named = (trouble.named - verdict.cleared) | (
            verdict.bad if len(put) > 1 else NO_NAMES
        )
        trouble.groups = verdict.groups
        if verdict.whole:
            trouble.refused |= {flight.target}
        # Else it is not known yet whose fault it is, and it may take what is served in the end.
        known = flight.target if verdict.whole or verdict.bad else ""
        return Nacked(*about, error, known)

    # ------------------------------------------------------------------ offering

    def offer(self, snapshot: Snapshot | None, now: float) -> Response | None:
        """
        Return what to send now, if anything; nothing changes until it is `sent`.

        But it is noted of a client that asked before there was anything that it needs nothing.
        Before the first snapshot there is nothing: requests wait.
        """
        self.next_look = None
        if snapshot is None or not self._ordered:
            return None
        plan = self._plan(snapshot, now)
        waits: list[Due] = []
        ordered = in_order(self._dues(plan), self._shelf)
        for one in sorted(ordered, key=lambda one: not one.lost):
            if one.until > now:
                waits.append(one)
            elif one.lost or not any(other.holds_up(one) for other in waits):
                return self._response(one)
        beats = [beat(watch, plan) for watch in self._ordered] if self._delta else []
        for heartbeat in [one for one in beats if one is not None]:
            if heartbeat.until <= now:
                return self._response(heartbeat)
            waits.append(heartbeat)
        self.next_look = min((one.until for one in waits if one.until < inf), default=None)
        return None

    def _dues(self, plan: Plan) -> list[Due]:
        dues = []
        for watch in self._ordered:
            if (one := due(watch, plan)) is not None:
                dues.append(one)
            elif watch.first and watch.state is State.ASKED:
                self._skip(watch, plan)
        return dues

    def _plan(self, snapshot: Snapshot, now: float) -> Plan:
        return Plan(
            self._ordered,
            snapshot,
            self._shelf,
            bad=self._bad,
            refused=self._refused,
            last=self._last,
            within=self.within,
            clusters=self._clusters,
            delta=self._delta,
            now=now,
            timeout=self._timeout,
            patience=self._patience,
        )

    def _clusters(self) -> str:
        kind = self._catalog().by_collection.get(CLUSTER)
        return kind.collection if kind else CLUSTER

    def _bad(self, watch: Watch) -> frozenset[tuple[str, str]]:
        return self._memory.grudges.of(self.identity, watch.requested)

    def _refused(self, watch: Watch, version: str) -> bool:
        return self._kept.refused(self.identity, watch.collection, version)

    def _last(self, watch: Watch) -> tuple[Collection, bool] | None:
        """
        Return what the client accepted last, if that is still kept, and whether it is less by now.

        It is less if the client may not have all of it any more.
        """
        if watch.has.names:
            left = self.within(watch.has)
            return left, left is not watch.has
        version = self._kept.last_accepted(self.identity, watch.collection)
        whole = self._kept.find(watch.collection, version) if version is not None else None
        if whole is None:
            return None
        left = self.within(whole)
        return self._shelf.select(left, watch.wanted), left is not whole

    def _response(self, one: Due) -> Response:
        watch, after = one.watch, one.after
        absent = NO_NAMES
        if watch.type.under:
            absent = frozenset(name for name in one.removed if watch.expected.get(name) is None)
        return Response(
            type=watch.type,
            requested=watch.requested,
            collection=watch.collection,
            nonce=str(self._nonces + 1),
            version=after.version,
            put=one.put,
            removed=one.removed,
            delta=self._delta,
            complete=not watch.merges,
            after=after,
            target=one.target,
            owed=one.owed,
            absent=absent,
            heartbeat=one.heartbeat,
            note="" if self._delta else watch.type.unfit,
        )

    def sent(self, response: Response, now: float) -> None:
        """Note that *response*, the last one offered, is being written."""
        watch = self._watches[response.requested]
        if response.heartbeat:
            # Nothing is booked: its ACK is that of no flight.
            self._nonces += 1
            watch.kept_alive_at = now
            return
        endpoints = self._watches.get(ENDPOINTS)
        if response.requested == CLUSTER and endpoints is not None and not endpoints.first:
            has = endpoints.expected
            needs = self._needs(watch, response)
            endpoints.owed |= {name for name in needs if has.get(name) is not None}
        self._nonces += 1
        watch.sent(response, now)

    def _needs(self, watch: Watch, response: Response) -> frozenset[str]:
        """Return the endpoints that clusters need anew, because they are new or changed."""
        shelf = self._shelf
        if watch.merges or watch.first:
            return shelf.endpoints(response.put)
        needs = shelf.endpoints(shelf.changes(watch.has, response.after).put)
        if watch.trouble is not None and watch.trouble.had is not None:
            # Some of what it refused it may have taken over all the same.
            needs |= shelf.endpoints(shelf.changes(watch.trouble.had, response.after).put)
        return needs


def _whole(watch: Watch, snapshot: Snapshot | None) -> Collection | None:
    return None if snapshot is None else snapshot.collection(watch.collection)
