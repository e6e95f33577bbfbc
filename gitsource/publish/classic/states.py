"""
Where one subscription of classic MCP stands, and all that can happen to it.

Rule: `TRANSITIONS` is complete: what is not in it cannot happen. docs/protocol/classic.md draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gitsource.model import Collection


class State(Enum):
    """Where one subscription stands."""

    ASKED = "asked"
    """An answer is owed, whatever was sent before."""
    SENT = "sent"
    """One push is un-answered; news wait."""
    ACCEPTED = "accepted"
    """The last push was ACKed; news go out."""
    REFUSED = "refused"
    """The last push was NACKed; another version goes out."""


class Event(Enum):
    """What can happen to it."""

    SUBSCRIBE = "subscribe"
    RESUME = "resume"
    PUSH = "push"
    ACK = "ACK"
    NACK = "NACK"
    STALE = "stale answer"


TRANSITIONS: Mapping[State | None, Mapping[Event, State]] = {
    None: {Event.SUBSCRIBE: State.ASKED},
    State.ASKED: {
        Event.SUBSCRIBE: State.ASKED,
        Event.RESUME: State.ACCEPTED,
        Event.PUSH: State.SENT,
        Event.STALE: State.ASKED,
    },
    State.SENT: {
        Event.ACK: State.ACCEPTED,
        Event.NACK: State.REFUSED,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.SENT,
    },
    State.ACCEPTED: {
        Event.PUSH: State.SENT,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.ACCEPTED,
    },
    State.REFUSED: {
        Event.PUSH: State.SENT,
        Event.SUBSCRIBE: State.ASKED,
        Event.STALE: State.REFUSED,
    },
}
"""From state and event to state; what is not here cannot happen. None: before the first request."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A push that is un-answered."""

    nonce: str
    version: str
    sent_at: float
    goal: str
    """The version that is being gone to; not `version` if this is a part of the way."""
    state: Collection | None = None
    """What the sink holds when it accepts it, where that has to be remembered: see `Watch`."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a sink said it holds, as differences from a version that is kept."""

    base: str
    other: Mapping[str, str | None]
    """Resource name to the version the sink has instead; None: it has none."""


@dataclass(slots=True)
class Watch:
    """One subscription; at most `Stated.other` in it is more than a few words of its own."""

    requested: str
    collection: str
    rank: int
    state: State
    asked_at: float
    incremental: bool = False
    merges: bool = False
    """Whether it said so when it subscribed or accepted: NACKs of Istio's sinks leave it out."""
    in_flight: InFlight | None = None
    accepted: str | None = None
    """The version this sink holds, since it ACKed it on this stream."""
    refused: str | None = None
    """The version it refused last on this stream."""
    stated: Stated | None = None
    """Until its first ACK, what it said it holds."""
    stated_bytes: int = 0
    """What that counts as."""
    held: Collection | None = None
    """The same as `accepted` with its contents, where nobody else keeps them: on the way from one
    version to another in several pushes, and always on a wire that has no full state."""
    again: bool = False
    """On such a wire: it asked anew, so all of it goes out."""

    def move(self, event: Event) -> None:
        """Let *event* happen; KeyError if it cannot."""
        self.state = TRANSITIONS[self.state][event]
