"""
A gate for large writes: so many bytes at one time, over all sinks.

Rule: the gate never waits long for a sink. gRPC copies the bytes of each write that is under way,
so peak memory follows what is being written; but a sink that does not read never finishes its
write, and with a plain semaphore a few of those would stop everybody. So a place is held for a
moment only: a write that takes longer gives its place back and goes on in overtime. Overtime is
bounded as well: when it is crowded nobody gets in, and if somebody waits, the write that has been
in it longest is ended once it had its chance.

Writes of the same content go one after the other, so that its bytes are made once and then let go,
however many contents there are: the first in line brings along all that wait for the same by then.
What they are copied from counts as well, once for all of them, and may take up a part of the budget
only: so where sinks differ in what they may have, those who may have the same come together in line
rather than each have its bytes made for itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

HOLD = 0.25
"""Seconds a place is held, for each `HELD_BYTES` of the write; a good sink needs much less."""
HELD_BYTES = 16 * 1024 * 1024
OVERTIME = 4
"""How many times the budget may be in overtime."""
CONTENTS = 8
"""The part of the budget that different contents under way may take up: an eighth."""
CHANCE = 10.0
"""Seconds a write may stay in crowded overtime while others wait."""


@dataclass(slots=True, eq=False)
class Place:
    """One write that was let in; `Gate.leave` gives the place back."""

    size: int
    end: Callable[[], None] = field(repr=False)
    """Ends the write."""
    content: Hashable = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    """Until it runs over; None in overtime."""
    over_since: float = 0.0
    """Time of the loop at which it ran over."""


@dataclass(slots=True, eq=False)
class _Line:
    """Those who wait to write the same content."""

    turns: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)
    left: int = 0
    """How many of them have their turn before anybody else."""


@dataclass(slots=True, eq=False)
class _Content:
    """What some of the writes under way are made of."""

    size: int
    writes: int = 0


class Gate:
    """Lets large writes in, content by content, first come first served."""

    def __init__(self, budget: int, *, hold: float = HOLD, chance: float = CHANCE) -> None:
        self._budget = budget
        self._hold = hold
        self._chance = chance
        self._under_way = 0
        self._contents: dict[Hashable, _Content] = {}
        self._overtime: dict[Place, None] = {}
        self._waiting: OrderedDict[Hashable, _Line] = OrderedDict()
        self._relief: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return (
            f"<Gate bytes={self._under_way}/{self._budget} overtime={self._over()} "
            f"waiting={sum(len(line.turns) for line in self._waiting.values())}>"
        )

    async def enter(self, size: int, end: Callable[[], None], content: Hashable = None) -> Place:
        """
        Wait until *size* bytes may be written, and return the place.

        *end* is called if the write has to be ended for the sake of others; *content* is what the
        bytes are made of, equal for all who write the same.
        """
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.setdefault(content, _Line()).turns.append((size, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._less(size, content)
            self._admit()
            raise
        place = Place(size, end, content)
        hold = self._hold * max(1.0, size / HELD_BYTES)
        place.timer = loop.call_later(hold, self._run_over, place)
        return place

    def leave(self, place: Place) -> None:
        """Say that the write of *place* is over, one way or another."""
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None
            self._less(place.size, place.content)
        self._overtime.pop(place, None)
        self._admit()

    def _over(self) -> int:
        return sum(place.size for place in self._overtime)

    def _crowded(self) -> bool:
        # One write alone never crowds, however large: else it could never be slow.
        return len(self._overtime) > 1 and self._over() > OVERTIME * self._budget

    def _admit(self) -> None:
        while self._waiting:
            content, line = next(iter(self._waiting.items()))
            while line.turns and line.turns[0][1].done():  # its stream has ended
                line.turns.popleft()
                line.left -= 1
            if not line.turns:
                del self._waiting[content]
                continue
            if self._crowded():
                self._relieve()
                return
            size, turn = line.turns[0]
            # The first one always fits, however large: else it would never be sent.
            if self._under_way and not self._fits(size, content):
                return
            if line.left <= 0:
                line.left = len(line.turns)
            line.turns.popleft()
            line.left -= 1
            if line.left <= 0:  # whoever came meanwhile waits behind the others
                self._waiting.move_to_end(content)
            self._more(size, content)
            turn.set_result(None)

    def _fits(self, size: int, content: Hashable) -> bool:
        made = sum(one.size for one in self._contents.values())
        if content is not None and content not in self._contents:
            made += size
            if made > self._budget // CONTENTS and self._contents:
                return False
        return self._under_way + size + made <= self._budget

    def _more(self, size: int, content: Hashable) -> None:
        self._under_way += size
        if content is not None:
            self._contents.setdefault(content, _Content(size)).writes += 1

    def _less(self, size: int, content: Hashable) -> None:
        self._under_way -= size
        if content is not None:
            self._contents[content].writes -= 1
            if not self._contents[content].writes:
                del self._contents[content]

    def _run_over(self, place: Place) -> None:
        place.timer = None
        place.over_since = asyncio.get_running_loop().time()
        self._less(place.size, place.content)
        self._overtime[place] = None
        self._admit()

    def _relieve(self) -> None:
        """See to it that the write longest in overtime does not keep the others out for ever."""
        if self._relief is None:
            longest = next(iter(self._overtime))
            due = longest.over_since + self._chance
            self._relief = asyncio.get_running_loop().call_at(due, self._end_longest)

    def _end_longest(self) -> None:
        self._relief = None
        if self._waiting and self._crowded():
            longest = next(iter(self._overtime))
            if longest.over_since + self._chance <= asyncio.get_running_loop().time():
                longest.end()
            else:
                self._relieve()
