"""
The same again: what one peer does over and over is written down once and counted after that.

Rule: pure; time is an argument. On one stream a subscription, push, ACK or NACK that is the same as
one of the last minute is counted, and one line a minute says how many there were. Besides, what
streams of one peer do gets so many lines a second in the long run; beyond that, one line a minute
for each kind of event counts the rest. So nobody who is let in can push the lines of others out of
the log. Nothing is left out without a count, and what somebody was refused is not decided here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gitsource.observe.audit.crowd import host_of
from gitsource.observe.happenings import Happening

WINDOW = 60.0
"""Seconds in which what is the same is counted."""
AT_ONCE = 2500.0
"""Seconds' worth of lines that one peer gets at once: replicas share an identity, and come back
together."""
MOST = 4096
"""Things of which is remembered that they happened; the oldest is forgotten, and gets a line."""
PEERS = 4096
"""Peers of which is remembered how many lines they got."""

SAME = frozenset(("subscribe", "push", "ack", "nack"))
"""Events that may be the same again."""
OF_STREAMS = SAME | {"connect", "disconnect"}
"""What sinks can cause as often as their limits let them."""

_LOCAL = ("127.", "[::1]", "::1", "unix:")
"""Addresses of this machine tell nobody apart."""

Key: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class _Counted:
    began: float
    last: Happening
    times: int = 0
    """Those that got no line."""


@dataclass(slots=True)
class Repeats:
    """What happened of late; *rate* is lines a second of one peer, 0 for no bound."""

    rate: float = 0.0
    _counted: OrderedDict[Key, _Counted] = field(default_factory=OrderedDict)
    """By when it began."""
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """Peer to how many lines it may have at once, and when that was so."""
    _over: list[Happening] = field(default_factory=list)
    """What was counted of things that had to be forgotten."""

    def __bool__(self) -> bool:
        """Whether there is anything that will get a line by itself."""
        return bool(self._over) or any(one.times for one in self._counted.values())

    def admit(self, told: Happening, now: float) -> bool:
        """Whether *told* gets a line of its own; if not, it is counted until `due`."""
        if told.event not in OF_STREAMS:
            return True
        if told.event in SAME and "stream" in told.facts:
            key = _same(told)
            known = self._counted.get(key)
            if known is not None and 0 <= now - known.began < WINDOW:
                _count(known, told)
                return False
            self._begin(key, told, now)
        peer = told.who or host_of(told.peer)
        alone = not told.who and (not peer or peer.startswith(_LOCAL))
        if alone or self._may(peer, now):
            return True
        rest: Key = ("rest", told.event, told.outcome, peer)
        known = self._counted.get(rest)
        if known is None:
            known = self._begin(rest, told, now)
        _count(known, told)
        return False

    def _begin(self, key: Key, told: Happening, now: float) -> _Counted:
        before = self._counted.pop(key, None)
        if before is not None:
            self._over.extend(_line(before))
        made = self._counted[key] = _Counted(now, told)
        if len(self._counted) > MOST:
            _, gone = self._counted.popitem(last=False)
            self._over.extend(_line(gone))
        return made

    def _may(self, peer: str, now: float) -> bool:
        """Whether *peer* may have another line; takes it."""
        if not self.rate:
            return True
        most = self.rate * AT_ONCE
        left, at = self._left.get(peer, (most, now))
        left = min(most, left + max(0.0, now - at) * self.rate)
        may = left >= 1.0
        self._left[peer] = (left - 1.0 if may else left, now)
        self._left.move_to_end(peer)
        if len(self._left) > PEERS:
            self._left.popitem(last=False)
        return may

    def due(self, now: float, *, now_or_never: bool = False) -> list[Happening]:
        """Return what was counted and whose minute is over: the last of each, with a count."""
        found, self._over = self._over, []
        while self._counted:
            key, one = next(iter(self._counted.items()))
            if not now_or_never and 0 <= now - one.began < WINDOW:
                break
            del self._counted[key]
            found.extend(_line(one))
        return found


def _same(told: Happening) -> Key:
    facts = told.facts
    about = (facts.get(name) for name in ("stream", "sink", "collection", "requested", "version"))
    return (told.event, told.who, told.outcome, told.why, facts.get("delta"), *about)


def _count(known: _Counted, told: Happening) -> None:
    known.last, known.times = told, known.times + 1


def _line(one: _Counted) -> Iterator[Happening]:
    if one.times:
        yield replace(one.last, facts={**one.last.facts, "times": one.times})
