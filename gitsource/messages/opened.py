"""
All the messages inside a message, those that an Any holds among them, each with its place.

Rule: places are written as documents write them: an Any is the message it holds. What no module is
installed for, or cannot be read, is passed over in silence: whoever made the message has judged it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gitsource.messages import known
from gitsource.model import FieldPath

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

ANY = "google.protobuf.Any"


def opened(message: Any) -> Iterator[tuple[FieldPath, Any]]:
    """
    Yield *message* and every message inside, outer ones first, in the order of their fields.

    Fields of a path are in lowerCamelCase. Protobuf's own messages are left out.
    """
    waiting: list[tuple[FieldPath, Any]] = [((), message)]
    while waiting:
        path, inner = waiting.pop()
        if inner.DESCRIPTOR.full_name == ANY:
            held = content(inner)
            if held is None:
                continue
            inner = held
        yield path, inner
        waiting.extend(reversed(list(_below(path, inner))))


def content(packed: Any) -> Any:
    """Return the message that the Any *packed* holds; None if that is not known or not Envoy's."""
    name = packed.type_url.rpartition("/")[2]
    descriptor = None if name.startswith("google.protobuf.") else known.find(name)
    if descriptor is None:
        return None
    try:
        return GetMessageClass(descriptor).FromString(packed.value)
    except DecodeError:
        return None


def _below(path: FieldPath, message: Any) -> Iterator[tuple[FieldPath, Any]]:
    for field, _ in message.ListFields():
        if field.message_type is not None:
            yield from within(path, message, field)


def within(
    path: FieldPath, message: Any, field: FieldDescriptor
) -> Iterator[tuple[FieldPath, Any]]:
    """Yield the messages that *field* of *message*, which stands at *path*, has for values."""
    kind = field.message_type
    if kind is None:
        return
    held = getattr(message, field.name)
    path = (*path, field.json_name)
    if kind.GetOptions().map_entry:
        if _followed(kind.fields_by_name["value"]):
            yield from (((*path, key), held[key]) for key in sorted(held))
    elif _followed(field):
        if field.is_repeated:
            yield from (((*path, index), item) for index, item in enumerate(held))
        elif message.HasField(field.name):
            yield path, held


def _followed(field: FieldDescriptor) -> bool:
    kind = field.message_type
    if kind is None:
        return False
    return kind.full_name == ANY or not kind.full_name.startswith("google.protobuf.")
