"""
Plain scalars that other readers read otherwise than we do.

Rule: we read by the core schema of YAML 1.2 and never guess. Whoever wrote ``on`` or ``0644`` is
told what we read and what Kubernetes' reader (its fork of go-yaml v2, YAML 1.1 for the most part)
would have read; where both agree but readers of YAML 1.1 do not, that is told too. Times with a
zone (RFC 3339) mean the same to everyone, and clusters write them, so they pass.
"""

from __future__ import annotations

import json
import re

from gitsource.reading.scalars import NUMBER_STARTS, WORDS, Misfit, Scalar, resolve

_WORDS: dict[str, bool] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[bB](?P<two>[01]+)|0[oO]?(?P<eight>[0-7]+)|0[xX](?P<sixteen>[0-9a-fA-F]+)"
    r"|(?P<ten>[1-9][0-9]*|0))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"two": 2, "eight": 8, "sixteen": 16, "ten": 10}
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SPECIAL = frozenset((*WORDS, *_WORDS))
"""What begins as no number and yet is more than text to some reader."""
_LONGEST = 64
"""Characters. What is longer is no word and no number that anybody means."""


def doubt(text: str) -> str:
    """Say how other readers read the plain scalar *text*; empty if all read it as we do."""
    # What begins as no number and is none of the words is text to all of them.
    if not 0 < len(text) <= _LONGEST or (text[0] not in NUMBER_STARTS and text not in _WORDS):
        return ""
    try:
        ours = resolve(text)
    except Misfit:
        return ""
    return doubt_of(text, ours)


def doubt_of(text: str, ours: Scalar) -> str:
    """Say how other readers read *text*, which is no plain text to all and *ours* to us."""
    if not 0 < len(text) <= _LONGEST:
        return ""
    theirs = _by_kubernetes(text, ours)
    if (type(theirs) is not type(ours) and not _both_numbers(ours, theirs)) or ours != theirs:
        return (
            f"{text} is {_told(ours)} in YAML 1.2, and so here, but {_told(theirs)} to Kubernetes' "
            f"reader: write {_instead(ours, theirs)}"
        )
    if _SEXAGESIMAL.fullmatch(text):
        return (
            f"{text} is {_told(ours)} in YAML 1.2, and so here, but the number {_sixties(text)} to "
            f'readers of YAML 1.1: put it in quotes ("{text}")'
        )
    if _DATE.fullmatch(text):
        return (
            f"{text} is {_told(ours)} in YAML 1.2, and so here, but a date to readers of YAML 1.1: "
            f'put it in quotes ("{text}")'
        )
    return ""


def by_kubernetes(text: str) -> Scalar:
    """Return what Kubernetes' reader makes of the plain scalar *text*."""
    return _by_kubernetes(text, resolve(text))


def _by_kubernetes(text: str, ours: Scalar) -> Scalar:
    """Do so for a text that is *ours* to us."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == "." or not (first.isdecimal() or first in "+-"):
        return ours
    plain = text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found:
        digits, base = next((found[name], _BASES[name]) for name in _BASES if found[name])
        return int(digits, base) * (-1 if found["sign"] == "-" else 1)
    if _FLOAT.fullmatch(plain):
        return float(plain)
    return ours


def _both_numbers(one: Scalar, other: Scalar) -> bool:
    return not (isinstance(one, bool | str) or isinstance(other, bool | str))


def _told(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {json.dumps(value)}" if isinstance(value, str) else f"the number {value}"


def _instead(ours: Scalar, theirs: Scalar) -> str:
    one, other = (json.dumps(value) for value in (ours, theirs))
    return f"{one} or {other}, whichever is meant"


def _sixties(text: str) -> float:
    value = 0.0
    for part in text.lstrip("+-").replace("_", "").split(":"):
        value = value * 60 + float(part)
    value = -value if text.startswith("-") else value
    return int(value) if value.is_integer() else value
