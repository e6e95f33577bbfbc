"""
Bitbucket Cloud.

Rule: one delivery may tell of several refs, each with an old and a new side; a side that is null
says that the ref came or went. There is no address to clone from, only that of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import hex_signature
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
    rows,
    tag,
    text,
)


def _unproven(delivery: Delivery, terms: Terms) -> str:
    # The header is the one that GitHub uses for SHA-1; here it says sha256.
    return hex_signature(delivery.header("x-hub-signature"), delivery.body, terms.secrets)


def _read(event: str, payload: Mapping[str, Any]) -> Said:
    if event == "repo:push":
        return _about(payload, *_moves(payload))
    if event == "pullrequest:fulfilled":
        request = payload.get("pullrequest")
        ref = branch(at(request, "destination", "branch", "name"))
        # The hash is short here, so nobody can look out for it: the push says the whole.
        return _about(payload, move(ref, at(request, "merge_commit", "hash")))
    return OTHER


def _moves(payload: Mapping[str, Any]) -> Iterator[Move]:
    for change in rows(at(payload, "push", "changes")):
        new, old = at(change, "new"), at(change, "old")
        side = new if isinstance(new, Mapping) else old
        full = tag if text(at(side, "type")) == "tag" else branch
        gone = side is old or at(change, "closed") is True
        yield move(full(at(side, "name")), at(new, "target", "hash"), deleted=gone)


def _about(payload: Mapping[str, Any], *moves: Move) -> Said:
    repository = payload.get("repository")
    page = at(repository, "links", "html", "href")
    return moved(moves, (page,), at(repository, "full_name"))


HOST = Host(
    name="bitbucket-cloud",
    sent=lambda delivery: delivery.has("x-event-key") and delivery.has("x-hook-uuid"),
    event=lambda delivery: delivery.header("x-event-key"),
    id=lambda delivery, _payload: delivery.header("x-request-uuid"),
    unproven=_unproven,
    read=_read,
)
