"""
Which resources a node sees: the views of the settings, and the revision that a node asks for.

Rule: a node sees what the views that take it show together; without views in the settings it sees
everything, and with some that all leave it out, nothing. Whatever the views say, a node that names
its revision (`ISTIO_REVISION`) is not shown resources labelled for another one (`istio.io/rev`).

The mechanism: nodes that see the same have the same key, and what a key shows of a collection is
made when somebody asks for it. The resources in it are those of the snapshot, so their bytes are
shared. A collection shown before is brought up to date by what changed in the whole one since; one
in which nothing changed that the key shows stays the same object, so nothing is pushed. Only what
nodes asked for lately is kept. One `Views` serves one group of one cache. No I/O, no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Protocol, TypeAlias

from gitsource._proto.istio.mcp.v1alpha1.metadata_pb2 import Metadata
from gitsource.model import Collection, Resource, Snapshot, content_digest, empty_collection
from gitsource.publish.selectors import NodeSelector, ResourceSelector
from gitsource.publish.words import Node
from gitsource.settings import ViewResources, ViewRow

REVISION = "ISTIO_REVISION"
"""Key of a node's metadata: the revision of istiod that asks."""
REVISION_LABEL = "istio.io/rev"
"""Label of a resource that is for one revision of istiod alone."""

EVERYTHING = -1
"""All bits: every selector."""
OTHER = "/"
"""A revision that no resource is labelled with; not a label's value."""
LONGEST = 64
"""Characters kept of a revision: a label's value has at most 63, so a longer one matches none."""
NODES = 8192
"""Nodes of which the key is remembered."""
KEYS = 4096
"""Keys of which the snapshot is remembered."""
FACTS = 65_536
"""Different resources, as far as selectors look, of which the mark is remembered."""
LIVE = 4
"""Snapshots that may be asked for in turns without making anything anew."""
UNASKED = 2
"""What was not asked for in this many new snapshots is dropped."""
_STRIDE = 1024


class Kept(Protocol):
    """What is asked of the snapshot cache."""

    def derived(self, before: Collection | None, now: Collection | None) -> None:
        """Keep *now*, which is served in place of *before*, as a diff base."""


@dataclass(frozen=True, slots=True)
class ViewKey:
    """What a node sees; the same for all nodes that see the same."""

    shown: int
    """A bit for each different `resources` of the settings; EVERYTHING: all of them."""
    revision: str = ""
    """Resources labelled for another revision are left out; empty: none are."""


ALL = ViewKey(EVERYTHING)
"""The key of a node that sees everything."""

_Mark: TypeAlias = tuple[int, str]
"""What selectors say of a resource: a bit for each that matches, and the revision it is for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Marked:
    """A whole collection with the marks of its resources."""

    source: Collection
    marks: tuple[_Mark, ...]
    revisions: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What differs between two versions of a whole collection."""

    before: Collection
    after: Collection
    items: tuple[tuple[str, Resource | None, _Mark], ...]
    """Name, and the resource that has it now with its mark; None: it is gone."""


@dataclass(slots=True, eq=False)
class _Shown:
    """What is shown of a collection."""

    source: Collection
    result: Collection
    asked: int
    """Number of the snapshot for which somebody asked for it last."""


@dataclass(frozen=True, slots=True, eq=False)
class _Generation:
    """One snapshot, as it is seen by those who asked."""

    snapshot: Snapshot
    seen: dict[ViewKey, Snapshot] = field(default_factory=dict)


class Views:
    """The views of the settings, and what they show of the snapshots of one group."""

    def __init__(self, rows: Sequence[ViewRow], kept: Kept) -> None:
        self._kept = kept
        self._nodes = [(row.name, NodeSelector(row.nodes)) for row in rows]
        different: dict[ViewResources, int] = {}
        self._bits = [1 << different.setdefault(row.resources, len(different)) for row in rows]
        self._selectors = [ResourceSelector(resources) for resources in different]
        self._asked_metadata = tuple(
            sorted({REVISION, *(key for row in rows for key, _ in row.nodes.metadata)})
        )
        self._labels = _asked(resources.labels for resources in different)
        self._annotations = _asked(resources.annotations for resources in different)
        self._keys: OrderedDict[tuple[object, ...], ViewKey] = OrderedDict()
        self._facts: dict[tuple[object, ...], _Mark] = {}
        self._shown: dict[tuple[str, int, str], _Shown] = {}
        self._marked: dict[str, deque[_Marked]] = {}
        self._changes: list[_Change] = []
        self._recent: deque[_Generation] = deque(maxlen=LIVE)
        self._number = 0

    def __repr__(self) -> str:
        names = [name for name, _ in self._nodes]
        return f"<Views {names} shown={len(self._shown)} snapshots={self._number}>"

    # ------------------------------------------------------------------ nodes

    def names(self, node: Node | None) -> tuple[str, ...]:
        """Return the views that take *node*, in the order of the settings."""
        who = node or Node()
        return tuple(name for name, selector in self._nodes if selector.takes(who))

    def key(self, node: Node | None) -> ViewKey:
        """Return what *node* sees; None is one that has not said who it is."""
        who = node or Node()
        metadata = tuple(who.metadata.get(key) for key in self._asked_metadata)
        told = (who.id, who.cluster, who.region, who.zone, who.sub_zone, metadata)
        key = self._keys.get(told)
        if key is None:
            key = self._keys[told] = self._key(who)
            if len(self._keys) > NODES:
                self._keys.popitem(last=False)
        return key

    def _key(self, node: Node) -> ViewKey:
        shown = 0 if self._nodes else EVERYTHING
        for (_, selector), bit in zip(self._nodes, self._bits, strict=True):
            if selector.takes(node):
                shown |= bit
        if shown != EVERYTHING and any(
            shown >> at & 1 and selector.everything for at, selector in enumerate(self._selectors)
        ):
            shown = EVERYTHING
        return ViewKey(shown, node.metadata.get(REVISION, "")[:LONGEST])

    # ------------------------------------------------------------------ snapshots

    def seen(self, snapshot: Snapshot, node: Node | None) -> Snapshot:
        """Return what *node* sees of *snapshot*."""
        return self.snapshot(snapshot, self.key(node))

    def snapshot(self, snapshot: Snapshot, key: ViewKey) -> Snapshot:
        """
        Return what *key* shows of *snapshot*, the snapshot itself if that is everything.

        Collections are made when they are asked for. The version of each is the digest of what is
        in it; the version of the snapshot says of what it is a view, and what it shows.
        """
        if key == ALL:
            return snapshot
        seen = self._generation(snapshot).seen
        view = seen.get(key)
        if view is None:
            if len(seen) >= KEYS:  # nodes choose their revisions
                seen.clear()
            lines = (snapshot.version.encode(), f" {key.shown} {key.revision}".encode())
            view = seen[key] = Snapshot(
                snapshot.revision,
                content_digest(lines),
                _Lazy(self, snapshot.collections, key),
                snapshot.findings,
            )
        return view

    def retire(self) -> None:
        """Let go of everything: other views take the place of these."""
        for shown in self._shown.values():
            self._let_go(shown)
        self._shown.clear()
        self._marked.clear()
        self._changes.clear()
        self._recent.clear()

    def _generation(self, snapshot: Snapshot) -> _Generation:
        for generation in self._recent:
            if generation.snapshot is snapshot:
                return generation
        self._number += 1
        self._changes.clear()
        for name in self._marked.keys() - snapshot.collections.keys():
            del self._marked[name]
        for key in [k for k, one in self._shown.items() if one.asked < self._number - UNASKED]:
            self._let_go(self._shown.pop(key))
        generation = _Generation(snapshot)
        self._recent.append(generation)
        return generation

    def _let_go(self, shown: _Shown) -> None:
        if shown.result is not shown.source:
            self._kept.derived(shown.result, None)

    # ------------------------------------------------------------------ collections

    def collection(self, source: Collection, key: ViewKey) -> Collection:
        """Return what *key* shows of *source*; *source* itself if that is everything."""
        bits = self._bits_in(source.name, key.shown)
        if not bits:
            return empty_collection(source.name)
        if bits == EVERYTHING and not key.revision:
            return source
        marked = self._marks(source)
        revision = key.revision
        if revision:
            # So that nodes cannot make us keep one collection for each revision they think of.
            known = revision in marked.revisions
            revision = revision if known else OTHER if marked.revisions else ""
        if bits == EVERYTHING and not revision:
            return source
        return self._current(marked, bits, revision)

    def _bits_in(self, name: str, shown: int) -> int:
        """Return which selectors of *shown* matter in the collection *name*."""
        if shown == EVERYTHING:
            return EVERYTHING
        bits = 0
        for at, selector in enumerate(self._selectors):
            if shown >> at & 1 and selector.concerns(name):
                if selector.every_resource:
                    return EVERYTHING
                bits |= 1 << at
        return bits

    def _current(self, marked: _Marked, bits: int, revision: str) -> Collection:
        source = marked.source
        place = (source.name, bits, revision)
        shown = self._shown.get(place)
        if shown is None:
            result = self._one_for_all(source, _filtered(marked, bits, revision))
            self._shown[place] = _Shown(source, result, self._number)
            if result is not source:
                self._kept.derived(None, result)
            return result
        shown.asked = self._number
        if shown.source is not source:
            before, was = shown.result, shown.source
            result = self._one_for_all(source, self._brought(shown, marked, bits, revision))
            shown.source, shown.result = source, result
            if result is not before:
                # What is the whole collection is kept by whoever serves that.
                self._kept.derived(
                    None if before is was else before, None if result is source else result
                )
        return shown.result

    def _brought(self, shown: _Shown, marked: _Marked, bits: int, revision: str) -> Collection:
        """Return what is *shown*, brought up to date."""
        before = shown.result
        items = self._change(shown.source, marked).items
        if len(items) > len(marked.source) // 4:
            result = _filtered(marked, bits, revision)
            return before if result.resources == before.resources else result
        removed, put = [], {}
        for name, resource, mark in items:
            had = before.get(name)
            if resource is not None and _visible(mark, bits, revision):
                if had != resource:
                    put[name] = resource
            elif had is not None:
                removed.append(name)
        return before.changed(removed, put) if removed or put else before

    def _one_for_all(self, source: Collection, result: Collection) -> Collection:
        """Return *result*, or the same content as somebody else is shown it already."""
        if len(result) == len(source):
            return source
        for (name, _, _), other in self._shown.items():
            same = name == source.name and other.source is source
            if same and other.result.version == result.version:
                return other.result
        return result

    def _change(self, before: Collection, marked: _Marked) -> _Change:
        after = marked.source
        for known in self._changes:
            if known.before is before and known.after is after:
                return known
        start, end = _shared_ends(before.resources, after.resources)
        items = tuple(_differing(before, marked, start, end))
        change = _Change(before, after, items)
        self._changes.append(change)
        return change

    # ------------------------------------------------------------------ marks

    def _marks(self, source: Collection) -> _Marked:
        """Return the marks of *source*; those of resources marked before are taken over."""
        recent = self._marked.setdefault(source.name, deque(maxlen=LIVE))
        for known in recent:
            if known.source is source:
                return known
        start, end = 0, 0
        first: tuple[_Mark, ...] = ()
        last: tuple[_Mark, ...] = ()
        if recent:
            old = recent[-1]
            start, end = _shared_ends(old.source.resources, source.resources)
            first, last = old.marks[:start], old.marks[len(old.marks) - end :]
        middle = tuple(map(self._mark, source.resources[start : len(source) - end]))
        marks = first + middle + last
        revisions = frozenset(revision for _, revision in set(marks)) - {""}
        marked = _Marked(source, marks, revisions)
        recent.append(marked)
        return marked

    def _mark(self, resource: Resource) -> _Mark:
        wire = resource.wire
        namespace, slash, name = resource.name.partition("/")
        if not slash or "/" in name:
            namespace = ""
        labels: Mapping[str, str] = {}
        annotations: Mapping[str, str] = {}
        if self._labels or self._annotations or REVISION_LABEL.encode() in wire:
            metadata = Metadata.FromString(_metadata(wire))
            labels, annotations = metadata.labels, metadata.annotations
        facts = (
            namespace,
            tuple(labels[key] if key in labels else None for key in self._labels),
            tuple(annotations[key] if key in annotations else None for key in self._annotations),
            labels[REVISION_LABEL] if REVISION_LABEL in labels else "",
        )
        mark = self._facts.get(facts)
        if mark is None:
            bits = 0
            for at, selector in enumerate(self._selectors):
                if selector.shows(namespace, labels, annotations):
                    bits |= 1 << at
            if len(self._facts) >= FACTS:
                self._facts.clear()
            mark = self._facts[facts] = (bits, facts[3])
        return mark


class _Lazy(Mapping[str, Collection]):
    """The collections that a key shows, made when they are asked for; empty ones are left out."""

    def __init__(self, views: Views, whole: Mapping[str, Collection], key: ViewKey) -> None:
        self._views = views
        self._whole = whole
        self._key = key
        self._made: dict[str, Collection] = {}

    def __getitem__(self, name: str) -> Collection:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._views.collection(self._whole[name], self._key)
        if not len(found):
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._whole if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _asked(mappings: Iterable[tuple[tuple[str, str], ...]]) -> tuple[str, ...]:
    return tuple(sorted({key for mapping in mappings for key, _ in mapping}))


def _visible(mark: _Mark, bits: int, revision: str) -> bool:
    shown, labelled = mark
    other = revision and labelled and labelled != revision
    return bits == EVERYTHING and not other or bool(shown & bits) and not other


def _filtered(marked: _Marked, bits: int, revision: str) -> Collection:
    """Return what is visible of a collection, judged from scratch."""
    source = marked.source
    verdicts = {mark: _visible(mark, bits, revision) for mark in set(marked.marks)}
    visible = [verdicts[mark] for mark in marked.marks]
    lines = tuple(compress(source.lines, visible))
    return Collection(
        source.name,
        tuple(compress(source.names, visible)),
        tuple(compress(source.resources, visible)),
        lines,
        content_digest(lines),
    )


def _shared_ends(old: Sequence[Resource], new: Sequence[Resource]) -> tuple[int, int]:
    """Return how many resources both have at the beginning, and then at the end."""
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


def _differing(
    before: Collection, marked: _Marked, start: int, end: int
) -> Iterator[tuple[str, Resource | None, _Mark]]:
    """Yield what differs between the *start* and the *end* that both share."""
    after = marked.source
    here, there = start, start
    old_end, new_end = len(before) - end, len(after) - end
    while here < old_end or there < new_end:
        old = before.names[here] if here < old_end else None
        new = after.names[there] if there < new_end else None
        if new is None or (old is not None and old < new):
            if old is not None:
                yield old, None, (0, "")
            here += 1
            continue
        resource = after.resources[there]
        if old == new:
            if before.resources[here] != resource:
                yield new, resource, marked.marks[there]
            here += 1
        else:
            yield new, resource, marked.marks[there]
        there += 1


def _metadata(wire: bytes) -> bytes:
    """Return the metadata (field 1) of a serialized `istio.mcp.v1alpha1.Resource`, cut out."""
    at = 0
    while at < len(wire):
        tag, at = _varint(wire, at)
        length, at = _varint(wire, at)  # it has only fields with a length
        if tag >> 3 == 1:
            return wire[at : at + length]
        at += length
    return b""


def _varint(wire: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = wire[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
