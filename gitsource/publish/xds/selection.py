"""
Selections of collections, and what turns one into another: worked out once for all streams.

Rule: everything here is a function of its arguments, remembered by their identity, so that streams
that stand at the same point share the very same collections and tuples (and by that their bytes).
What is remembered is bounded, the longest unused goes first, and a thing that was forgotten is
worked out again. A resource in `UNKNOWN` version is one of which it is only known that a client may
have it; it has no body and is never sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from gitsource.model import BULK_CHANGE, Collection, Origin, Resource, empty_collection
from gitsource.publish.xds.annotations import ALIASES, TTL, aliases_of, annotated, ttl_of
from gitsource.publish.xds.outline import Outlines
from gitsource.publish.xds.stated import Stated, read
from gitsource.publish.xds.subscription import Subscription, is_glob

UNKNOWN = ""
"""The version of what a client may or may not have, in any version."""

CHUNK = 3_500_000
"""Bytes of resources in one response of what may be divided: gRPC clients take 4 MiB."""
OVERHEAD = 64
"""Bytes that a resource takes beside its own."""

RESULTS = 1024
"""Results remembered."""
ENTRIES = 3_000_000
"""Resources listed in all of them; what only a client knows of counts as more (`STRANGER`)."""

UNIT = 24
"""Bytes that an entry takes, where what is listed is there anyhow."""
STRANGER = 12
"""Entries that something only a client knows of counts as, besides the characters of its name."""

STEP = 100
"""From this many changed names on, a selection is made anew rather than from the one before."""

FEW = 16
"""Up to this many names are looked for in clusters one by one, rather than reading all of them."""

_STRIDES = (1024, 64, 4)
_NOWHERE = Origin("", 0)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What turns one collection into another."""

    put: tuple[Resource, ...] = field(repr=False)
    removed: tuple[str, ...] = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.put or self.removed)

    def __len__(self) -> int:
        return len(self.put) + len(self.removed)


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """The resources of a collection that run out unless a client is told that they go on."""

    put: tuple[Resource, ...] = field(repr=False)
    seconds: float
    """Until the first of them runs out."""

    def __len__(self) -> int:
        return len(self.put)


NONE = Changes((), ())
ENDLESS = Lasting((), inf)


class Shelf:
    """What is worked out for one stream and of use to others."""

    def __init__(self, *, results: int = RESULTS, entries: int = ENTRIES) -> None:
        self._bounds = (results, entries)
        self._results: OrderedDict[tuple[Any, ...], tuple[Any, Any, int]] = OrderedDict()
        self._entries = 0
        self._names: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()
        self._outlines = Outlines()
        self._lasting: set[str] = set()
        """The collections of which something that was served runs out."""

    def __repr__(self) -> str:
        return f"<Shelf results={len(self._results)} entries={self._entries}>"

    def _once(
        self, key: tuple[Any, ...], pins: Any, work: Callable[[], T], size: Callable[[T], int]
    ) -> T:
        """Return what *work* returns; *pins* are the objects whose identity is in *key*."""
        known = self._results.get(key)
        if known is not None:
            self._results.move_to_end(key)
            return known[1]  # type: ignore[no-any-return]
        result = work()
        self._keep(key, pins, result, size(result))
        return result

    def _keep(self, key: tuple[Any, ...], pins: Any, result: Any, size: int) -> None:
        before = self._results.pop(key, None)
        self._results[key] = (pins, result, size)
        self._entries += size - (before[2] if before is not None else 0)
        results, entries = self._bounds
        while len(self._results) > 1 and (len(self._results) > results or self._entries > entries):
            _, (_, _, freed) = self._results.popitem(last=False)
            self._entries -= freed

    # ------------------------------------------------------------------ names and selections

    def shared(self, wanted: Subscription) -> Subscription:
        """Return *wanted* with the one object that all equal sets of names share."""
        if not wanted.names:
            return wanted
        names = self._names.setdefault(hash(wanted.names), wanted.names)
        if names is wanted.names or names != wanted.names:
            return wanted
        return replace(wanted, names=names)

    def empty(self, name: str) -> Collection:
        """Return the one empty collection *name*."""
        return self._once(("empty", name), None, lambda: empty_collection(name), len)

    def select(self, whole: Collection, wanted: Subscription) -> Collection:
        """Return what is *wanted* of *whole*."""
        if not whole.names or wanted.nothing:
            return self.empty(whole.name)
        if wanted.all:
            return whole
        if wanted.aliased:
            names = self.resolved(whole, wanted.names)
            wanted = Subscription(names, named=True, globs=wanted.globs)
        # The last selection by these names is a good place to start: mostly nothing of it changed.
        key = ("select", whole.name, wanted.names)
        known = self._results.get(key)
        if known is not None and known[0] is whole:
            self._results.move_to_end(key)
            return known[1]  # type: ignore[no-any-return]
        selected = self._selected(whole, wanted, known)
        self._keep(key, whole, selected, len(selected) + _asked(wanted.names, selected))
        return selected

    def follow(self, whole: Collection, before: Subscription, wanted: Subscription) -> None:
        """Know what is *wanted* of *whole* from what was *before*: names often come one by one."""
        known = self._results.get(("select", whole.name, before.names))
        plain = not (wanted.all or before.all or wanted.globs or before.globs or wanted.aliased)
        if known is None or known[0] is not whole or not plain or not wanted.names:
            return
        given, dropped = wanted.names - before.names, before.names - wanted.names
        if len(given) + len(dropped) > STEP:
            return
        put = {name: one for name in given if (one := whole.get(name)) is not None}
        selected: Collection = known[1]
        if put or dropped:
            selected = selected.changed(dropped, put)
        if len(selected) in {0, len(whole)}:
            selected = whole if selected.names else self.empty(whole.name)
        size = len(selected) + _asked(wanted.names, selected)
        self._keep(("select", whole.name, wanted.names), whole, selected, size)

    def _selected(
        self, whole: Collection, wanted: Subscription, known: tuple[Any, Any, int] | None
    ) -> Collection:
        names, globs = wanted.names, wanted.globs
        if known is not None and not globs:
            changes = self.changes(known[0], whole)
            before: Collection = known[1]
            if len(changes) <= BULK_CHANGE:
                removed = [name for name in changes.removed if name in names]
                put = {one.name: one for one in changes.put if one.name in names}
                return before.changed(removed, put) if removed or put else before
        if len(names) * 8 > len(whole):
            found = [one for one in whole.resources if one.name in names]
        else:
            found = [one for name in names if (one := whole.get(name)) is not None]
        if globs:
            under = tuple(glob[:-1] for glob in globs)
            have = {one.name for one in found}
            found += [
                one
                for one in whole.resources
                if one.name.startswith(under) and one.name not in have
            ]
        if len(found) == len(whole):
            return whole
        return Collection.of(whole.name, found) if found else self.empty(whole.name)

    def narrowed(self, has: Collection, wanted: Subscription) -> Collection:
        """Return what a client keeps of what it *has* when that is all it wants."""
        if wanted.all or not has.names:
            return has
        if not wanted.names:
            return self.empty(has.name)
        if wanted.aliased:
            names = self.resolved(has, wanted.names)
            wanted = Subscription(names, named=True, globs=wanted.globs)
        if not wanted.globs and wanted.names.issuperset(has.names):
            return has

        def work() -> Collection:
            gone = _outside(wanted, has.names)
            return has.changed(gone, {}) if gone else has

        key = ("narrowed", id(has), wanted.names)
        return self._once(key, has, work, lambda left: _strange(has) + _asked(wanted.names, left))

    def resolved(self, whole: Collection, names: frozenset[str]) -> frozenset[str]:
        """Return *names* with the name of a resource of *whole* in place of its other names."""
        aliases = self.aliases(whole)
        if aliases.keys().isdisjoint(names):
            return names
        return frozenset(aliases.get(name, name) for name in names)

    def aliases(self, whole: Collection) -> Mapping[str, str]:
        """Return the name of a resource by each of its other names, which are those of no other."""

        def work() -> Mapping[str, str]:
            found = annotated(whole.resources, ALIASES)
            told = ((alias, one.name) for one in found for alias in aliases_of(one.wire))
            return {alias: name for alias, name in told if whole.get(alias) is None}

        return self._once(("aliases", id(whole)), whole, work, len)

    def lasting(self, has: Collection, served: Collection) -> Lasting:
        """Return the resources of *has* that run out; all of it was served, *served* is now."""
        # Where nothing that was served ever ran out, nobody has anything that does.
        if served.name not in self._lasting and not self._runs_out(served).put:
            return ENDLESS
        self._lasting.add(served.name)
        return self._runs_out(has)

    def _runs_out(self, has: Collection) -> Lasting:
        def work() -> Lasting:
            told = [(one, ttl_of(one.wire)) for one in annotated(has.resources, TTL)]
            found = [(one, seconds + nanos / 1e9) for one, (seconds, nanos) in told]
            put = tuple(one for one, seconds in found if seconds)
            return Lasting(put, min((seconds for _, seconds in found if seconds), default=inf))

        return self._once(("lasting", id(has)), has, work, len)

    def part(self, whole: Collection, names: frozenset[str]) -> Collection:
        """Return the resources of *whole* called as in *names*."""
        return self._once(
            ("part", id(whole), names),
            whole,
            lambda: Collection.of(
                whole.name, [one for name in names if (one := whole.get(name)) is not None]
            ),
            lambda found: _asked(names, found),
        )

    def missing(self, whole: Collection, names: frozenset[str]) -> frozenset[str]:
        """Return the *names* that *whole* does not have."""
        if len(names) < STEP and not any(map(is_glob, names)):
            return frozenset(name for name in names if whole.get(name) is None)
        return self._once(
            ("missing", id(whole), names),
            whole,
            lambda: frozenset(
                name
                for name in names.difference(whole.names)
                if not (is_glob(name) and any(n.startswith(name[:-1]) for n in whole.names))
            ),
            lambda found: len(names) + _told(found),
        )

    def stated(self, whole: Collection, versions: Mapping[str, str]) -> Collection:
        """Return what a client says it has, as far as possible in resources of *whole*."""
        told = Stated.of(versions).entries
        known = self._once(
            ("entries", id(whole)),
            whole,
            lambda: Stated.of({one.name: one.version for one in whole.resources}).entries,
            len,
        )
        if told == known:
            return whole
        said, missed = read(told - known), read(known - told)
        gone = [name for name in missed if name not in said]
        other = {
            name: Resource(name, version, b"", _NOWHERE)
            for name, version in said.items()
            if missed.get(name) != version
        }
        if not gone and not other:
            return whole
        found = whole.changed(gone, other)
        key = ("stated", whole.name, found.version)
        return self._once(key, None, lambda: found, lambda known: len(known) + _strange(known))

    # ------------------------------------------------------------------ from one to another

    def changes(self, before: Collection, after: Collection) -> Changes:
        """Return what turns *before* into *after*."""
        if before is after or before.version == after.version:
            return NONE
        key = ("changes", id(before), id(after))
        return self._once(
            key,
            (before, after),
            lambda: _changes(before, after),
            lambda changes: len(changes) + _strange(before),
        )

    def joined(self, under: Collection, over: Collection) -> Collection:
        """Return the resources of both; of two with one name that of *over*."""
        if not under.names or under.version == over.version:
            return over
        key = ("joined", id(under), id(over))

        def work() -> Collection:
            changes = self.changes(under, over)
            if not changes.removed:
                return over
            gone = ((name, under.get(name)) for name in changes.removed)
            return over.changed((), {name: one for name, one in gone if one is not None})

        return self._once(key, (under, over), work, len)

    def merged(
        self, before: Collection, put: tuple[Resource, ...], removed: tuple[str, ...]
    ) -> Collection:
        """Return *before* without *removed* and with *put*."""
        if not put and not removed:
            return before
        return self._once(
            ("merged", id(before), id(put), removed),
            (before, put),
            lambda: before.changed(removed, {one.name: one for one in put}),
            lambda after: len(after) + _strange(before),
        )

    def forgotten(self, before: Collection, put: tuple[Resource, ...]) -> Collection:
        """Return *before*, not knowing what it has of the resources *put*."""
        return self._once(
            ("forgotten", id(before), id(put)),
            (before, put),
            lambda: before.changed(
                (), {one.name: Resource(one.name, UNKNOWN, b"", _NOWHERE) for one in put}
            ),
            lambda after: len(after) + _strange(before),
        )

    def excused(
        self, target: Collection, has: Collection, bad: frozenset[tuple[str, str]]
    ) -> Collection:
        """Return *target* without the contents in *bad*: of those a client keeps what it has."""

        def work() -> Collection:
            left = [
                name
                for name, version in bad
                if (one := target.get(name)) is not None and one.version == version
            ]
            if not left:
                return target
            kept = {name: one for name in left if (one := has.get(name)) is not None}
            return target.changed([name for name in left if name not in kept], kept)

        if not bad:
            return target
        return self._once(("excused", id(target), id(has), bad), (target, has), work, len)

    def chunks(self, put: tuple[Resource, ...]) -> tuple[tuple[Resource, ...], ...]:
        """Return *put* in parts that fit into a response each, if a single resource does."""
        return self._once(("chunks", id(put)), put, lambda: tuple(_chunks(put)), len)

    def asked_for(self, names: frozenset[str], clusters: Collection) -> frozenset[str]:
        """Return those of *names* under which *clusters* ask for endpoints."""
        if len(names) > FEW:
            return names & self.endpoints(clusters.resources)
        key = ("asked for", id(clusters), names)
        return self._once(key, clusters, lambda: self._found(names, clusters), len)

    def _found(self, names: frozenset[str], clusters: Collection) -> frozenset[str]:
        # Nearly always it is the cluster's own name; the others name it in plain.
        own = (clusters.get(name) for name in names)
        found = names & self._outlines.endpoints(one for one in own if one is not None)
        for name in names - found:
            raw = name.encode()
            if name in self._outlines.endpoints(one for one in clusters if raw in one.wire):
                found |= {name}
        return found

    def endpoints(self, clusters: tuple[Resource, ...]) -> frozenset[str]:
        """Return the names under which *clusters* ask for endpoints."""
        return self._once(
            ("endpoints", id(clusters)),
            clusters,
            lambda: self._outlines.endpoints(clusters),
            len,
        )


def _told(names: Iterable[str]) -> int:
    """Return how many entries *names* count as that nothing is called by: they are a client's."""
    return sum(STRANGER + len(name) // UNIT for name in names)


def _asked(names: frozenset[str], found: Collection) -> int:
    """Return how many entries *names* count as by which no more was *found*."""
    strange = len(names) - len(found)
    if strange <= STEP:
        return len(names)
    return len(names) + _told(names) * strange // len(names)


def _strange(has: Collection) -> int:
    """Return how many entries that count as which a client says it *has*, and nobody else knows."""
    return sum(STRANGER + len(one.name) // UNIT * 2 for one in has.resources if not one.wire)


def _outside(wanted: Subscription, of: Iterable[str]) -> list[str]:
    """Return those *of* some names that none of the *wanted* ones stands for."""
    under = tuple(name[:-1] for name in wanted.globs)
    left = [name for name in of if name not in wanted.names]
    return [name for name in left if not name.startswith(under)] if under else left


def _changes(before: Collection, after: Collection) -> Changes:
    """Compare what lies between the beginning and the end that both share."""
    old, new = before.lines, after.lines
    start, end = _shared(old, new)
    versions = {
        one.name: one.version for one in before.resources[start : len(before.resources) - end]
    }
    put = tuple(
        one
        for one in after.resources[start : len(after.resources) - end]
        if versions.pop(one.name, None) != one.version
    )
    return Changes(put, tuple(versions))


def _shared(old: tuple[bytes, ...], new: tuple[bytes, ...]) -> tuple[int, int]:
    """Return about how many lines at the beginning, and then at the end, are the same."""
    shorter = min(len(old), len(new))
    start = end = 0
    for stride in _STRIDES:
        while (
            start + stride <= shorter and old[start : start + stride] == new[start : start + stride]
        ):
            start += stride
    for stride in _STRIDES:
        while end + stride <= shorter - start:
            ends = len(old) - end, len(new) - end
            if old[ends[0] - stride : ends[0]] != new[ends[1] - stride : ends[1]]:
                break
            end += stride
    return start, end


def _chunks(put: Iterable[Resource]) -> Iterable[tuple[Resource, ...]]:
    chunk: list[Resource] = []
    size = 0
    for one in put:
        if chunk and size + len(one.wire) + OVERHEAD > CHUNK:
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(one)
        size += len(one.wire) + OVERHEAD
    yield tuple(chunk)
