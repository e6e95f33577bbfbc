"""
What a change of settings, schemas or messages in the repository does to resources.

Rule: told from what was judged: both sides were, each by its own. A resource is broken by it if it
was good before and has an error now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitsource.model import Snapshot
from gitsource.plan.values import Plan, SettingChange
from gitsource.rehearsal.side import Side

MOST = 500
"""Resources that are named for one file."""


def changed_settings(
    before: Side, after: Side, made: Plan, base: Snapshot
) -> tuple[SettingChange, ...]:
    """Return the files that judge others and differ, with what they judge and what breaks."""
    return tuple(_changes(before, after, made, base))


def _changes(before: Side, after: Side, made: Plan, base: Snapshot) -> Iterator[SettingChange]:
    differing = _differing(before, after)
    wrong = {each.resource for each in made.new if each.severity == "error"}
    for name in sorted(before.files.keys() | after.files.keys()):
        was, now = before.files.get(name), after.files.get(name)
        if was == now:
            continue
        users = {*before.users.get(name, ()), *after.users.get(name, ())}
        judged = differing & users if users else differing
        if not (users or judged) and before.recipe != after.recipe:
            judged = frozenset(base.collections)  # something that all are judged by
        broken = sorted(wrong.intersection(_labels(judged, before, base)))
        yield SettingChange(
            name,
            "changed" if was and now else "added" if now else "removed",
            tuple(sorted(judged)),
            tuple(broken[:MOST]),
        )


def _labels(collections: Iterable[str], before: Side, base: Snapshot) -> Iterator[str]:
    """Yield what findings call the resources of *collections* that were good."""
    for name in collections:
        called = before.catalog.called(name)
        for resource in base.collection(name):
            yield f"{called}/{resource.name}"


def _differing(before: Side, after: Side) -> frozenset[str]:
    """Return the collections that are judged otherwise, each by one name, whatever its aliases."""
    was, now = before.catalog.by_collection, after.catalog.by_collection
    names = (name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    kinds = (kind for name in names for kind in (was.get(name), now.get(name)) if kind is not None)
    return frozenset(kind.collection for kind in kinds)
