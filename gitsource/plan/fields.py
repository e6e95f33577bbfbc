"""
What differs between two bodies, field by field, whatever order their lists are in.

Rule: fields are compared, not lines. Elements of a list are matched by what they are (a name, a
host and port, a match), so that one which stands elsewhere has moved, and was not removed and
added. The cost is bounded by the sizes of the two, and so is what is told.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitsource.model import shown
from gitsource.plan.values import FieldChange, How, Json
from gitsource.secrecy.values import Hidden, any_hidden, canonical

MOST = 200
"""Fields of one resource that are told."""
SHOWN_CHARACTERS = 600
"""Of a text that is told."""
SHOWN_NODES = 60
"""Values inside a mapping or list that is told whole."""
PAIRED = 64
"""Elements without a name that are held against each other, for the most alike."""

IDENTITIES: Sequence[tuple[str, ...]] = (
    ("name", "namespace"),
    ("name",),
    ("host", "port", "subset"),
    ("host", "port"),
    ("host",),
    ("destination",),
    ("port",),
    ("number",),
    ("address",),
    ("key",),
    ("id",),
    ("match",),
    ("hosts",),
    ("from",),
    ("@type",),
)
"""What an element of a list is known by: the first that tells all of them apart."""

_SIMPLE = re.compile(r"[A-Za-z_@][A-Za-z0-9_@-]*")


class Fields(dict[str, Any]):
    """The fields of a message, and what those are that are not set and yet have a value."""

    __slots__ = ("unset",)

    def __init__(self, *told: Any) -> None:
        super().__init__(*told)
        self.unset: dict[str, str] = {}
        """Enums: the name of the value that not setting them stands for."""


def _unset(value: dict[str, Any]) -> Mapping[str, str]:
    return value.unset if isinstance(value, Fields) else _NONE


_NONE: Mapping[str, str] = {}


def differences(before: Json, after: Json, root: str = "") -> tuple[tuple[FieldChange, ...], int]:
    """
    Return how *after* differs from *before*, both standing at *root*; and how many are not told.

    Both may have `Hidden` values in them.
    """
    found = _Found()
    _compare(before, after, root, root, found)
    return tuple(found.changes), found.more


@dataclass(slots=True)
class _Found:
    changes: list[FieldChange]
    more: int

    def __init__(self) -> None:
        self.changes, self.more = [], 0

    def add(
        self, path: str, how: How, before: Any = None, after: Any = None, came_from: str = ""
    ) -> None:
        if len(self.changes) >= MOST:
            self.more += 1
            return
        told = [_told(before), _told(after)]
        secret = any_hidden(before) or any_hidden(after)
        self.changes.append(
            FieldChange(path, how, told[0], told[1], came_from=came_from, redacted=secret)
        )


def _compare(before: Any, after: Any, was: str, path: str, found: _Found) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        _compare_mappings(before, after, was, path, found)
    elif isinstance(before, list) and isinstance(after, list):
        _compare_lists(before, after, was, path, found)
    elif not _same(before, after):
        found.add(path, "changed", before, after)


def _compare_mappings(
    before: dict[str, Any], after: dict[str, Any], was: str, path: str, found: _Found
) -> None:
    unset = _unset(before), _unset(after)
    for key, value in after.items():
        if key in before:
            if not _same(before[key], value):
                _compare(before[key], value, _below(was, key), _below(path, key), found)
        elif key in unset[0]:
            found.add(_below(path, key), "changed", unset[0][key], value)
        else:
            found.add(_below(path, key), "added", after=value)
    for key, value in before.items():
        if key not in after and key in unset[1]:
            found.add(_below(path, key), "changed", value, unset[1][key])
        elif key not in after:
            found.add(_below(was, key), "removed", before=value)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal as JSON has it: 1 is not true."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, str) or repr(one) == repr(other):
        return True  # equal values of the same types are written alike, unless in another order
    if isinstance(one, dict):
        return all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return all(map(_same, one, other))
    return True


def _below(path: str, key: str) -> str:
    if _SIMPLE.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _compare_lists(before: list[Any], after: list[Any], was: str, path: str, found: _Found) -> None:
    pairs = matched(before, after)
    partner = {new: old for old, new in pairs}
    kept = _in_order([old for old, _ in pairs])
    matched_before = {old for old, _ in pairs}
    for new, value in enumerate(after):
        here = f"{path}[{new}]"
        old = partner.get(new)
        if old is None:
            found.add(here, "added", after=value)
            continue
        if old not in kept:
            found.add(here, "moved", _known_by(before[old]), _known_by(value), f"{was}[{old}]")
        if not _same(before[old], value):
            _compare(before[old], value, f"{was}[{old}]", here, found)
    for old, value in enumerate(before):
        if old not in matched_before:
            found.add(f"{was}[{old}]", "removed", before=value)


def matched(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[int, int]]:
    """Return which elements go together, as pairs of their places, in the order of *after*."""
    texts = [canonical(each) for each in before], [canonical(each) for each in after]
    pairs = dict(_equal(*texts))
    left = (
        [at for at in range(len(before)) if at not in pairs],
        [at for at in range(len(after)) if at not in set(pairs.values())],
    )
    if left[0] and left[1]:
        identities = _identities(before, after)
        if identities is not None:
            known = {identities[0][at]: at for at in left[0]}
            pairs |= {known[identities[1][at]]: at for at in left[1] if identities[1][at] in known}
        # NB: what is known by something else may still be the same thing, edited there.
        taken = set(pairs.values())
        pairs |= _alike(
            [(at, before[at]) for at in left[0] if at not in pairs],
            [(at, after[at]) for at in left[1] if at not in taken],
            named=identities is not None,
        )
    return sorted(pairs.items(), key=lambda pair: pair[1])


def _equal(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of equal elements, each once, in order."""
    places: dict[str, list[int]] = defaultdict(list)
    for at in reversed(range(len(before))):
        places[before[at]].append(at)
    for at, text in enumerate(after):
        if places.get(text):
            yield places[text].pop(), at


def _identities(
    before: Sequence[Any], after: Sequence[Any]
) -> tuple[Sequence[str], Sequence[str]] | None:
    """Return what each element is known by; None if nothing tells all of them apart."""
    if not all(isinstance(each, dict) for each in (*before, *after)):
        return None
    for keys in IDENTITIES:
        told = [_names(side, keys) for side in (before, after)]
        if told[0] is not None and told[1] is not None:
            return told[0], told[1]
    return None


def _names(side: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[str] | None:
    bare = sum(not any(key in each for key in keys) for each in side)
    if bare > 1:
        return None  # one may have none: the route without a match, say
    names = [canonical([each.get(key) for key in keys]) for each in side]
    return names if len(set(names)) == len(names) else None


def _alike(
    before: Sequence[tuple[int, Any]], after: Sequence[tuple[int, Any]], *, named: bool
) -> dict[int, int]:
    """Return pairs of mappings that have at least half of their fields in common, or one place."""
    pairs: dict[int, int] = {}
    left = list(before[:PAIRED])
    for new, value in after[:PAIRED]:
        best, most = None, 0.0
        for candidate in left:
            score = _likeness(candidate[1], value) + (0.01 if candidate[0] == new else 0)
            if score >= 0.5 and score > most:
                best, most = candidate, score
        if best is not None:
            left.remove(best)
            pairs[best[0]] = new
    came = {new: value for new, value in after[:PAIRED] if new not in pairs.values()}
    if len(left) == len(came) and not named:
        # As many went as came: what is in the same place has changed.
        pairs |= {old: old for old, value in left if old in came and _akin(value, came[old])}
    return pairs


def _akin(one: Any, other: Any) -> bool:
    """Tell whether one value may have become the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return 2 * len(one.keys() & other.keys()) >= max(len(one), len(other))
    return not isinstance(one, dict | list) and not isinstance(other, dict | list)


def _likeness(one: Any, other: Any) -> float:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return 0.0
    same: int = sum(key in other and other[key] == value for key, value in one.items())
    return same / max(len(one), len(other), 1)


def _in_order(places: Sequence[int]) -> set[int]:
    """Return the longest run of *places* that rise: what did not move."""
    ends: list[int] = []
    at_end: list[int] = []
    before: list[int | None] = []
    for index, place in enumerate(places):
        length = bisect_left(ends, place)
        before.append(at_end[length - 1] if length else None)
        ends[length : length + 1] = [place]
        at_end[length : length + 1] = [index]
    kept: set[int] = set()
    step = at_end[-1] if at_end else None
    while step is not None:
        kept.add(places[step])
        step = before[step]
    return kept


# --------------------------------------------------------------------------- what is told


def _known_by(value: Any) -> Any:
    """Return the part of a list's element that says which one it is."""
    if isinstance(value, dict):
        for keys in IDENTITIES:
            if all(key in value for key in keys):
                return {key: value[key] for key in keys}
    return value


def _told(value: Any) -> Json:
    """Return *value* as it is told: hidden parts as `REDACTED`, bounded."""
    if isinstance(value, Hidden):
        value = value.told
    if isinstance(value, str):
        return value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…"
    if isinstance(value, dict | list):
        if _count(value) > SHOWN_NODES:
            return shown(value)
        if isinstance(value, dict):
            return {key: _told(inner) for key, inner in value.items()}
        return [_told(inner) for inner in value]
    return value


def _count(value: Any) -> int:
    """Return how many values *value* has in it, counting no further than need be."""
    waiting, count = [value], 0
    while waiting and count <= SHOWN_NODES:
        inner = waiting.pop()
        count += 1
        if isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner
    return count
