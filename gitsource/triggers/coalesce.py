"""
Many requests to look, one look at a time.

Rule: a request is answered by a run that *started after* it. A request that comes while a run is
under way may have news which that run no longer saw, so it is answered by the next one; all such
requests share that next run. A thousand requests during one run cause exactly one more.

There is no flag that a run could clear by mistake: what waits is the future of the next run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gitsource.errors import GitsourceError

log = logging.getLogger("gitsource.triggers")

T = TypeVar("T")

MOST_REASONS = 16
"""Distinct reasons that are remembered for one run: they are for people."""


class Coalescer(Generic[T]):
    """Runs *run* whenever asked to, never twice at a time."""

    def __init__(self, run: Callable[[], Awaitable[T]]) -> None:
        self._run = run
        self._next: asyncio.Future[T] | None = None
        self._driver: asyncio.Task[None] | None = None
        self._waiting: dict[str, None] = {}
        self._closed = False
        self.reasons: tuple[str, ...] = ()
        """Why the run under way (or the last one) was asked for."""

    def __repr__(self) -> str:
        state = "idle" if self._driver is None else "running"
        return f"<Coalescer {state}, next {'wanted' if self._next else 'not wanted'}>"

    async def request(self, reason: str) -> T:
        """
        Return what a run that starts after this call comes to, or raise what it raises.

        A caller that is cancelled takes nothing from the others who wait for the same run.
        """
        return await asyncio.shield(self._wanted(reason))

    def poke(self, reason: str) -> None:
        """Have a run start after this call, without waiting for it; its errors are only logged."""
        if not self._closed:
            self._wanted(reason)

    def _wanted(self, reason: str) -> asyncio.Future[T]:
        if self._closed:
            raise GitsourceError("gitsource is stopping", hint="ask again when it has started")
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if len(self._waiting) < MOST_REASONS:
            self._waiting[reason] = None
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive(), name="coalescer")
        return self._next

    async def _drive(self) -> None:
        """Run as long as somebody waits for a run that has not started."""
        try:
            while self._next is not None:
                # The news this run answers for ends here: from now on requests get another future.
                answer, self._next = self._next, None
                self.reasons, self._waiting = tuple(self._waiting), {}
                await self._answer(answer)
        finally:
            self._driver = None

    async def _answer(self, answer: asyncio.Future[T]) -> None:
        log.debug("looking", extra={"reasons": ",".join(self.reasons)})
        try:
            outcome = await self._run()
        except asyncio.CancelledError:
            _refuse(answer)
            raise
        except Exception as error:
            if not isinstance(error, GitsourceError):
                log.exception("a look at the repository died; the next one starts afresh")
            answer.set_exception(error)
            answer.exception()  # a poke has nobody who would fetch it
        else:
            answer.set_result(outcome)

    async def close(self) -> None:
        """Cancel the run under way; whoever waits is told that gitsource is stopping."""
        self._closed = True
        driver, waiting, self._next = self._driver, self._next, None
        if driver is not None:
            driver.cancel()
            await asyncio.wait([driver])
        if waiting is not None:
            _refuse(waiting)


def _refuse(answer: asyncio.Future[T]) -> None:
    answer.set_exception(GitsourceError("gitsource is stopping"))
    answer.exception()
