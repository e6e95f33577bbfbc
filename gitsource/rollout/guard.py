"""
Revisions that are sound and would do great harm: what they remove, and what confirms it.

Rule: pure, and told in findings. What is confirmed is named: a line in a commit's message is for
the collections in it (``Gitsource-Allow: removals NAME``, ``empty NAME``; ``all`` for every one) or
for a rewind (``Gitsource-Allow: rewind``), and nothing else goes out with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gitsource.model import Collection, Finding, Resource, Revision, Snapshot, shown
from gitsource.settings.judging import Guard, Removals

ALL = "all"
"""Stands for every collection in a confirmation."""
REWIND = ("rewind", "")
"""Confirms that the ref was moved back or aside."""

_CONFIRMED = re.compile(
    r"^gitsource-allow:[ \t]*([a-z-]+)(?:[ \t]+(.*))?$", re.IGNORECASE | re.MULTILINE
)
_MOST_WORDS = 100
_OPERATOR = "or have an operator run `gitsource allow`"


def confirmed(messages: str) -> frozenset[tuple[str, str]]:
    """
    Return what commit *messages* confirm, as pairs of what and of what.

    A line ``Gitsource-Allow: empty envoy/clusters, envoy/listeners`` confirms two.
    """
    found: set[tuple[str, str]] = set()
    for line in _CONFIRMED.finditer(messages):
        what = line[1].lower()
        if what == REWIND[0]:
            found.add(REWIND)
            continue  # it needs no name
        words = re.split(r"[\s,]+", line[2] or "", maxsplit=_MOST_WORDS)[:_MOST_WORDS]
        found |= {(what, word) for word in words if word}
    return frozenset(found)


def guarded(
    before: Snapshot,
    after: Snapshot,
    vital: Iterable[str],
    guard: Guard,
    allowed: frozenset[tuple[str, str]],
) -> Iterator[Finding]:
    """
    Yield what has to be confirmed before *after* takes the place of *before*, and is not *allowed*.

    No collection that had more than a few resources must become empty, the *vital* ones not even
    of these; nor all of them at once, and none may lose more than *guard* says.
    """
    emptied = frozenset(_emptied(before, after))
    told: set[str] = set()
    if guard.empty == "hold":
        told.update(name for name in vital if name in emptied)
        others = emptied - told
        if others and not any(len(content) for content in after.collections.values()):
            yield from _emptied_each(sorted(told), before, allowed)
            yield from _all_gone(sorted(others), before, allowed)
            told |= others
        else:
            told |= {one for one in others if len(before.collection(one)) > guard.removals.floor}
            yield from _emptied_each(sorted(told), before, allowed)
    for name in sorted(before.collections.keys() - told):
        if not _allows(allowed, "removals", name):
            yield from _too_many_gone(before.collection(name), after.collection(name), guard)


def _emptied(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for name, content in before.collections.items():
        if len(content) and not len(after.collection(name)):
            yield name


def _allows(allowed: frozenset[tuple[str, str]], what: str, name: str) -> bool:
    return (what, name) in allowed or (what, ALL) in allowed


def layer_emptied(
    layer: str, before: Iterable[Resource], guard: Guard, allowed: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield what has to be confirmed where nothing is left of *layer*, which had *before*."""
    gone = sorted(before, key=lambda one: one.name)
    few = len(gone) <= guard.removals.floor
    if few or guard.empty != "hold" or _allows(allowed, "empty", ALL):
        return
    message = (
        f"nothing at all is left of layer {layer}, of which {len(gone)} resources were served "
        f"(such as {gone[0].name}, of {gone[0].origin.path}): was its folder moved, or its branch "
        f"emptied? {_how(f'empty {ALL}', 'of that layer')}"
    )
    yield _held("GS209", message)


def first_empty(
    allowed: frozenset[tuple[str, str]], guard: Guard, *, gone_since: str
) -> Iterator[Finding]:
    """
    Yield what is to be said of a first revision that has no resource at all.

    *gone_since* is the commit by which its last configuration went; empty: it never had any.
    """
    if _allows(allowed, "empty", ALL) or guard.empty != "hold":
        return
    if not gone_since:
        text = (
            "there is no configuration in this revision, nor was there any before it: sinks get "
            "nothing. If there should be some, check repository.path, include and ignore"
        )
        yield Finding("", 0, 0, "warning", "GS217", text)
        return
    message = (
        f"there is no configuration in this revision, and there was some before {gone_since[:12]}: "
        f"sinks that have it would drop it all. {_how(f'empty {ALL}', 'at the new head')}"
    )
    yield _held("GS209", message)


def path_missing(path: str, guard: Guard, allowed: frozenset[tuple[str, str]]) -> Iterator[Finding]:
    """Yield what is to be said of a revision that has no folder at *path*."""
    if _allows(allowed, "empty", ALL) or guard.empty != "hold":
        return
    message = (
        f"there is no folder {shown(path)} (repository.path) in this revision: it was renamed or "
        "removed, or the setting is mistyped. Mend the setting, or commit a file there. "
        f"{_how(f'empty {ALL}')}"
    )
    yield _held("GS216", message)


def _emptied_each(
    names: Iterable[str], before: Snapshot, allowed: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    for name in names:
        if _allows(allowed, "empty", name):
            continue
        gone = before.collection(name).resources
        message = (
            f"nothing is left of {name}, which had {len(gone)} (such as {gone[0].name}, of "
            f"{gone[0].origin.path}): every sink would drop all that it has of it. "
            f"{_how(f'empty {name}')}"
        )
        yield _held("GS206", message)


def _all_gone(
    names: Iterable[str], before: Snapshot, allowed: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    left = [name for name in names if not _allows(allowed, "empty", name)]
    if left:
        count = sum(len(before.collection(name)) for name in left)
        some = ", ".join(left[:3]) + (", …" if len(left) > 3 else "")
        message = (
            f"nothing at all is left, where {count} resources were (of {some}): every sink would "
            f"drop what it has. {_how(f'empty {ALL}')}"
        )
        yield _held("GS209", message)


def _too_many_gone(before: Collection, after: Collection, guard: Guard) -> Iterator[Finding]:
    if before.version == after.version:
        return
    gone = sorted(set(before.names).difference(after.names))
    passed = _passed(len(gone), len(before), guard.removals)
    if passed:
        first = before.get(gone[0])
        where = f", of {first.origin.path}" if first is not None else ""
        message = (
            f"{len(gone)} of the {len(before)} resources of {before.name} are removed at once "
            f"(such as {gone[0]}{where}), more than {passed} lets go. "
            f"{_how(f'removals {before.name}')}"
        )
        yield _held("GS207", message)


def _passed(gone: int, had: int, bounds: Removals) -> str:
    """Return which of the *bounds* is passed where *gone* of *had* resources go; empty: none."""
    if bounds.count and gone > bounds.count:
        return f"guard.removals.count ({bounds.count})"
    if gone > bounds.floor and gone > bounds.share * had:
        return f"guard.removals.share ({bounds.share:g})"
    return ""


def rewound(
    last: str, head: Revision, allowed: frozenset[tuple[str, str]], *, deny: bool
) -> Iterator[Finding]:
    """Yield what is to be said of *head*, which does not follow from *last*, unless *allowed*."""
    if REWIND in allowed and not deny:
        return
    text = (
        f"the ref was moved to {head.short}, which does not follow from {last[:12]}, the commit "
        "that went out last: history was rewritten, or rolled back."
    )
    how = _how(REWIND[0], "at the new head") if not deny else (
        "repository.non_fast_forward denies that: move the ref back, or change the setting"
    )  # fmt: skip
    yield _held("GS208" if not deny else "GS210", f"{text} {how}")


def _how(what: str, where: str = "") -> str:
    return (
        f"If that is meant, push a commit{f' {where}' if where else ''}, be it an empty one, with "
        f"the line `Gitsource-Allow: {what}` in its message, {_OPERATOR}"
    )


def _held(code: str, message: str) -> Finding:
    return Finding("", 0, 0, "error", code, message)
