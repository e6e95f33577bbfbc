"""
What the selectors of views say of each resource of a collection, and what differs since.

Rule: a resource is judged once. Of a collection that follows another, only what does not stand in
both, at the same place from the beginning or from the end, is judged anew; of resources that are
alike as far as selectors look, only the first. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple, TypeAlias

from gitsource._proto.istio.mcp.v1alpha1.metadata_pb2 import Metadata
from gitsource.model import Collection, Resource, content_digest
from gitsource.publish.xds.body import field_of
from gitsource.selectors import ResourceSelector
from gitsource.settings.views import ViewResources

REVISION_LABEL = "istio.io/rev"
"""Label of a resource that is for one revision of istiod alone."""
EVERYTHING = -1
"""All bits: every selector."""
FACTS = 65_536
"""Different resources, as far as selectors look, of which the mark is remembered."""
VERSIONS = 4
"""Versions of a collection of which the marks are kept."""
_STRIDE = 1024
_METADATA = 1


class Clauses(NamedTuple):
    """What has to hold together, each pair by itself. False: there are none, and all is seen."""

    each: tuple[tuple[int, int], ...] = ()
    """One of the first selectors matches, or one of the second does not."""
    apart: tuple[tuple[int, int], ...] = ()
    """One of the first selectors matches, or none of the second does."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Clauses:
        """Return *pairs* that say what those of `each` do, the fewest that say the same."""
        each: list[tuple[int, int]] = []
        apart: dict[int, int] = {}
        for yes, no in pairs:
            if no.bit_count() == 1:
                apart[yes] = apart.get(yes, 0) | no
            else:
                each.append((yes, no))
        return cls(tuple(sorted(each)), tuple(sorted(apart.items())))

    def __bool__(self) -> bool:
        return bool(self.each or self.apart)


Mark: TypeAlias = tuple[int, str]
"""A bit for each selector that matches a resource, and the revision it is labelled for."""
Item: TypeAlias = tuple[str, Resource | None, Mark]
"""A name, and the resource that has it now with its mark; None: it is gone."""


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A whole collection with the marks of its resources."""

    source: Collection
    marks: tuple[Mark, ...]
    revisions: frozenset[str]
    """Those that resources are labelled for."""


class Marks:
    """Marks the collections of one group."""

    def __init__(self, rows: Sequence[ViewResources]) -> None:
        self.selectors = tuple(map(ResourceSelector, rows))
        self._asking = _Asking(rows)
        self._facts: dict[tuple[object, ...], Mark] = {}
        self._plain: dict[str, int] = {}
        """By namespace: bits of the selectors that ask for neither label nor annotation."""
        self._marked: dict[str, deque[Marked]] = {}

    def __repr__(self) -> str:
        return f"<Marks collections={len(self._marked)} facts={len(self._facts)}>"

    def of(self, source: Collection) -> Marked:
        """Return *source* with its marks; those of resources marked before are taken over."""
        recent = self._marked.setdefault(source.name, deque(maxlen=VERSIONS))
        for known in recent:
            if known.source is source:
                return known
        first: tuple[Mark, ...] = ()
        last: tuple[Mark, ...] = ()
        if recent:
            old = recent[-1]
            start, end = shared_ends(old.source.resources, source.resources)
            first, last = old.marks[:start], old.marks[len(old.marks) - end :]
        middle = source.resources[len(first) : len(source) - len(last)]
        marks = first + tuple(map(self.mark, middle)) + last
        revisions = frozenset(revision for _, revision in set(marks)) - {""}
        marked = Marked(source, marks, revisions)
        recent.append(marked)
        return marked

    def keep(self, names: Iterable[str]) -> None:
        """Forget all collections but those of *names*."""
        for name in self._marked.keys() - set(names):
            del self._marked[name]

    def mark(self, resource: Resource) -> Mark:
        """Return what the selectors say of *resource*, whatever its collection."""
        namespace, slash, name = resource.name.partition("/")
        if not slash or "/" in name:
            namespace = ""
        labels: Mapping[str, str] = {}
        annotations: Mapping[str, str] = {}
        if self._asking.anything or _REVISION_BYTES in resource.wire:
            metadata = Metadata.FromString(field_of(resource.wire, _METADATA))
            labels, annotations = metadata.labels, metadata.annotations
        revision = labels.get(REVISION_LABEL, "")
        told = self._asking.told(labels, annotations)
        facts = (namespace, *told, revision)
        mark = self._facts.get(facts)
        if mark is None:
            bits = self._plain.get(namespace, -1)
            if bits < 0:
                if len(self._plain) >= FACTS:
                    self._plain.clear()
                bits = self._plain[namespace] = self._bits(self._asking.plain, namespace, {}, {})
            candidates = self._asking.candidates(told)
            bits |= self._bits(candidates, namespace, labels, annotations)
            if len(self._facts) >= FACTS:
                self._facts.clear()
            mark = self._facts[facts] = (bits, revision)
        return mark

    def _bits(
        self,
        which: Iterable[int],
        namespace: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> int:
        bits = 0
        for at in which:
            if self.selectors[at].shows(namespace, labels, annotations):
                bits |= 1 << at
        return bits


Told: TypeAlias = tuple[tuple[str, str], ...]
"""Labels or annotations of a resource, as far as selectors ask for them."""


class _Asking:
    """What selectors ask for, so that a resource is shown to those alone that may mean it."""

    def __init__(self, rows: Sequence[ViewResources]) -> None:
        self.plain: list[int] = []
        """Selectors that ask for neither label nor annotation."""
        self._by: tuple[dict[str, list[int]], ...] = ({}, {})
        """The others, by the first key that they ask for: of a label, or of an annotation."""
        self._keys: tuple[frozenset[str], ...] = (
            frozenset(key for row in rows for key, _ in row.labels),
            frozenset(key for row in rows for key, _ in row.annotations),
        )
        for at, row in enumerate(rows):
            which = 0 if row.labels else 1
            pairs = (row.labels, row.annotations)[which]
            home = self._by[which].setdefault(pairs[0][0], []) if pairs else self.plain
            home.append(at)

    @property
    def anything(self) -> bool:
        """Whether any asks for labels or annotations."""
        return any(self._keys)

    def told(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[Told, Told]:
        """Return what of a resource's *labels* and *annotations* is asked for."""
        return self._told(labels, 0), self._told(annotations, 1)

    def _told(self, texts: Mapping[str, str], which: int) -> Told:
        asked = self._keys[which]
        return tuple(sorted((key, texts[key]) for key in texts if key in asked)) if asked else ()

    def candidates(self, told: tuple[Told, Told]) -> Iterator[int]:
        """Yield the selectors, but `plain` ones, that may mean what *told* is asked of."""
        for by, texts in zip(self._by, told, strict=True):
            for key, _ in texts:
                yield from by.get(key, ())


_REVISION_BYTES = REVISION_LABEL.encode()


def visible(mark: Mark, clauses: Clauses, revision: str) -> bool:
    """Whether *clauses* show what has *mark* to who asks for *revision*."""
    shown, labelled = mark
    if revision and labelled and labelled != revision:
        return False
    return all(shown & yes or ~shown & no for yes, no in clauses.each) and all(
        shown & yes or not shown & no for yes, no in clauses.apart
    )


def filtered(marked: Marked, clauses: Clauses, revision: str) -> Collection:
    """Return what is visible of a collection, judged from scratch."""
    source = marked.source
    verdicts = {mark: visible(mark, clauses, revision) for mark in set(marked.marks)}
    seen = [verdicts[mark] for mark in marked.marks]
    lines = tuple(compress(source.lines, seen))
    return Collection(
        source.name,
        tuple(compress(source.names, seen)),
        tuple(compress(source.resources, seen)),
        lines,
        content_digest(lines),
    )


def brought(shown: Collection, items: Sequence[Item], sees: Callable[[Mark], bool]) -> Collection:
    """Return *shown* with what of *items* is seen; *shown* itself if that is nothing new."""
    removed: list[str] = []
    put: dict[str, Resource] = {}
    for name, resource, mark in items:
        had = shown.get(name)
        if resource is not None and sees(mark):
            if had != resource:
                put[name] = resource
        elif had is not None:
            removed.append(name)
    return shown.changed(removed, put) if removed or put else shown


def differing(before: Collection, marked: Marked) -> Iterator[Item]:
    """Yield what turns *before* into the collection that is *marked*."""
    after = marked.source
    start, end = shared_ends(before.resources, after.resources)
    here, there = start, start
    old_end, new_end = len(before) - end, len(after) - end
    while here < old_end or there < new_end:
        old = before.names[here] if here < old_end else None
        new = after.names[there] if there < new_end else None
        if new is None or (old is not None and old < new):
            yield before.names[here], None, (0, "")
            here += 1
            continue
        resource = after.resources[there]
        if old != new:
            yield new, resource, marked.marks[there]
        else:
            if before.resources[here] != resource:
                yield new, resource, marked.marks[there]
            here += 1
        there += 1


def shared_ends(old: Sequence[Resource], new: Sequence[Resource]) -> tuple[int, int]:
    """Return how many resources both have at the beginning, and how many at the end."""
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start : start + _STRIDE] == new[start : start + _STRIDE]:
        start += _STRIDE
    start = min(start, shorter)
    end = 0
    while end < shorter - start:
        stride = min(_STRIDE, shorter - start - end)
        ours = old[len(old) - end - stride : len(old) - end]
        if ours != new[len(new) - end - stride : len(new) - end]:
            break
        end += stride
    return start, end
