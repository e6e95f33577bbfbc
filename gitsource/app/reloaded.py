"""
What of changed settings counts while a gitsource runs, and what waits for its next start.

Rule: nothing is half taken over: a setting counts whole from the moment it is taken, or not at all
and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from gitsource.settings.whole import Settings

FIXED = (
    "state_dir",
    "listen",
    "webhook",
    "insecure_webhook",
    "sinks",
    "secrets",
    "xds",
    "audit",
    "tls",
    "identity",
    "tokens",
    "insecure",
    "admin",
)
"""Settings that only a restart changes; a reload says so."""
LIMITS_FIXED = (
    *("streams", "streams_each", "connections", "handshake", "keepalive", "metadata_bytes"),
    *("request_bytes", "push_bytes_in_flight", "message_bytes"),
)
"""Of the limits those that gRPC or the door is opened with, or that bytes were cut by."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Settings as they count from now on."""

    settings: Settings
    changed: tuple[str, ...]
    waiting: tuple[str, ...]
    """What changed as well, and counts from the next start."""


def taken_over(old: Settings, new: Settings) -> Reloaded:
    """Return what counts after *new* was read while *old* counted."""
    waiting = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
    settings = replace(new, **{name: getattr(old, name) for name in FIXED})
    had, wanted = old.limits, new.limits
    waiting += [f"limits.{n}" for n in LIMITS_FIXED if getattr(wanted, n) != getattr(had, n)]
    limits = replace(wanted, **{name: getattr(had, name) for name in LIMITS_FIXED})
    settings = replace(settings, limits=limits)
    names = (each.name for each in fields(settings))
    changed = (name for name in names if getattr(settings, name) != getattr(old, name))
    return Reloaded(settings, tuple(changed), tuple(waiting))
