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
from typing import TypeAlias

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

Clauses: TypeAlias = tuple[tuple[int, int], ...]
"""
What has to hold together, each by one of its bits: of the first for selectors that match, of the
second for those that do not. Without any all is seen.
"""
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
        self._labels = _asked(row.labels for row in rows)
        self._annotations = _asked(row.annotations for row in rows)
        self._facts: dict[tuple[object, ...], Mark] = {}
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
            start, end = _shared_ends(old.source.resources, source.resources)
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
        if self._labels or self._annotations or _REVISION_BYTES in resource.wire:
            metadata = Metadata.FromString(field_of(resource.wire, _METADATA))
            labels, annotations = metadata.labels, metadata.annotations
        revision = labels.get(REVISION_LABEL, "")
        facts = (
            namespace,
            tuple(labels.get(key) for key in self._labels),
            tuple(annotations.get(key) for key in self._annotations),
            revision,
        )
        mark = self._facts.get(facts)
        if mark is None:
            bits = 0
            for at, selector in enumerate(self.selectors):
                if selector.shows(namespace, labels, annotations):
                    bits |= 1 << at
            if len(self._facts) >= FACTS:
                self._facts.clear()
            mark = self._facts[facts] = (bits, revision)
        return mark


_REVISION_BYTES = REVISION_LABEL.encode()


def visible(mark: Mark, clauses: Clauses, revision: str) -> bool:
    """Whether *clauses* show what has *mark* to who asks for *revision*."""
    shown, labelled = mark
    if revision and labelled and labelled != revision:
        return False
    return all(shown & yes or ~shown & no for yes, no in clauses)


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
    start, end = _shared_ends(before.resources, after.resources)
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


def _asked(mappings: Iterable[tuple[tuple[str, str], ...]]) -> tuple[str, ...]:
    return tuple(sorted({key for mapping in mappings for key, _ in mapping}))


def _shared_ends(old: Sequence[Resource], new: Sequence[Resource]) -> tuple[int, int]:
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
