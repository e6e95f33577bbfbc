"""
Findings of two revisions held against each other: what is new, what was mended, what stays.

Rule: a finding is the same if it says the same of the same resource in the same file, wherever in
it that stands; a file that was renamed is the same file. Each finding of one side answers for one
of the other at most, so that a second one of a kind is new.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from gitsource.model import Finding

_LINE = re.compile(r"(\.(?:yaml|yml|json)):[0-9]+(?=;|$)", re.IGNORECASE)
"""Where a message names another file with a line (GS304)."""
_FILE = re.compile(r"[^\s();,:]+\.(?:yaml|yml|json)(?![^\s();,:])", re.IGNORECASE)
"""Where a message names another file."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The findings of two revisions, each in one place."""

    new: tuple[Finding, ...]
    fixed: tuple[Finding, ...]
    old: tuple[Finding, ...]
    """As they stand in the later revision."""


def compared(
    before: Iterable[Finding],
    after: Iterable[Finding],
    moved: Mapping[str, str],
    came: AbstractSet[str] = frozenset(),
    went: AbstractSet[str] = frozenset(),
) -> Compared:
    """
    Return what became of the findings *before* in those *after*.

    *moved* are files that were renamed, with their names after it. Of files that *came* and those
    that *went*, what is said of the same resource is the same.
    """
    left = [_renamed(each, moved) for each in before]
    # What was renamed is known; what else is gone or new may have been moved and edited.
    loose = came | went | frozenset(moved.values())

    def elsewhere(finding: Finding) -> Hashable | None:
        return _said(finding) if finding.resource and finding.file in loose else None

    new, old = list(after), list[Finding]()
    for key in (_exactly, _said_at, elsewhere):
        left, new, met = _met(left, new, key)
        old += met
    return Compared(tuple(sorted(new)), tuple(sorted(left)), tuple(sorted(old)))


def _met(
    before: Iterable[Finding], after: Iterable[Finding], key: Callable[[Finding], Hashable | None]
) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """Return what of *before* and *after* has no partner by *key*, and those *after* that have."""
    waiting: dict[Hashable, list[Finding]] = defaultdict(list)
    alone, met, left = [], [], []
    for each in before:
        known = key(each)
        if known is None:
            left.append(each)
        else:
            waiting[known].append(each)
    for each in after:
        known = key(each)
        if known is not None and waiting.get(known):
            waiting[known].pop()
            met.append(each)
        else:
            alone.append(each)
    for some in waiting.values():
        left += some
    return left, alone, met


def _exactly(finding: Finding) -> tuple[Hashable, ...]:
    return (finding.line, *_said_at(finding))


def _said_at(finding: Finding) -> tuple[Hashable, ...]:
    return (finding.file, *_said(finding))


def _said(finding: Finding) -> tuple[Hashable, ...]:
    message = _LINE.sub(r"\1", finding.message)
    return finding.code, finding.severity, finding.suppressed, finding.resource, message


def _renamed(finding: Finding, moved: Mapping[str, str]) -> Finding:
    if not moved:
        return finding
    file = moved.get(finding.file, finding.file)
    message = _FILE.sub(lambda found: moved.get(found[0], found[0]), finding.message)
    if file == finding.file and message == finding.message:
        return finding
    return replace(finding, file=file, message=message)
