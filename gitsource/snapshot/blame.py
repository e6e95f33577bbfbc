"""
Which resources a sink means when it says why it refused a push.

Rule: a guess from its words, and told as one: sinks name what they refuse in prose, if at all. Only
names that stand in the text as words of their own count, and only of resources that were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitsource.model import Collection, Resource

MOST = 5
"""Resources that are named at most."""

_PART_OF_NAME = re.compile(r"[\w./-]")


def named(text: str, names: Iterable[str], most: int = MOST) -> tuple[str, ...]:
    """
    Return those of *names* that *text* names, in the order of the text.

    A name in namespace ``ns/name`` also counts by its last part, unless another is named in full.
    """
    told = {name: at for name in names if (at := _place(text, name)) >= 0}
    if not told:
        told = {
            name: at
            for name in names
            if "/" in name and (at := _place(text, name.rpartition("/")[2])) >= 0
        }
    return tuple(sorted(told, key=lambda name: (told[name], name))[:most])


def blamed(text: str, sent: Collection, accepted: Collection | None) -> tuple[Resource, ...]:
    """
    Return the resources of *sent* that *text* names; the ones that are new to the sink first.

    If it names none and only one is new since what it *accepted*, that one is meant.
    """
    new = [
        one
        for one in sent
        if accepted is None
        or (before := accepted.get(one.name)) is None
        or before.version != one.version
    ]
    for candidates in (new, list(sent)):
        known = {one.name: one for one in candidates}
        found = named(text, known)
        if found:
            return tuple(known[name] for name in found)
    return tuple(new) if len(new) == 1 else ()


def _place(text: str, name: str) -> int:
    """Return where *name* stands in *text* as a word of its own; -1 if it does not."""
    at = text.find(name) if name else -1
    while at >= 0:
        end = at + len(name)
        before, after = text[at - 1 : at], text[end : end + 1]
        # A full stop or a slash may end a sentence, but not begin or go on with a name.
        inside = _PART_OF_NAME.match(after) and not (
            after in "./" and not _PART_OF_NAME.match(text[end + 1 : end + 2])
        )
        if not _PART_OF_NAME.match(before) and not inside:
            return at
        at = text.find(name, at + 1)
    return -1
