"""
The pipeline on one screen: look → judge → decide → keep → publish.

Rule: one look at a time, in one worker thread that owns Git and the standing revision; the event
loop only swaps the finished snapshot in. The history has a thread of its own (`archive`), so that
operators' orders do not wait for Git. A look that fails at any step changes nothing of
what is served. A dry-run is `judging.evaluate`, stopped before publishing.

Each look compares the head with the last good revision, not with the last one looked at: a chain of
broken commits is judged again as one change, each content still only once (the blob cache).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Protocol, TypeVar

from gitsource.catalog import Catalog
from gitsource.errors import (
    ConfigurationError,
    GitFailed,
    GitsourceError,
    MirrorError,
    StateError,
)
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.model import Finding, Revision, Snapshot
from gitsource.reconcile.archive import Archive
from gitsource.reconcile.journal import tell
from gitsource.reconcile.outcomes import Condition, Held, Outcome
from gitsource.reconcile.trusting import Trusting
from gitsource.rollout.decide import GUARDED, Hold, decide, reason
from gitsource.settings import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Proposal, Standing, accept, nothing
from gitsource.snapshot.history import Allowance, Control, History, Loaded, Pin, Suspension
from gitsource.snapshot.records import Entry

log = logging.getLogger("gitsource.reconcile")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Look:
    """What the worker thread hands back to the event loop."""

    outcome: Outcome
    snapshot: Snapshot | None = None
    """To be served from now on, if there is news."""
    unsaved: str = ""
    ignored: int = 0


def _failed(error: GitsourceError, head: Revision | None) -> Outcome:
    return Outcome("failed", head, str(error), error.hint, error.fault)


def _recipe(catalog: Catalog, settings: Settings) -> str:
    """Return what a standing revision was made by, beside its commit."""
    selecting = (settings.repository.include, settings.repository.ignore)
    told = "\n".join(
        (
            catalog.digest,
            settings.repository.url,
            settings.repository.path,
            repr(settings.references),
            *(repr(part) for part in selecting if part),
        )
    )
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _nothing() -> None:
    """Stand for work that there is none of."""


class SnapshotSink(Protocol):
    """Where finished snapshots go: the cache, seen from the write half."""

    def set(self, group: str, snapshot: Snapshot) -> None:
        """Serve *snapshot* to *group* from now on."""


class Reconciler:
    """Looks at the repository when asked and publishes what is fit."""

    def __init__(
        self,
        settings: Settings,
        mirror: Mirror,
        history: History,
        blobs: BlobCache,
        cache: SnapshotSink,
        catalog_at: Callable[[Settings, Objects | None, Revision | None], Catalog],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.condition = Condition()
        self._mirror = mirror
        self._archive = Archive(history)
        self._blobs = blobs
        self._cache = cache
        self._catalog_at = catalog_at
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reconcile")
        self._standing: Standing | None = None
        self._loaded: Loaded | None = None
        self._recipe = ""
        self._judged: tuple[str, str] | None = None
        self._opened = False
        self._stopping = Event()
        self._trusting = Trusting(self._archive, self._stopping)
        self._flush: Callable[[], None] = _nothing
        self._prepare: Callable[[], None] = _nothing
        self.listeners: list[Callable[[Outcome], None]] = []

    # ------------------------------------------------------------------ starting

    def restore(self) -> Snapshot | None:
        """Serve what was last good, before anything else; returns it."""
        control, loaded, pinned = self._archive.restore()
        if loaded is not None:
            self._loaded, self._recipe = loaded, loaded.recipe
        last = loaded.snapshot if loaded is not None else None
        serving = pinned or last
        self.condition = replace(self.condition, control=control, serving=serving)
        if serving is not None:
            self._cache.set("default", serving)
            self.condition = replace(self.condition, findings=serving.findings)
        return serving

    def stop(self) -> None:
        """Have the look that is under way end at its next step."""
        self._stopping.set()

    async def close(self) -> None:
        """Let the look that is under way end, and let go of everything."""
        self.stop()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._mirror.close)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._blobs.close)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._trusting.close)
        self._thread.shutdown()
        self._archive.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ------------------------------------------------------------------ looking

    async def sync(self, triggers: tuple[str, ...] = ()) -> Outcome:
        """
        Look once, because of *triggers*: publish the head, hold it, or find it unchanged.

        Never raises for what the repository, the network or the disk did: that is the outcome.
        """
        if self.condition.control.suspension is not None:
            return Outcome("suspended", self.condition.head)
        began = time.perf_counter()
        try:
            look = await self._in_thread(self._look)
        except GitsourceError as error:
            look = _Look(_failed(error, self.condition.head))
        look = self._held_back(look)
        if look.snapshot is not None:
            self._cache.set("default", look.snapshot)
        else:
            self._serve_last_good()
        self._thread.submit(self._afterwards)
        seconds = time.perf_counter() - began
        outcome = replace(look.outcome, seconds=seconds, triggers=triggers)
        if not self._stopping.is_set() and outcome.result != "suspended":
            self._note(outcome, look)
        return outcome

    def _held_back(self, look: _Look) -> _Look:
        """Return *look*, held if a pin came between its way to disk and its way to sinks."""
        control, snapshot = self.condition.control, look.snapshot
        if control.pin is None or snapshot is None:
            return look
        if control.pin.revision == snapshot.revision.commit:
            return look
        known = Proposal(snapshot, {}, look.outcome.findings, full=False)
        decision = decide(known, control)
        why = decision.reason if isinstance(decision, Hold) else ""
        outcome = Outcome("held", snapshot.revision, why, findings=look.outcome.findings)
        return _Look(outcome, unsaved=look.unsaved)

    def _afterwards(self) -> None:
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
        if base.references is None and self._standing is base:
            from gitsource.build import Builder
            from gitsource.reconcile.judging import load_references

            builder = Builder(
                catalog,
                self.settings.build,
                self._blobs,
                self._stopping,
                serving=self.condition.serving is not None,
            )
            load_references(base, self._mirror.objects, builder, self.settings)

    def _look(self) -> _Look:
        if not self._opened:
            self._mirror.open()
            self._opened = True
        try:
            self._mirror.fetch()
        except MirrorError as error:
            # What the mirror has already is still worth judging: after a restart, say.
            try:
                look = self._judge_head()
            except MirrorError:
                raise error from None
            return replace(look, outcome=_failed(error, look.outcome.revision))
        return self._judge_head()

    def _judge_head(self) -> _Look:
        revision = self._mirror.head()
        objects = self._mirror.objects
        distrust = self._trusting.head(self._mirror, revision, self.settings)
        if distrust:
            self._judged = None
            why = reason("is not trusted", distrust)
            return _Look(Outcome("held", revision, why, findings=distrust))
        return self._judge_trusted(revision, objects)

    def _judge_trusted(self, revision: Revision, objects: Objects) -> _Look:
        try:
            catalog = self._catalog_at(self.settings, objects, revision)
        except ConfigurationError as error:
            finding = Finding("", 0, 0, "error", "GS311", str(error))
            return _Look(Outcome("held", revision, str(error), error.hint, findings=(finding,)))
        recipe = _recipe(catalog, self.settings)
        if self._judged == (revision.commit, recipe):
            held = self.condition.held
            if held is not None:
                return _Look(Outcome("held", revision, held.reason, findings=held.findings))
            return _Look(Outcome("unchanged", revision))
        base = self._base(recipe)
        if base is not None and base.snapshot.revision.commit == revision.commit:
            self._prepare = partial(self._load_references, base, catalog)
            return self._nothing_new(base.snapshot, recipe)
        # Here and not above: a restart serves what is on disk before it needs to judge anything.
        from gitsource.build import Builder
        from gitsource.reconcile.judging import evaluate

        builder = Builder(
            catalog,
            self.settings.build,
            self._blobs,
            self._stopping,
            serving=self.condition.serving is not None,
        )
        self._flush = builder.flush
        try:
            proposal = evaluate(objects, base, revision, builder, self.settings, self._last_good())
        except GitFailed as error:
            if base is None:
                raise
            log.warning(
                "the last good revision is no longer in the mirror, starting over: %s", error
            )
            proposal = evaluate(objects, None, revision, builder, self.settings, self._last_good())
        aside = self._trusting.rewound(self._mirror, revision, self.settings)
        if aside:
            proposal = replace(proposal, findings=tuple(sorted((*proposal.findings, *aside))))
        return self._decided(revision, proposal, recipe)

    def _decided(self, revision: Revision, proposal: Proposal, recipe: str) -> _Look:
        """Carry out what is decided about *proposal*."""
        standing = self._standing or nothing()
        decision, unsaved = self._archive.publish(standing, proposal, recipe, self._clock())
        if decision is None:
            return _Look(Outcome("suspended", revision))
        self._judged = (revision.commit, recipe)
        findings = decision.proposal.findings
        if isinstance(decision, Hold):
            return _Look(Outcome("held", revision, decision.reason, findings=findings))
        if unsaved:
            log.error("published, but not kept on disk: %s", unsaved)
        self._keep(standing, decision.proposal, recipe)
        outcome = Outcome("published", revision, findings=findings)
        return _Look(outcome, proposal.snapshot, unsaved, standing.ignored)

    def _nothing_new(self, good: Snapshot, recipe: str) -> _Look:
        """Find that the head is the last good revision: after a restart, or once a pin is gone."""
        self._judged = (good.revision.commit, recipe)
        known = Proposal(good, {}, good.findings, full=False)
        self._went_out(good.revision)
        decision = decide(known, self.condition.control)
        if isinstance(decision, Hold):
            return _Look(Outcome("held", good.revision, decision.reason, findings=good.findings))
        return _Look(Outcome("unchanged", good.revision, findings=good.findings))

    def _last_good(self) -> Snapshot | None:
        """Return what the next revision would replace, whatever it was made by."""
        last = self._standing or self._loaded
        return last.snapshot if last is not None else None

    def _base(self, recipe: str) -> Standing | None:
        """Return what the head is compared with, or None if everything has to be judged anew."""
        if self._recipe != recipe:
            return None
        if self._standing is None and self._loaded is not None:
            self._standing, self._loaded = self._loaded.standing(), None
        return self._standing

    def _keep(self, standing: Standing, proposal: Proposal, recipe: str) -> None:
        """Make *proposal*, which is on disk, what stands in place of *standing*."""
        accept(standing, proposal)
        self._standing, self._loaded, self._recipe = standing, None, recipe
        self._went_out(proposal.snapshot.revision)

    def _went_out(self, revision: Revision) -> None:
        try:
            self._trusting.published(self._mirror, revision, self.settings)
        except StateError as error:
            log.error("what went out cannot be kept in mind: %s", error)

    def _note(self, outcome: Outcome, look: _Look) -> None:
        """Take the outcome of a look into the condition, the log and the listeners."""
        now, before = self._clock(), self.condition
        again = before.last is not None and (
            (outcome.result, outcome.revision, outcome.error)
            == (before.last.result, before.last.revision, before.last.error)
        )
        changes: dict[str, object] = {
            "last": outcome,
            "last_at": now,
            "head": outcome.revision or before.head,
            "chosen": self._mirror.chosen,
        }
        if outcome.result == "failed":
            changes["stale_since"] = before.stale_since or now
        else:
            changes |= {"stale_since": None, "last_success": now}
        if outcome.result == "held" and outcome.revision is not None:
            known = before.held is not None and before.held.revision == outcome.revision
            if not known:
                changes["held_count"] = before.held_count + 1
            since = before.held.since if known and before.held else now
            changes["held"] = Held(outcome.revision, outcome.error, since, outcome.findings)
            changes["findings"] = outcome.findings
        elif outcome.result == "published":
            changes |= {
                "held": None,
                "findings": outcome.findings,
                "published": before.published + 1,
                "published_at": now,
                "published_by": outcome.triggers,
            }
        elif outcome.result == "unchanged":
            changes["held"] = None
        if look.snapshot is not None:
            changes |= {
                "serving": look.snapshot,
                "unsaved": look.unsaved,
                "ignored": look.ignored,
            }
        self.condition = replace(before, **changes)  # type: ignore[arg-type]
        tell(outcome, again=again)
        for listener in self.listeners:
            listener(outcome)

    # ------------------------------------------------------------------ operators

    async def pin(self, spec: str, reason: str, who: str) -> Snapshot:
        """
        Serve the earlier revision *spec* until `unpin`; returns its snapshot.

        Raises ConfigurationError if it is unknown or not fit to serve, StateError if the pin cannot
        be kept on disk (nothing is changed then).
        """
        snapshot = await self._kept(spec)
        if snapshot is None:
            snapshot = await self._in_thread(lambda: self._judged_anew(spec))
        pin = Pin(snapshot.revision.commit, reason, who, self._clock())
        await self._order(lambda control: replace(control, pin=pin), snapshot)
        self._serve(snapshot, "pin")
        log.warning("pinned %s: %s (%s)", snapshot.revision.short, reason, who)
        return snapshot

    async def _kept(self, spec: str) -> Snapshot | None:
        """Return what was published for *spec*: asked of the history alone, whatever Git does."""
        kept = {entry.revision.commit for entry in await self._archive.entries()}
        matching = [commit for commit in kept if len(spec) >= 7 and commit.startswith(spec)]
        return await self._archive.at(matching[0]) if len(matching) == 1 else None

    def _judged_anew(self, spec: str) -> Snapshot:
        """Return what the revision *spec* of the mirror comes to now, published before or not."""
        if not self._opened:
            self._mirror.open()
            self._opened = True
        try:
            revision = self._mirror.resolve(spec)
        except MirrorError as error:
            raise ConfigurationError(
                f"there is no revision {spec}: {error}",
                hint="`gitsource snapshot list` shows what was published",
            ) from error
        found = self._archive.found(revision.commit)
        if found is not None:
            return found
        objects = self._mirror.objects
        distrust = self._trusting.earlier(self._mirror, revision, self.settings)
        if distrust:
            raise ConfigurationError(
                f"revision {revision.short} {reason('is not trusted', distrust)}",
                hint="what was published before can be pinned without being asked again",
            )
        catalog = self._catalog_at(self.settings, objects, revision)
        from gitsource.build import Builder
        from gitsource.reconcile.judging import evaluate

        serving = self.condition.serving is not None
        builder = Builder(catalog, self.settings.build, self._blobs, serving=serving)
        proposal = evaluate(objects, None, revision, builder, self.settings)
        if not proposal.acceptable:
            raise ConfigurationError(
                f"revision {revision.short} does not validate, so it cannot be served",
                hint=f"`gitsource validate --repo MIRROR --revision {revision.short}` says why",
            )
        return proposal.snapshot

    async def known(self, spec: str) -> str | None:
        """Return the commit that *spec* (a full or shortened ID, a ref) names, if it is known."""

        def find() -> str | None:
            if not self._opened:
                return None
            try:
                return self._mirror.resolve(spec).commit
            except GitsourceError:
                return None

        now = self.condition
        near = (now.held, now.serving)
        for revision in (now.head, *(one.revision for one in near if one is not None)):
            if revision is not None and len(spec) >= 7 and revision.commit.startswith(spec):
                return revision.commit
        return await self._in_thread(find)

    async def contains(self, head: str, commit: str) -> bool:
        """Whether *commit* is *head* or one of its ancestors."""
        if head == commit:
            return True
        return await self._in_thread(lambda: self._mirror.objects.contains(head, commit))

    async def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to *head* that changed *path*; None if nobody can tell."""

        def find() -> Revision | None:
            try:
                return self._mirror.objects.last_change(head, path) if self._opened else None
            except GitsourceError:
                return None

        return await self._in_thread(find)

    async def asked(self, question: Callable[[Mirror | None], T]) -> T:
        """Return the mirror's answer to *question*, in its thread; None if nobody looked yet."""
        return await self._in_thread(lambda: question(self._mirror if self._opened else None))

    async def kept(self) -> list[Entry]:
        """Return what the history of snapshots has, oldest first."""
        return await self._archive.entries()

    async def previous(self) -> str:
        """Return the commit published before the one that is served: where a rollback goes."""
        entries = await self.kept()
        serving = self.condition.serving
        commits = [entry.revision.commit for entry in entries]
        if serving is None or serving.revision.commit not in commits:
            raise ConfigurationError("there is no earlier revision to go back to")
        at = commits.index(serving.revision.commit)
        if at == 0:
            raise ConfigurationError("there is no earlier revision to go back to")
        return commits[at - 1]

    async def unpin(self, reason: str, who: str) -> None:
        """
        Release the pin. What the next look finds goes out; if that is nothing, the last good one.

        Not before: the last good revision may be the very one that the pin kept from sinks.
        """
        await self._order(lambda control: replace(control, pin=None))
        log.warning("unpinned: %s (%s)", reason, who)
        self._thread.submit(self._forget_judgement)
        if self.condition.control.suspension is not None:
            self._serve_last_good()

    async def allow(self, spec: str, reason: str, who: str) -> str:
        """
        Let the held revision *spec* out at the next look, whatever was to be confirmed of it.

        Kept across restarts, for that revision alone; returns its commit. Raises ConfigurationError
        if it is not held, or held for what no word of an operator mends, StateError if the order
        cannot be kept on disk.
        """
        held, commit = self.condition.held, await self.known(spec)
        if held is None or commit != held.revision.commit:
            head = f"{held.revision.short} is" if held is not None else "nothing is"
            raise ConfigurationError(
                f"revision {spec[:64]} is not held: {head}", hint="`gitsource status` shows what is"
            )
        others = [
            each.code
            for each in held.findings
            if each.severity == "error" and each.code not in GUARDED
        ]
        if others:
            raise ConfigurationError(
                f"revision {held.revision.short} cannot be let through: {others[0]} is not a "
                "matter of confirmation",
                hint=f"`gitsource explain rule {others[0]}` says what to do",
            )
        allowance = Allowance(commit, reason, who, self._clock())
        await self._order(lambda control: replace(control, allowance=allowance))
        log.warning("allowed %s: %s (%s)", held.revision.short, reason, who)
        self._thread.submit(self._forget_judgement)
        return commit

    def _serve_last_good(self) -> None:
        """Serve the last good revision if something else is served without a pin."""
        last, now = self._standing or self._loaded, self.condition
        if last is not None and now.control.pin is None and now.serving is not last.snapshot:
            self._serve(last.snapshot, "unpin")

    def _serve(self, snapshot: Snapshot, order: str) -> None:
        """Serve *snapshot* because an operator gave *order*."""
        self.condition = replace(
            self.condition, serving=snapshot, published_at=self._clock(), published_by=(order,)
        )
        self._cache.set("default", snapshot)

    def _forget_judgement(self) -> None:
        """Have the head judged anew at the next look, in the thread that looks."""
        self._judged = None

    async def suspend(self, reason: str, who: str) -> None:
        """Stop looking for new revisions until `resume`."""
        suspension = Suspension(reason, who, self._clock())
        await self._order(lambda control: replace(control, suspension=suspension))
        log.warning("suspended: %s (%s)", reason, who)

    async def resume(self, reason: str, who: str) -> None:
        """Look for new revisions again."""
        await self._order(lambda control: replace(control, suspension=None))
        log.warning("resumed: %s (%s)", reason, who)

    async def _order(
        self, change: Callable[[Control], Control], pinned: Snapshot | None = None
    ) -> None:
        control = await self._archive.order(change, pinned)
        self.condition = replace(self.condition, control=control)

    async def reconfigure(self, settings: Settings, mirror: Mirror) -> None:
        """Go on with other settings; everything they touch is judged anew at the next look."""

        def swap() -> None:
            self._mirror.close()
            self._mirror, self._opened = mirror, False
            self.settings, self._judged = settings, None

        await self._in_thread(swap)
