"""
How a stream ended, for a transport to put in its words.

Rule: a value that knows no wire and no transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

GOING_AWAY = "gitsource is going away: connect elsewhere"


class End(Enum):
    """Why a stream ended, for the transport to put in its words."""

    CLOSED = "closed by the sink"
    BROKEN = "the connection is gone"
    PROTOCOL = "protocol error"
    LIMIT = "over a limit"
    STALLED = "the sink does not read"
    UNANSWERED = "the sink does not answer"
    DENIED = "nothing that it may receive"
    UNPROVED = "the proof of who it is has run out"
    UNRECORDED = "nothing new is served"
    GOING_AWAY = "gitsource is going away"
    FAULT = "a fault in gitsource"


OURS = frozenset(End) - {End.CLOSED, End.BROKEN, End.GOING_AWAY}
"""What gitsource ends a stream for."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended."""

    end: End
    text: str = ""
    """For the sink."""
