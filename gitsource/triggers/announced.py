"""
The commit that a webhook announced, until it is seen where it was announced.

Rule: a host may answer a fetch from a replica that does not have the push yet. So the repository is
looked at again every two seconds for half a minute; then an event is raised, once, and the poll
goes on as ever. The newest announcement is the one that counts, and a head that contains what was
announced is as good: newer wins.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("gitsource.triggers")

EVERY = 2.0
"""Seconds between looks for a commit that was announced."""
PATIENCE = 30.0
"""Seconds after which it is said to be missing."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A commit that a ref is said to be at."""

    ref: str
    commit: str
    at: float
    """When that was said, in seconds since the epoch."""
    missing: bool = False
    """Whether it was looked for long enough."""


class Announcements:
    """Asks for looks until what was announced last is seen; lives on the event loop."""

    def __init__(
        self,
        poke: Callable[[str], None],
        contains: Callable[[str, str], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        every: float = EVERY,
        patience: float = PATIENCE,
    ) -> None:
        """*contains* tells whether the history of a head (first) has a commit (second)."""
        self._poke = poke
        self._contains = contains
        self._clock = clock
        self._sleep = sleep
        self._every = every
        self._patience = patience
        self._timer: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._head = ""
        self.last: Announced | None = None
        """What is being looked for, or was not found; None: nothing is missing."""

    def heard(self, ref: str, commit: str) -> None:
        """Have a look now, and more of them until *ref* has *commit* (empty: nobody said)."""
        if commit and (self.last is None or self.last.commit != commit or self.last.missing):
            self.last = Announced(ref, commit, self._clock())
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.create_task(self._look_out(self.last), name="announced")
        self._poke("webhook")

    def looked(self, head: str) -> None:
        """Take note that a look found the ref at *head* (empty: it failed)."""
        self._head = head or self._head
        wanted = self.last
        if wanted is None or not head:
            return
        if head == wanted.commit:
            self._found(wanted)
            return
        task = asyncio.create_task(self._ask(wanted, head), name="announced in head")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def given_up(self) -> None:
        """Forget what was announced: nobody looks now, because an operator said so."""
        self.last = None

    async def _ask(self, wanted: Announced, head: str) -> None:
        try:
            there = await self._contains(head, wanted.commit)
        except Exception as error:  # noqa: BLE001 - the next look asks again
            log.debug("cannot tell whether an announced commit is there: %s", error)
            return
        if there:
            self._found(wanted)

    def _found(self, wanted: Announced) -> None:
        if self.last is not None and self.last.commit == wanted.commit:
            self.last = None

    async def _look_out(self, wanted: Announced) -> None:
        passed = 0.0
        while passed < self._patience:
            await self._sleep(self._every)
            passed += self._every
            if self.last is not wanted:
                return
            self._poke("webhook")
        await self._sleep(self._every)  # the last of those looks may be under way
        if self.last is not wanted:
            return
        self.last = Announced(wanted.ref, wanted.commit, wanted.at, missing=True)
        log.warning(
            "announced but not visible: %s is not at %s (next: is the webhook of this repository, "
            "and does its host serve fetches from a replica?)",
            wanted.ref,
            wanted.commit,
            extra={"ref": wanted.ref, "revision": wanted.commit, "head": self._head or "-"},
        )

    def status(self, write: Callable[[float], Any]) -> dict[str, Any] | None:
        """Return how it stands for the status, times as *write* writes them."""
        told = self.last
        if told is None:
            return None
        state = "missing" if told.missing else "awaited"
        return {"ref": told.ref, "revision": told.commit, "at": write(told.at), "state": state}

    async def close(self) -> None:
        """Look out for nothing any more."""
        tasks = [*self._asking, *filter(None, (self._timer,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
