"""
What a look at the repository came to, and how things stand after all looks so far.

Rule: values only; the event loop makes them and everybody may read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gitsource.git.refs import Chosen
from gitsource.model import Finding, LayerRevision, Revision, Snapshot
from gitsource.snapshot.history import Control


@dataclass(frozen=True, slots=True)
class Held:
    """A revision that stays back."""

    revision: Revision
    reason: str
    since: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LayerState:
    """How one layer stands after a look."""

    name: str
    commit: str
    """Which of its commits is part of what is published; empty: none yet."""
    head: Revision | None
    """The newest commit that was seen."""
    chosen: Chosen
    held: Held | None = None
    """Why its head stays back, if it does."""
    error: str = ""
    """Why it could not be looked at, if so."""
    hint: str = ""

    @property
    def revision(self) -> LayerRevision:
        """As compositions tell of it."""
        head = self.head.commit if self.head is not None else ""
        return LayerRevision(self.name, self.commit, head, self.held.reason if self.held else "")


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
    layers: tuple[LayerState, ...] = ()
    """How each layer stands, the lowest first; empty if a single repository is followed."""
    head: Revision | None = None
    """With layers: the composition of all their heads, whether or not it may go out."""
    partly: bool = False
    """failed: whether other layers could be looked at."""

    @property
    def held(self) -> tuple[tuple[str, Held], ...]:
        """Return which layers' heads stay back, and why."""
        return tuple((layer.name, layer.held) for layer in self.layers if layer.held is not None)

    @property
    def of_layer(self) -> bool:
        """Whether `revision` is the head of a layer that is held, and no composition."""
        return any(held.revision == self.revision for _, held in self.held)


@dataclass(frozen=True, slots=True)
class Condition:
    """How things stand, for status and metrics."""

    serving: Snapshot | None = None
    head: Revision | None = None
    chosen: Chosen = field(default_factory=lambda: Chosen("", ""))
    """What is followed, as it was last found at the remote."""
    held: Held | None = None
    """With layers: the lowest that is held."""
    layers: tuple[LayerState, ...] = ()
    """How each layer stands, the lowest first; empty if a single repository is followed."""
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
    unkept: str = ""
    """Why operators' orders would not outlive this process, if so."""
    refused: str = ""
    """Why changed settings were not taken over, if they were not."""

    @property
    def layers_held(self) -> tuple[tuple[str, Held], ...]:
        """Which layers' heads stay back, and why."""
        return tuple((layer.name, layer.held) for layer in self.layers if layer.held is not None)

    def held_as(self, commit: str) -> Held | None:
        """
        Return why *commit* stays back, if it does: as the head, or the head of a layer.

        So does the composition of all heads as long as one of them does.
        """
        if self.layers and self.held is not None and self.head is not None:
            whole = tuple(finding for _, held in self.layers_held for finding in held.findings)
            if commit == self.head.commit:
                return replace(self.held, revision=self.head, findings=whole)
        everything = (self.held, *(layer.held for layer in self.layers))
        found = (held for held in everything if held is not None)
        return next((held for held in found if held.revision.commit == commit), None)


def after(
    before: Condition,
    outcome: Outcome,
    snapshot: Snapshot | None = None,
    unsaved: str = "",
    ignored: int = 0,
    *,
    chosen: Chosen,
    now: float,
) -> Condition:
    """Return how things stand after a look that came to *outcome* (and published *snapshot*)."""
    changes: dict[str, object] = {
        "last": outcome,
        "last_at": now,
        "head": outcome.head or outcome.revision or before.head,
        "chosen": chosen,
        "layers": outcome.layers or (before.layers if outcome.result == "failed" else ()),
        "held": before.held,
    }
    if outcome.result == "failed" or any(layer.error for layer in outcome.layers):
        changes["stale_since"] = before.stale_since or now
    else:
        changes["stale_since"] = None
    if outcome.result != "failed" or outcome.partly:
        changes["last_success"] = now
    if outcome.held:
        name, held = outcome.held[0]
        changes["held"] = replace(held, reason=f"layer {name} {held.reason}")
        known = {(name, held.revision) for name, held in before.layers_held}
        new = [one for name, one in outcome.held if (name, one.revision) not in known]
        changes["held_count"] = before.held_count + len(new)
        changes["findings"] = _findings(before, outcome)
    elif outcome.result == "held" and outcome.revision is not None:
        known_one = before.held is not None and before.held.revision == outcome.revision
        if not known_one:
            changes["held_count"] = before.held_count + 1
        since = before.held.since if known_one and before.held else now
        changes["held"] = Held(outcome.revision, outcome.error, since, outcome.findings)
        changes["findings"] = outcome.findings
    elif outcome.result in {"published", "unchanged"} or outcome.layers:
        changes["held"] = None
    if outcome.result == "published":
        changes |= {
            "findings": _findings(before, outcome),
            "published": before.published + 1,
            "published_at": now,
            "published_by": outcome.triggers,
        }
    if snapshot is not None:
        changes |= {"serving": snapshot, "unsaved": unsaved, "ignored": ignored}
    return replace(before, **changes)  # type: ignore[arg-type]


def _findings(before: Condition, outcome: Outcome) -> tuple[Finding, ...]:
    """Return what there is to be told: of what stands, and of each layer's head that is held."""
    stands: tuple[Finding, ...] = outcome.findings
    if outcome.layers and outcome.result != "published":
        stands = before.serving.findings if before.serving is not None else ()
    return (*stands, *(finding for _, held in outcome.held for finding in held.findings))


def rfc3339(seconds: float | None) -> str | None:
    """Return *seconds* since the epoch as text, None for none."""
    if not seconds:
        return None
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
