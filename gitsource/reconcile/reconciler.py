"""
The write half's front: looks when asked, puts what is fit into the cache, carries out orders.

Rule: one look at a time, in one worker thread that owns Git and the standing revision (`one`); the
event loop only swaps the finished snapshot in. The history has a thread of its own (`archive`), so
that operators' orders do not wait for Git. A look that fails at any step changes nothing of what is
served. A dry-run is `judging.evaluate`, stopped before publishing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Protocol, TypeVar

from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.model import Revision, Snapshot
from gitsource.reconcile.archive import Archive
from gitsource.reconcile.calm import most_of_it_stays
from gitsource.reconcile.ground import Following, Ground, LastGood, Look, Place, failed
from gitsource.reconcile.journal import tell
from gitsource.reconcile.mirrors import Mirrors
from gitsource.reconcile.one import One
from gitsource.reconcile.outcomes import Condition, Outcome, after
from gitsource.rollout.decide import GUARDED, Hold, decide
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Proposal
from gitsource.snapshot.history import Allowance, Control, History, Pin, Suspension
from gitsource.snapshot.records import Entry

log = logging.getLogger("gitsource.reconcile")

T = TypeVar("T")


def following(ground: Ground, settings: Settings, mirrors: Mirrors) -> Following:
    """Return what follows the repository, or the layers, of *settings*."""
    if isinstance(mirrors, Mirror):
        return One(ground, settings, mirrors)
    from gitsource.reconcile.layers.several import Several

    return Several(ground, settings, mirrors)


class SnapshotSink(Protocol):
    """Where finished snapshots go: the cache, seen from the write half."""

    def set(self, group: str, snapshot: Snapshot) -> None:
        """Serve *snapshot* to *group* from now on."""


class Reconciler:
    """Looks at the repository when asked and publishes what is fit."""

    def __init__(
        self,
        settings: Settings,
        mirror: Mirrors,
        history: History,
        blobs: BlobCache,
        cache: SnapshotSink,
        catalog_at: Callable[[Settings, Objects | None, Revision | None], Catalog],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.condition = Condition()
        self._archive = Archive(history)
        self._cache = cache
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reconcile")
        self._good = LastGood()
        self._stopping = Event()
        self._ground = Ground(
            self._archive,
            blobs,
            self._good,
            catalog_at,
            lambda: self.condition,
            clock,
            self._stopping,
        )
        self._following = following(self._ground, settings, mirror)
        self.listeners: list[Callable[[Outcome], None]] = []
        self.ordered: list[Callable[[str, Snapshot], None]] = []
        """Told by which order what is served, where no look was what brought it."""

    # ------------------------------------------------------------------ starting

    def restore(self) -> Snapshot | None:
        """Serve what was last good, before anything else; returns it."""
        control, loaded, pinned = self._archive.restore()
        if loaded is not None:
            self._good.found(loaded)
        last = loaded.snapshot if loaded is not None else None
        serving = pinned or last
        self.condition = replace(self.condition, control=control, serving=serving)
        if serving is not None:
            self._cache.set("default", serving)
            self.condition = replace(self.condition, findings=serving.findings)
        return serving

    def stop(self) -> None:
        """Have the look that is under way end, and whatever Git does for it."""
        self._stopping.set()
        self._following.stop()

    async def close(self) -> None:
        """Let the look that is under way end, and let go of everything."""
        self.stop()
        await self._in_thread(self._let_go)
        self._thread.shutdown()
        self._archive.close()

    def _let_go(self) -> None:
        self._following.close()
        self._ground.blobs.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def calmly() -> T:
            with most_of_it_stays():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, calmly)

    # ------------------------------------------------------------------ looking

    async def sync(self, triggers: tuple[str, ...] = ()) -> Outcome:
        """
        Look once, because of *triggers*: publish the head, hold it, or find it unchanged.

        Never raises for what the repository, the network or the disk did: that is the outcome.
        """
        if self.condition.unkept:
            await self._keep_again()
        if self.condition.control.suspension is not None:
            return Outcome("suspended", self.condition.head)
        began = time.perf_counter()
        try:
            look = await self._in_thread(lambda: self._following.look(triggers))
        except GitsourceError as error:
            look = Look(failed(error, self.condition.head))
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

    def _held_back(self, look: Look) -> Look:
        """Return *look*, held if a pin came between its way to disk and its way to sinks."""
        control, snapshot = self.condition.control, look.snapshot
        if control.pin is None or snapshot is None:
            return look
        if control.pin.revision == snapshot.revision.commit:
            return look
        known = Proposal(snapshot, {}, look.outcome.findings, full=False)
        decision = decide(known, control)
        why = decision.reason if isinstance(decision, Hold) else ""
        outcome = replace(look.outcome, result="held", revision=snapshot.revision, error=why)
        return Look(outcome, unsaved=look.unsaved)

    def _afterwards(self) -> None:
        with most_of_it_stays():
            self._following.afterwards()
        self._tidy()

    def _tidy(self) -> None:
        """Have the blob cache let go of a little; the rest comes after whoever waits."""
        if not self._stopping.is_set() and self._ground.blobs.tidy(self._good.blobs):
            self._thread.submit(self._tidy)

    def _note(self, outcome: Outcome, look: Look) -> None:
        """Take the outcome of a look into the condition, the log and the listeners."""
        before = self.condition
        told = look.snapshot, look.unsaved, look.ignored
        chosen = self._following.chosen
        self.condition = after(before, outcome, *told, chosen=chosen, now=self._clock())
        tell(outcome, before)
        for listener in self.listeners:
            listener(outcome)

    # ------------------------------------------------------------------ operators

    async def pin(self, spec: str, reason: str, who: str) -> Snapshot:
        """
        Serve the earlier revision *spec* until `unpin`; returns its snapshot.

        Raises ConfigurationError if it is unknown or not fit to serve. Where it cannot be kept on
        disk it counts until the process ends (`Condition.unkept`), as all orders do.
        """
        snapshot = await self._kept(spec)
        if snapshot is None:
            snapshot = await self._in_thread(lambda: self._following.earlier(spec))
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

    async def known(self, spec: str) -> str | None:
        """Return the commit that *spec* (a full or shortened ID, a ref) names, if it is known."""
        now = self.condition
        near = (now.held, now.serving)
        for revision in (now.head, *(one.revision for one in near if one is not None)):
            if revision is not None and len(spec) >= 7 and revision.commit.startswith(spec):
                return revision.commit
        return await self._in_thread(lambda: self._following.known(spec))

    async def contains(self, head: str, commit: str) -> bool:
        """Whether *commit* is *head* or one of its ancestors."""
        if head == commit:
            return True
        return await self._in_thread(lambda: self._following.contains(head, commit))

    async def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to *head* that changed *path*; None if nobody can tell."""
        return await self._in_thread(lambda: self._following.last_change(head, path))

    async def asked(self, spec: str, question: Callable[[Place], T]) -> T:
        """
        Return the answer to *question* about where the commit *spec* belongs, in Git's thread.

        Raises ConfigurationError if nobody can tell which layer that is.
        """
        return await self._in_thread(lambda: self._following.asked(spec, question))

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
        if it is not held, or held for what no word of an operator mends.
        """
        commit = await self.known(spec)
        held = self.condition.held_as(commit) if commit is not None else None
        if held is None or commit is None:
            other = self.condition.held
            head = f"{other.revision.short} is" if other is not None else "nothing is"
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
        last, now = self._good.snapshot, self.condition
        if last is not None and now.control.pin is None and now.serving is not last:
            self._serve(last, "unpin")

    def _serve(self, snapshot: Snapshot, order: str) -> None:
        """Serve *snapshot* because an operator gave *order*."""
        self.condition = replace(
            self.condition, serving=snapshot, published_at=self._clock(), published_by=(order,)
        )
        self._cache.set("default", snapshot)
        for listener in self.ordered:
            listener(order, snapshot)

    def _forget_judgement(self) -> None:
        """Have the head judged anew at the next look, in the thread that looks."""
        self._following.forget()

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
        control, unkept = await self._archive.order(change, pinned)
        self.condition = replace(self.condition, control=control, unkept=unkept)
        if unkept:
            log.error("the order counts until the next start, and is not kept on disk: %s", unkept)

    async def _keep_again(self) -> None:
        """Put on disk what operators ordered, if that could not be done before."""
        unkept = await self._archive.again()
        if not unkept:
            log.warning("operators' orders are kept on disk again")
        self.condition = replace(self.condition, unkept=unkept)

    def unwritable(self, why: str) -> None:
        """Know from the start *why* nothing can be kept on disk."""
        self.condition = replace(self.condition, unkept=why)
        log.error("what is ordered or published from now on is gone after a restart: %s", why)

    def refuse(self, why: str) -> None:
        """Tell *why* changed settings were not taken over; empty: they were."""
        self.condition = replace(self.condition, refused=why)

    async def reconfigure(self, settings: Settings, mirror: Mirrors) -> None:
        """Go on with other settings; everything they touch is judged anew at the next look."""

        def swap() -> None:
            self._following.close()
            self._following = following(self._ground, settings, mirror)
            self.settings = settings

        await self._in_thread(swap)
