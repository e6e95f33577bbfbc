"""
What the audit log is told: one value for each thing that happened, whoever writes it down.

Rule: facts, never bodies and never secrets: names, counts, versions, who and why. Those who tell
know no file: they are given a `Record`, and `observe.audit` is behind it, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Event: TypeAlias = Literal[
    "start",
    "stop",
    "connect",
    "refuse",
    "disconnect",
    "subscribe",
    "push",
    "ack",
    "nack",
    "publish",
    "hold",
    "command",
    "certificate",
    "policy",
    "webhook",
]
"""
``refuse``: a handshake, an authentication, a subscription or a stream that was not let in.
``command``: an operator's (pin, unpin, rollback, allow, suspend, resume, retry, sync).
``certificate``: one that was loaded anew, or could not be. ``policy``: rights that changed.
"""

Fact: TypeAlias = str | int | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    event: Event
    who: str = ""
    """Whose doing it was: a `Peer.identity`, an operator's name; empty: nobody that is known."""
    peer: str = ""
    """From which address."""
    outcome: str = ""
    """How it ended, where there is more than one way: ``ok``, ``refused``, ``failed`` …"""
    why: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What else an auditor asks for: collection, version, counts, commit, author …"""


Record: TypeAlias = Callable[[Happening], None]
"""Takes a happening down; never raises, never waits."""


def unrecorded(_: Happening) -> None:
    """Take nothing down: where no audit log is wanted."""
