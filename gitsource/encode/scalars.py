"""
One value of a document → one protobuf scalar: protobuf's JSON rules, strict where they guess.

Rule: a value is taken as what it plainly is or refused with what was expected; nothing is rounded,
cut or read as another type. ``80.0`` and ``"80"`` are the whole number 80 (YAML writers produce
both), ``true`` never is 1.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gitsource.model import FieldPath, shown

Change: TypeAlias = Callable[[Any], Any]
"""Turns a value of a document into what a message's constructor takes; raises `Refused`."""


class Refused(Exception):
    """A value cannot be encoded; each level it passes on its way up adds its step to the path."""

    def __init__(self, message: str, code: str = "GS307") -> None:
        super().__init__(message)
        self.code = code
        self.steps: list[str | int] = []

    def under(self, step: str | int) -> Refused:
        """Return this refusal as the containing value sees it."""
        self.steps.append(step)
        return self

    @property
    def path(self) -> FieldPath:
        """Where the value stands."""
        return tuple(reversed(self.steps))


def expected(what: str, value: Any) -> Refused:
    """Return the refusal of *value* where *what* is taken."""
    return Refused(f"expected {what}, not {shown(value)}")


# --------------------------------------------------------------------------- numbers

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,19})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_LARGEST_FLOAT = 3.4028234663852886e38


def whole_number(low: int, high: int) -> Change:
    """Return the conversion to a whole number from *low* to *high*."""

    def change(value: Any) -> int:
        number = value
        if type(value) is not int:
            integral = type(value) is float and value.is_integer()
            if not integral and not (type(value) is str and _WHOLE.fullmatch(value)):
                raise expected(f"a whole number from {low} to {high}", value)
            number = int(value)
        if low <= number <= high:
            return int(number)
        raise expected(f"a whole number from {low} to {high}", value)

    return change


def exact_double(value: int) -> float:
    """Return *value* as a double; refuse one that would not come back the same."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != value:
        raise Refused(
            f"{shown(value)} is not carried exactly by a 64-bit float: write it as a string, or "
            "keep it within 9007199254740992 either way",
            "GS309",
        )
    return number


def number(value: Any) -> float:
    """Return *value* as a finite double."""
    if type(value) is int:
        return exact_double(value)
    if type(value) is float:
        found = value
    elif type(value) is str and _DECIMAL.fullmatch(value):
        found = float(value)
    else:
        raise expected("a number", value)
    if not math.isfinite(found):
        raise expected("a finite number", value)
    return found


def single(value: Any) -> float:
    """Return *value* as a number that a 32-bit float can hold."""
    found = number(value)
    if abs(found) > _LARGEST_FLOAT:
        raise expected("a number within the range of a 32-bit float", value)
    return found


# --------------------------------------------------------------------------- texts and switches


def text(value: Any) -> str:
    """Return *value*, which has to be a string."""
    if type(value) is str:
        return value
    raise expected("a string", value)


def switch(value: Any) -> bool:
    """Return *value*, which has to be true or false."""
    if type(value) is bool:
        return value
    raise expected("true or false", value)


def octets(value: Any) -> bytes:
    """Return the bytes that *value* holds in base64, of either alphabet, padded or not."""
    if type(value) is str:
        plain = value.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise expected("bytes in base64", value)


def choice(descriptor: EnumDescriptor) -> Change:
    """Return the conversion to a value of an enum, written by name or by number."""
    numbers = {value.name: value.number for value in descriptor.values}
    known = frozenset(numbers.values())
    what = "one of " + ", ".join(numbers)

    def change(value: Any) -> int:
        if type(value) is str:
            found = numbers.get(value)
            if found is not None:
                return found
        elif type(value) in (int, float) and value in known:
            return int(value)
        raise expected(what, value)

    return change


# --------------------------------------------------------------------------- time

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # micro sign
    "\u03bcs": 10**3,  # Greek mu: Go reads both
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]{1,20})?(?:\.([0-9]{0,20}))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_LONGEST = 315_576_000_000 * 10**9


@lru_cache(maxsize=4096)
def nanoseconds(written: str) -> int | None:
    """
    Return how long *written* is (``1h30m``, ``30ms``: Go's grammar), None if that is no duration.

    Exact: what is finer than a nanosecond is cut off, as Go does.
    """
    sign = -1 if written.startswith("-") else 1
    at = 1 if written[:1] in ("-", "+") else 0
    if written[at:] == "0":
        return 0
    total = 0
    begin = at
    while at < len(written):
        part = _PART.match(written, at)
        if part is None or not (part[1] or part[2]):
            return None
        unit = _UNITS[part[3]]
        fraction = part[2] or ""
        total += int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = part.end()
    return sign * total if at > begin else None


@lru_cache(maxsize=4096)
def _duration(written: str) -> dict[str, int] | None:
    length = nanoseconds(written)
    if length is None or abs(length) > _LONGEST:
        return None
    sign = -1 if length < 0 else 1
    seconds, nanos = divmod(abs(length), 10**9)
    return {"seconds": sign * seconds, "nanos": sign * nanos}


def duration(value: Any) -> dict[str, int]:
    """Return the fields of a `google.protobuf.Duration`."""
    found = _duration(value) if type(value) is str else None
    if found is None:
        raise expected("a duration such as 30s, 500ms, 5m or 1h30m", value)
    return found


# --------------------------------------------------------------------------- by field

_SCALARS: dict[int, Change] = {
    FieldDescriptor.TYPE_BOOL: switch,
    FieldDescriptor.TYPE_STRING: text,
    FieldDescriptor.TYPE_BYTES: octets,
    FieldDescriptor.TYPE_DOUBLE: number,
    FieldDescriptor.TYPE_FLOAT: single,
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32),
        whole_number(-(2**31), 2**31 - 1),
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), whole_number(0, 2**32 - 1)
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64),
        whole_number(-(2**63), 2**63 - 1),
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), whole_number(0, 2**64 - 1)
    ),
}


def scalar(field: FieldDescriptor) -> Change:
    """Return the conversion for one value of a field that holds no message."""
    if field.enum_type is not None:
        return choice(field.enum_type)
    return _SCALARS[field.type]
