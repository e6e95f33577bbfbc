"""
From two snapshots, and what was found on the way, to a plan.

Rule: computed from values alone: the same two snapshots give the same plan on every machine. The
cost follows what differs, and so does the memory; how much of it is told in detail is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from gitsource.model import Collection, Finding, Resource, Snapshot
from gitsource.plan.fields import differences
from gitsource.plan.files import Moves, moves
from gitsource.plan.findings import compared
from gitsource.plan.values import (
    CollectionPlan,
    FieldChange,
    Json,
    Plan,
    ResourceChange,
    SettingChange,
)
from gitsource.rollout.decide import DENIED, GUARDED
from gitsource.security.authorize.documents import COLLECTION as RULES
from gitsource.snapshot.build import FileState, Proposal, delta

DETAILED_BYTES = 12 * 1024 * 1024
"""Bodies of changed resources that are compared field by field, all together."""
TOLD = 20_000
"""Fields that are told, all together."""
LARGEST_BODY = 512 * 1024
"""A larger body is told as changed, without its fields."""
LOOKED_AT = 50
"""Resources of a file that are held against each other, to find those that were renamed."""

_TRUST = frozenset(("GS211", "GS212", "GS213", "GS214"))


class Reader(Protocol):
    """What reads bodies: `plan.bodies`."""

    def read(self, collection: str, resource: Resource) -> Json:
        """Return a resource as JSON without key material."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """How the bodies of either side are read."""

    before: Reader
    after: Reader


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the base beside its snapshot."""

    findings: Sequence[Finding] = ()
    files: Mapping[str, FileState] = field(default_factory=dict)


def plan(
    base: Snapshot, head: Proposal, known: Known | None = None, bodies: Bodies | None = None
) -> Plan:
    """
    Return what publishing *head* over *base* would do.

    What is found counts as new unless it is *known* of the base. Without *bodies* no fields are
    compared.
    """
    known = known or Known()
    after = head.snapshot
    moved = moves(known.files, head)
    found = compared(
        (each for each in known.findings if not of_a_guard(each)),
        (each for each in head.findings if not of_a_guard(each)),
        moved.renamed,
        moved.came,
        moved.went,
    )
    look = _Look(bodies, moved.renamed)
    compared_all = tuple(_compared(base, after, _spared(head, moved), look))
    # Rules travel with the snapshot, and no sink is ever sent them.
    collections = tuple(each for each in compared_all if each.name != RULES)
    rules = (each for each in compared_all if each.name == RULES)
    made = Plan(
        base=base.revision,
        head=after.revision,
        version_before=base.version,
        version_after=after.version,
        collections=collections,
        new=found.new,
        fixed=found.fixed,
        old=found.old,
        guards=tuple(each for each in head.findings if of_a_guard(each)),
        settings=tuple(_policies(rules, moved)),
    )
    return replace(made, notes=tuple(look.notes()))


def _policies(rules: Iterable[CollectionPlan], moved: Moves) -> Iterator[SettingChange]:
    """Yield the files whose rules on who may receive what differ."""
    files: set[str] = set()
    for collection in rules:
        for each in collection.changes:
            files |= {each.file, each.file_before} - {""}
    for file in sorted(files):
        what: Literal["added", "removed", "changed"] = (
            "added" if file in moved.came else "removed" if file in moved.went else "changed"
        )
        yield SettingChange(file, what)


def of_a_guard(finding: Finding) -> bool:
    """Whether *finding* is what a guard says of a sound revision."""
    return finding.code in GUARDED or finding.code == DENIED or finding.code in _TRUST


def _spared(head: Proposal, moved: Moves) -> Callable[[Resource], bool]:
    """Return what tells of a resource that is gone whether it is only not readable any more."""
    errors = [each for each in head.findings if each.severity == "error"]
    files = {each.file for each in errors}
    # What is at fault in a file that came may stand for what was in one that went.
    names = {each.resource.partition("/")[2] for each in errors if each.file in moved.came}

    def spared(gone: Resource) -> bool:
        file = gone.origin.path
        away = file in moved.went and gone.name in names
        return away or file in files or moved.renamed.get(file) in files

    return spared


def compare(
    base: Snapshot,
    head: Snapshot,
    *,
    spared: Callable[[Resource], bool] = lambda _gone: False,
    moved: Mapping[str, str] | None = None,
    bodies: Bodies | None = None,
) -> Iterator[CollectionPlan]:
    """
    Return what differs between two snapshots, collection by collection, sorted by name.

    What is gone and *spared* does not count as removed. *moved* are files that were
    renamed; with *bodies* what changed is told by its fields.
    """
    return _compared(base, head, spared, _Look(bodies, moved or {}))


def _compared(
    base: Snapshot, head: Snapshot, spared: Callable[[Resource], bool], look: _Look
) -> Iterator[CollectionPlan]:
    for name in sorted(base.collections.keys() | head.collections.keys()):
        before, after = base.collection(name), head.collection(name)
        if before.version == after.version:
            continue
        change = delta(before, after)
        lost = [_known(before, each) for each in change.removed]
        gone = [each for each in lost if not spared(each)]
        if not (change.put or gone):
            continue
        told = list(look.told(name, before, change.put, gone))
        yield CollectionPlan(
            name=name,
            version_before=before.version,
            version_after=after.version,
            count_before=len(before),
            count_after=len(after) + len(lost) - len(gone),
            changes=tuple(sorted(told, key=lambda each: each.name)),
            full_bytes=_message(after, after.resources, ()),
            incremental_bytes=_message(after, change.put, [each.name for each in gone]),
        )


def _known(before: Collection, name: str) -> Resource:
    lost = before.get(name)
    if lost is None:
        raise AssertionError("what is removed was there")
    return lost


def _message(collection: Collection, put: Iterable[Resource], gone: Iterable[str]) -> int:
    """Return the size of a classic MCP message with these resources and removed names."""
    told = (collection.version.encode(), collection.name.encode(), b"1")
    parts = (*told, *(each.wire for each in put), *(name.encode() for name in gone))
    sizes = list(map(len, parts))
    # Each has a tag and its length before it, as `messages.fields.field` writes them.
    return sum(sizes) + sum(1 + max(1, -(-size.bit_length() // 7)) for size in sizes) + 2


class _Look:
    """Tells what became of resources; remembers how much was looked into."""

    def __init__(self, bodies: Bodies | None, moved: Mapping[str, str]) -> None:
        self._bodies = bodies
        self._moved = moved
        self._left = DETAILED_BYTES
        self._fields_left = TOLD
        self._skipped = 0

    def notes(self) -> Iterator[str]:
        """Yield what the reader has to know of how much was looked into."""
        if self._skipped:
            yield (
                f"so much differs that of {self._skipped} changed resources the fields are not "
                "compared, or not told"
            )

    def told(
        self,
        collection: str,
        before: Collection,
        put: Sequence[Resource],
        gone: Sequence[Resource],
    ) -> Iterator[ResourceChange]:
        """Yield what became of each resource of *collection* that was *put* or is *gone*."""
        came = [each for each in put if before.get(each.name) is None]
        renamed = dict(self._renamed(collection, gone, came))
        lost = {each.name for each in renamed.values()}
        for each in put:
            was = before.get(each.name)
            if was is not None:
                yield self._changed(collection, was, each)
            elif each.name in renamed:
                yield self._changed(collection, renamed[each.name], each)
            else:
                yield ResourceChange(
                    name=each.name,
                    what="added",
                    version_after=each.version,
                    file=each.origin.path,
                    line=each.origin.line,
                    bytes_after=len(each.wire),
                )
        for each in gone:
            if each.name not in lost:
                yield ResourceChange(
                    name=each.name,
                    what="removed",
                    version_before=each.version,
                    file_before=each.origin.path,
                    file=each.origin.path,
                    line=each.origin.line,
                    bytes_before=len(each.wire),
                )

    def _changed(self, collection: str, was: Resource, now: Resource) -> ResourceChange:
        fields, omitted = self._fields(collection, was, now)
        renamed = was.name != now.name
        return ResourceChange(
            name=now.name,
            what="renamed" if renamed else "changed",
            before=was.name if renamed else "",
            version_before=was.version,
            version_after=now.version,
            file_before=was.origin.path,
            file=now.origin.path,
            line=now.origin.line,
            bytes_before=len(was.wire),
            bytes_after=len(now.wire),
            fields=fields,
            omitted=omitted,
        )

    def _fields(
        self, collection: str, was: Resource, now: Resource
    ) -> tuple[tuple[FieldChange, ...], int]:
        if self._bodies is None or was.version == now.version:
            return (), 0
        if not (was.wire and now.wire):
            return (), 1  # of a layer of which versions alone are known
        size = len(was.wire) + len(now.wire)
        if size > LARGEST_BODY or size > self._left:
            self._skipped += 1
            return (), 1
        self._left -= size
        before = self._bodies.before.read(collection, was)
        found, more = differences(before, self._bodies.after.read(collection, now))
        if len(found) > self._fields_left:
            self._skipped += 1
            return (), len(found) + more
        self._fields_left -= len(found)
        return found, more

    def _renamed(
        self, collection: str, gone: Sequence[Resource], came: Sequence[Resource]
    ) -> Iterator[tuple[str, Resource]]:
        """Yield the names of those that *came* with what they were called before."""
        by_version: dict[str, list[Resource]] = defaultdict(list)
        for each in reversed(gone):
            by_version[each.version].append(each)
        taken: set[str] = set()
        others = []
        for each in came:
            if by_version.get(each.version):
                was = by_version[each.version].pop()
                taken.add(was.name)
                yield each.name, was
            else:
                others.append(each)
        if self._bodies is not None:
            yield from self._alike(collection, [g for g in gone if g.name not in taken], others)

    def _alike(
        self, collection: str, gone: Sequence[Resource], came: Sequence[Resource]
    ) -> Iterator[tuple[str, Resource]]:
        """Yield those that say nearly the same, in the same file."""
        by_file: dict[str, list[Resource]] = defaultdict(list)
        for each in gone:
            by_file[self._moved.get(each.origin.path, each.origin.path)].append(each)
        for each in came:
            candidates = by_file.get(each.origin.path, [])[:LOOKED_AT]
            best = max(
                ((self._likeness(collection, was, each), was) for was in candidates),
                key=lambda pair: pair[0],
                default=(0.0, None),
            )
            if best[1] is not None and best[0] >= 0.5:
                by_file[each.origin.path].remove(best[1])
                yield each.name, best[1]

    def _likeness(self, collection: str, was: Resource, now: Resource) -> float:
        """Return which part of the values of two bodies is the same."""
        size = len(was.wire) + len(now.wire)
        bare = not (was.wire and now.wire)
        if self._bodies is None or bare or size > LARGEST_BODY or size > self._left:
            return 0.0
        self._left -= size
        one = set(_leaves(self._bodies.before.read(collection, was)))
        other = set(_leaves(self._bodies.after.read(collection, now)))
        return len(one & other) / max(len(one | other), 1)


def _leaves(value: Json) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[str, Json]] = [("", value)]
    while waiting:
        path, inner = waiting.pop()
        if isinstance(inner, dict):
            waiting += [(f"{path}.{key}", each) for key, each in inner.items()]
        elif isinstance(inner, list):
            waiting += [(f"{path}[]", each) for each in inner]
        else:
            yield path, repr(inner)
