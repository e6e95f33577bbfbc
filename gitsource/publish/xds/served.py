"""
xDS as two wires, SotW and delta, for a session: the machine and its words put together.

Rule: nothing is decided here. Both share what was worked out and what clients refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitsource.catalog.whole import Catalog
from gitsource.model import Collection
from gitsource.publish.sending.content import Kept
from gitsource.publish.words import Node
from gitsource.publish.xds.ads import NAMES, REMOVAL_TIMEOUT, SUBSCRIPTIONS, Ads, Memory
from gitsource.publish.xds.repeats import Repeats
from gitsource.publish.xds.wire import (
    DELTA_LONG,
    SOTW_LONG,
    Encoder,
    decode_delta,
    decode_sotw,
)
from gitsource.publish.xds.words import Request, Response
from gitsource.settings.serving import Limits


class Xds:
    """`envoy.service.discovery.v3.AggregatedDiscoveryService`, one of its two methods."""

    def __init__(
        self,
        kept: Kept,
        catalog: Callable[[], Catalog],
        memory: Memory,
        *,
        delta: bool,
        subscriptions: int = SUBSCRIPTIONS,
        names: int = NAMES,
        timeout: float = REMOVAL_TIMEOUT,
    ) -> None:
        self.protocol = "xds-delta" if delta else "xds"
        self._kept = kept
        self._catalog = catalog
        self._memory = memory
        self._delta = delta
        self._bounds = (subscriptions, names)
        self._timeout = timeout
        self._encoder = Encoder()
        self._read: Callable[[bytes], Request] = (
            Repeats(decode_delta, DELTA_LONG).read
            if delta
            else Repeats(decode_sotw, SOTW_LONG).read
        )

    def __repr__(self) -> str:
        return f"<Xds {self.protocol} {self._encoder!r} {self._memory!r}>"

    def limit(self, limits: Limits) -> None:
        """Have streams that begin from now on go by *limits*."""
        self._bounds = (limits.subscriptions, limits.names)

    def machine(self, stream: int) -> Ads:
        """Return the machine of a new stream."""
        subscriptions, names = self._bounds
        return Ads(
            stream,
            self._kept,
            self._catalog,
            self._memory,
            delta=self._delta,
            timeout=self._timeout,
            subscriptions=subscriptions,
            names=names,
        )

    def told(self, data: bytes) -> tuple[Request, Node | None]:
        """Return a request and who sent it; raises ExchangeError if it is none."""
        request = self._read(data)
        return request, request.node

    def serve(self, collections: Iterable[Collection]) -> None:
        """Learn what is served now."""
        self._encoder.serve(collections)

    def size(self, response: Response) -> int:
        """Return about how many bytes `encode` comes to."""
        return self._encoder.size(response)

    def encode(self, response: Response) -> bytes:
        """Return *response* as bytes."""
        return self._encoder.encode(response)
