r"""
A snapshot as one file, to be carried where no repository and no server can be reached.

Rule: the same snapshot gives the same bytes, whoever writes them, and a file is only taken if
everything in it is what it says it is: the digest, every count, every version, recomputed from the
content; and if writing what was read would give this very file. A file proves that it is whole, not
who made it.

    gitsource-snapshot 1 sha256:<hex> <bytes>\n    format, digest and size of all that follows
    <4 bytes> <head> <record>                      length of the head; see state.proto

Format 2 is that of a composition in which a layer covers another: what is covered is in it too, so
that it can be taken apart (`snapshot.compose.opened_up`). All else is written as format 1.

Nothing is compressed, so a file is as large as what it unfolds to. When it was published, and by
which settings, is not part of a snapshot.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.state.v1.state_pb2 import FileTable, Head, Record
from gitsource.errors import ConfigurationError
from gitsource.model import Resource, Snapshot
from gitsource.snapshot.compose import layer_of
from gitsource.snapshot.records import full_record, head_of, snapshot_of

FORMAT = "gitsource-snapshot"
PLAIN, LAYERED = 1, 2
"""Formats: of what is served alone, and with what layers cover."""
LARGEST = 1024 * 1024 * 1024
"""Bytes of a file that is read: it is in memory as a whole, twice for a moment."""
LARGEST_HEAD = 1024 * 1024

_HEADER = re.compile(rb"gitsource-snapshot ([0-9]{1,4}) sha256:([0-9a-f]{64}) ([0-9]{1,12})\n")
_LONGEST_HEADER = 128
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CHUNK = 1024 * 1024

Prove = Callable[[bytes], tuple[str, str]]
"""From the bytes of a resource its name and version, recomputed; ValueError if they are none."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What stands in the first line of a file."""

    digest: str
    """SHA-256 of what follows, in hex: the same for the same snapshot."""
    size: int
    """Bytes that follow."""
    format: int = PLAIN

    @property
    def header(self) -> bytes:
        """The line."""
        return f"{FORMAT} {self.format} sha256:{self.digest} {self.size}\n".encode()


def seal(snapshot: Snapshot) -> Seal:
    """Return the seal of *snapshot*'s file, without making the file."""
    digest, size = hashlib.sha256(), 0
    for part in _parts(snapshot):
        digest.update(part)
        size += len(part)
    return Seal(digest.hexdigest(), size, LAYERED if snapshot.covered else PLAIN)


def write(file: BinaryIO, snapshot: Snapshot) -> Seal:
    """Write *snapshot* to *file* and return its seal."""
    told = seal(snapshot)
    file.write(told.header)
    file.writelines(_parts(snapshot))
    return told


def _parts(snapshot: Snapshot) -> Iterator[bytes]:
    revision = snapshot.revision
    # Which newer commit of a layer was held back is how things stood, not what the snapshot is.
    layers = tuple(replace(layer, head="", held="") for layer in revision.layers)
    alone = replace(snapshot, revision=replace(revision, layers=layers))
    head = head_of(alone, recipe="", now=0).SerializeToString(deterministic=True)
    yield len(head).to_bytes(4, "big") + head
    yield from full_record(alone, {})


# --------------------------------------------------------------------------- reading


def read(file: BinaryIO, prove: Prove, *, largest: int = LARGEST) -> tuple[Snapshot, Seal]:
    """
    Return the snapshot in *file*, everything in it recomputed.

    Raises ConfigurationError for a file that is none, is damaged, is larger than *largest* bytes,
    or does not hold what it says.
    """
    told = _sealed(file)
    if told.size > largest:
        raise _refused(f"it holds {told.size} bytes, and {largest} are taken at most")
    payload = _payload(file, told)
    snapshot = _snapshot(payload)
    _prove(snapshot, prove)
    if seal(snapshot) != told:
        raise _refused("it holds more, or in other words, than the snapshot in it")
    return snapshot, told


def is_export(start: bytes) -> bool:
    """Whether a file that begins with *start* is meant to be one of these."""
    return start.startswith(FORMAT.encode())


def _sealed(file: BinaryIO) -> Seal:
    line = file.readline(_LONGEST_HEADER)
    found = _HEADER.fullmatch(line)
    if found is None:
        raise ConfigurationError(
            "the file is no exported snapshot", hint="`gitsource export` makes one"
        )
    if int(found[1]) not in {PLAIN, LAYERED}:
        raise ConfigurationError(
            f"the file has format {int(found[1])}, and this gitsource reads formats {PLAIN} and "
            f"{LAYERED}",
            hint="import it with the gitsource that made it, or a later one",
        )
    return Seal(found[2].decode(), int(found[3]), int(found[1]))


def _payload(file: BinaryIO, told: Seal) -> bytes:
    """Return what follows the first line; nothing is set aside for what is only announced."""
    parts, size, digest = [], 0, hashlib.sha256()
    while size <= told.size and (chunk := file.read(min(_CHUNK, told.size + 1 - size))):
        parts.append(chunk)
        size += len(chunk)
        digest.update(chunk)
    if size != told.size:
        much = "goes on behind its end" if size > told.size else "ends too early"
        raise _refused(f"it {much}: {told.size} bytes were announced")
    if digest.hexdigest() != told.digest:
        raise _refused("its content does not have the digest in its first line")
    return b"".join(parts)


def _snapshot(payload: bytes) -> Snapshot:
    size = int.from_bytes(payload[:4], "big")
    if size > min(LARGEST_HEAD, len(payload) - 4):
        raise _refused("its head is longer than the file, or than any head is")
    try:
        head = Head.FromString(payload[4 : 4 + size])
        record = Record.FromString(payload[4 + size :])
    except DecodeError as error:
        raise _refused(f"its records cannot be read: {error}") from error
    _check_head(head)
    _check_record(record)
    try:
        snapshot = snapshot_of(head, [record])
    except ValueError as error:
        raise _refused(f"its columns do not fit together: {error}") from error
    told = {each.name: (each.version, each.count) for each in head.collections}
    made = {each.name: (each.version, len(each)) for each in snapshot.collections.values()}
    for name in sorted(told.keys() | made.keys()):
        if told.get(name) != made.get(name):
            raise _refused(f"the collection {name!r} is not what its head says")
    if head.version != snapshot.version:
        raise _refused(
            f"it comes to version {snapshot.version}, and its head says {head.version!r}"
        )
    return snapshot


def _check_head(head: Head) -> None:
    revision = head.revision
    layers = [layer.commit for layer in revision.layers]
    named = [revision.commit, *layers] if layers else [revision.commit, revision.tree]
    if not all(map(_COMMIT.fullmatch, named)):
        raise _refused("its revision is no commit")


def _check_record(record: Record) -> None:
    files = FileTable()
    files.CopyFrom(record.files)
    del files.covered[:]
    if not record.full or files.ByteSize():
        raise _refused("it is a part of a history, not a snapshot")
    if any(not told.warning for told in record.findings):
        raise _refused("it holds findings that no snapshot has: errors")
    names: dict[str, set[str]] = {}
    for change in record.collections:
        if change.removed:
            raise _refused("it removes resources, which only a history does")
        known = names.setdefault(change.name, set())
        before = len(known)
        known.update(change.names)
        if len(known) != before + len(change.names):
            raise _refused(f"a name is in the collection {change.name!r} twice")


def _prove(snapshot: Snapshot, prove: Prove) -> None:
    for collection in snapshot.collections.values():
        for resource in collection:
            _prove_one(collection.name, resource, prove)
    layers = {layer.name for layer in snapshot.revision.layers}
    seen: set[tuple[str, str, str]] = set()
    for name, resource in snapshot.covered:
        _prove_one(name, resource, prove)
        above = snapshot.collection(name).get(resource.name)
        layer = layer_of(resource.origin.path)
        if layer not in layers or above is None or layer_of(above.origin.path) == layer:
            raise _refused(f"{name} {resource.name!r} of {layer!r} is covered by nothing")
        if (name, resource.name, layer) in seen:
            raise _refused(f"{name} {resource.name!r} is in the layer {layer!r} twice")
        seen.add((name, resource.name, layer))


def _prove_one(collection: str, resource: Resource, prove: Prove) -> None:
    where = f"{collection} {resource.name!r}"
    try:
        name, version = prove(resource.wire)
    except ValueError as error:
        raise _refused(f"{where} {error}") from error
    if name != resource.name:
        raise _refused(f"{where} holds a resource that is called {name!r}")
    if version != resource.version:
        raise _refused(f"{where} comes to version {version}, and {resource.version!r} is told")


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the file cannot be trusted: {why}",
        hint="export it again; if it was whole when it was made, it was changed on the way",
    )
