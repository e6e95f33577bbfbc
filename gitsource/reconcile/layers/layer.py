"""
One layer: its mirror, what stands of it, and what its head comes to by itself.

Rule: whatever goes wrong here is this layer's own affair. A head is judged against what stands of
the layer, and once, as long as neither moves. For the worker thread alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsource.errors import GitFailed, GitsourceError, MirrorError, StateError
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.model import Finding, Revision, Snapshot
from gitsource.reconcile.ground import Ground
from gitsource.reconcile.layers.member import Candidate, confirmations, proposed
from gitsource.reconcile.outcomes import Held, LayerState
from gitsource.reconcile.trusting import Trusting
from gitsource.rollout.decide import Hold, decide, reason
from gitsource.settings.following import LayerRow
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Standing, accept, nothing
from gitsource.snapshot.compose import Part

if TYPE_CHECKING:
    from gitsource.build.builder import Builder

log = logging.getLogger("gitsource.reconcile")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a revision of a layer takes no part."""

    reason: str
    findings: tuple[Finding, ...]


class Layer:
    """One layer, as it is followed."""

    def __init__(self, ground: Ground, settings: Settings, row: LayerRow, mirror: Mirror) -> None:
        self.name = row.name
        self.row = row
        self.settings = settings.of_layer(row)
        self.mirror = mirror
        self.opened = False
        self.head: Revision | None = None
        self.error: GitsourceError | None = None
        """Why it could not be looked at the last time, if so."""
        self.standing: Standing | None = None
        """The last good revision of it that is part of what stands."""
        self.held: Held | None = None
        self._ground = ground
        self._trusting = Trusting(ground.archive, ground.stopping, row.name)
        self._judged: tuple[tuple[str, str], Candidate | Refused] | None = None
        self._pause = 0.0
        self._asleep_until = 0.0

    def __repr__(self) -> str:
        return f"<Layer {self.name} {self.mirror!r}>"

    def close(self) -> None:
        """Let go of mirror and keys."""
        self.mirror.close()
        self._trusting.close()

    # ------------------------------------------------------------------ what stands

    @property
    def objects(self) -> Objects:
        """What its mirror holds."""
        return self.mirror.objects

    @property
    def commit(self) -> str:
        """Which of its commits is part of what stands; empty: none."""
        return self.standing.snapshot.revision.commit if self.standing is not None else ""

    @property
    def news(self) -> bool:
        """Whether its head is another commit than what stands."""
        return self.head is not None and self.head.commit != self.commit

    def stand(self, standing: Standing | None) -> None:
        """Take *standing* for what is part of the composition; None: judge all anew."""
        self.standing, self._judged = standing, None

    def forget(self) -> None:
        """Have the head judged anew."""
        self._judged = None

    def part(self, candidate: Candidate | None) -> Part:
        """Return how it takes part, with *candidate* in the place of what stands."""
        after = candidate.proposal if candidate is not None else None
        return Part(self.name, self.standing or nothing(), after, self.row.overrides)

    def accept(self, candidate: Candidate) -> None:
        """Make *candidate*, which went out, what stands."""
        standing = self.standing or nothing()
        accept(standing, candidate.proposal)
        self.stand(standing)
        try:
            self._trusting.published(self.mirror, candidate.revision, self.settings)
        except StateError as error:
            log.error("layer %s: what went out cannot be kept in mind: %s", self.name, error)

    def signer(self, candidate: Candidate) -> str:
        """Return who signed *candidate* well, where the policy of signatures asked."""
        found = self._trusting.signer(candidate.revision.commit)
        return f"{self.name}: {found}" if found else ""

    def hold(self, refused: Refused | None) -> None:
        """Note why the head stays back; None: it does not."""
        head, before = self.head, self.held
        if refused is None or head is None:
            self.held = None
            return
        known = before is not None and before.revision == head
        since = before.since if known and before is not None else self._ground.clock()
        self.held = Held(head, refused.reason, since, refused.findings)

    @property
    def state(self) -> LayerState:
        """How it stands, for everybody."""
        error = self.error
        return LayerState(
            self.name,
            self.commit,
            self.head,
            self.mirror.chosen,
            self.held,
            str(error) if error is not None else "",
            (error.hint or "") if error is not None else "",
        )

    # ------------------------------------------------------------------ looking

    def due(self) -> bool:
        """Whether the poll is to ask for it: one that failed is asked ever less often."""
        left = self._asleep_until - self._ground.clock()
        return not 0 < left <= self.settings.poll.max_backoff  # a clock may have been set back

    def fetch(self) -> None:
        """Bring the head up to date; `error` says why not, and what was there stays."""
        try:
            if not self.opened:
                self.mirror.open()
                self.opened = True
            self.mirror.fetch()
        except GitsourceError as error:
            self.error = error
            poll = self.settings.poll
            self._pause = min(max(2 * self._pause, poll.interval), poll.max_backoff)
            self._asleep_until = self._ground.clock() + self._pause
        else:
            self.error, self._pause, self._asleep_until = None, 0.0, 0.0
        try:
            self.head = self.mirror.head() if self.opened else None
        except MirrorError:
            self.head = None

    def judge(self, builder: Builder) -> Candidate | Refused:
        """
        Return what the head, which is new, comes to by itself.

        Raises MirrorError if the mirror cannot be read, ConfigurationError if keys cannot be.
        """
        head = self.head
        if head is None:
            raise AssertionError("a layer without a head was to be judged")
        distrust = self._trusting.head(self.mirror, head, self.settings)
        if distrust:
            self._judged = None
            return Refused(reason("is not trusted", distrust), distrust)
        asked = (head.commit, self.commit)
        if self._judged is None or self._judged[0] != asked:
            self._judged = (asked, self._judge(head, builder))
        return self._judged[1]

    def _judge(self, head: Revision, builder: Builder) -> Candidate | Refused:
        base = self._base()
        try:
            candidate = self._proposed(head, base, builder)
        except GitFailed as error:
            if base is None:
                raise
            log.warning("layer %s: judged anew as a whole: %s", self.name, error)
            candidate = self._proposed(head, None, builder)
        proposal = candidate.proposal
        served = self._ground.good.snapshot
        if not self.commit and (served is None or not served.revision.commit_of(self.name)):
            from gitsource.reconcile.first import first

            proposal = first(proposal, self.objects, self.settings, self._counting())
        aside = self._trusting.rewound(self.mirror, head, self.settings)
        if aside:
            proposal = replace(proposal, findings=tuple(sorted((*proposal.findings, *aside))))
        # A pin is of the composition.
        decision = decide(proposal, replace(self._ground.now().control, pin=None))
        if isinstance(decision, Hold):
            return Refused(decision.reason, decision.proposal.findings)
        return replace(candidate, proposal=decision.proposal)

    def again(self, commit: str, builder: Builder) -> Candidate | None:
        """Return what *commit*, which was good before, comes to as a whole; None: it is not fit."""
        try:
            revision = self.mirror.objects.revision(commit)
            candidate = self._proposed(revision, None, builder)
        except MirrorError as error:
            log.warning("layer %s: %s is not there any more: %s", self.name, commit[:12], error)
            return None
        return candidate if candidate.proposal.acceptable else None

    def _base(self) -> Standing | None:
        """Return what stands, if the mirror has its tree."""
        base = self.standing
        if base is not None and not base.snapshot.revision.tree:
            # From disk: only its commit was kept.
            try:
                base.snapshot = base.snapshot.at(self.mirror.objects.revision(self.commit))
            except MirrorError as error:
                log.warning("layer %s: judged anew as a whole: %s", self.name, error)
                return None
        return base

    def _proposed(self, revision: Revision, base: Standing | None, builder: Builder) -> Candidate:
        return proposed(self.objects, revision, base, builder, self.settings, self.name)

    # ------------------------------------------------------------------ afterwards

    def maintenance(self) -> None:
        """Keep the mirror small."""
        try:
            if self.opened:
                self.mirror.maintenance()
        except GitsourceError as error:
            log.warning("the mirror of layer %s could not be tidied up: %s", self.name, error)

    def confirmations(self, before: Snapshot, after: Snapshot) -> str:
        """Return what its commits between two compositions confirm."""
        return confirmations(self.objects, self.name, before, after, self._counting())

    def _counting(self) -> Callable[[str], bool] | None:
        """Return what tells whether a commit's word counts; the head is found good before."""
        head = self.head.commit if self.head is not None else ""
        return self._trusting.counting(self.objects, self.settings.trust, head)
