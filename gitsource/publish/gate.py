"""
A gate for large writes: so many bytes at one time, over all sinks.

Rule: the gate never waits for a sink. gRPC copies the bytes of each write that is under way, so
peak memory follows what is being written; but a sink that does not read never finishes its write,
and with a plain semaphore a few of those would stop everybody. So a place is held for a moment
only: a write that takes longer gives its place back and goes on in overtime. Overtime is bounded as
well: when too many bytes are in it, the write that has been in it longest is ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

HOLD = 0.25
"""Seconds a place is held; a sink on a good line takes its push in much less."""
OVERTIME = 4
"""How many times the budget may be in overtime."""


@dataclass(slots=True, eq=False)
class Place:
    """One write that was let in; `Gate.leave` gives the place back."""

    size: int
    end: Callable[[], None] = field(repr=False)
    """Ends the write."""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    """Until it runs over; None in overtime."""


class Gate:
    """Lets large writes in, first come first served."""

    def __init__(self, budget: int, *, hold: float = HOLD) -> None:
        self._budget = budget
        self._hold = hold
        self._under_way = 0
        self._overtime: dict[Place, None] = {}
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __repr__(self) -> str:
        overtime = sum(place.size for place in self._overtime)
        return (
            f"<Gate bytes={self._under_way}/{self._budget} overtime={overtime} "
            f"waiting={len(self._waiting)}>"
        )

    async def enter(self, size: int, end: Callable[[], None]) -> Place:
        """
        Wait until *size* bytes may be written, and return the place.

        *end* is called if the write has to be ended because overtime is full.
        """
        if self._waiting or not self._fits(size):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._under_way -= size
                self._admit()
                raise
        else:
            self._under_way += size
        place = Place(size, end)
        place.timer = asyncio.get_running_loop().call_later(self._hold, self._run_over, place)
        return place

    def _fits(self, size: int) -> bool:
        # The first one always does, however large: else it would never be sent.
        return self._under_way == 0 or self._under_way + size <= self._budget

    def _admit(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if turn.done():  # its stream has ended
                self._waiting.popleft()
                continue
            if not self._fits(size):
                return
            self._waiting.popleft()
            self._under_way += size
            turn.set_result(None)

    def _run_over(self, place: Place) -> None:
        place.timer = None
        self._under_way -= place.size
        self._overtime[place] = None
        if sum(one.size for one in self._overtime) > OVERTIME * self._budget:
            longest = next(iter(self._overtime))
            if longest is not place:
                longest.end()
        self._admit()

    def leave(self, place: Place) -> None:
        """Say that the write of *place* is over, one way or another."""
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None
            self._under_way -= place.size
        self._overtime.pop(place, None)
        self._admit()
