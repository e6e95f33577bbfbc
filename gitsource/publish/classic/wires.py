"""
Classic MCP as a wire: the exchange and the words of `ResourceSource` (and of `ResourceSink`, where
the source dials) put together for a session.

Rule: nothing is decided here but how many subscriptions a stream may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy

from gitsource.catalog.whole import Catalog
from gitsource.errors import OverLimit
from gitsource.model import Collection, Snapshot
from gitsource.publish.classic import mcp
from gitsource.publish.classic.exchange import Exchange
from gitsource.publish.sending.chunks import Chunks
from gitsource.publish.sending.content import Kept
from gitsource.publish.wire import Machine
from gitsource.publish.words import Heard, Node, Push, Request, Stale
from gitsource.settings.serving import Limits

TRIGGER = "$triggerCollection"
"""What a source that dials sends first, so that bytes flow; sinks know no such collection."""
UNIMPLEMENTED = 12
"""The gRPC status code with which they say so."""


class Bounded(Exchange):
    """An exchange that refuses more subscriptions than are allowed."""

    def __init__(
        self,
        stream: int,
        kept: Kept,
        catalog: Callable[[], Catalog],
        subscriptions: int,
        chunks: Chunks,
        *,
        whole: bool = True,
    ) -> None:
        super().__init__(stream, kept, catalog, chunks=chunks, whole=whole)
        self._most = subscriptions

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
        """Take in what the sink says; raises OverLimit for one collection too many."""
        error = request.error
        if request.collection == TRIGGER and error is not None and error.code == UNIMPLEMENTED:
            return Stale(TRIGGER, request.nonce)
        if request.collection not in self and len(self) >= self._most:
            text = f"more than {self._most} collections on one stream (limits.subscriptions)"
            raise OverLimit(text)
        return super().receive(request, snapshot, now)


class Classic:
    """Classic MCP: `istio.mcp.v1alpha1.ResourceSource`, and `ResourceSink` the other way round."""

    def __init__(
        self,
        kept: Kept,
        catalog: Callable[[], Catalog],
        limits: Limits,
    ) -> None:
        self.protocol = "mcp"
        self._sink: str | None = None
        self._kept = kept
        self._catalog = catalog
        self._subscriptions = limits.subscriptions
        self._chunks = Chunks(limits.message_bytes)
        self._encoder = mcp.Encoder()

    def __repr__(self) -> str:
        return f"<Classic {self.protocol} {self._encoder!r}>"

    def limit(self, limits: Limits) -> None:
        """Have streams that begin from now on go by *limits*."""
        self._subscriptions = limits.subscriptions

    def machine(self, stream: int) -> Machine:
        """Return the exchange of a new stream."""
        exchange = Bounded(stream, self._kept, self._catalog, self._subscriptions, self._chunks)
        if self._sink is not None:
            exchange.identity = self._sink
        return exchange

    def dialled(self, sink: str) -> Classic:
        """Return the same for a stream that gitsource opened to *sink*: it is who was dialled."""
        wire = copy(self)
        wire.protocol, wire._sink = "mcp-dial", sink  # noqa: SLF001 - of the same class
        return wire

    def told(self, data: bytes) -> tuple[Request, Node | None]:
        """Return a request and who sent it; raises ExchangeError if it is none."""
        request = mcp.decode(data)
        return request, request.node

    def serve(self, collections: Iterable[Collection]) -> None:
        """Learn what is served now."""
        self._encoder.serve(collections)

    def size(self, push: Push) -> int:
        """Return about how many bytes `encode` comes to."""
        return self._encoder.size(push)

    def encode(self, push: Push) -> bytes:
        """Return *push* as bytes."""
        return self._encoder.encode(push)
