"""
Following one repository: look → judge → decide → keep.

Rule: each look compares the head with the last good revision, not with the last one looked at: a
chain of broken commits is judged again as one change, each content still only once (the blob
cache). For the worker thread alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from gitsource.catalog.whole import Catalog
from gitsource.errors import (
    ConfigurationError,
    GitFailed,
    GitsourceError,
    MirrorError,
    StateError,
)
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.git.refs import Chosen
from gitsource.model import Finding, Revision, Snapshot
from gitsource.reconcile.ground import Ground, Look, Place, failed
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.trusting import Trusting
from gitsource.rollout.decide import Hold, decide, reason
from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal, Standing

log = logging.getLogger("gitsource.reconcile")

T = TypeVar("T")


def _nothing() -> None:
    """Stand for work that there is none of."""


def recipe_of(catalog: Catalog, settings: Settings, *repositories: Repository) -> str:
    """Return what a standing revision was made by, beside its commits."""
    told = [catalog.digest]
    for repository in repositories:
        told += [repository.url, repository.path]
    told.append(repr(settings.references))
    for repository in repositories:
        told += [repr(part) for part in (repository.include, repository.ignore) if part]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


class One:
    """Follows one repository."""

    def __init__(self, ground: Ground, settings: Settings, mirror: Mirror) -> None:
        self._ground = ground
        self._settings = settings
        self._mirror = mirror
        self._opened = False
        self._judged: tuple[str, str] | None = None
        self._trusting = Trusting(ground.archive, ground.stopping)
        self._flush: Callable[[], None] = _nothing
        self._prepare: Callable[[], None] = _nothing

    def __repr__(self) -> str:
        return f"<One {self._mirror!r}>"

    @property
    def chosen(self) -> Chosen:
        """What is followed, as it was last found at the remote. Any thread may ask."""
        return self._mirror.chosen

    def stop(self) -> None:
        """Have Git end what it does, for good. Any thread may say so."""
        self._mirror.stop()

    def close(self) -> None:
        """Let go of mirror and keys."""
        self._mirror.close()
        self._trusting.close()

    def forget(self) -> None:
        """Have the head judged anew at the next look."""
        self._judged = None

    # ------------------------------------------------------------------ looking

    def look(self, triggers: tuple[str, ...]) -> Look:  # noqa: ARG002 - see Following
        """Look once; raises GitsourceError for a look that failed."""
        self._open()
        try:
            self._mirror.fetch()
        except MirrorError as error:
            # What the mirror has already is still worth judging: after a restart, say.
            try:
                look = self._judge_head()
            except MirrorError:
                raise error from None
            return replace(look, outcome=failed(error, look.outcome.revision))
        return self._judge_head()

    def _open(self) -> None:
        if not self._opened:
            self._mirror.open()
            self._opened = True

    def _judge_head(self) -> Look:
        revision = self._mirror.head()
        objects = self._mirror.objects
        distrust = self._trusting.head(self._mirror, revision, self._settings)
        if distrust:
            self._judged = None
            why = reason("is not trusted", distrust)
            return Look(Outcome("held", revision, why, findings=distrust))
        return self._judge_trusted(revision, objects)

    def _judge_trusted(self, revision: Revision, objects: Objects) -> Look:
        settings, good = self._settings, self._ground.good
        try:
            catalog = self._ground.catalog_at(settings, objects, revision)
        except ConfigurationError as error:
            finding = Finding("", 0, 0, "error", "GS311", str(error))
            return Look(Outcome("held", revision, str(error), error.hint, findings=(finding,)))
        recipe = recipe_of(catalog, settings, settings.repository)
        if self._judged == (revision.commit, recipe):
            held = self._ground.now().held
            if held is not None:
                return Look(Outcome("held", revision, held.reason, findings=held.findings))
            return Look(Outcome("unchanged", revision))
        base = good.base(recipe)
        if base is not None and base.snapshot.revision.commit == revision.commit:
            self._prepare = partial(self._load_references, base, catalog)
            return self._nothing_new(base.snapshot, recipe)
        # Here and not above: see Ground.builder.
        from gitsource.reconcile.first import first
        from gitsource.reconcile.judging import evaluate

        builder = self._ground.builder(catalog, settings)
        self._flush = builder.flush
        counts = self._trusting.counting(objects, settings.trust, revision.commit)
        told = good.snapshot, counts
        try:
            proposal = evaluate(objects, base, revision, builder, settings, *told)
        except GitFailed as error:
            if base is None:
                raise
            log.warning(
                "the last good revision is no longer in the mirror, starting over: %s", error
            )
            proposal = evaluate(objects, None, revision, builder, settings, *told)
        if good.snapshot is None:
            proposal = first(proposal, objects, settings, counts)
        aside = self._trusting.rewound(self._mirror, revision, settings)
        if aside:
            proposal = replace(proposal, findings=tuple(sorted((*proposal.findings, *aside))))
        return self._decided(revision, proposal, recipe)

    def _decided(self, revision: Revision, proposal: Proposal, recipe: str) -> Look:
        """Carry out what is decided about *proposal*."""
        decision, unsaved = self._ground.decided(proposal, recipe)
        if decision is None:
            return Look(Outcome("suspended", revision))
        self._judged = (revision.commit, recipe)
        findings = decision.proposal.findings
        if isinstance(decision, Hold):
            return Look(Outcome("held", revision, decision.reason, findings=findings))
        self._went_out(revision)
        standing = self._ground.good.standing
        ignored = standing.ignored if standing is not None else 0
        signer = self._trusting.signer(revision.commit)
        outcome = Outcome("published", revision, findings=findings, signer=signer)
        return Look(outcome, proposal.snapshot, unsaved, ignored)

    def _nothing_new(self, known: Snapshot, recipe: str) -> Look:
        """Find that the head is the last good revision: after a restart, or once a pin is gone."""
        self._judged = (known.revision.commit, recipe)
        proposal = Proposal(known, {}, known.findings, full=False)
        self._went_out(known.revision)
        decision = decide(proposal, self._ground.now().control)
        if isinstance(decision, Hold):
            return Look(Outcome("held", known.revision, decision.reason, findings=known.findings))
        return Look(Outcome("unchanged", known.revision, findings=known.findings))

    def _went_out(self, revision: Revision) -> None:
        try:
            self._trusting.published(self._mirror, revision, self._settings)
        except StateError as error:
            log.error("what went out cannot be kept in mind: %s", error)

    def afterwards(self) -> None:
        """Do what nobody waits for: remember what was judged, keep the mirror small."""
        flush, self._flush = self._flush, _nothing
        flush()
        prepare, self._prepare = self._prepare, _nothing
        try:
            prepare()
        except GitsourceError as error:
            log.warning("what documents say of each other is left for the next commit: %s", error)
        try:
            if self._opened:
                self._mirror.maintenance()
        except GitsourceError as error:
            log.warning("the mirror could not be tidied up: %s", error)

    def _load_references(self, base: Standing, catalog: Catalog) -> None:
        """Have what a restart left out there before the next commit asks for it."""
        if base.references is None and self._ground.good.standing is base:
            from gitsource.reconcile.judging import load_references

            builder = self._ground.builder(catalog, self._settings)
            load_references(base, self._mirror.objects, builder, self._settings)

    # ------------------------------------------------------------------ asked by operators

    def earlier(self, spec: str) -> Snapshot:
        """
        Return what the revision *spec* of the mirror comes to now, published before or not.

        Raises ConfigurationError if it is unknown or not fit to serve.
        """
        self._open()
        try:
            revision = self._mirror.resolve(spec)
        except MirrorError as error:
            raise ConfigurationError(
                f"there is no revision {spec}: {error}",
                hint="`gitsource snapshot list` shows what was published",
            ) from error
        found = self._ground.archive.found(revision.commit)
        if found is not None:
            return found
        objects, settings = self._mirror.objects, self._settings
        distrust = self._trusting.earlier(self._mirror, revision, settings)
        if distrust:
            raise ConfigurationError(
                f"revision {revision.short} {reason('is not trusted', distrust)}",
                hint="what was published before can be pinned without being asked again",
            )
        catalog = self._ground.catalog_at(settings, objects, revision)
        from gitsource.reconcile.judging import evaluate

        builder = self._ground.builder(catalog, settings)
        proposal = evaluate(objects, None, revision, builder, settings)
        if not proposal.acceptable:
            raise ConfigurationError(
                f"revision {revision.short} does not validate, so it cannot be served",
                hint=f"`gitsource validate --repo MIRROR --revision {revision.short}` says why",
            )
        return proposal.snapshot

    def known(self, spec: str) -> str | None:
        """Return the commit that *spec* names, if it is known."""
        if not self._opened:
            return None
        try:
            return self._mirror.resolve(spec).commit
        except GitsourceError:
            return None

    def contains(self, head: str, commit: str) -> bool:
        """Whether *commit* is *head* or one of its ancestors."""
        return self._mirror.objects.contains(head, commit)

    def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to *head* that changed *path*; None if nobody can tell."""
        try:
            return self._mirror.objects.last_change(head, path) if self._opened else None
        except GitsourceError:
            return None

    def asked(self, spec: str, question: Callable[[Place], T]) -> T:
        """Return the answer to *question* about the repository."""
        mirror = self._mirror if self._opened else None
        head = self._ground.now().head
        return question(Place("", mirror, self._settings.repository, spec, head))
