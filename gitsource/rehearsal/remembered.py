"""
A revision as it is stored, and back without reading all of it.

Rule: what comes back answers as what was stored. Names, versions and paths are there at once;
resources, files and facts stand as they were stored until somebody asks for one. What is only
damaged is told apart when it is opened, by a ValueError: the columns have to fit together.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from operator import lt
from typing import Any, TypeVar, overload

from gitsource._proto.gitsource.state.v1.state_pb2 import CollectionChange, Head, Links, Record
from gitsource.model import Collection, Origin, Resource, Snapshot, digest_line
from gitsource.references.stored import Late, restored, stored
from gitsource.snapshot.build import FileState, Standing
from gitsource.snapshot.records import entry_of, files_of, full_record, head_of, snapshot_of

T = TypeVar("T")

_LENGTHS = struct.Struct(">QQQ")


def parts(standing: Standing, recipe: str) -> Iterator[bytes]:
    """Yield *standing* as bytes, in parts, and their lengths last."""
    if standing.references is None:
        raise AssertionError("a base knows what its documents say of each other")
    head = head_of(standing.snapshot, recipe, 0).SerializeToString()
    yield head
    record = 0
    for part in full_record(standing.snapshot, standing.files):
        record += len(part)
        yield part
    links = stored(standing.references, list(standing.files)).SerializeToString()
    yield links
    yield _LENGTHS.pack(len(head), record, len(links))


def standing_in(raw: memoryview) -> Standing:
    """Return what `parts` made *raw* of; raises ValueError, or what protobuf raises."""
    first, second, third = _LENGTHS.unpack_from(raw, len(raw) - _LENGTHS.size)
    if _LENGTHS.size + first + second + third != len(raw):
        raise ValueError("the parts of a revision are not as long as it says")
    told: Any = raw[: -_LENGTHS.size]  # messages read any buffer, and say that they want bytes
    head = Head.FromString(told[:first])
    record = Record.FromString(told[first : first + second])
    links = Links.FromString(told[first + second :])
    snapshot, files = _opened(head, record)
    standing = Standing(snapshot, files, sum(record.files.ignored))
    standing.references = restored(links, list(files))
    return standing


def _opened(head: Head, record: Record) -> tuple[Snapshot, dict[str, FileState]]:
    if record.files.covered or any(each.removed for each in record.collections):
        # Of several layers, or not of a base alone: rare, and read as a whole.
        snapshot = snapshot_of(head, [record])
        return snapshot, files_of([record], snapshot)
    changes: dict[str, list[CollectionChange]] = defaultdict(list)
    for change in record.collections:
        changes[change.name].append(change)
    versions = {name: version for name, (version, _) in entry_of(head).collections.items()}
    columns = [_Columns(changes[name]) for name in sorted(changes)]
    collections = {each.name: each.collection(versions[each.name]) for each in columns}
    # Findings and the rest of the head are few.
    bare = snapshot_of(head, [Record(full=True, findings=record.findings)])
    snapshot = Snapshot(bare.revision, head.version, collections, bare.findings)
    return snapshot, _Files(record, columns)


class _Columns(Sequence[Resource]):
    """The resources of a collection, each read when somebody asks for it."""

    def __init__(self, changes: Sequence[CollectionChange]) -> None:
        self.name = changes[0].name
        self._changes = changes
        self.names = _joined(changes, lambda each: each.names)
        self.versions = _joined(changes, lambda each: each.versions)
        self.paths = _joined(changes, lambda each: each.paths)
        self._lines = _joined(changes, lambda each: each.lines)
        self._ends: list[int] = []
        for each in changes:
            self._ends.append(len(each.wires) + (self._ends[-1] if self._ends else 0))
        lengths = {len(self.names), len(self.versions), len(self.paths), len(self._lines)}
        if lengths != {self._ends[-1]}:
            raise ValueError("the columns of a collection have different lengths")
        if not all(map(lt, self.names, islice(self.names, 1, None))):
            raise ValueError("the names of a collection are not in order")
        self._made: dict[int, Resource] = {}

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, at: int) -> Resource: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Resource, ...]: ...

    def __getitem__(self, at: int | slice) -> Resource | tuple[Resource, ...]:
        places = range(len(self))[at]
        if isinstance(places, range):
            return tuple(map(self._resource, places))
        return self._resource(places)

    def __iter__(self) -> Iterator[Resource]:
        return map(self._resource, range(len(self)))

    def _resource(self, at: int) -> Resource:
        found = self._made.get(at)
        if found is None:
            part = bisect_right(self._ends, at)
            wire = self._changes[part].wires[at - (self._ends[part - 1] if part else 0)]
            found = self._made[at] = Resource(
                self.names[at], self.versions[at], wire, Origin(self.paths[at], self._lines[at])
            )
        return found

    def collection(self, version: str) -> Collection:
        """Return the collection at *version* that these are."""
        resources: Any = self
        lines: Any = _Lines(self)
        return Collection(self.name, self.names, resources, lines, version)


def _joined(
    changes: Sequence[CollectionChange], column: Callable[[CollectionChange], Sequence[T]]
) -> tuple[T, ...]:
    return tuple(chain.from_iterable(map(column, changes)))


class _Lines(Sequence[bytes]):
    """The `digest_line` of each resource, made when somebody asks for it."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[bytes, ...]: ...

    def __getitem__(self, at: int | slice) -> bytes | tuple[bytes, ...]:
        names, versions = self._columns.names, self._columns.versions
        if isinstance(at, slice):
            return tuple(map(digest_line, names[at], versions[at]))
        return digest_line(names[at], versions[at])

    def __iter__(self) -> Iterator[bytes]:
        return map(digest_line, self._columns.names, self._columns.versions)


class _Files(Late[str, FileState]):
    """What files have become, each told when somebody asks for it."""

    def __init__(self, record: Record, collections: Sequence[_Columns]) -> None:
        table = record.files
        self._table, self._collections = table, collections
        paths = tuple(table.paths)
        super().__init__(zip(paths, range(len(paths)), strict=True))  # type: ignore[arg-type]
        lengths = {len(self), len(table.blobs), len(table.births), len(table.ignored)}
        if lengths != {len(paths)}:
            raise ValueError("the columns of the files have different lengths")
        if not all(all(map(self.__contains__, each.paths)) for each in collections):
            raise ValueError("a resource is of a file that there is not")

    @cached_property
    def _places(self) -> list[Mapping[str, int | list[int]]]:
        """Where the resources of each file stand in each collection."""
        return [_places(each.paths) for each in self._collections]

    def made(self, at: int, key: str) -> FileState:
        table = self._table
        resources: list[tuple[str, Resource]] = []
        for collection, places in zip(self._collections, self._places, strict=True):
            found = places.get(key, ())
            every = (found,) if isinstance(found, int) else found
            resources += [(collection.name, collection[place]) for place in every]
        return FileState(
            table.blobs[at].hex(), table.births[at], tuple(resources), table.ignored[at]
        )


def _places(paths: Sequence[str]) -> Mapping[str, int | list[int]]:
    alone = dict(zip(paths, range(len(paths)), strict=True))
    if len(alone) == len(paths):
        return alone
    several: dict[str, list[int]] = {}
    for at, path in enumerate(paths):
        several.setdefault(path, []).append(at)
    return several
