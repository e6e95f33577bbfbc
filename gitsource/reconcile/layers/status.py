"""How layers stand, as the status and the outcome of a look tell it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitsource.git import refs
from gitsource.observe.neutral import without_credentials
from gitsource.reconcile.outcomes import Condition, LayerState, rfc3339
from gitsource.settings.whole import Settings


def told(states: Iterable[LayerState]) -> list[dict[str, Any]]:
    """Return a row for each layer, the lowest first; docs/operations.md explains each field."""
    return [
        {
            "name": state.name,
            "revision": state.commit or None,
            "head": state.head.commit if state.head is not None else None,
            "held": None
            if state.held is None
            else {
                "reason": state.held.reason,
                "since": rfc3339(state.held.since),
                "findings_count": len(state.held.findings),
            },
            "error": state.error or None,
            "hint": state.hint or None,
        }
        for state in states
    ]


def rows(now: Condition, settings: Settings) -> list[dict[str, Any]]:
    """Return the same with where each layer comes from; before the first look, what is served."""
    known = {row["name"]: row for row in told(now.layers)}
    chosen = {state.name: state.chosen for state in now.layers}
    served = now.serving.revision.layers if now.serving is not None else ()
    for layer in served:
        empty = dict.fromkeys(("held", "error", "hint"))
        row = {"name": layer.name, "revision": layer.commit, "head": layer.head or None, **empty}
        known.setdefault(layer.name, row)
    found = []
    for setting in settings.layers:
        empty = dict.fromkeys(("revision", "head", "held", "error", "hint"))
        ref = chosen.get(setting.name)
        repository = setting.repository
        found.append(
            known.get(setting.name, {"name": setting.name, **empty})
            | {
                "url": without_credentials(repository.url),
                "ref": refs.shown(repository),
                "chosen": str(ref) or None if ref is not None else None,
                "moved_from": ref.moved_from or None if ref is not None else None,
                "path": repository.path,
            }
        )
    return found
