"""
Which files of a revision were renamed: the same content, or the same resources, under another name.

Rule: decided from what the files have become, never by reading them: the cost follows the number of
files that differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from gitsource.snapshot.build import FileState, Proposal


@dataclass(frozen=True, slots=True)
class Moves:
    """The files that are on one side alone."""

    went: frozenset[str]
    came: frozenset[str]
    renamed: Mapping[str, str]
    """Of those that went, those that came under another name."""


def moves(before: Mapping[str, FileState], head: Proposal) -> Moves:
    """Return what became of the files that stood *before*, by what *head* changed in them."""
    after = head.changed
    if head.full:
        went = [path for path in before if after.get(path) is None]
    else:
        went = [path for path, state in after.items() if state is None and path in before]
    came = {
        path: state for path, state in after.items() if state is not None and path not in before
    }
    renamed: dict[str, str] = {}
    by_blob: dict[str, list[str]] = defaultdict(list)
    by_name: dict[tuple[str, str], str] = {}
    for path in sorted(came, reverse=True):
        by_blob[came[path].blob].append(path)
        for collection, resource in came[path].resources:
            by_name[collection, resource.name] = path
    taken: set[str] = set()
    for path in sorted(went):
        same = by_blob.get(before[path].blob)
        if same:
            renamed[path] = same.pop()
            taken.add(renamed[path])
    for path in sorted(went):
        if path not in renamed:
            now = _where(before[path], by_name)
            if now is not None and now not in taken:
                renamed[path] = now
                taken.add(now)
    return Moves(frozenset(went), frozenset(came), renamed)


def _where(state: FileState, by_name: Mapping[tuple[str, str], str]) -> str | None:
    """Return the file in which at least half of the resources of *state* are now."""
    counts: dict[str, int] = defaultdict(int)
    for collection, resource in state.resources:
        path = by_name.get((collection, resource.name))
        if path is not None:
            counts[path] += 1
    if not counts:
        return None
    most = max(sorted(counts), key=counts.__getitem__)
    return most if 2 * counts[most] >= len(state.resources) else None
