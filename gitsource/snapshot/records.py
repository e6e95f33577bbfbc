"""
Snapshots as records, and records as checksummed frames in a file.

Rule: a frame is sound or it is not there: magic, lengths, SHA-256, then a small head (which
listings read) and the record. A record is all of a snapshot, or what one revision changed in the
record before; its columns are parallel lists, which load at the speed of C.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from gitsource._proto.gitsource.state.v1.state_pb2 import CollectionChange, Head, Record
from gitsource._proto.gitsource.state.v1.state_pb2 import Revision as RevisionMessage
from gitsource.model import (
    Collection,
    Finding,
    LayerRevision,
    Origin,
    Resource,
    Revision,
    Snapshot,
)
from gitsource.snapshot.build import FileState, Proposal, Standing

MAGIC = b"GSH1"
_LENGTHS = struct.Struct(">4sIQ32s")


PART = 4000
"""Resources, or files, of a full record that stand in memory a second time while it is written."""


def frame(head: Head, record: Record) -> bytes:
    """Return a head and a record as one checksummed frame."""
    told, body = head.SerializeToString(), record.SerializeToString()
    digest = hashlib.sha256(told + body).digest()
    return _LENGTHS.pack(MAGIC, len(told), len(body), digest) + told + body


def write_frame(file: BinaryIO, head: Head, parts: Iterable[bytes]) -> int:
    """Write a frame at the start of *file*, its record in *parts*; returns its size in bytes."""
    told = head.SerializeToString()
    digest, size = hashlib.sha256(told), 0
    file.seek(_LENGTHS.size)
    file.write(told)
    for part in parts:
        digest.update(part)
        size += file.write(part)
    file.seek(0)
    file.write(_LENGTHS.pack(MAGIC, len(told), size, digest.digest()))
    return _LENGTHS.size + len(told) + size


def frames(path: Path, *, bodies: bool = True) -> Iterator[tuple[Head, bytes, int]]:
    """Yield (head, record bytes, end offset) of each sound frame; stop at the first torn one."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at + _LENGTHS.size <= size:
            magic, head_size, body_size, digest = _LENGTHS.unpack(file.read(_LENGTHS.size))
            end = at + _LENGTHS.size + head_size + body_size
            if magic != MAGIC or end > size:
                return
            told = file.read(head_size)
            if bodies:
                body = file.read(body_size)
                sha = hashlib.sha256(told)
                sha.update(body)
                if sha.digest() != digest:
                    return
            else:
                body = b""
                file.seek(end)
            yield Head.FromString(told), body if bodies else b"", end
            at = end


@dataclass(frozen=True, slots=True)
class Entry:
    """One published revision, as listings show it."""

    revision: Revision
    version: str
    collections: Mapping[str, tuple[str, int]]
    """Name to (version, count)."""
    published_at: float
    """When this instance published it, in seconds since the epoch."""


def head_of(snapshot: Snapshot, recipe: str, now: float) -> Head:
    """Return what listings read of *snapshot*, published at *now*."""
    revision = snapshot.revision
    head = Head(
        revision=RevisionMessage(
            commit=revision.commit,
            tree=revision.tree,
            committed_at=revision.committed_at,
            author=revision.author,
            subject=revision.subject,
        ),
        version=snapshot.version,
        recipe=recipe,
        published_at=now,
    )
    for layer in revision.layers:
        head.revision.layers.add(
            name=layer.name, commit=layer.commit, head=layer.head, held=layer.held
        )
    for collection in snapshot.collections.values():
        head.collections.add(
            name=collection.name, version=collection.version, count=len(collection)
        )
    return head


def entry_of(head: Head) -> Entry:
    """Return *head* as a value."""
    return Entry(
        _revision(head),
        head.version,
        {told.name: (told.version, told.count) for told in head.collections},
        head.published_at,
    )


def _revision(head: Head) -> Revision:
    told = head.revision
    layers = tuple(
        LayerRevision(each.name, each.commit, each.head, each.held) for each in told.layers
    )
    return Revision(told.commit, told.tree, told.committed_at, told.author, told.subject, layers)


def full_record(snapshot: Snapshot, files: Mapping[str, FileState]) -> Iterator[bytes]:
    """
    Yield all of *snapshot* as the bytes of a record, in parts.

    Protobuf joins messages by joining their bytes, so the record is never in memory as a whole.
    """
    first = Record(full=True)
    _tell_findings(first, snapshot)
    yield first.SerializeToString()
    for collection in snapshot.collections.values():
        for at in range(0, len(collection), PART):
            part = Record()
            _put(part, collection.name, (), collection.resources[at : at + PART])
            yield part.SerializeToString()
    if not files and snapshot.covered:
        part = Record()
        _tell_covered(part, snapshot.covered)
        yield part.SerializeToString()
    paths = iter(files)
    while some := list(islice(paths, PART)):
        part = Record()
        _tell_files(part, (), {path: files[path] for path in some})
        yield part.SerializeToString()


def changes_record(base: Standing, proposal: Proposal) -> Record:
    """Return what *proposal* changes in *base*; the cost follows the change."""
    record = Record(full=False)
    after = proposal.snapshot
    put: dict[str, list[Resource]] = defaultdict(list)
    gone: dict[str, set[str]] = defaultdict(set)
    for path, state in proposal.changed.items():
        before = base.files.get(path)
        for collection, resource in before.resources if before is not None else ():
            if after.collection(collection).get(resource.name) is None:
                gone[collection].add(resource.name)
        for collection, resource in state.resources if state is not None else ():
            put[collection].append(resource)
    for name in sorted(put.keys() | gone.keys()):
        _put(record, name, sorted(gone[name]), put[name])
    _tell_findings(record, after)
    gone_files = [path for path, state in proposal.changed.items() if state is None]
    _tell_files(record, gone_files, {p: s for p, s in proposal.changed.items() if s is not None})
    return record


def _put(record: Record, name: str, removed: Iterable[str], resources: Iterable[Resource]) -> None:
    _fill(record.collections.add(), name, removed, tuple(resources))


def _fill(
    change: CollectionChange, name: str, removed: Iterable[str], resources: Sequence[Resource]
) -> None:
    change.name = name
    change.removed.extend(removed)
    change.names.extend(resource.name for resource in resources)
    change.versions.extend(resource.version for resource in resources)
    change.wires.extend(resource.wire for resource in resources)
    change.paths.extend(resource.origin.path for resource in resources)
    change.lines.extend(resource.origin.line for resource in resources)


def _tell_findings(record: Record, snapshot: Snapshot) -> None:
    for finding in snapshot.findings:
        record.findings.add(
            file=finding.file,
            line=finding.line,
            column=finding.column,
            warning=finding.severity == "warning",
            code=finding.code,
            message=finding.message,
            resource=finding.resource,
            suppressed=finding.suppressed,
        )


def _tell_files(record: Record, removed: Iterable[str], files: Mapping[str, FileState]) -> None:
    table = record.files
    table.removed.extend(removed)
    table.paths.extend(files)
    table.blobs.extend(bytes.fromhex(state.blob) for state in files.values())
    table.births.extend(state.birth for state in files.values())
    table.ignored.extend(state.ignored for state in files.values())
    _tell_covered(record, (each for state in files.values() for each in state.covered))


def _tell_covered(record: Record, covered: Iterable[tuple[str, Resource]]) -> None:
    by_collection: dict[str, list[Resource]] = defaultdict(list)
    for collection, resource in covered:
        by_collection[collection].append(resource)
    for name in sorted(by_collection):
        _fill(record.files.covered.add(), name, (), by_collection[name])


def snapshot_of(head: Head, records: list[Record]) -> Snapshot:
    """Return the snapshot that *records* come to, the first of them full."""
    known: dict[str, dict[str, Resource]] = {}
    for record in records:
        for change in record.collections:
            content = known.setdefault(change.name, {})
            for name in change.removed:
                content.pop(name, None)
            content.update((resource.name, resource) for resource in _resources(change))
    findings = tuple(
        Finding(
            told.file,
            told.line,
            told.column,
            "warning" if told.warning else "error",
            told.code,
            told.message,
            told.resource,
            told.suppressed,
        )
        for told in records[-1].findings
    )
    collections = {name: Collection.of(name, found.values()) for name, found in known.items()}
    return Snapshot.of(_revision(head), collections, findings, _covered(records))


def _covered(records: Iterable[Record]) -> tuple[tuple[str, Resource], ...]:
    """Return what is covered after *records*, each of which tells it of the files it has."""
    found: dict[str, list[tuple[str, Resource]]] = {}
    for record in records:
        table = record.files
        if found:
            for path in (*table.removed, *table.paths):
                found.pop(path, None)
        for change in table.covered:
            for resource in _resources(change):
                found.setdefault(resource.origin.path, []).append((change.name, resource))
    every = (each for of_file in found.values() for each in of_file)
    return tuple(sorted(every, key=lambda each: (each[0], each[1].name, each[1].origin.path)))


def _resources(change: CollectionChange) -> Iterator[Resource]:
    columns = zip(
        change.names, change.versions, change.wires, change.paths, change.lines, strict=True
    )
    for name, version, wire, path, line in columns:
        yield Resource(name, version, wire, Origin(path, line))


def files_of(records: Iterable[Record], snapshot: Snapshot) -> dict[str, FileState]:
    """Return the files that *records* come to; *snapshot* has their resources."""
    held: dict[str, list[tuple[str, Resource]]] = {}
    for collection in snapshot.collections.values():
        for resource in collection:
            held.setdefault(resource.origin.path, []).append((collection.name, resource))
    files: dict[str, FileState] = {}
    for record in records:
        table = record.files
        for path in table.removed:
            files.pop(path, None)
        covered: dict[str, list[tuple[str, Resource]]] = {}
        for change in table.covered:
            for resource in _resources(change):
                covered.setdefault(resource.origin.path, []).append((change.name, resource))
        columns = zip(table.paths, table.blobs, table.births, table.ignored, strict=True)
        for path, blob, birth, ignored in columns:
            files[path] = FileState(
                blob.hex(), birth, tuple(held.get(path, ())), ignored, tuple(covered.get(path, ()))
            )
    for path, found in held.items():
        state = files[path]
        if len(state.resources) != len(found):
            files[path] = replace(state, resources=tuple(found))
    return files
