"""
May a revision go out? The one place where that is decided.

Rule: pure. `decide` is told what is proposed and what operators asked for, and returns what to do;
`reconcile` carries it out. Time, where it matters, is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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


def decide(proposal: Proposal, control: Control) -> Decision:
    """Return what to do with *proposal*: a broken revision is held whole, a pin holds any."""
    errors = [finding for finding in proposal.findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        return Hold(
            proposal,
            f"does not validate: {first.file}:{first.line}:{first.column}: "
            f"{first.code}: {first.message}{more}",
        )
    if control.pin is not None:
        pin = control.pin
        return Hold(proposal, f"revision {pin.revision[:12]} is pinned by {pin.who}: {pin.reason}")
    return Publish(proposal)
