"""
The body of a stored resource, cut out of its bytes without decoding what is inside.

Rule: a stored resource is a serialized `istio.mcp.v1alpha1.Resource` (1: metadata, 2: body, which
is an Any). Bytes that are none raise ValueError.
"""

from __future__ import annotations

_BODY, _VALUE = 2, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def body_of(wire: bytes) -> bytes:
    """Return the body of the resource *wire*, a serialized Any; empty if it has none."""
    return field_of(wire, _BODY)


def value_of(wire: bytes) -> bytes:
    """Return the message in the body of the resource *wire*."""
    return field_of(body_of(wire), _VALUE)


def field_of(message: bytes, number: int) -> bytes:
    """Return the last value of the field *number*, which has a length; empty if it is not there."""
    at, found = 0, b""
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(message, at)
            if tag >> 3 == number:
                found = message[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
    if at > len(message):
        raise ValueError("a field is cut off")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("no number")
