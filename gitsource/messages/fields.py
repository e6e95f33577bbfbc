"""
Fields of serialized protobuf messages, put together without a message.

Rule: what is joined here is what a message would serialize to, field by field; the order is the
caller's, since protobuf lets fields come in any. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache


def varint(number: int) -> bytes:
    """Return *number* (not negative) in base 128, lowest digits first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: bytes, value: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a field with a length: its *tag*, the length and *value*, to be joined."""
    return tag, varint(len(value)), value


@lru_cache(maxsize=65_536)
def _head(tag: bytes, length: int) -> bytes:
    return tag + varint(length)


def repeated(tag: bytes, values: Iterable[bytes]) -> list[bytes]:
    """Return a field with *tag* for each of *values*, to be joined; fast for thousands."""
    parts: list[bytes] = []
    for value in values:
        parts.append(_head(tag, len(value)))
        parts.append(value)
    return parts
