"""
What a session asks of a wire: the words of one protocol, and a machine for each of its streams.

Rule: a session pumps bytes and knows no protocol. A wire is made once for a server and shared by
its streams, so that what they have in common is encoded once; a machine belongs to one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from gitsource.model import Collection, Snapshot
from gitsource.publish.sending.content import Identity
from gitsource.publish.words import Heard, Holding, Named, Node
from gitsource.settings.serving import Limits


class Sent(Protocol):
    """What is told of a message to a sink, whatever its wire."""

    @property
    def requested(self) -> str:
        """The collection, by the name the sink used."""

    @property
    def collection(self) -> str:
        """The same, as in the catalog."""

    @property
    def nonce(self) -> str:
        """What its answer will name."""

    @property
    def version(self) -> str:
        """The version that the sink holds when it has accepted it."""

    @property
    def incremental(self) -> bool:
        """Whether the sink has to merge it."""

    @property
    def counts(self) -> tuple[int, int]:
        """How many resources it carries, and how many names of removed ones."""

    @property
    def note(self) -> str:
        """What an operator should know about it; empty if there is nothing."""


class Machine(Protocol):
    """The state of one stream: no I/O, no clock."""

    identity: Identity
    next_look: float | None
    whose: str
    """What the sink proved to be, which its identity begins with; empty if nothing."""
    within: Callable[[Collection], Collection]
    """What it may be sent now of a collection that it was shown at some time."""

    @property
    def node(self) -> Node | None:
        """Who the sink says it is; None until it said so."""

    def receive(self, request: Any, snapshot: Snapshot | None, now: float) -> Heard:
        """
        Take in a decoded request; *snapshot* is what this sink is served, if anything is.

        Raises ExchangeError for what the protocol forbids, OverLimit for more than is allowed.
        """

    def stuck(self, snapshot: Snapshot) -> bool:
        """
        Whether the sink has what it may not have any more, and cannot be told that now.

        To be asked when there is nothing to `offer`, and of sinks that may not have everything.
        """

    def named(self, requested: str) -> Named:
        """Return what the sink names under *requested*, which it subscribed to; costs nothing."""

    def offer(self, snapshot: Snapshot | None, now: float) -> Any | None:
        """Return what to send now, if anything; nothing changes until it is `sent`."""

    def sent(self, push: Any, now: float) -> None:
        """Note that the message offered last is being written."""

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether every subscription has accepted what it is to hold of *snapshot*."""

    def wanted(self, snapshot: Snapshot, requested: str, collection: str) -> str | None:
        """
        Return the version that a subscription comes to once *snapshot* is accepted.

        None if it has it without ever having been sent anything.
        """

    def refuses(self, snapshot: Snapshot, requested: str) -> bool:
        """Whether the sink refused, on this stream, a part of what *snapshot* has for it."""

    def retry(self) -> None:
        """Forget what was refused on this stream: it may be sent again."""

    def holdings(self) -> Iterator[Holding]:
        """Yield what each subscription was sent and has accepted."""


class Wire(Protocol):
    """One protocol, for all streams of a server that speak it."""

    protocol: str
    """As the status names it."""

    def limit(self, limits: Limits) -> None:
        """Have streams that begin from now on go by *limits*."""

    def machine(self, stream: int) -> Machine:
        """Return the machine of a new stream."""

    def told(self, data: bytes) -> tuple[Any, Node | None]:
        """Return a request and who it says sent it; raises ExchangeError if it is none."""

    def serve(self, collections: Iterable[Collection]) -> None:
        """Learn what is served now: bytes of anything else may be let go."""

    def size(self, push: Any) -> int:
        """Return about how many bytes `encode` comes to."""

    def encode(self, push: Any) -> bytes:
        """Return a message for the transport."""
