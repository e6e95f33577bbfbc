"""
Make before break: what a client may be sent now, on its way from what it has to a snapshot.

Rule: what is new and referred to goes first (`Stage.REFERRED`); what may refer to it follows when
that was accepted; what is gone goes last, when nothing the client has may refer to it. A wait ends
when the other side is accepted or refused, and in any case after a time-out, so that a client that
never answers one type still gets the others. A client is sent steps, never promises: a newer
snapshot in the middle is planned from what the client has by then.

Listeners are sent in one step. Nothing refers to a listener, and one that takes over the address of
another would be refused while both stand. What waits for endpoints is ready before its ACK: CDS is
ACKed only when the endpoints are there, so nothing here waits for CDS to send EDS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from gitsource.model import Collection, Snapshot
from gitsource.publish.xds.selection import Shelf
from gitsource.publish.xds.types import Stage
from gitsource.publish.xds.watch import State, Watch


class Plan:
    """The next steps of one stream, seen at one moment."""

    def __init__(
        self,
        watches: Sequence[Watch],
        snapshot: Snapshot,
        shelf: Shelf,
        *,
        bad: Callable[[Watch], frozenset[tuple[str, str]]],
        refused: Callable[[Watch, str], bool],
        last: Callable[[Watch], tuple[Collection, bool] | None],
        within: Callable[[Collection], Collection],
        clusters: Callable[[], str],
        delta: bool,
        now: float,
        timeout: float,
        patience: float,
    ) -> None:
        self.shelf = shelf
        self._refused = refused
        self.last = last
        self._within = within
        self.delta = delta
        self.now = now
        self.patience = patience
        self._watches = watches
        self._snapshot = snapshot
        self._bad = bad
        self._timeout = timeout
        self._clusters = clusters
        self._wholes: dict[Watch, Collection] = {}
        self._targets: dict[Watch, Collection] = {}
        self._referred: float | None = None
        self._referring: float | None = None

    def served(self, watch: Watch) -> Collection:
        """Return all that is served of the type of *watch*."""
        return self._snapshot.collection(watch.collection)

    def whole(self, watch: Watch) -> Collection:
        """Return what *watch* asks for of the snapshot."""
        known = self._wholes.get(watch)
        if known is None:
            if watch.type.void or (watch.type.delta_only and not self.delta):
                known = self.shelf.empty(watch.collection)
            else:
                known = self.shelf.select(self.served(watch), watch.wanted)
            self._wholes[watch] = known
        return known

    def target(self, watch: Watch) -> Collection:
        """Return the same without contents that the client refused, if it merges."""
        if not watch.merges:
            return self.whole(watch)
        known = self._targets.get(watch)
        if known is None:
            has = self.left(watch)
            known = self.shelf.excused(self.whole(watch), has, self._bad(watch))
            self._targets[watch] = known
        return known

    def left(self, watch: Watch) -> Collection:
        """Return what the client may still have of what it was sent; that itself if it is all."""
        return self._within(watch.expected)

    def loses(self, watch: Watch) -> bool:
        """Say whether the client has, or may have, anything that it may not have any more."""
        had = watch.taken
        return self.left(watch) is not watch.expected or (
            had is not None and self._within(had) is not had
        )

    def lasting(self, watch: Watch) -> Collection:
        """Return what the client may still have of what it has accepted."""
        return self._within(watch.has)

    def has_just_refused(self, watch: Watch, step: Collection) -> bool:
        """Say whether this very *step* is what the client refused last."""
        trouble = watch.trouble
        sent = trouble.sent if trouble is not None and trouble.refused_at is not None else None
        return sent is not None and sent.version == step.version

    def refuses(self, watch: Watch, step: Collection | None = None) -> bool:
        """Say whether the client is known to refuse what it is to have, or a *step* to that."""
        whole, step = self.whole(watch), step or self.target(watch)
        if watch.trouble is not None and not watch.trouble.refused.isdisjoint(
            (whole.version, step.version)
        ):
            return True
        # What a client that merges refused on this stream is looked into, resource by resource.
        return (watch.first or not watch.merges) and self._refused(watch, step.version)

    def step(self, watch: Watch) -> tuple[Collection, float]:
        """
        Return what the client may have now, and until when it has to wait for the rest.

        The second is 0 if the first is all.
        """
        # What it may not have any more is not sent again with a complete set.
        target, has = self.target(watch), self.left(watch)
        stage = watch.type.stage
        if watch.first or has.version == target.version:
            return target, 0.0
        if stage is Stage.BY_RANK:
            # Over delta what is gone goes by itself, in its turn: others may refer to it till then.
            grown = self.shelf.joined(has, target) if self.delta else target
            return (target if grown.version == has.version else grown), 0.0
        if stage is Stage.REFERRING:
            until = self._referred_until()
            return (target, 0.0) if until <= self.now else (has, until)
        if watch.merges and not self.delta:
            return target, 0.0  # Nothing is ever removed in what a SotW client merges.
        grown = self.shelf.joined(has, target)
        if grown.version == target.version:
            return target, 0.0
        until = self._referrers_until(stage)
        return (target, 0.0) if until <= self.now else (grown, until)

    def grows(self, watch: Watch) -> bool:
        """Say whether the client lacks anything of its target that it did not refuse."""
        target, has = self.target(watch), watch.expected
        if watch.first or has.version == target.version:
            return False  # A first answer waits for nothing.
        return bool(self.shelf.changes(has, target).put) and not self.refuses(watch)

    def under(self, watch: Watch) -> tuple[str, ...]:
        """Return a name under each thing that *watch* is about, such as ``routes/``."""
        found = (one for one in self._watches if one.requested == watch.type.under)
        return tuple(sorted(f"{name}/" for one in found for name in one.wanted.names))

    def gone(self, watch: Watch, names: frozenset[str]) -> frozenset[str]:
        """Return those of *names* of which a delta client is to be told that they do not exist."""
        if watch.wanted.aliased:
            names = names - self.shelf.aliases(self.whole(watch)).keys()
        missing = self.shelf.missing(self.whole(watch), names)
        if not missing or not watch.type.patient:
            return missing
        # A cluster that is told it has no endpoints serves errors: if it is served, they may come.
        clusters = self._snapshot.collection(self._clusters())
        return missing - self.shelf.asked_for(missing, clusters)

    # ------------------------------------------------------------------ waits

    def _answers(self, watch: Watch) -> float:
        """Return until when an answer of the client on *watch* is waited for."""
        sent = max((one.sent_at for one in watch.flights), default=-inf)
        return sent + self._timeout

    def _referred_until(self) -> float:
        """Return until when what refers to others waits."""
        if self._referred is None:
            waits = [0.0]
            for watch in self._watches:
                if watch.type.stage is not Stage.REFERRED:
                    continue
                waits.append(self._answers(watch))
                if watch.first and watch.state is State.ASKED:
                    waits.append(watch.ready_at)
            self._referred = max(waits)
        return self._referred

    def _referrers_until(self, stage: Stage) -> float:
        """Return until when what is gone, of a type of *stage*, stays."""
        if self._referring is None:
            self._referring = max(
                (
                    self._settles(watch)
                    for watch in self._watches
                    if watch.type.stage is Stage.REFERRING
                ),
                default=0.0,
            )
        if stage is Stage.REFERRED:
            return self._referring
        referred = [watch for watch in self._watches if watch.type.stage is Stage.REFERRED]
        return max([self._referring, *map(self._settles, referred)])

    def _settles(self, watch: Watch) -> float:
        """Return until when *watch* may still refer to what its target does not."""
        waits = [0.0, self._answers(watch)]
        if watch.refused_at is not None:
            waits.append(watch.refused_at + self._timeout)
        if watch.flights:
            return max(waits)
        if watch.first:
            waits.append(watch.ready_at)
        elif watch.type.stage is Stage.REFERRING:
            if self.grows(watch):
                until = self._referred_until()
                # Else it goes in this very round, and is waited for from then on.
                waits.append(until if until > self.now else inf)
        elif watch.has.version != self.target(watch).version and not self.refuses(watch):
            waits.append(inf if self.delta or not watch.merges else 0.0)
        return max(waits)
