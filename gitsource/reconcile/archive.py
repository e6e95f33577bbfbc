"""
What was published and what operators ordered, in a thread of its own.

Rule: the history has one owner, and that is this thread. So an order that needs nothing but the
history is carried out at once, whatever the look that is under way waits for: a host that does not
answer, or a large revision that is being judged.

Whether a revision may go out is decided here, in the same step that puts it on disk: an order comes
either before that, and counts, or after it, and finds the revision published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from gitsource.errors import StateError
from gitsource.model import Snapshot
from gitsource.rollout.decide import Decision, Publish, decide
from gitsource.snapshot.build import Proposal, Standing
from gitsource.snapshot.history import Control, Followed, History, Loaded
from gitsource.snapshot.records import Entry

T = TypeVar("T")


class Archive:
    """
    The owner of a history.

    Coroutines are for the event loop, the other methods for the thread that looks: those wait.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._control = Control()
        self._pinned: Snapshot | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    def close(self) -> None:
        """Let what is under way end; nothing can be asked after that."""
        self._thread.shutdown()

    def _wait(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    async def _soon(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ------------------------------------------------------------------ starting

    def restore(self) -> tuple[Control, Loaded | None, Snapshot | None]:
        """
        Return what operators asked for, the last good snapshot, and the one that is pinned.

        Raises StateError if what operators asked for cannot be read.
        """
        return self._wait(self._restore)

    def _restore(self) -> tuple[Control, Loaded | None, Snapshot | None]:
        self._control = control = self._history.control()
        loaded = self._history.load()
        if loaded is not None:
            self._history.resume(loaded)
        pinned = self._at(control.pin.revision) if control.pin is not None else None
        return control, loaded, pinned

    # ------------------------------------------------------------------ for the thread that looks

    def publish(
        self, base: Standing, proposal: Proposal, recipe: str, now: float
    ) -> tuple[Decision | None, str]:
        """
        Decide about *proposal*, and put it on disk if it goes out; *base* is what stood before it.

        Returns the decision (None: operators want nothing new) and why it is not on disk, if so.
        """
        return self._wait(partial(self._publish, base, proposal, recipe, now))

    def _publish(
        self, base: Standing, proposal: Proposal, recipe: str, now: float
    ) -> tuple[Decision | None, str]:
        if self._control.suspension is not None:
            return None, ""
        decision = decide(proposal, self._control)
        if isinstance(decision, Publish):
            try:
                self._history.append(base, decision.proposal, recipe, now)
            except StateError as error:
                # Serving what is right now beats being able to serve it after a crash.
                return decision, str(error)
        return decision, ""

    def all(self) -> list[Entry]:
        """As `entries`."""
        return self._wait(self._history.entries)

    def found(self, commit: str) -> Snapshot | None:
        """Return the snapshot that was published for *commit*, if it is still kept."""
        return self._wait(lambda: self._at(commit))

    def _at(self, commit: str) -> Snapshot | None:
        found = self._history.at(commit)
        return found.snapshot if found is not None else None

    def followed(self, follows: str, layer: str = "") -> Followed:
        """As `History.followed`."""
        return self._wait(lambda: self._history.followed(follows, layer))

    def set_followed(self, followed: Followed, layer: str = "") -> None:
        """As `History.set_followed`."""
        self._wait(lambda: self._history.set_followed(followed, layer))

    # ------------------------------------------------------------------ for the event loop

    async def entries(self) -> list[Entry]:
        """As `History.entries`."""
        return await self._soon(self._history.entries)

    async def at(self, commit: str) -> Snapshot | None:
        """As `found`."""
        return await self._soon(lambda: self._at(commit))

    async def order(
        self, change: Callable[[Control], Control], pinned: Snapshot | None = None
    ) -> tuple[Control, str]:
        """
        Keep what *change* makes of the orders so far; return that and why it is not on disk, if so.

        *pinned* is the snapshot to serve while its pin stands. What cannot be kept on disk counts
        all the same, until the process ends: a full disk is no reason to refuse a rollback.
        """

        def keep() -> tuple[Control, str]:
            self._control = change(self._control)
            if self._control.pin is None:
                self._pinned = None
            self._pinned = pinned or self._pinned
            return self._control, self._kept()

        return await self._soon(keep)

    async def again(self) -> str:
        """Try once more to keep the orders on disk; return why that cannot be done, if so."""
        return await self._soon(self._kept)

    def _kept(self) -> str:
        try:
            self._history.set_control(self._control, self._pinned)
        except StateError as error:
            return str(error)
        self._pinned = None  # it is on disk
        return ""
