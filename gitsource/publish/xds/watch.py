"""
One subscription of a stream: what the client wants of a type, has of it, and was sent.

Rule: what a client has is booked when it ACKs, never when something is sent; after a NACK it is not
known of any resource of that response. `TRANSITIONS` is all that can happen; docs/protocol.md draws
it. A watch holds references to collections that all streams share, and next to nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from gitsource.model import Collection, Resource
from gitsource.publish.xds.blame import Trouble
from gitsource.publish.xds.selection import Shelf
from gitsource.publish.xds.subscription import NO_NAMES, Subscription
from gitsource.publish.xds.types import Type
from gitsource.publish.xds.words import Response


class State(Enum):
    """Where one subscription stands."""

    ASKED = "asked"
    """An answer is owed, whatever was sent before."""
    SENT = "sent"
    """A response is un-answered; news wait."""
    ACCEPTED = "accepted"
    """The last response was ACKed, or the client has what is served; news go out."""
    REFUSED = "refused"
    """The last response was NACKed; what is different goes out."""


class Event(Enum):
    """What can happen to it."""

    SUBSCRIBE = "subscribe"
    HOLDS = "has what is served"
    RESPONSE = "response"
    ACK = "ACK"
    NACK = "NACK"
    STALE = "stale answer"


TRANSITIONS: Mapping[State | None, Mapping[Event, State]] = {
    None: {Event.SUBSCRIBE: State.ASKED},
    State.ASKED: {
        Event.SUBSCRIBE: State.ASKED,
        Event.HOLDS: State.ACCEPTED,
        Event.RESPONSE: State.SENT,
        # Over delta an earlier response may still be un-answered.
        Event.ACK: State.ASKED,
        Event.NACK: State.ASKED,
        Event.STALE: State.ASKED,
    },
    State.SENT: {
        Event.SUBSCRIBE: State.ASKED,
        Event.RESPONSE: State.SENT,
        Event.ACK: State.ACCEPTED,
        Event.NACK: State.REFUSED,
        Event.STALE: State.SENT,
    },
    State.ACCEPTED: {
        Event.SUBSCRIBE: State.ASKED,
        Event.RESPONSE: State.SENT,
        Event.STALE: State.ACCEPTED,
    },
    State.REFUSED: {
        Event.SUBSCRIBE: State.ASKED,
        Event.RESPONSE: State.SENT,
        Event.STALE: State.REFUSED,
    },
}
"""From state and event to state; what is not here cannot happen. None: before the first request."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A response that is not answered yet."""

    nonce: str
    sent_at: float
    put: tuple[Resource, ...] = field(repr=False)
    removed: tuple[str, ...] = field(repr=False)
    after: Collection = field(repr=False)
    target: str
    """The version on whose way it is."""
    wanted: Subscription
    """What the client wanted then."""


@dataclass(slots=True, eq=False)
class Watch:
    """One subscription."""

    type: Type
    requested: str
    collection: str
    merges: bool
    """Whether the client merges what it is sent into what it has."""
    wanted: Subscription
    has: Collection
    """What the client has, as far as it said so; may have resources in `UNKNOWN` version."""
    ready_at: float
    """When an answer that is owed may go."""
    state: State = TRANSITIONS[None][Event.SUBSCRIBE]
    first: bool = True
    """Whether nothing was answered on this stream."""
    sure: bool = False
    """SotW: whether `has` is all there is to know."""
    stated: str = ""
    """SotW: the version of an earlier stream."""
    strange: bool = False
    """Delta: whether it said to have what is not served."""
    flights: tuple[Flight, ...] = ()
    nonce: str = ""
    """Of the last response."""
    owed: frozenset[str] = NO_NAMES
    """Names to send whatever the client has."""
    repeated_at: float = float("-inf")
    trouble: Trouble | None = None
    kept_alive_at: float = float("-inf")
    """When the client was told last of all it has that runs out."""
    told: str | None = None
    """The version that was last reported as accepted; what the client has may have shrunk since."""

    def move(self, event: Event) -> None:
        """Take *event* in."""
        self.state = TRANSITIONS[self.state][event]

    @property
    def expected(self) -> Collection:
        """What the client has if it accepts all that was sent."""
        return self.flights[-1].after if self.flights else self.has

    @property
    def refused_at(self) -> float | None:
        """When it refused something, if it accepted nothing since."""
        return self.trouble.refused_at if self.trouble is not None else None

    @property
    def taken(self) -> Collection | None:
        """SotW: a complete set that it refused, and may have taken over a part of."""
        return self.trouble.had if self.trouble is not None and not self.flights else None

    def flying(self, nonce: str) -> Flight | None:
        """Return the un-answered response with *nonce*."""
        return next((one for one in self.flights if one.nonce == nonce), None)

    def sent(self, response: Response, now: float) -> None:
        """Note that *response* is being written."""
        flight = Flight(
            response.nonce,
            now,
            response.put,
            response.removed,
            response.after,
            response.target,
            self.wanted,
        )
        # A SotW client answers the newest alone.
        self.flights = (*self.flights, flight) if response.delta else (flight,)
        if not self.has.names:
            self.kept_alive_at = now
        self.nonce, self.first, self.owed = response.nonce, False, response.owed
        self.move(Event.RESPONSE)

    def accepted(self, flight: Flight, shelf: Shelf) -> None:
        """Book *flight* as accepted."""
        in_order = flight is self.flights[0]
        has = flight.after if in_order else shelf.merged(self.has, flight.put, flight.removed)
        self.has = has if flight.wanted is self.wanted else shelf.narrowed(has, self.wanted)
        self.sure = True
        self._answered(flight, Event.ACK)
        if self.trouble is not None:
            self.trouble.refused_at = None
            self.trouble.had = None

    def refused(self, flight: Flight, shelf: Shelf, now: float) -> Trouble:
        """Book *flight* as refused: nothing is known of what it brought."""
        if self.merges:
            self.has = shelf.narrowed(shelf.forgotten(self.has, flight.put), self.wanted)
        self.sure = False
        self._answered(flight, Event.NACK)
        # What was sent since was sent as if this one were accepted.
        self.flights = tuple(
            replace(
                one,
                after=shelf.merged(shelf.forgotten(one.after, flight.put), one.put, one.removed),
            )
            for one in self.flights
        )
        trouble = self.trouble = self.trouble or Trouble()
        trouble.about(flight.target)
        trouble.refusals += 1
        trouble.refused_at, trouble.sent = now, flight.after
        return trouble

    def _answered(self, flight: Flight, event: Event) -> None:
        left = tuple(one for one in self.flights if one is not flight)
        self.flights = left
        if not left or self.state is State.ASKED:
            self.move(event)

    def wants(self, wanted: Subscription, shelf: Shelf, whole: Collection | None) -> None:
        """
        Note that the client wants something else from now on, and drops what it does not.

        *whole* is all that is served of the type, if anything is.
        """
        before, self.wanted = self.wanted, shelf.shared(wanted)
        if whole is not None:
            shelf.follow(whole, before, self.wanted)
        self.has = shelf.narrowed(self.has, self.wanted)
