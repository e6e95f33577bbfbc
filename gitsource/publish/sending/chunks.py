"""
How to get a sink from one state of a collection to another in pushes that are not too large.

Rule: each push leads to a state that is a Collection again, with a version that the sink can work
out from what it holds; the last one is the version that is served. Additions and changes go first,
by name, and removals last. What comes of (from, to) is the same for every sink and computed once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gitsource.model import Collection, Origin, Resource

HEAD_ROOM = 1200
"""Bytes a message may need besides resources and removed names: two long collection names."""
FIELD_ROOM = 6
"""Bytes a field needs besides its value: tag and length."""
ENTRIES = 500_000
"""Resources listed in all the states that are remembered: 24 bytes each."""
SIZES = 1024
"""Collections whose size is remembered."""


class Changes(Protocol):
    """What turns one version of a collection into another."""

    @property
    def put(self) -> tuple[Resource, ...]:
        """Resources added or changed."""

    @property
    def removed(self) -> tuple[str, ...]:
        """Names that are gone."""


@dataclass(frozen=True, slots=True)
class Step:
    """One push on the way."""

    state: Collection
    """What the sink holds after it."""
    put: tuple[Resource, ...]
    removed: tuple[str, ...]
    too_large: str = ""
    """The resource that is more than the limit all by itself, if it is one."""


class Chunks:
    """The steps and sizes that all streams of a wire share; *limit* is bytes of a message."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._room = max(limit - HEAD_ROOM, 1)
        self._steps: OrderedDict[tuple[str, str, str], Step] = OrderedDict()
        self._sizes: OrderedDict[tuple[str, str], int] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Chunks limit={self.limit} steps={len(self._steps)}>"

    def size(self, collection: Collection) -> int:
        """Return about how many bytes the whole *collection* is on the wire."""
        key = collection.name, collection.version
        size = self._sizes.get(key)
        if size is None:
            size = self._sizes[key] = sum(map(_cost, collection.resources))
            if len(self._sizes) > SIZES:
                self._sizes.popitem(last=False)
        return size

    def whole_fits(self, collection: Collection) -> bool:
        """Whether *collection* fits into one message."""
        return self.size(collection) <= self._room

    def fits(self, changes: Changes) -> bool:
        """Whether *changes* fit into one message."""
        room = self._room - sum(map(_name_cost, changes.removed))
        for resource in changes.put:
            room -= _cost(resource)
            if room < 0:
                return False
        return room >= 0

    def step(self, base: Collection, changes: Changes, target: Collection) -> Step:
        """Return the first step of *changes*, which turn *base* into *target*."""
        if self.fits(changes):
            return Step(target, changes.put, changes.removed)
        key = target.name, base.version, target.version
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self.cut(base, changes, target)
            self._shrink()
        else:
            self._steps.move_to_end(key)
        return known

    def cut(self, base: Collection, changes: Changes, target: Collection) -> Step:
        """Return the same, though nothing is remembered of it: for what one sink alone needs."""
        put = _fitting(map(_cost, changes.put), self._room)
        too_large = ""
        if not put and changes.put:
            put, too_large = 1, changes.put[0].name
        room = self._room - sum(map(_cost, changes.put[:put]))
        removed = 0
        if put == len(changes.put):
            removed = _fitting(map(_name_cost, changes.removed), room)
            if not put and changes.removed:
                removed = max(removed, 1)
        if put == len(changes.put) and removed == len(changes.removed):
            return Step(target, changes.put, changes.removed, too_large)
        first = {resource.name: resource for resource in changes.put[:put]}
        gone = changes.removed[:removed]
        return Step(base.changed(gone, first), changes.put[:put], gone, too_large)

    def find(self, collection: str, version: str) -> Collection | None:
        """Return a state on some way that is still remembered."""
        for step in self._steps.values():
            if step.state.version == version and step.state.name == collection:
                return step.state
        return None

    def _shrink(self) -> None:
        entries = sum(len(step.state) for step in self._steps.values())
        while entries > ENTRIES and len(self._steps) > 1:
            entries -= len(self._steps.popitem(last=False)[1].state)


def _cost(resource: Resource) -> int:
    return len(resource.wire) + FIELD_ROOM


def _name_cost(name: str) -> int:
    return 4 * len(name) + FIELD_ROOM


def _fitting(costs: Iterable[int], room: int) -> int:
    """Return how many of *costs*, from the first one on, fit into *room*."""
    number = 0
    for cost in costs:
        room -= cost
        if room < 0:
            break
        number += 1
    return number


def as_stated(base: Collection, other: Mapping[str, str | None]) -> Collection:
    """
    Return what a sink holds that differs from *base* as *other* says: name to version, or None.

    The resources in which it differs have no bodies: nobody here knows them, nobody needs them.
    """
    gone = [name for name, version in other.items() if version is None]
    put = {
        name: Resource(name, version, b"", Origin("", 0))
        for name, version in other.items()
        if version is not None
    }
    return base.changed(gone, put)
