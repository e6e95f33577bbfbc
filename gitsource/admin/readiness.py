"""
Whether gitsource is ready for sinks, as said by its status.

Rule: ready means that a snapshot is served, however old: a sink is better off with the last good
configuration than with none, so an unreachable repository or a broken head does not unready.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def readiness(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``ready`` and, in ``reasons``, what stands in the way or should be known."""
    ready = bool(status.get("ready"))
    reasons = [] if ready else ["no snapshot is served yet"]
    last, held = status.get("last_sync") or {}, status.get("held") or {}
    if last.get("error"):
        reasons.append(f"the last look failed: {last['error']}")
    if held:
        reasons.append(f"revision {str(held.get('revision'))[:12]} is held: {held.get('reason')}")
    collections = status.get("collections") or {}
    if ready and collections and not any(each["count"] for each in collections.values()):
        reasons.append("what is served has no resource at all: check the repository and its path")
    if status.get("unsaved"):
        reasons.append(f"what is served is not kept on disk: {status['unsaved']}")
    if status.get("unkept"):
        reasons.append(f"operators' orders are not kept across a restart: {status['unkept']}")
    if status.get("reload_error"):
        reasons.append(f"changed settings are not taken over: {status['reload_error']}")
    if status.get("suspended"):
        reasons.append("looking for new revisions is suspended")
    audit = status.get("audit") or {}
    if audit.get("failure"):
        left = "; no stream and no revision is let through" if audit.get("stopped") else ""
        reasons.append(f"the audit log cannot be written: {audit['failure']}{left}")
    door = status.get("door") or {}
    if door.get("insecure"):
        reasons.append(str(door["insecure"]))
    reasons += [f"the sinks' door: {alarm}" for alarm in door.get("alarms") or ()]
    reasons += status.get("plaintext") or ()
    reasons += [f"papers of {each['door']}: {each['why']}" for each in status.get("papers") or ()]
    return {
        "ready": ready,
        "reasons": reasons,
        "revision": status.get("revision"),
        "stale_since": status.get("stale_since"),
    }
