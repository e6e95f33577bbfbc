"""
Gives memory that large messages took back to the system, once they have passed.

Rule: only when it is quiet, and only after enough has moved to be worth it. gRPC copies every
message, and the C library keeps what is freed of that in its heaps, as much as moved at one time:
after a wave of full sets that is more than all idle streams take together. Where the library has
no such call (it is glibc's), nothing is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

QUIET = 2.0
"""Seconds without a large message after which it is quiet."""
LARGE = 64 * 1024
"""Bytes from which a message counts."""
WORTH = 8 * 1024 * 1024
"""Bytes of large messages from which it is worth it."""


def trim() -> None:
    """Have the C library give back what it does not use; takes milliseconds."""
    import ctypes

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class GiveBack:
    """Calls *give* when it is quiet again after many large messages; belongs to one event loop."""

    def __init__(self, give: Callable[[], None] = trim, *, quiet: float = QUIET) -> None:
        self._give = give
        self._quiet = quiet
        self._moved = 0
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<GiveBack moved={self._moved} waits={self._timer is not None}>"

    def moved(self, size: int) -> None:
        """Note that a message of *size* bytes came or went."""
        if size < LARGE:
            return
        loop = asyncio.get_running_loop()
        self._moved, self._last = self._moved + size, loop.time()
        if self._timer is None and self._moved >= WORTH:
            self._timer = loop.call_later(self._quiet, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._last + self._quiet
        if loop.time() < due:
            self._timer = loop.call_at(due, self._look)
            return
        self._timer, self._moved = None, 0
        self._give()
