"""
What a scalar means: the core schema of YAML 1.2, with nothing that JSON cannot carry.

Rule: a plain scalar is null, a boolean or a number only if the core schema says so; all else is a
string. So yes, no, on and off are strings, dates are strings, 0777 is seven hundred seventy-seven,
1_000 and 0b11 are strings. docs/adr/0003-yaml-reader.md gives the reasons.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

CORE = "tag:yaml.org,2002:"
"""What ``!!`` stands for."""

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""What the core schema reads as something else than text or a number."""
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
NUMBER_STARTS = frozenset("+-.0123456789")
"""What every number begins with."""
_LONGEST_INTEGER = 320
"""Digits. The largest double has 309; beyond, no reader of JSON agrees with another."""


class Misfit(Exception):  # control flow inside the parse stage, not an error of ours
    """A scalar that has no value; never leaves the parse stage."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def shown(text: str) -> str:
    """Return *text* for a message: in quotes, short, without characters that steer a terminal."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar; raise Misfit (GS111) for a number out of bounds."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in NUMBER_STARTS:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _OTHER_BASE.fullmatch(text):
        return _integer(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise _out_of_bounds(text)
    return text


def tagged(tag: str, text: str) -> Scalar:
    """
    Return the value of a scalar with an explicit tag.

    Raises Misfit: GS106 if the tag is not a core one or the text does not fit it, GS111 as above.
    """
    if tag in ("!", CORE + "str"):
        return text
    value = resolve(text)
    match tag.removeprefix(CORE), value:
        case ("bool", bool()) | ("null", None):
            return value
        case ("int", int()) if not isinstance(value, bool):
            return value
        case ("float", int() | float()) if not isinstance(value, bool):
            return float(value)
        case ("int" | "float" | "bool" | "null" as name, _):
            raise Misfit("GS106", f"{shown(text)} does not fit its tag !!{name}")
    raise not_allowed(tag)


def not_allowed(tag: str) -> Misfit:
    """Return what to raise for *tag* on a value that it does not belong on."""
    name = f"!!{tag.removeprefix(CORE)}" if tag.startswith(CORE) else tag
    return Misfit("GS106", f"tag {shown(name)} is not allowed here")


def _integer(text: str, base: int) -> int:
    # The length goes first: turning a megabyte of digits into a number takes minutes.
    if len(text) <= _LONGEST_INTEGER:
        value = int(text, base)
        if abs(value) < 1 << 1024:
            return value
    raise _out_of_bounds(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _out_of_bounds(text)
    return value


def _out_of_bounds(text: str) -> Misfit:
    return Misfit("GS111", f"{shown(text)} is not a number that JSON can carry")
