"""
Descriptor sets of users: checked, bounded, each in a pool of its own.

Rule: a set is hostile input. Its size is bounded before it is read, nothing of it enters the pool
in which our own messages are, and it cannot say anew what protobuf's well-known types are: the
files of those are the runtime's, whatever the set has under their names. What cannot be used is
refused with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

LARGEST = 4 * 1024 * 1024
"""Bytes; the whole of Envoy's API has two."""
MOST_FILES = 2000
MOST_MESSAGES = 20_000

_HINT = (
    "make it anew with protoc --include_imports --descriptor_set_out=FILE, "
    "or with buf build -o FILE --as-file-descriptor-set"
)


def message(data: bytes, name: str, where: str) -> Descriptor:
    """
    Return the message *name* of the descriptor set *data*, which lies at *where*.

    Raises ConfigurationError, saying what to do, if the set cannot be used or has no such message.
    """
    from google.protobuf.message_factory import GetMessageClass

    try:
        pool, names = _pool(data)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}", hint=_HINT) from error
    if name not in names:
        near = get_close_matches(name, names, 1, cutoff=0.4)
        raise ConfigurationError(
            f"{where}: there is no message {name} in this descriptor set",
            hint=f"did you mean {near[0]}?" if near else "name a message with its package",
        )
    found = pool.FindMessageTypeByName(name)
    try:
        GetMessageClass(found)  # NB: it descends into the messages of all fields
    except RecursionError as error:
        raise ConfigurationError(
            f"{where}: {name} leads through too many messages that hold one another",
            hint="no more than some 200 may follow from one to the next",
        ) from error
    return found


def find(data: bytes, name: str) -> Descriptor | None:
    """Return the message *name* of the set *data*, or of protobuf itself; None if it has none."""
    try:
        return _pool(data)[0].FindMessageTypeByName(name)
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=32)  # a set in the repository changes with revisions
def _pool(data: bytes) -> tuple[DescriptorPool, tuple[str, ...]]:
    """Return a pool with all that *data* describes, and its messages; ValueError says what not."""
    from google.protobuf.descriptor_pool import DescriptorPool

    own = _checked(_files(data))
    pool = DescriptorPool()
    for raw in _well_known().values():
        pool.AddSerializedFile(raw)
    for file in _in_order(own):
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except (TypeError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            raise ValueError(f"{_shown(file.name)} cannot be used: {text}") from error
    names = tuple(name for file in own.values() for name in _messages(file))
    return pool, names


def _files(data: bytes) -> dict[str, FileDescriptorProto]:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.message import DecodeError

    if len(data) > LARGEST:
        raise ValueError(f"it has {len(data)} bytes; a descriptor set may have {LARGEST}")
    try:
        files = FileDescriptorSet.FromString(data).file
    except DecodeError as error:
        raise ValueError("it is no descriptor set, or not a whole one") from error
    if not files:
        raise ValueError("this descriptor set is empty")
    if len(files) > MOST_FILES:
        raise ValueError(f"it describes {len(files)} files; {MOST_FILES} are allowed")
    found: dict[str, FileDescriptorProto] = {}
    for file in files:
        if not file.name:
            raise ValueError("it is no descriptor set: it describes a file without a name")
        if found.setdefault(file.name, file) is not file:
            raise ValueError(f"it describes {_shown(file.name)} twice")
    return found


def _checked(files: dict[str, FileDescriptorProto]) -> dict[str, FileDescriptorProto]:
    """Return *files* without those that are the runtime's."""
    own = {name: file for name, file in files.items() if name not in _well_known()}
    count = 0
    for file in own.values():
        if file.package == "google.protobuf" or file.package.startswith("google.protobuf."):
            raise ValueError(
                f"{_shown(file.name)} is in the package google.protobuf, which is protobuf's own: "
                "give your messages another package"
            )
        count += sum(1 for _ in _messages(file))
    if count > MOST_MESSAGES:
        raise ValueError(f"it describes {count} messages; {MOST_MESSAGES} are allowed")
    missing = sorted(
        {need for file in own.values() for need in file.dependency if need not in files}
        - set(_well_known())
    )
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        told = ", ".join(map(_shown, missing[:3]))
        raise ValueError(f"it lacks what it imports: {told}{more}; --include_imports adds it")
    return own


def _in_order(files: Mapping[str, FileDescriptorProto]) -> Iterator[FileDescriptorProto]:
    """Yield *files*, each after those that it imports."""
    done: set[str] = set(_well_known())
    open_: set[str] = set()
    for start in files:
        waiting = [start]
        while waiting:
            name = waiting[-1]
            if name in done:
                waiting.pop()
                continue
            needs = [need for need in files[name].dependency if need not in done]
            if not needs:
                done.add(name)
                open_.discard(name)
                waiting.pop()
                yield files[name]
                continue
            if name in open_:
                raise ValueError(f"{_shown(name)} imports itself by way of others")
            open_.add(name)
            waiting += needs


def _messages(file: FileDescriptorProto) -> Iterator[str]:
    """Yield the full names of all messages of *file*."""
    prefix = f"{file.package}." if file.package else ""
    waiting: list[tuple[str, DescriptorProto]] = [(prefix, each) for each in file.message_type]
    while waiting:
        before, each = waiting.pop()
        if not each.options.map_entry:
            yield before + each.name
        waiting += [(f"{before}{each.name}.", inner) for inner in each.nested_type]


@lru_cache(maxsize=1)
def _well_known() -> Mapping[str, bytes]:
    """Return protobuf's own files, each after those that it imports."""
    from google.protobuf import (
        any_pb2,
        api_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        source_context_pb2,
        struct_pb2,
        timestamp_pb2,
        type_pb2,
        wrappers_pb2,
    )

    modules = (
        *(any_pb2, descriptor_pb2, duration_pb2, empty_pb2, field_mask_pb2, source_context_pb2),
        *(struct_pb2, timestamp_pb2, wrappers_pb2, type_pb2, api_pb2),
    )
    return {each.DESCRIPTOR.name: each.DESCRIPTOR.serialized_pb for each in modules}


def _shown(name: str) -> str:
    """Return *name* short and on one line."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 80 else plain[:77] + "..."
