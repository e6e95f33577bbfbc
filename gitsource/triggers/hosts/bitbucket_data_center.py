"""
Bitbucket Data Center and Server.

Rule: one delivery may tell of several refs. Its test, ``diagnostics:ping``, comes without a
signature: it is answered and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import basic, hex_signature
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
    rows,
    tag,
    text,
)

TEST = "diagnostics:ping"


def _unproven(delivery: Delivery, terms: Terms) -> str:
    if delivery.has("x-hub-signature"):
        return hex_signature(delivery.header("x-hub-signature"), delivery.body, terms.secrets)
    return basic(delivery, terms.secrets)


def _read(event: str, payload: Mapping[str, Any]) -> Said:
    if event == TEST:
        return PING
    if event == "repo:refs_changed":
        return _about(payload.get("repository"), *_moves(payload))
    if event == "pr:merged":
        request = payload.get("pullRequest")
        ref = branch(at(request, "toRef", "id"))
        now = at(request, "properties", "mergeCommit", "id")
        return _about(at(request, "toRef", "repository"), move(ref, now))
    return OTHER


def _moves(payload: Mapping[str, Any]) -> Iterator[Move]:
    for change in rows(payload.get("changes")):
        told = at(change, "ref")
        full = tag if text(at(told, "type")) == "TAG" else branch
        gone = at(change, "type") == "DELETE"
        ref = full(at(told, "id") or at(change, "refId"))
        yield move(ref, at(change, "toHash"), deleted=gone)


def _about(repository: Any, *moves: Move) -> Said:
    addresses = [at(each, "href") for each in rows(at(repository, "links", "clone"))]
    key, slug = text(at(repository, "project", "key")), text(at(repository, "slug"))
    return moved(moves, addresses, f"{key}/{slug}" if key and slug else None)


HOST = Host(
    name="bitbucket-data-center",
    sent=lambda delivery: delivery.has("x-event-key"),
    event=lambda delivery: delivery.header("x-event-key"),
    id=lambda delivery, _payload: delivery.header("x-request-id"),
    unproven=_unproven,
    read=_read,
    open_ping=lambda delivery: delivery.header("x-event-key") == TEST,
)
