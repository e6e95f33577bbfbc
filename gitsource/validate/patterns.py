"""
Whether a pattern can be slow: in an engine that tries one way after another, and so elsewhere.

Rule: our own engine takes no longer than a text is long, but a schema is also read by editors and
by others' checks, where ``^(a+)+$`` never ends. So what can match one text in very many ways is
refused: a repetition of a repetition with nothing between that tells where one ends and the next
begins, and a repetition of alternatives that overlap. It is a guess on the safe side. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as codes  # type: ignore[attr-defined] # the reader of patterns
from re import _parser as parser  # type: ignore[attr-defined] # publishes no types
from typing import Any, TypeAlias

Item: TypeAlias = tuple[Any, Any]

MANY = 10
"""Repetitions from which on a bounded one counts as endless."""

_ALL = frozenset(range(128))
"""Characters are told apart as far as ASCII goes; all others are one, called 128."""
_REST = frozenset((128,))
_CATEGORIES = {
    name: frozenset(at for at in _ALL if re.match(text, chr(at)))
    for name, text in (
        (codes.CATEGORY_DIGIT, r"\d"),
        (codes.CATEGORY_SPACE, r"\s"),
        (codes.CATEGORY_WORD, r"\w"),
    )
}
_NEGATED = {
    codes.CATEGORY_NOT_DIGIT: codes.CATEGORY_DIGIT,
    codes.CATEGORY_NOT_SPACE: codes.CATEGORY_SPACE,
    codes.CATEGORY_NOT_WORD: codes.CATEGORY_WORD,
}
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)


def slow(pattern: str) -> str:
    """Say why *pattern*, which can be read, may be slow; empty if it is not."""
    return _looked_into(list(parser.parse(pattern)))


def _looked_into(items: list[Item]) -> str:
    for kind, value in items:
        for inner in _inside(kind, value):
            told = _looked_into(inner)
            if told:
                return told
        if kind in _REPEATS and _endless(value):
            told = _repeated(list(value[2]))
            if told:
                return told
    return ""


def _inside(kind: Any, value: Any) -> Iterable[list[Item]]:
    """Yield the sequences in an item."""
    if kind in _REPEATS:
        yield list(value[2])
    elif kind is codes.SUBPATTERN:
        yield list(value[3])
    elif kind is codes.BRANCH:
        yield from (list(way) for way in value[1])


def _endless(value: Any) -> bool:
    return value[1] is codes.MAXREPEAT or value[1] >= MANY


def _repeated(body: list[Item]) -> str:
    """Say what is wrong with repeating *body*."""
    for way in _ways(body):
        flat = _flat(way)
        for kind, value in flat:
            if kind not in _REPEATS or not _endless(value):
                continue
            inner = _characters(list(value[2]))
            ends = (_characters([one]) for one in flat if not _nullable(one) and one[1] != value)
            if not any(end and not end & inner for end in ends):
                return "it repeats a repetition, so a text may match in very many ways"
    return _overlapping(body)


def _ways(body: list[Item]) -> Iterable[list[Item]]:
    """Yield each alternative if *body* ends in alternatives (Python's reader moves what they begin
    with before them), else *body*.
    """
    while len(body) == 1 and body[0][0] is codes.SUBPATTERN:
        body = list(body[0][1][3])
    if body and body[-1][0] is codes.BRANCH:
        for way in body[-1][1][1]:
            yield [*body[:-1], *way]
    else:
        yield body


def _flat(items: list[Item]) -> list[Item]:
    """Return *items* with plain groups opened."""
    out: list[Item] = []
    for kind, value in items:
        if kind is codes.SUBPATTERN:
            out += _flat(list(value[3]))
        else:
            out.append((kind, value))
    return out


def _overlapping(body: list[Item]) -> str:
    """Say whether *body* has alternatives that are the same characters over and over."""
    ways = [_flat(way) for way in _ways(body)]
    even = []
    for way in ways:
        sets = [_characters([one]) for one in way if one[0] is not codes.AT]
        common = frozenset.intersection(*sets) if sets else frozenset()
        even.append(common)
    for at, one in enumerate(even):
        if any(one & other for other in even[at + 1 :]):
            return "it repeats alternatives that overlap, so a text may match in very many ways"
    return ""


def _nullable(item: Item) -> bool:
    kind, value = item
    if kind in _REPEATS:
        return value[0] == 0 or all(map(_nullable, value[2]))
    if kind is codes.SUBPATTERN:
        return all(map(_nullable, value[3]))
    if kind is codes.BRANCH:
        return any(all(map(_nullable, way)) for way in value[1])
    return bool(kind is codes.AT)


def _characters(items: list[Item]) -> frozenset[int]:
    """Return every character that *items* can match."""
    found: frozenset[int] = frozenset()
    for kind, value in items:
        if kind is codes.LITERAL:
            found |= _one(value)
        elif kind is codes.NOT_LITERAL:
            found |= (_ALL | _REST) - _one(value)
        elif kind is codes.ANY:
            found |= _ALL | _REST
        elif kind is codes.IN:
            found |= _set(value)
        else:
            for inner in _inside(kind, value):
                found |= _characters(inner)
    return found


def _one(code: int) -> frozenset[int]:
    return frozenset((code,)) if code < 128 else _REST


def _set(members: list[Item]) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    negated = False
    for kind, value in members:
        if kind is codes.NEGATE:
            negated = True
        elif kind is codes.LITERAL:
            found |= _one(value)
        elif kind is codes.RANGE:
            low, high = value
            found |= frozenset(range(low, min(high, 127) + 1)) | (_REST if high > 127 else set())
        elif value in _NEGATED:
            found |= (_ALL | _REST) - _CATEGORIES[_NEGATED[value]]
        else:
            found |= _CATEGORIES.get(value, _ALL) | _REST
    return (_ALL | _REST) - found if negated else found
