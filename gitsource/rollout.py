"""
May a revision go out? The one place where that is decided.

Rule: pure. `decide` is told what is proposed and what operators asked for, and returns what to do;
`reconcile` carries it out. Time, where it matters, is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gitsource.model import Finding, Snapshot
from gitsource.snapshot.build import Proposal
from gitsource.snapshot.history import Control


@dataclass(frozen=True, slots=True)
class Publish:
    """The proposal goes out."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Hold:
    """The proposal stays back; what stands goes on being served."""

    proposal: Proposal
    reason: str


Decision: TypeAlias = Publish | Hold


GUARDED = frozenset(("GS206",))
"""Codes of what is sound, and held until somebody confirms it."""

_CONFIRMED = re.compile(
    r"^gitsource-allow:[ \t]*([a-z-]+)[ \t]+(.*)$", re.IGNORECASE | re.MULTILINE
)
_MOST_WORDS = 100


def confirmed(messages: str) -> frozenset[tuple[str, str]]:
    """
    Return what commit *messages* confirm, as pairs of what and of what.

    A line ``Gitsource-Allow: empty envoy/clusters, envoy/listeners`` confirms two.
    """
    return frozenset(
        (found[1].lower(), word)
        for found in _CONFIRMED.finditer(messages)
        for word in re.split(r"[\s,]+", found[2], maxsplit=_MOST_WORDS)[:_MOST_WORDS]
        if word
    )


def emptied(before: Snapshot, after: Snapshot, vital: Iterable[str]) -> tuple[str, ...]:
    """Return which of the *vital* collections had resources before and have none after."""
    return tuple(
        name for name in vital if len(before.collection(name)) and not len(after.collection(name))
    )


def unconfirmed(
    names: Iterable[str], before: Snapshot, allowed: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield what is to be said of the collections *names* that are emptied, unless *allowed*."""
    for name in names:
        if ("empty", name) in allowed:
            continue
        gone = before.collection(name).resources
        message = (
            f"nothing is left of {name}, which had {len(gone)} (such as {gone[0].name}, of "
            f"{gone[0].origin.path}): every client would drop what it has. If that is meant, push "
            f"a commit, be it an empty one, with the line `Gitsource-Allow: empty {name}` in its "
            "message"
        )
        yield Finding("", 0, 0, "error", "GS206", message)


def decide(proposal: Proposal, control: Control) -> Decision:
    """Return what to do with *proposal*: a broken revision is held whole, a pin holds any."""
    errors = [finding for finding in proposal.findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        what = "needs a confirmation" if first.code in GUARDED else "does not validate"
        place = f"{first.file}:{first.line}:{first.column}: " if first.file else ""
        return Hold(proposal, f"{what}: {place}{first.code}: {first.message}{more}")
    if control.pin is not None:
        pin = control.pin
        return Hold(proposal, f"revision {pin.revision[:12]} is pinned by {pin.who}: {pin.reason}")
    return Publish(proposal)
