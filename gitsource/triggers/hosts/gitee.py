"""
Gitee: a password in clear, or a signature over a timestamp.

Rule: neither is over the body, so a body proves nothing; it is a hint as everywhere. Payloads carry
the password themselves: another reason that no body is ever kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts import github
from gitsource.triggers.hosts.proof import MISSING, gitee_signature, same
from gitsource.triggers.hosts.said import (
    OTHER,
    PING,
    Host,
    Said,
    Terms,
    at,
    branch,
    move,
    no_id,
    text,
)


def _unproven(delivery: Delivery, terms: Terms) -> str:
    token = delivery.header("x-gitee-token")
    if not token:
        return MISSING
    password = same(token, terms.secrets)
    stamp = delivery.header("x-gitee-timestamp")
    signature = gitee_signature(token, stamp, terms.secrets, terms.now)
    return "" if password else signature


def _event(delivery: Delivery) -> str:
    ping = delivery.header("x-gitee-ping").lower() == "true"
    return "ping" if ping else delivery.header("x-gitee-event")


def _read(event: str, payload: Mapping[str, Any]) -> Said:
    if event == "ping":
        return PING
    if event in ("Push Hook", "Tag Push Hook"):
        gone = payload.get("deleted") is True
        return github.about(
            payload, move(text(payload.get("ref")), payload.get("after"), deleted=gone)
        )
    if event == "Merge Request Hook" and payload.get("action") == "merge":
        ref = branch(payload.get("target_branch"))
        now = at(payload, "pull_request", "merge_commit_sha")
        return github.about(payload, move(ref, now))
    return OTHER


HOST = Host(
    name="gitee",
    sent=lambda delivery: delivery.has("x-gitee-event"),
    event=_event,
    id=no_id,
    unproven=_unproven,
    read=_read,
)
