"""
What runs beside the rest of a gitsource, by name.

Rule: a task that dies is told in the log when everything ends; none outlives the whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("gitsource.app")


class Tasks:
    """The tasks of one gitsource."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}

    def spawn(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have it run; whoever had the name before is not cancelled by this."""
        self._running[name] = asyncio.create_task(make(), name=name)

    def cancel(self, name: str) -> None:
        """End what runs under *name*, if anything does."""
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()

    async def end(self, but: Callable[[], BaseException | None]) -> None:
        """End all, and tell who died of something else than *but*."""
        for task in self._running.values():
            task.cancel()
        done = await asyncio.gather(*self._running.values(), return_exceptions=True)
        for name, ended in zip(self._running, done, strict=True):
            if isinstance(ended, Exception) and ended is not but():
                log.error("%s died: %r", name, ended)
