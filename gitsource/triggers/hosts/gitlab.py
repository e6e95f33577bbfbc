"""
GitLab: the token in clear, or the signature of Standard Webhooks.

Rule: a secret that starts with ``whsec_`` is the key of signatures and never a token. Where there
is such a secret, a delivery that carries a signature is judged by it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import MISSING, WRONG, is_key, same, standard_signature
from gitsource.triggers.hosts.said import (
    OTHER,
    Host,
    Move,
    Said,
    Terms,
    at,
    branch,
    move,
    moved,
    text,
)

ADDRESSES = ("git_http_url", "git_ssh_url", "web_url", "http_url", "ssh_url")
_KINDS = {
    "Push Hook": "push",
    "Tag Push Hook": "tag_push",
    "Merge Request Hook": "merge_request",
}


def _unproven(delivery: Delivery, terms: Terms) -> str:
    keys = tuple(filter(is_key, terms.secrets))
    if delivery.has("webhook-signature") and keys:
        return standard_signature(delivery, keys, terms.now)
    if not delivery.header("x-gitlab-token"):
        return MISSING
    tokens = [each for each in terms.secrets if not is_key(each)]
    return "" if same(delivery.header("x-gitlab-token"), tokens) else WRONG


def _read(event: str, payload: Mapping[str, Any]) -> Said:
    # A system hook tells all its events under one header: the body says which.
    kind = text(payload.get("object_kind") or payload.get("event_name")) or _KINDS.get(event, "")
    if kind in ("push", "tag_push"):
        # After a push of a tag, `after` is the tag's own object; of a branch, the commit.
        return _about(payload, move(text(payload.get("ref")), payload.get("after")))
    told = payload.get("object_attributes")
    if kind == "merge_request" and at(told, "action") == "merge":
        return _about(
            payload, move(branch(at(told, "target_branch")), at(told, "merge_commit_sha"))
        )
    return OTHER


def _about(payload: Mapping[str, Any], one: Move) -> Said:
    project = payload.get("project")
    addresses = (at(project, key) for key in ADDRESSES)
    return moved((one,), addresses, at(project, "path_with_namespace"))


HOST = Host(
    name="gitlab",
    sent=lambda delivery: delivery.has("x-gitlab-event"),
    event=lambda delivery: delivery.header("x-gitlab-event"),
    id=lambda delivery, _payload: delivery.first("idempotency-key", "webhook-id"),
    unproven=_unproven,
    read=_read,
)
