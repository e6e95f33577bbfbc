"""What every format says of a plan in the same words: what it comes to, how much, how large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gitsource.plan.values import Against, CollectionPlan, LayerPlan, Plan, What

NEAR = 0.8
"""From this share of the limit on, the size of a message is worth a warning."""

ORDER: tuple[What, ...] = ("added", "changed", "renamed", "removed")
"""How the kinds of changes are told."""

SIGNS = {"added": "+", "changed": "~", "renamed": ">", "removed": "-"}


def count(number: int, what: str) -> str:
    """Return ``1 error``, ``2 errors``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def size(number: int) -> str:
    """Return *number* of bytes for people."""
    if number < 1024:
        return f"{number} B"
    if number < 1024 * 1024:
        return f"{number / 1024:.1f} KiB"
    return f"{number / 1024 / 1024:.1f} MiB"


def totals(planned: Plan) -> str:
    """Return how many resources come, go and change, and in how many collections."""
    counted = Counter(each.what for c in planned.collections for each in c.changes)
    told = [f"{counted[what]:,} {what}" for what in ORDER if counted[what]]
    if not told:
        return "no resource"
    return f"{', '.join(told)} in {count(len(planned.collections), 'collection')}"


def headline(planned: Plan) -> str:
    """Return what the plan comes to, in one sentence or two."""
    if planned.ends == "findings":
        errors = [*planned.new, *planned.old]
        number = sum(each.severity == "error" for each in errors)
        told = count(number, "error")
        return f"This revision would be held: {told}. Sinks keep what they have."
    if planned.ends == "guarded":
        return "This revision is valid and would be held by a guard. Sinks keep what they have."
    if not planned.collections and planned.rights:
        number = len(planned.rights)
        kinds = "1 kind of sink gains or loses" if number == 1 else f"{number:,} kinds gain or lose"
        return f"No collection changes, but who may receive what does: {kinds} resources."
    if not planned.collections:
        return "No collection changes: nothing would be pushed."
    return f"Would be pushed: {totals(planned)}."


def condition(planned: Plan) -> str:
    """Return under which condition the push plan holds; empty if under none."""
    if planned.ends == "findings":
        return "Its files without errors would push:"
    return "Once let through, it would push:" if planned.ends == "guarded" else ""


def short(version: str) -> str:
    """Return the beginning of a version, for people."""
    return version[:12] or "(nothing)"


def sinks(told: Against) -> str:
    """Return how many sinks are reached and how many not; a file knows none."""
    if not told.knows_sinks:
        return "a file: no sinks"
    return f"{count(len(told.sinks), 'sink')} reached, {told.unreached:,} not"


def step(before: str, after: str) -> str:
    """Return from which version to which; without layers that are missing nobody knows."""
    return f"{short(before)} -> {short(after)}" if after else "versions not known"


def commits(layer: LayerPlan) -> str:
    """Return at which commit a layer is, and at which it would be."""
    if layer.how == "missing":
        return "not known"
    before, after = layer.before[:12] or "nothing", layer.after[:12] or "no commit"
    return before if layer.before == layer.after and layer.after else f"{before} -> {after}"


SOURCES = {
    "reviewed": "under review",
    "repository": "from",
    "served": "as served by",
    "versions": "names and versions alone, of",
    "missing": "left out",
}
"""How a layer takes part; where it is from another one follows."""


def large(planned: Plan) -> Iterator[tuple[CollectionPlan, str]]:
    """Yield the collections of which a message comes near what sinks take, with a sentence."""
    limit = planned.message_limit
    for each in planned.collections:
        for number, what in (
            (each.full_bytes, "the message with all of it"),
            (each.incremental_bytes, "the message with what changed"),
        ):
            if number >= limit * NEAR:
                than = "more than" if number > limit else "near"
                yield each, f"{what} has {size(number)}, {than} the {size(limit)} that a sink takes"
                break
