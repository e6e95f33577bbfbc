"""
Azure DevOps service hooks.

Rule: nothing is signed. The secret comes by basic authentication or in a header of its own, so TLS
in front is what keeps it one. The event and the ID stand in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import WRONG, basic, same
from gitsource.triggers.hosts.said import (
    OTHER,
    Host,
    Said,
    Terms,
    at,
    branch,
    move,
    moved,
    rows,
    text,
)


def _sent(delivery: Delivery) -> bool:
    known = delivery.header("user-agent").startswith("VSServices/")
    return known or delivery.header("authorization").lower().startswith("basic ")


def _unproven(delivery: Delivery, terms: Terms) -> str:
    if delivery.has(terms.header):
        return "" if same(delivery.header(terms.header), terms.secrets) else WRONG
    return basic(delivery, terms.secrets)


def _id(_delivery: Delivery, payload: Mapping[str, Any]) -> str:
    number = payload.get("notificationId")
    return text(payload.get("id")) or (str(number) if type(number) is int and number > 0 else "")


def _read(_event: str, payload: Mapping[str, Any]) -> Said:
    event, told = text(payload.get("eventType")), payload.get("resource")
    repository = (at(told, "repository", "remoteUrl"),)
    if event == "git.push":
        updates = rows(at(told, "refUpdates"))
        moves = (move(text(at(each, "name")), at(each, "newObjectId")) for each in updates)
        return moved(moves, repository)
    if event == "git.pullrequest.merged" and at(told, "status") == "completed":
        # The commit it tells is that of a merge that was tried, not always the one that was made.
        return moved((move(branch(at(told, "targetRefName")), None),), repository)
    return OTHER


HOST = Host(
    name="azure-devops",
    sent=_sent,
    event=lambda _delivery: "",
    id=_id,
    unproven=_unproven,
    read=_read,
)
