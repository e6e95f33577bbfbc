"""
Recent versions of collections, and the deltas between them.

Rule: what is served is always kept; older versions are kept as diff bases for sinks that hold them,
within bounds on their number, their size and what nothing newer shares with them. A base that is
gone costs its sink one full-state push, never correctness.

A delta is computed once for all sinks that go from the same version to the same version. Versions
of a collection mostly share their beginning and their end, so only what lies between is compared.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from gitsource.model import Collection, empty_collection
from gitsource.snapshot.build import CollectionDelta, delta

VERSIONS = 512
"""Kept versions over all collections."""
ENTRIES = 2_000_000
"""Resources listed in kept versions that are no longer served: 24 bytes each."""
OWN = 50_000
"""Resources that only a version no longer served refers to: about a kilobyte each."""
DELTAS = 128
"""Deltas that are kept; a lost one is computed again."""

_STRIDE = 1024


class Window:
    """The recent versions of every collection, oldest first."""

    def __init__(self, *, versions: int = VERSIONS, entries: int = ENTRIES, own: int = OWN) -> None:
        self._bounds = (versions, entries, own)
        self._kept: OrderedDict[tuple[str, str], Collection] = OrderedDict()
        self._own: dict[tuple[str, str], int] = {}
        self._deltas: OrderedDict[tuple[str, str, str], CollectionDelta] = OrderedDict()

    def __repr__(self) -> str:
        versions, entries, own = self._totals()
        return f"<Window versions={versions} old_entries={entries} old_resources={own}>"

    def serve(self, before: Iterable[Collection], now: Iterable[Collection]) -> None:
        """Take in the collections served *now*, and keep those served *before* as diff bases."""
        served = {collection.name: collection for collection in now}
        for old in before:
            new = served.get(old.name) or empty_collection(old.name)
            if new.version != old.version:
                shared = len(new) - len(self._compared(old, new).put)
                self._own[old.name, old.version] = len(old) - shared
        for collection in served.values():
            key = (collection.name, collection.version)
            if self._kept.get(key, collection) is not collection:
                # The same content with other create_times: deltas that lead here carry old ones.
                for stale in [known for known in self._deltas if (known[0], known[2]) == key]:
                    del self._deltas[stale]
            self._kept[key] = collection
            self._kept.move_to_end(key)
            self._own.pop(key, None)
        self._shrink()

    def find(self, name: str, version: str) -> Collection | None:
        """Return *version* of the collection *name* if it is kept; the empty one always is."""
        found = self._kept.get((name, version))
        if found is None and version == _EMPTY:
            return empty_collection(name)
        return found

    def delta(self, name: str, base: str, target: Collection) -> CollectionDelta | None:
        """Return what turns version *base* into *target*, or None if that base is gone."""
        known = self._deltas.get((name, base, target.version))
        if known is not None:
            self._deltas.move_to_end((name, base, target.version))
            return known
        before = self.find(name, base)
        return None if before is None else self._compared(before, target)

    def _compared(self, before: Collection, after: Collection) -> CollectionDelta:
        key = (after.name, before.version, after.version)
        known = self._deltas.get(key)
        if known is None:
            known = self._deltas[key] = delta(*_differing(before, after))
            if len(self._deltas) > DELTAS:
                self._deltas.popitem(last=False)
        return known

    def _totals(self) -> tuple[int, int, int]:
        entries = sum(len(self._kept[key]) for key in self._own if key in self._kept)
        return len(self._kept), entries, sum(self._own.values())

    def _shrink(self) -> None:
        totals = self._totals()
        for key in [key for key in self._kept if key in self._own]:
            if all(total <= bound for total, bound in zip(totals, self._bounds, strict=True)):
                return
            versions, entries, own = totals
            totals = versions - 1, entries - len(self._kept.pop(key)), own - self._own.pop(key)


_EMPTY = empty_collection("").version


def _differing(before: Collection, after: Collection) -> tuple[Collection, Collection]:
    """Return both without the beginning and the end they share."""
    old, new = before.lines, after.lines
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start : start + _STRIDE] == new[start : start + _STRIDE]:
        start += _STRIDE
    start = min(start, shorter)
    end = 0
    while end < shorter - start:
        stride = min(_STRIDE, shorter - start - end)
        if (
            old[len(old) - end - stride : len(old) - end]
            != (new[len(new) - end - stride : len(new) - end])
        ):
            break
        end += stride
    return _part(before, start, len(old) - end), _part(after, start, len(new) - end)


def _part(whole: Collection, start: int, end: int) -> Collection:
    return Collection(
        whole.name,
        whole.names[start:end],
        whole.resources[start:end],
        whole.lines[start:end],
        whole.version,
    )
