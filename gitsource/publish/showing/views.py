"""
Which resources a node sees: the views of the settings, its rights, and the revision it asks for.

Rule: a node sees what the views that take it show together; without views in the settings it sees
everything, and with some that all leave it out, nothing. Of that it sees what it has a right to.
Whatever these say, a node that names its revision (`ISTIO_REVISION`) is not shown resources that
are labelled for another one (`istio.io/rev`).

The mechanism: nodes that see the same have the same key, and what a key shows of a collection is
made when somebody asks for it. The resources in it are those of the snapshot, so their bytes are
shared. A collection shown before is brought up to date by what changed in the whole one since; one
in which nothing changed that the key shows stays the same object, so nothing is pushed. Only what
nodes asked for lately is kept. One `Views` serves one group of one cache. No I/O, no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias

from gitsource.model import Collection, Resource, Snapshot, content_digest, empty_collection
from gitsource.publish.showing.marks import (
    EVERYTHING,
    Clauses,
    Item,
    Marked,
    Marks,
    brought,
    differing,
    filtered,
    shared_ends,
    visible,
)
from gitsource.publish.words import Node
from gitsource.security.authorize import rights as authorize
from gitsource.security.authorize.rights import Rights, Term
from gitsource.selectors import NodeSelector
from gitsource.settings.views import ViewResources, ViewRow

REVISION = "ISTIO_REVISION"
"""Key of a node's metadata: the revision of istiod that asks."""
OTHER = "/"
"""A revision that no resource is labelled with; not a label's value."""
LONGEST = 64
"""Characters kept of a revision: a label's value has at most 63, so a longer one matches none."""
NODES = 8192
"""Nodes of which the key is remembered."""
LONG = 2048
"""Characters that an honest node says at most of what views ask; others are not remembered."""
KEYS = 4096
"""Keys of which the snapshot is remembered."""
LIVE = 4
"""Snapshots that may be asked for in turns without making anything anew."""
WITHIN = 256
"""Collections of which is remembered what there is a right to."""
UNASKED = 2
"""What was not asked for in this many new snapshots is dropped."""


Gone: TypeAlias = Callable[[str, str], Resource | None]
"""From collection and name to a resource that is served no longer, as it was last, if known."""


class Kept(Protocol):
    """What is asked of the snapshot cache."""

    def derived(self, before: Collection | None, now: Collection | None) -> None:
        """Keep *now*, which is served in place of *before*, as a diff base."""

    def gone(self, collection: str, name: str) -> Resource | None:
        """Return what is served no longer, as it was last, if it is still known."""


@dataclass(frozen=True, slots=True)
class ViewKey:
    """What a node sees; the same for all nodes that see the same."""

    shown: int
    """A bit for each different `resources` of the settings; EVERYTHING: all of them."""
    revision: str = ""
    """Resources labelled for another revision are left out; empty: none are."""
    rights: Rights = authorize.EVERYTHING
    """What is no more than this."""


ALL = ViewKey(EVERYTHING)
"""The key of a node that sees everything."""


@dataclass(slots=True, eq=False)
class _Shown:
    """What is shown of a collection."""

    source: Collection
    result: Collection
    asked: int
    """Number of the snapshot for which somebody asked for it last."""

    @property
    def kept(self) -> Collection | None:
        """What has to be kept as a diff base; the whole is kept by those who serve it."""
        return self.result if self.result is not self.source else None


@dataclass(frozen=True, slots=True, eq=False)
class _Generation:
    """One snapshot, as it is seen by those who asked."""

    snapshot: Snapshot
    seen: dict[ViewKey, Snapshot] = field(default_factory=dict)


class Views:
    """The views of the settings, and what they show of the snapshots of one group."""

    def __init__(
        self, rows: Sequence[ViewRow], kept: Kept, rights: Iterable[ViewResources] = ()
    ) -> None:
        """*rights*: the selectors that rights may ask; others than these match nothing."""
        self._kept = kept
        self._nodes = [(row.name, NodeSelector(row.nodes)) for row in rows]
        different: dict[ViewResources, int] = {}
        self._bits = [1 << different.setdefault(row.resources, len(different)) for row in rows]
        for resources in rights:
            different.setdefault(resources, len(different))
        self._at = different
        self._marks = Marks(tuple(different))
        self._asked_metadata = tuple(
            sorted({REVISION, *(key for row in rows for key, _ in row.nodes.metadata)})
        )
        self._keys: OrderedDict[tuple[str | None, ...], ViewKey] = OrderedDict()
        self._shown: dict[tuple[str, Clauses, str], _Shown] = {}
        self._within: OrderedDict[
            tuple[int, int, Rights], tuple[Collection, Collection, Collection]
        ] = OrderedDict()
        self._changes: list[tuple[Collection, Marked, tuple[Item, ...]]] = []
        self._recent: deque[_Generation] = deque(maxlen=LIVE)
        self._number = 0
        self._retired = False

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
        told = (who.id, who.cluster, who.region, who.zone, who.sub_zone, *metadata)
        key = self._keys.get(told)
        if key is None:
            key = self._key(who)
            if sum(len(text) for text in told if text) <= LONG:
                self._keys[told] = key
            if len(self._keys) > NODES:
                self._keys.popitem(last=False)
        return key

    def _key(self, node: Node) -> ViewKey:
        shown = 0 if self._nodes else EVERYTHING
        for (_, selector), bit in zip(self._nodes, self._bits, strict=True):
            if selector.takes(node):
                shown |= bit
        if shown != EVERYTHING and any(
            shown >> at & 1 and selector.everything
            for at, selector in enumerate(self._marks.selectors)
        ):
            shown = EVERYTHING
        return ViewKey(shown, node.metadata.get(REVISION, "")[:LONGEST])

    # ------------------------------------------------------------------ snapshots

    def seen(
        self, snapshot: Snapshot, node: Node | None, rights: Rights = authorize.EVERYTHING
    ) -> Snapshot:
        """Return what *node*, which has *rights*, sees of *snapshot*."""
        key = self.key(node)
        if not rights.everything:
            key = replace(key, rights=rights)
        return self.snapshot(snapshot, key)

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
            lines = (
                snapshot.version.encode(),
                f" {key.shown} {key.revision} {key.rights.group}".encode(),
            )
            view = seen[key] = Snapshot(
                snapshot.revision,
                content_digest(lines),
                _Lazy(self, snapshot.collections, key),
                snapshot.findings,
            )
        return view

    def shown(self) -> tuple[Collection, ...]:
        """Return the collections that are parts of others and were shown last, each once."""
        found = (shown.kept for shown in self._shown.values())
        return tuple({id(one): one for one in found if one is not None}.values())

    def retire(self) -> None:
        """Let go of everything: other views take the place of these. Answers stay right."""
        self._retired = True
        for shown in self._shown.values():
            self._keep(shown.kept, None)
        self._shown.clear()
        self._within.clear()
        self._marks.keep(())
        self._changes.clear()
        self._recent.clear()

    def _generation(self, snapshot: Snapshot) -> _Generation:
        for generation in self._recent:
            if generation.snapshot is snapshot:
                return generation
        self._number += 1
        self._changes.clear()
        self._within.clear()
        self._marks.keep(snapshot.collections)
        for key in [k for k, one in self._shown.items() if one.asked < self._number - UNASKED]:
            self._keep(self._shown.pop(key).kept, None)
        generation = _Generation(snapshot)
        self._recent.append(generation)
        return generation

    # ------------------------------------------------------------------ collections

    def collection(self, source: Collection, key: ViewKey) -> Collection:
        """Return what *key* shows of *source*; *source* itself if that is everything."""
        clauses = self._clauses(source.name, key)
        if clauses is None:
            return empty_collection(source.name)
        if not clauses and not key.revision:
            return source
        marked = self._marks.of(source)
        revision = key.revision
        if revision:
            # So that nodes cannot make us keep one collection for each revision they think of.
            known = revision in marked.revisions
            revision = revision if known else OTHER if marked.revisions else ""
        if not clauses and not revision:
            return source
        return self._current(marked, clauses, revision)

    def denies(self, collection: str, rights: Rights) -> bool:
        """Whether *rights* leave nothing of *collection*, whatever is in it."""
        return self._clauses(collection, ViewKey(EVERYTHING, rights=rights)) is None

    def within(
        self, collection: Collection, rights: Rights, now: Snapshot, shown: Snapshot, gone: Gone
    ) -> Collection:
        """
        Return what there are *rights* to of *collection*, which may be of any time.

        That is what they allow by the labels it has there and by those that it has in *now*, which
        is what is served and of which *shown* is what is shown by these rights; or, if it is not
        served, by those that it had last: what is *gone* and forgotten is not left in. Resources
        that only a sink tells of are: nothing of them is ever sent.
        """
        seen = shown.collection(collection.name)
        if collection is seen or not collection.names:
            return collection
        key = id(collection), id(seen), rights
        known = self._within.get(key)
        if known is None:
            served = now.collection(collection.name)
            left = self._left(collection, rights, served, seen, gone)
            known = self._within[key] = collection, seen, left
            if len(self._within) > WITHIN:
                self._within.popitem(last=False)
        return known[2]

    def _left(
        self, had: Collection, rights: Rights, served: Collection, seen: Collection, gone: Gone
    ) -> Collection:
        clauses = self._clauses(had.name, ViewKey(EVERYTHING, rights=rights))
        if clauses is None:
            return empty_collection(had.name)
        if not clauses:
            return had

        def shows(one: Resource | None) -> bool:
            return one is not None and visible(self._marks.mark(one), clauses, "")

        def lost(one: Resource) -> bool:
            if one.version and not one.wire:
                return False
            now = served.get(one.name) or gone(had.name, one.name)
            return not shows(now) or (bool(one.wire) and not shows(one))

        # What is seen there may be had; mostly that is all but a little.
        start, end = shared_ends(had.resources, seen.resources)
        fine = set(map(id, seen.resources[start : len(seen) - end]))
        middle = had.resources[start : len(had) - end]
        names = [one.name for one in middle if id(one) not in fine and lost(one)]
        return had.changed(names, {}) if names else had

    def _clauses(self, name: str, key: ViewKey) -> Clauses | None:
        """Return which selectors matter in the collection *name*; None: nothing of it is seen."""
        found = set()
        if key.shown != EVERYTHING:
            terms = [Term(resources) for resources, at in self._at.items() if key.shown >> at & 1]
            found.add(self._clause(name, terms))
        for clause in key.rights.clauses:
            found.add(self._clause(name, clause))
        if (0, 0) in found:
            return None
        return Clauses.of(one for one in found if one is not None)

    def _clause(self, name: str, terms: Iterable[Term]) -> tuple[int, int] | None:
        """Return the bits that decide by *terms* in the collection *name*; None: all is seen."""
        yes = no = 0
        for term in terms:
            at = self._at.get(term.resources)
            selector = self._marks.selectors[at] if at is not None else None
            if at is None or selector is None:
                continue
            if not selector.concerns(name):
                if not term.meant:
                    return None
            elif selector.every_resource:
                if term.meant:
                    return None
            elif term.meant:
                yes |= 1 << at
            else:
                no |= 1 << at
        return yes, no

    def _current(self, marked: Marked, clauses: Clauses, revision: str) -> Collection:
        source = marked.source
        if self._retired:
            return filtered(marked, clauses, revision)
        place = (source.name, clauses, revision)
        shown = self._shown.get(place)
        if shown is None:
            result = self._one_for_all(source, filtered(marked, clauses, revision))
            shown = self._shown[place] = _Shown(source, result, self._number)
            self._keep(None, shown.kept)
        shown.asked = self._number
        if shown.source is not source:
            before = shown.kept
            result = self._brought(shown, marked, clauses, revision)
            if result is not shown.result or len(result) == len(source):
                result = self._one_for_all(source, result)
            shown.source, shown.result = source, result
            self._keep(before, shown.kept)
        return shown.result

    def _keep(self, before: Collection | None, now: Collection | None) -> None:
        if before is not now:
            self._kept.derived(before, now)

    def _brought(
        self, shown: _Shown, marked: Marked, clauses: Clauses, revision: str
    ) -> Collection:
        """Return what is *shown*, brought up to date."""
        items = self._items(shown.source, marked)
        if len(items) <= len(marked.source) // 4:
            return brought(
                shown.result, items, partial(visible, clauses=clauses, revision=revision)
            )
        result = filtered(marked, clauses, revision)
        return shown.result if result.resources == shown.result.resources else result

    def _items(self, before: Collection, marked: Marked) -> tuple[Item, ...]:
        """Return what turns *before* into the *marked*: found once for all views."""
        for old, new, items in self._changes:
            if old is before and new is marked:
                return items
        items = tuple(differing(before, marked))
        self._changes.append((before, marked, items))
        return items

    def _one_for_all(self, source: Collection, result: Collection) -> Collection:
        """Return *result*, or the same content as somebody else is shown it already."""
        if len(result) == len(source):
            return source
        for (name, _, _), other in self._shown.items():
            same = name == source.name and other.source is source
            if same and other.result.version == result.version:
                return other.result
        return result


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
