"""
May a revision go out? The one place where that is decided.

Rule: pure. `decide` is told what is proposed and what operators asked for, and returns what to do;
`reconcile` carries it out. Time, where it matters, is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gitsource.model import Finding
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


GUARDED = frozenset(("GS206", "GS207", "GS208", "GS209", "GS216"))
"""Codes of what is sound, and held until somebody confirms it."""

DENIED = "GS210"
"""Code of what nothing lets through but a setting."""


def decide(proposal: Proposal, control: Control) -> Decision:
    """Return what to do with *proposal*: a broken revision is held whole, a pin holds any."""
    proposal = let_through(proposal, control)
    errors = [finding for finding in proposal.findings if finding.severity == "error"]
    if errors:
        guarded = errors[0].code in GUARDED
        what = "needs a confirmation" if guarded else "does not validate"
        what = "is denied" if errors[0].code == DENIED else what
        return Hold(proposal, reason(what, errors))
    if control.pin is not None:
        pin = control.pin
        return Hold(proposal, f"revision {pin.revision[:12]} is pinned by {pin.who}: {pin.reason}")
    return Publish(proposal)


def let_through(proposal: Proposal, control: Control) -> Proposal:
    """Return *proposal* without what an operator allowed; only what can be confirmed can be."""
    allowance = control.allowance
    if allowance is None or allowance.revision != proposal.snapshot.revision.commit:
        return proposal
    left = tuple(each for each in proposal.findings if each.code not in GUARDED)
    return replace(proposal, findings=left)


def reason(what: str, errors: Sequence[Finding]) -> str:
    """Return why a revision is held: *what* it lacks, the first error, how many more there are."""
    first = errors[0]
    more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
    place = f"{first.file}:{first.line}:{first.column}: " if first.file else ""
    return f"{what}: {place}{first.code}: {first.message}{more}"
