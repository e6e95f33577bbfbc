"""
Any JSON-like value → the wire bytes of `google.protobuf.Struct`, `Value` or `ListValue`.

Written by hand because user-defined collections live on it: it beats `Struct.update`, knows the
place of every value that cannot be carried, and sorts its keys, so that equal content gives equal
bytes on every replica. (Protobuf's own deterministic order differs from library to library.)

Rule: a number is carried exactly or refused. A Struct has doubles only, and a sink that reads a
neighbour of the number that was written is worse off than one that is told nothing.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any

from gitsource.encode.scalars import Refused, exact_double, expected
from gitsource.messages.fields import varint
from gitsource.model import shown

DEEPEST = 100
"""Messages inside each other that protobuf's decoders take (C++, Java, Python; Go takes more)."""

_LONGEST_KEPT = 256
"""Characters of a key that is remembered."""
_double = struct.Struct("<d").pack
_LENGTHS = tuple(varint(number) for number in range(1024))


def sized(raw: bytes) -> bytes:
    """Return *raw* behind its length."""
    size = len(raw)
    return (_LENGTHS[size] if size < 1024 else varint(size)) + raw


def opened(key: str) -> bytes:
    """Return what opens a map entry: its key, and the tag of its value."""
    return _opened(key) if len(key) <= _LONGEST_KEPT else b"\x0a" + sized(key.encode()) + b"\x12"


@lru_cache(maxsize=4096)
def _opened(key: str) -> bytes:
    return b"\x0a" + sized(key.encode()) + b"\x12"


def struct_bytes(value: Any, room: int = DEEPEST) -> bytes:
    """Return *value*, a mapping with string keys, as a serialized Struct; *room*: levels left."""
    if type(value) is not dict:
        raise expected("a mapping", value)
    if room < 3:  # this Struct, an entry, and the entry's Value
        raise _too_deep()
    out = []
    key: Any = None
    try:
        for key in sorted(value):
            entry = opened(key) + sized(value_bytes(value[key], room - 2))
            out.append(b"\x0a" + sized(entry))
    except Refused as refused:
        raise refused.under(key) from None
    except UnicodeEncodeError:
        raise unencodable(key) from None
    except (AttributeError, TypeError):
        wrong = next(key for key in value if type(key) is not str)
        raise Refused(f"expected string keys, not {shown(wrong)}") from None
    return b"".join(out)


def list_bytes(value: Any, room: int = DEEPEST) -> bytes:
    """Return *value*, a list, as a serialized ListValue; *room*: levels left."""
    if type(value) is not list:
        raise expected("a list", value)
    if room < 2:  # this ListValue and its Value
        raise _too_deep()
    out: list[bytes] = []
    try:
        for element in value:
            out.append(b"\x0a" + sized(value_bytes(element, room - 1)))  # noqa: PERF401 - counted
    except Refused as refused:
        raise refused.under(len(out)) from None
    return b"".join(out)


def value_bytes(value: Any, room: int = DEEPEST) -> bytes:  # noqa: PLR0911 - one a JSON type
    """Return *value* as a serialized Value; *room*: levels left."""
    kind = type(value)
    if kind is str:
        try:
            return b"\x1a" + sized(value.encode())
        except UnicodeEncodeError:
            raise unencodable(value) from None
    if kind is dict:
        return b"\x2a" + sized(struct_bytes(value, room - 1))
    if kind is list:
        return b"\x32" + sized(list_bytes(value, room - 1))
    if kind is bool:
        return b"\x20\x01" if value else b"\x20\x00"
    if value is None:
        return b"\x08\x00"
    if kind is int:
        return b"\x11" + _double(exact_double(value))
    if kind is float and math.isfinite(value):
        return b"\x11" + _double(value)
    raise expected("a value that JSON has", value)


def unencodable(value: str) -> Refused:
    """Return the refusal of a string that UTF-8 cannot carry."""
    return Refused(f"{shown(value)} holds half a surrogate pair, which UTF-8 cannot carry")


def _too_deep() -> Refused:
    return Refused(
        f"nested too deep: decoders of protobuf messages stop at {DEEPEST} levels, and a Struct "
        "spends three on each mapping and two on each list"
    )
