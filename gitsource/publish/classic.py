"""
Classic MCP as a wire: the exchange and the words of `ResourceSource` (and of `ResourceSink`, where
the source dials) put together for a session.

Rule: nothing is decided here but how many subscriptions a stream may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitsource.catalog import Catalog
from gitsource.errors import OverLimit
from gitsource.model import Collection, Snapshot
from gitsource.publish import mcp
from gitsource.publish.exchange import Exchange, Kept
from gitsource.publish.wire import Machine
from gitsource.publish.words import Heard, Node, Push, Request


class _Bounded(Exchange):
    """An exchange that refuses more subscriptions than are allowed."""

    def __init__(
        self, stream: int, kept: Kept, catalog: Callable[[], Catalog], subscriptions: int
    ) -> None:
        super().__init__(stream, kept, catalog)
        self._most = subscriptions

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
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
        subscriptions: int,
        *,
        protocol: str = "mcp",
    ) -> None:
        self.protocol = protocol
        self._kept = kept
        self._catalog = catalog
        self._subscriptions = subscriptions
        self._encoder = mcp.Encoder()

    def __repr__(self) -> str:
        return f"<Classic {self.protocol} {self._encoder!r}>"

    def machine(self, stream: int) -> Machine:
        """Return the exchange of a new stream."""
        return _Bounded(stream, self._kept, self._catalog, self._subscriptions)

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
