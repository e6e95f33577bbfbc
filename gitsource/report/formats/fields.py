"""
What differs inside a resource, as lines that each begin with a sign.

Rule: every line is harmless and of bounded length, and there are no more than were asked for; how
many were left out is told. Fields are compared, not lines: only a text of several lines that was
changed is shown line by line.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from gitsource.plan.values import REDACTED, FieldChange, ResourceChange
from gitsource.report.formats.harmless import harmless

Sign: TypeAlias = Literal["+", "-", "!", " "]
"""``!``: neither came nor went, but moved or is not shown."""

WIDEST = 400
"""Characters of a line; a longer one is cut."""

TALLEST = 200
"""Lines of a text that are compared; of a longer one only its beginning is."""

_FLAT = 60
"""Characters up to which a list or mapping stays on one line."""


class Line(NamedTuple):
    """One line of a diff."""

    sign: Sign
    text: str


def lines(changed: ResourceChange, most: int) -> tuple[list[Line], int]:
    """Return at most *most* lines on what differs in *changed*, and how many are left out."""
    told: list[Line] = []
    more = 0
    for field in changed.fields:
        if len(told) > most:
            more += 1  # not worth working out: it counts as one line at least
        else:
            told += _field(field)
    more += max(0, len(told) - most)
    return told[:most], more + changed.omitted


def _field(field: FieldChange) -> Iterator[Line]:
    path = field.path
    if field.redacted:
        words = {"added": f"{REDACTED} was added", "removed": f"{REDACTED} was removed"}
        yield _line("!", f"{path}: {words.get(field.how, f'{REDACTED} differs')}")
    elif field.how == "moved":
        yield _line("!", f"{path}: moved from {field.came_from}")
    elif field.how == "added":
        yield from _value("+", path, field.after)
    elif field.how == "removed":
        yield from _value("-", path, field.before)
    elif _of_lines(field.before) and _of_lines(field.after):
        yield _line("!", f"{path}: differs in these lines")
        yield from _text(field.before, field.after)
    else:
        yield from _value("-", path, field.before)
        yield from _value("+", path, field.after)


def _of_lines(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _text(before: str, after: str) -> Iterator[Line]:
    old, new = (_top(each.split("\n")) for each in (before, after))
    if old == new:
        yield _line(" ", "  (further down than is shown here)")
        return
    for told in [*difflib.unified_diff(old, new, n=2, lineterm="")][2:]:
        if told.startswith("@@"):
            yield Line(" ", "  ...")
        elif told[0] == "+":
            yield _line("+", f"  {told[1:]}")
        else:
            yield _line("-" if told[0] == "-" else " ", f"  {told[1:]}")


def _top(told: Sequence[str]) -> list[str]:
    return [each[:WIDEST] for each in told[:TALLEST]]


def _value(sign: Sign, path: str, value: Any) -> Iterator[Line]:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= _FLAT or not isinstance(value, dict | list) or not value:
        yield _line(sign, f"{path}: {flat}")
        return
    yield _line(sign, f"{path}:")
    told = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    for each in told[:TALLEST]:
        yield _line(sign, f"  {each}")
    if len(told) > TALLEST:
        yield Line(sign, f"  ... {len(told) - TALLEST} further lines")


def _line(sign: Sign, text: str) -> Line:
    return Line(sign, harmless(text, WIDEST))
