"""
GitHub, github.com and Enterprise Server.

Rule: the signature is over the raw body, also that of a form, which is GitHub's default. ``push``
comes once for each ref; `create` and `delete` come beside it and say nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import hub_signature
from gitsource.triggers.hosts.said import (
    OTHER,
    PING,
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

ADDRESSES = ("clone_url", "ssh_url", "git_url", "git_http_url", "html_url")


def read(event: str, payload: Mapping[str, Any]) -> Said:
    """Return what *payload* says; Gitea, Gogs and Gitee took its shape over."""
    if event == "ping":
        return PING
    if event == "push":
        ref, gone = text(payload.get("ref")), payload.get("deleted") is True
        return about(payload, move(ref, payload.get("after"), deleted=gone))
    if event == "pull_request":
        return merged(payload)
    return OTHER


def merged(payload: Mapping[str, Any]) -> Said:
    """A merged pull request moved its base branch; what else happens to one moves nothing."""
    request = payload.get("pull_request")
    if payload.get("action") != "closed" or at(request, "merged") is not True:
        return OTHER
    return about(payload, move(branch(at(request, "base", "ref")), at(request, "merge_commit_sha")))


def about(payload: Mapping[str, Any], one: Move) -> Said:
    """Return that *one* ref moved in the repository that *payload* names."""
    repository = payload.get("repository")
    addresses = (at(repository, key) for key in ADDRESSES)
    return moved((one,), addresses, at(repository, "full_name"))


def _unproven(delivery: Delivery, terms: Terms) -> str:
    return hub_signature(delivery, terms.secrets, allow_sha1=terms.allow_sha1)


HOST = Host(
    name="github",
    sent=lambda delivery: delivery.has("x-github-event"),
    event=lambda delivery: delivery.header("x-github-event"),
    id=lambda delivery, _payload: delivery.header("x-github-delivery"),
    unproven=_unproven,
    read=read,
    forms=True,
)
