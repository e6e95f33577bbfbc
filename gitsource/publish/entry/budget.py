"""
What sinks have gitsource remember, in bytes: counted for each peer and in all, and said no to.

Rule: pure. Counted is what streams name (what they ask for, and what they say they have and nobody
else knows), as it stands after each request: a stream that names less, or ends, gives back exactly
what it had. Streams that name the same share one set of it, which counts once for a peer and once
in all. Who is over is told so; others keep what they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from gitsource.errors import OverLimit
from gitsource.model import Collection
from gitsource.publish.entry.admission import is_local
from gitsource.publish.words import Named, weight
from gitsource.settings.serving import Limits

SUBSCRIPTION = 2048
"""Bytes that a subscription takes besides its names, with what the status knows of it."""
Thing: TypeAlias = frozenset[str] | Collection
"""What several streams may share: names, or what a client says it has."""

_NO_NAMES: frozenset[str] = frozenset()


def strange(has: Collection) -> int:
    """Return how many bytes that counts as which a client says it *has*, and nobody else knows."""
    return weight(one.name + one.version for one in has.resources if not one.wire)


class _Shared:
    """Something that is there once, and whose streams named it."""

    __slots__ = ("bytes", "peers", "thing")

    def __init__(self, thing: Thing, size: int) -> None:
        self.thing = thing  # Kept, so that its identity stays its own.
        self.bytes = size
        self.peers: Counter[str] = Counter()


class Budget:
    """Who has how much."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        """Those in force; who is over when they shrink keeps what is there."""
        self.total = 0
        """Bytes in all."""
        self._peers: Counter[str] = Counter()
        self._shared: dict[int, _Shared] = {}

    def __repr__(self) -> str:
        return f"<Budget bytes={self.total} peers={len(self._peers)} shared={len(self._shared)}>"

    def share(self, key: str) -> Share:
        """Return the share of a new stream of the peer *key*."""
        return Share(self, key)

    def of(self, key: str) -> int:
        """Return how many bytes the streams of the peer *key* have."""
        return self._peers[key]

    def over(self, key: str) -> str:
        """Return which bound *key* is over, in words for it; empty if none."""
        limits = self.limits
        if not is_local(key) and self._peers[key] > limits.named_bytes_each:
            text = f"what one peer names takes more than {limits.named_bytes_each} bytes"
            return f"{text} (limits.named_bytes_each)"
        if self.total > limits.named_bytes:
            text = f"what all sinks name takes more than {limits.named_bytes} bytes"
            return f"{text} (limits.named_bytes)"
        return ""

    def add(self, key: str, size: int) -> None:
        """Count *size* bytes more (or less) of *key* alone."""
        self.total += size
        self._count(key, size)

    def take(self, key: str, thing: Thing, size: Callable[[], int]) -> int:
        """
        Count that a stream of *key* names *thing*; returns as how many bytes it counts.

        *size* is asked for that once, of whoever comes first.
        """
        known = self._shared.get(id(thing))
        if known is None:
            known = self._shared[id(thing)] = _Shared(thing, size())
            self.total += known.bytes
        known.peers[key] += 1
        if known.peers[key] == 1:
            self._count(key, known.bytes)
        return known.bytes

    def give_back(self, key: str, thing: Thing) -> None:
        """Count that a stream of *key* names *thing* no more."""
        known = self._shared[id(thing)]
        known.peers[key] -= 1
        if known.peers[key]:
            return
        del known.peers[key]
        self._count(key, -known.bytes)
        if not known.peers:
            del self._shared[id(thing)]
            self.total -= known.bytes

    def _count(self, key: str, size: int) -> None:
        self._peers[key] += size
        if not self._peers[key]:
            del self._peers[key]


class _Part:
    """What one subscription names."""

    __slots__ = ("every", "names", "names_bytes", "own", "stated", "stated_bytes")

    def __init__(self) -> None:
        self.every = False
        self.names: frozenset[str] = _NO_NAMES
        self.names_bytes = 0
        self.stated: Collection | None = None
        self.stated_bytes = 0
        self.own = 0


class Share:
    """What one stream names, by subscription."""

    __slots__ = ("_budget", "_key", "_parts")

    def __init__(self, budget: Budget, key: str) -> None:
        self._budget = budget
        self._key = key
        self._parts: dict[str, _Part] = {}

    def __repr__(self) -> str:
        return f"<Share of {self._key!r} subscriptions={len(self._parts)}>"

    def grows(self, requested: str, named: Named) -> bool:
        """Whether the stream asks for anything under *requested* that it did not ask for before."""
        part = self._parts.get(requested)
        if part is None or (named.every and not part.every):
            return True
        return named.names is not part.names and not named.names <= part.names

    def put(self, requested: str, named: Named) -> None:
        """
        Count what the stream names under *requested* from now on.

        Raises OverLimit if that is more than before, and more than there may be.
        """
        budget, key = self._budget, self._key
        had = budget.of(key), budget.total
        part = self._parts.get(requested)
        if part is None:
            part = self._parts[requested] = _Part()
            self._stated(part, named.stated)
        elif part.stated_bytes:
            # Only at first a client says what it has; what of it nobody else knows only shrinks.
            self._stated(part, named.stated)
        self._names(part, named.names)
        part.every = named.every
        own = SUBSCRIPTION + len(requested) + named.own
        if own != part.own:
            budget.add(key, own - part.own)
            part.own = own
        grown = budget.of(key) > had[0] or budget.total > had[1]
        if grown and (why := budget.over(key)):
            raise OverLimit(why)

    def _names(self, part: _Part, names: frozenset[str]) -> None:
        before = part.names
        if names is before:
            return

        def size() -> int:
            if not before:
                return weight(names)
            # Names may come one by one, and be many: those that were there are not looked at.
            return part.names_bytes + weight(names - before) - weight(before - names)

        known = self._budget.take(self._key, names, size) if names else 0
        if before:
            self._budget.give_back(self._key, before)
        part.names, part.names_bytes = names, known

    def _stated(self, part: _Part, stated: Collection | None) -> None:
        before = part.stated
        if stated is not None and stated is before:
            return
        known = 0
        if stated is not None:
            known = self._budget.take(self._key, stated, partial(strange, stated))
        if before is not None:
            self._budget.give_back(self._key, before)
        if stated is not None and not known:
            self._budget.give_back(self._key, stated)
            stated = None
        part.stated, part.stated_bytes = stated, known

    def release(self) -> None:
        """Give everything back: the stream is over."""
        for part in self._parts.values():
            if part.names:
                self._budget.give_back(self._key, part.names)
            if part.stated is not None:
                self._budget.give_back(self._key, part.stated)
            self._budget.add(self._key, -part.own)
        self._parts.clear()
