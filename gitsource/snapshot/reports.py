"""
What sinks said: the reports that publish leaves in the cache, and what is remembered of them.

Rule: an ACK means accepted by the sink, a NACK refused by it; neither says more. Text that a sink
chose is neutralised and bounded before it gets here. What is remembered of one who comes back (the
versions it refused, the one it accepted last) is bounded: the longest unheard of go first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from gitsource.model import Resource, Snapshot

Identity: TypeAlias = str | int
"""A sink's node ID; of an anonymous sink, the number of its stream."""

IDENTITIES = 32_768
"""(identity, collection) pairs of which verdicts are remembered."""
REFUSALS = 16
"""Refused versions remembered for each of them."""

Wanted: TypeAlias = Callable[[Snapshot, str, str], str | None]
"""From a snapshot, the name that a sink uses and the collection: the version it should have; None
if it needs nothing."""

Event: TypeAlias = Literal[
    "connected", "subscribed", "sent", "acked", "nacked", "returned", "disconnected"
]
"""``returned``: the sink went back to an earlier snapshot, or follows again."""


@dataclass(frozen=True, slots=True)
class SinkReport:
    """Something that happened on the stream of one sink."""

    event: Event
    stream: int
    """Counts the streams of this process from 1."""
    sink: Identity = 0
    peer: str = ""
    """The sink's network address."""
    collection: str = ""
    """As in the catalog."""
    requested: str = ""
    """The name the sink used for it: the same, an alias, or a name nobody knows."""
    version: str = ""
    """Of the collection; returned: the commit gone back to, empty when it follows again."""
    nonce: str = ""
    incremental: bool = False
    """sent: whether it was a delta; subscribed: whether deltas are wanted."""
    size: int = 0
    """sent: bytes."""
    counts: tuple[int, int] = (0, 0)
    """sent: resources in it, and names of removed ones."""
    who: str = ""
    """connected: what the other end proved to be; empty if it did not."""
    protocol: str = ""
    """connected: what it speaks."""
    seconds: float = 0.0
    """acked, nacked: since it was sent."""
    code: int = 0
    """nacked: a gRPC status code."""
    error: str = ""
    """nacked, returned, disconnected: why, as text."""
    blamed: tuple[Resource, ...] = ()
    """nacked: what the sink means, as far as its words tell (`snapshot.blame`)."""
    target: str = ""
    """nacked: the version that what was refused was a step to; it counts as refused as well."""
    part: bool = False
    """acked: it was a part of the way to what is served, which no later stream goes back to."""
    note: str = ""
    """sent: what an operator should know about it."""
    ours: bool = False
    """disconnected: whether gitsource ended it, for what the sink did."""


@dataclass(slots=True)
class CollectionStatus:
    """How one subscription of one sink stands."""

    collection: str
    sent: str | None = None
    acked: str | None = None
    nacked: str | None = None
    """The version refused since the last ACK; if it was a step, what that was a step to."""
    error: str | None = None
    since: float = 0.0
    """When it was sent, accepted or refused last, in seconds since the epoch."""
    note: str | None = None
    """What an operator should know about what was sent last."""


@dataclass(slots=True)
class SinkStatus:
    """One open stream and what its sink said."""

    stream: int
    peer: str
    protocol: str
    connected_at: float
    """Seconds since the epoch."""
    identity: Identity = 0
    collections: dict[str, CollectionStatus] = field(default_factory=dict)
    """By the name the sink uses."""
    views: tuple[str, ...] | None = None
    """The views that take it; None where there are no views."""
    rights: dict[str, Any] | None = None
    """What it may receive, and by which rules; None where everybody may receive everything."""
    wanted: Wanted | None = field(default=None, repr=False)
    """What it should have of a snapshot, if that is not simply what is in it."""
    returned: str = ""
    """The commit that it went back to, since it refused a part of a later one."""

    @property
    def id(self) -> str:
        """The node ID, empty for an anonymous sink."""
        return self.identity if isinstance(self.identity, str) else ""

    @property
    def label(self) -> str:
        """What to call it among people: the node ID, or else its address."""
        return self.id or self.peer

    def target(self, snapshot: Snapshot, requested: str) -> str | None:
        """Return the version of what it *requested* that it should have of *snapshot*, if any."""
        collection = self.collections[requested].collection
        if self.wanted is not None:
            return self.wanted(snapshot, requested, collection)
        return snapshot.collection(collection).version

    def as_json(self) -> dict[str, Any]:
        """Return the row of the status page."""
        return {
            "id": self.id,
            "stream": self.stream,
            "peer": self.peer,
            "protocol": self.protocol,
            "connected_at": _rfc3339(self.connected_at),
            "views": None if self.views is None else list(self.views),
            "rights": self.rights,
            "returned": self.returned or None,
            "collections": {
                name: {
                    "sent": status.sent,
                    "acked": status.acked,
                    "nacked": status.nacked,
                    "error": status.error,
                    "since": _rfc3339(status.since) if status.since else None,
                    "note": status.note,
                }
                for name, status in sorted(self.collections.items())
            },
        }


def _rfc3339(seconds: float) -> str:
    told = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


@dataclass(slots=True)
class Verdict:
    """What one identity said about the versions of one collection."""

    accepted: str | None = None
    """The version it ACKed last."""
    refused: dict[str, str] = field(default_factory=dict)
    """Versions it NACKed and never accepted since, oldest first, with its words."""


class Verdicts:
    """The verdicts of all identities."""

    def __init__(self, identities: int = IDENTITIES) -> None:
        self._bound = identities
        self._known: OrderedDict[tuple[Identity, str], Verdict] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Verdicts {len(self._known)}>"

    def of(self, identity: Identity, collection: str) -> Verdict | None:
        """Return what *identity* said about *collection*, if that is remembered."""
        return self._known.get((identity, collection))

    def accept(self, identity: Identity, collection: str, version: str) -> None:
        """Remember an ACK; whoever accepts a version no longer refuses it."""
        verdict = self._opened(identity, collection)
        verdict.accepted = version
        verdict.refused.pop(version, None)

    def refuse(self, identity: Identity, collection: str, version: str, error: str) -> None:
        """Remember a NACK and its *error* text; what was accepted before is so no longer."""
        verdict = self._opened(identity, collection)
        if verdict.accepted == version:
            verdict.accepted = None
        verdict.refused.pop(version, None)
        verdict.refused[version] = error
        if len(verdict.refused) > REFUSALS:
            del verdict.refused[next(iter(verdict.refused))]

    def forgive(self, identity: Identity, collection: str) -> None:
        """Forget what *identity* refused of *collection*: it may be sent again."""
        verdict = self.of(identity, collection)
        if verdict is not None:
            verdict.refused.clear()

    def forget(self, identity: Identity, collection: str) -> None:
        """Forget a sink that cannot come back as itself."""
        self._known.pop((identity, collection), None)

    def _opened(self, identity: Identity, collection: str) -> Verdict:
        key = (identity, collection)
        verdict = self._known.get(key)
        if verdict is None:
            verdict = self._known[key] = Verdict()
            if len(self._known) > self._bound:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return verdict
