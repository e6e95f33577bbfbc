"""
What a look at the repository came to, and how things stand after all looks so far.

Rule: values only; the event loop makes them and everybody may read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gitsource.git.refs import Chosen
from gitsource.model import Finding, Revision, Snapshot
from gitsource.snapshot.history import Control


@dataclass(frozen=True, slots=True)
class Held:
    """A revision that stays back."""

    revision: Revision
    reason: str
    since: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look came to."""

    result: str
    """``published``, ``unchanged``, ``held``, ``suspended`` or ``failed``."""
    revision: Revision | None
    error: str = ""
    """What failed, or why it is held."""
    hint: str = ""
    fault: str = ""
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    triggers: tuple[str, ...] = ()
    """What made gitsource look."""
    signer: str = ""
    """published: by whom its commit is well signed, where the policy of signatures asked."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How things stand, for status and metrics."""

    serving: Snapshot | None = None
    head: Revision | None = None
    chosen: Chosen = field(default_factory=lambda: Chosen("", ""))
    """What is followed, as it was last found at the remote."""
    held: Held | None = None
    control: Control = field(default_factory=Control)
    last: Outcome | None = None
    last_at: float = 0.0
    last_success: float = 0.0
    stale_since: float | None = None
    findings: tuple[Finding, ...] = ()
    ignored: int = 0
    published_at: float | None = None
    """When this instance published what it serves; None if it came from disk."""
    published_by: tuple[str, ...] = ()
    """What made gitsource look for it."""
    published: int = 0
    """Revisions published since the start."""
    held_count: int = 0
    """Revisions held since the start."""
    unsaved: str = ""
    """Why the newest snapshot is not on disk, if it is not."""


def rfc3339(seconds: float | None) -> str | None:
    """Return *seconds* since the epoch as text, None for none."""
    if not seconds:
        return None
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
