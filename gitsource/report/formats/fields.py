"""
What differs inside a resource, as lines that each begin with a sign.

Rule: every line is harmless and of bounded length, and there are no more than were asked for; how
many were left out is told. None begins with what was not written by us, even where its sign is a
blank. Fields are compared, not lines: only a text of several lines that was changed is shown line
by line.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

from gitsource.plan.values import FieldChange, ResourceChange
from gitsource.report.formats.harmless import harmless
from gitsource.secrecy.texts import REDACTED

Sign: TypeAlias = Literal["+", "-", "!", " "]
"""``!``: neither came nor went, but moved or is not shown."""

WIDEST = 400
"""Characters of a line; a longer one is cut."""

TALLEST = 200
"""Lines of a text that are compared; of a longer one only its beginning is."""

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")

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
    if field.redacted and _nothing_left(field):
        words = {"added": f"{REDACTED} was added", "removed": f"{REDACTED} was removed"}
        yield _line("!", f"{path}: {words.get(field.how, f'{REDACTED} differs')}")
    elif field.how == "moved":
        yield _line("!", f"{path}: moved from {field.came_from}")
    elif field.how == "added":
        yield from _value("+", path, field.after)
    elif field.how == "removed":
        yield from _value("-", path, field.before)
    elif _of_lines(field.before) and _of_lines(field.after):
        unseen = ", and maybe in a secret, which is not shown" if field.redacted else ""
        yield _line("!", f"{path}: differs in these lines{unseen}")
        yield from _text(field.before, field.after)
    else:
        yield from _value("-", path, field.before)
        yield from _value("+", path, field.after)


def _nothing_left(field: FieldChange) -> bool:
    """Whether all that could be shown of a secret is that it is there, or differs."""
    sides = {"added": [field.after], "removed": [field.before]}
    told = sides.get(field.how, [field.before, field.after])
    return all(each in (REDACTED, None) for each in told) or (len(told) > 1 and told[0] == told[1])


def _of_lines(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _text(before: str, after: str) -> Iterator[Line]:
    old, new = (_top(each.split("\n")) for each in (before, after))
    if old == new:
        yield Line(" ", "  ... further down than is shown here")
        return
    # Its first three lines are two names and the place of the first stretch.
    for told in [*difflib.unified_diff(old, new, n=2, lineterm="")][3:]:
        if told.startswith("@@"):
            yield Line(" ", "  ...")
        elif told[0] == "+":
            yield _line("+", f"  | {told[1:]}")
        else:
            yield _line("-" if told[0] == "-" else " ", f"  | {told[1:]}")


def _top(told: Sequence[str]) -> list[str]:
    return [each[:WIDEST] for each in told[:TALLEST]]


def _value(sign: Sign, path: str, value: Any) -> Iterator[Line]:
    if _flat(value):
        yield _line(sign, f"{path}: {_scalar(value)}")
        return
    yield _line(sign, f"{path}:")
    told = [*islice(_tree(value, "  "), TALLEST + 1)]
    yield from (_line(sign, each) for each in told[:TALLEST])
    if len(told) > TALLEST:
        yield Line(sign, "  ... and more")


def _flat(value: Any) -> bool:
    """Whether *value* fits on one line: a scalar does, however long, since it is cut."""
    return not isinstance(value, dict | list) or len(_scalar(value)) <= _FLAT


def _tree(value: Any, lead: str) -> Iterator[str]:
    """Yield a mapping or list as YAML would have it; keys and scalars as JSON, where in doubt."""
    if isinstance(value, dict):
        for key, each in value.items():
            name = key if _PLAIN.fullmatch(key) else _scalar(key)
            if _flat(each):
                yield f"{lead}{name}: {_scalar(each)}"
            else:
                yield f"{lead}{name}:"
                yield from _tree(each, f"{lead}  ")
        return
    for each in value:
        if _flat(each):
            yield f"{lead}- {_scalar(each)}"
            continue
        below = _tree(each, f"{lead}  ")
        yield f"{lead}- {next(below)[len(lead) + 2 :]}"
        yield from below


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(sign: Sign, text: str) -> Line:
    return Line(sign, harmless(text, WIDEST))
