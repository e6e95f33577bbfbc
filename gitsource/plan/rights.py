"""
What a change does to who may receive what: of rules, or of the labels that rules ask for.

Rule: told by example. For each kind of sink that a rule names, before or after, one that proves
just that is asked about; so a change that reaches it is told, whatever list it is made in. What is
gained is looked for among what there is after the change, what is lost among what there was before.
What comes or goes is itself no matter of rights; what is on both sides is judged as each has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope
from gitsource.model import Collection, Resource, Snapshot
from gitsource.plan.values import RightsChange
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.authorize.rights import EVERYTHING, Rights
from gitsource.security.authorize.rules import Book
from gitsource.security.authorize.samples import described, sample
from gitsource.settings.rights import Subject

NAMED = 20
"""Resources of a collection that are named; more of them are counted."""


def rights_changes(
    before: Book | None, after: Book | None, was: Snapshot, now: Snapshot
) -> tuple[RightsChange, ...]:
    """
    Return what *after* gives and takes, among the resources of *was* and *now*.

    None: there are no rules, and everybody may receive everything.
    """
    if before is None and after is None:
        return ()
    others = {name: _others(was.collection(name), now.collection(name)) for name in now.collections}
    moved = {name: names for name, names in others.items() if names}
    if before == after and not moved:
        return ()
    return tuple(_changes(before, after, was, now, moved))


def _others(was: Collection, now: Collection) -> frozenset[str]:
    """Return the names of what both have, and each otherwise, as far as the contents are known."""
    if was.version == now.version:
        return frozenset()
    old = {one.name: one for one in was}
    both = ((old[one.name], one) for one in now if one.name in old)
    return frozenset(a.name for a, b in both if a.version != b.version and a.wire and b.wire)


def _changes(
    before: Book | None,
    after: Book | None,
    was: Snapshot,
    now: Snapshot,
    moved: Mapping[str, frozenset[str]],
) -> Iterator[RightsChange]:
    for subject in _subjects(before, after):
        one = sample(subject)
        asked = (one.peer, one.node, one.protocol)
        old, new = (
            EVERYTHING if book is None else book.policy.allows(*asked) for book in (before, after)
        )
        only = moved if old == new else None
        gained = tuple(_more(old, new, was, now, moved, only))
        lost = tuple(_more(new, old, now, was, moved, only))
        if gained or lost:
            yield RightsChange(described(subject), gained, lost)


def _subjects(*books: Book | None) -> Iterator[Subject]:
    there = (book for book in books if book is not None)
    rows = (row for book in there for _, rules in book.lists() for row in rules.rows)
    yield from dict.fromkeys(row.rule.to for row in rows)


def _more(
    less: Rights,
    more: Rights,
    other: Snapshot,
    snapshot: Snapshot,
    moved: Mapping[str, frozenset[str]],
    only: Mapping[str, frozenset[str]] | None,
) -> Iterator[str]:
    """
    Yield what *more* admits of *snapshot* and *less* does not, a collection at a time.

    *less* is asked about what is *moved* as *other* has it; *only* that counts, if it is given.
    """
    for collection in snapshot.collections.values():
        name = collection.name
        if name == COLLECTION or (only is not None and name not in only):
            continue
        differing = moved.get(name, frozenset())
        theirs = {one.name: one for one in other.collection(name) if one.name in differing}
        found = [one for one in collection if only is None or one.name in differing]
        names = [
            one.name
            for one in found
            if _admits(more, name, one) and not _admits(less, name, theirs.get(one.name, one))
        ]
        yield from _named(collection, names)


def _named(collection: Collection, names: Sequence[str]) -> Iterator[str]:
    if names and len(names) == len(collection):
        yield collection.name
        return
    yield from (f"{collection.name}: {name}" for name in names[:NAMED])
    if len(names) > NAMED:
        yield f"{collection.name}: {len(names) - NAMED} more"


def _admits(rights: Rights, collection: str, resource: Resource) -> bool:
    if rights.everything or rights.nothing:
        return rights.everything
    namespace, slash, name = resource.name.partition("/")
    metadata = Envelope.FromString(resource.wire).metadata
    space = namespace if slash and "/" not in name else ""
    return rights.admits(collection, space, metadata.labels, metadata.annotations)
