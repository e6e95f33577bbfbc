"""
Recent versions of collections, and the deltas between them.

Rule: what is served is always kept; older versions are kept as diff bases for sinks that hold them,
within bounds on their number, their size and what nothing newer shares with them. A base that is
gone costs its sink one full-state push, never correctness. What is served in several ways (to
groups, through views) is old when the last of them serves something else.

A delta is computed once for all sinks that go from the same version to the same version. Versions
of a collection mostly share their beginning and their end, so only what lies between is compared.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from gitsource.model import Collection, empty_collection
from gitsource.snapshot.build import CollectionDelta, delta

VERSIONS = 1024
"""Kept versions over all collections that are no longer served."""
ENTRIES = 500_000
"""Resources listed in kept versions that are no longer served: 24 bytes each, 12 MB in all."""
OWN = 50_000
"""Resources that only a version no longer served refers to: about a kilobyte each."""
DELTAS = 128
"""Deltas that are kept; a lost one is computed again."""

_STRIDE = 1024


class Window:
    """The recent versions of every collection, oldest first."""

    def __init__(self, *, versions: int = VERSIONS, entries: int = ENTRIES, own: int = OWN) -> None:
        self._bounds = (versions, entries, own)
        self._kept: dict[tuple[str, str], Collection] = {}
        self._served: dict[tuple[str, str], int] = {}
        """In how many ways each version is served."""
        self._own: OrderedDict[tuple[str, str], int] = OrderedDict()
        """What only each of the others refers to, those longest out of use first."""
        self._old_entries = 0
        self._old_own = 0
        self._deltas: OrderedDict[tuple[str, str, str], CollectionDelta] = OrderedDict()

    def __repr__(self) -> str:
        return (
            f"<Window versions={len(self._kept)} old_entries={self._old_entries} "
            f"old_resources={self._old_own}>"
        )

    def serve(self, before: Iterable[Collection], now: Iterable[Collection]) -> None:
        """Take in the collections served *now*, and keep those served *before* as diff bases."""
        served = {collection.name: collection for collection in now}
        for collection in served.values():
            self._take(collection)
        for old in before:
            new = served.get(old.name) or empty_collection(old.name)
            if self._no_longer(old) and new.version != old.version:
                self._grow_old(old, len(old) - (len(new) - len(self.between(old, new).put)))
        self._shrink()

    def derive(self, before: Collection | None, now: Collection | None) -> None:
        """
        Do so for a part of a collection, served *now* in place of *before*.

        Without anything in its place, its resources count as those of the whole.
        """
        if now is not None:
            self.serve(() if before is None else (before,), (now,))
        elif before is not None and self._no_longer(before):
            self._grow_old(before, 0)
            self._shrink()

    def _take(self, collection: Collection) -> None:
        key = (collection.name, collection.version)
        if self._kept.get(key, collection) is not collection:
            # The same content with other create_times: deltas that lead here carry old ones.
            for stale in [known for known in self._deltas if (known[0], known[2]) == key]:
                del self._deltas[stale]
        self._served[key] = self._served.get(key, 0) + 1
        if key in self._own:
            self._forget_old(key)
        self._kept[key] = collection

    def _no_longer(self, collection: Collection) -> bool:
        """Note that *collection* is served in one way less; say whether that was the last."""
        key = (collection.name, collection.version)
        ways = self._served.get(key, 1) - 1
        if ways:
            self._served[key] = ways
        else:
            self._served.pop(key, None)
        return not ways and key in self._kept and key not in self._own

    def _grow_old(self, collection: Collection, own: int) -> None:
        self._own[collection.name, collection.version] = own
        self._old_own += own
        self._old_entries += len(collection)

    def _forget_old(self, key: tuple[str, str]) -> Collection:
        self._old_own -= self._own.pop(key)
        old = self._kept.pop(key)
        self._old_entries -= len(old)
        return old

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
        return None if before is None else self.between(before, target)

    def between(self, before: Collection, after: Collection) -> CollectionDelta:
        """Return what turns *before* into *after*."""
        key = (after.name, before.version, after.version)
        known = self._deltas.get(key)
        if known is None:
            known = self._deltas[key] = delta(*_differing(before, after))
            if len(self._deltas) > DELTAS:
                self._deltas.popitem(last=False)
        return known

    def _shrink(self) -> None:
        versions, entries, own = self._bounds
        while self._own and (
            len(self._own) > versions or self._old_entries > entries or self._old_own > own
        ):
            self._forget_old(next(iter(self._own)))


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
