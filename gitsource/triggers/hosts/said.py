"""
What a host's module makes of a delivery, and how it reads a payload that may hold anything.

Rule: pure; a value of an unexpected type is as good as none. Refs are full names, commits full
hexadecimal IDs; what is not that is empty text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gitsource.triggers.delivery import Delivery

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LONGEST = 1000
MOST_MOVES = 1000
"""Refs that are read from one delivery."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a sender's proof is checked with."""

    secrets: tuple[bytes, ...]
    """Any one of them will do."""
    now: float
    """Seconds since the epoch."""
    allow_sha1: bool = False
    header: str = "x-webhook-secret"
    """Lower-case name of the header in which a host that signs nothing may carry the secret."""


@dataclass(frozen=True, slots=True)
class Move:
    """A ref that is said to have moved."""

    ref: str
    """Full name, or empty: the payload did not say."""
    commit: str = ""
    """Where it is said to be now; empty if that was not said, or is not this ref's commit."""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a payload says, as far as anybody here wants to know."""

    kind: Literal["moved", "ping", "other"]
    moves: tuple[Move, ...] = ()
    """Where `kind` is moved; none: it did not say which."""
    repositories: tuple[str, ...] = ()
    """Addresses (or, for want of any, ``owner/name``) of the repository it is about."""


OTHER = Said("other")
PING = Said("ping")


@dataclass(frozen=True, slots=True)
class Host:
    """One kind of sender."""

    name: str
    """As in the setting `webhook.host`."""
    sent: Callable[[Delivery], bool]
    """Whether a delivery's headers look like this host's."""
    event: Callable[[Delivery], str]
    """The name of the event, from the headers; empty where they do not say."""
    id: Callable[[Delivery, Mapping[str, Any]], str]
    """The delivery's ID, the same when it is sent again; empty if there is none."""
    unproven: Callable[[Delivery, Terms], str]
    """Why the sender did not prove that it knows a secret; empty text: it did."""
    read: Callable[[str, Mapping[str, Any]], Said]
    """What the payload of an event says."""
    forms: bool = False
    """Whether it sends forms too."""
    open_ping: Callable[[Delivery], bool] = lambda _delivery: False
    """Whether it is a ping that this host may send without any proof."""


def at(value: Any, *path: str) -> Any:
    """Return what is at *path* below *value*, None if there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def text(value: Any) -> str:
    """Return *value* if it is a short text that can be shown, else nothing."""
    fits = isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()
    return value if fits else ""


def rows(value: Any) -> list[Any]:
    """Return *value* if it is a list, as far as anybody reads it."""
    return value[:MOST_MOVES] if isinstance(value, list) else []


def commit(value: Any) -> str:
    """Return *value* if it is the full ID of a commit; zeros are none."""
    told = text(value).lower()
    return told if _COMMIT.fullmatch(told) and told.strip("0") else ""


def nowhere(value: Any) -> bool:
    """Whether *value* is the ID that stands for no commit."""
    told = text(value)
    return len(told) in (40, 64) and not told.strip("0")


def branch(name: Any) -> str:
    """Return the full name of a branch that may be told short."""
    told = text(name)
    return told if not told or told.startswith("refs/") else f"refs/heads/{told}"


def tag(name: Any) -> str:
    """Return the full name of a tag that may be told short."""
    told = text(name)
    return told if not told or told.startswith("refs/") else f"refs/tags/{told}"


def move(ref: str, after: Any, *, deleted: bool = False) -> Move:
    """Return that *ref* is now at *after*: zeros say that it is gone."""
    # The object that an annotated tag is at is no commit, so there is none to look out for.
    now = commit(after) if ref.startswith("refs/heads/") else ""
    return Move(ref, now, deleted or nowhere(after))


def moved(moves: Iterable[Move], addresses: Iterable[Any], name: Any = None) -> Said:
    """Return that refs moved in the repository of *addresses*, else called *name*."""
    found = tuple(filter(None, map(text, addresses)))
    known = tuple(each for each in moves if each.ref)
    return Said("moved", known, found or tuple(filter(None, (text(name),))))


def no_id(_delivery: Delivery, _payload: Mapping[str, Any]) -> str:
    """Stand for hosts that give their deliveries no ID."""
    return ""
