"""
What a change of rules does to who may receive what.

Rule: told by example. For each kind of sink that a rule names, before or after, one that proves
just that is asked about; so a change that reaches it is told, whatever list it is made in. What is
gained is looked for among what there is after the change, what is lost among what there was before.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    if before == after:
        return ()
    return tuple(_changes(before, after, was, now))


def _changes(
    before: Book | None, after: Book | None, was: Snapshot, now: Snapshot
) -> Iterator[RightsChange]:
    for subject in _subjects(before, after):
        one = sample(subject)
        asked = (one.peer, one.node, one.protocol)
        old, new = (
            EVERYTHING if book is None else book.policy.allows(*asked) for book in (before, after)
        )
        if old == new:
            continue
        gained = tuple(_more(old, new, now))
        lost = tuple(_more(new, old, was))
        if gained or lost:
            yield RightsChange(described(subject), gained, lost)


def _subjects(*books: Book | None) -> Iterator[Subject]:
    there = (book for book in books if book is not None)
    rows = (row for book in there for _, rules in book.lists() for row in rules.rows)
    yield from dict.fromkeys(row.rule.to for row in rows)


def _more(less: Rights, more: Rights, snapshot: Snapshot) -> Iterator[str]:
    """Yield what *more* admits of *snapshot* and *less* does not, a collection at a time."""
    for collection in snapshot.collections.values():
        if collection.name != COLLECTION:
            yield from _of_one(less, more, collection)


def _of_one(less: Rights, more: Rights, collection: Collection) -> Iterator[str]:
    found = [one.name for one in collection if _admits(more, collection.name, one)]
    kept = {one.name for one in collection if _admits(less, collection.name, one)}
    names = [name for name in found if name not in kept]
    if len(names) == len(collection):
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
