"""
State-of-the-world xDS as a sink speaks it.

Rule: each request tells the version that is held and the names that are wanted. Of some types a
response is all there is, of others a part that is merged, and then removals are not told at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gitsource._proto.gitsource.xds.v1.discovery_pb2 import DiscoveryRequest
from gitsource._proto.gitsource.xds.v1.response_pb2 import DiscoveryResponse
from gitsource.sink.state import Update
from gitsource.sink.wire import Held, Node
from gitsource.sink.wires import xds


@dataclass(frozen=True, slots=True)
class XdsSotw:
    """`StreamAggregatedResources` of xDS."""

    node: Node
    protocol: str = "xds"
    names: tuple[str, ...] = ()
    """What to ask for; empty: everything."""

    method = f"{xds.SERVICE}/StreamAggregatedResources"
    spoken = xds.SPOKEN
    incremental = False

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each type of a new stream; the first tells the node."""
        for number, held in enumerate(holdings):
            request = DiscoveryRequest(
                type_url=held.collection,
                resource_names=xds.names_for(held.collection, self.names),
                version_info=held.version,
                node=None if number else xds.node(self.node),
            )
            yield held.collection, request.SerializeToString()

    def read(self, data: bytes, time: datetime) -> Update:
        """Return a response; raises DecodeError if it is none."""
        told = DiscoveryResponse.FromString(data)
        around = "" if xds.of_mcp(told.type_url) else told.version_info
        items, unreadable = xds.items([(body, around, "") for body in told.resources])
        merged = not xds.complete(told.type_url)
        about = told.type_url, told.version_info, told.nonce
        update = Update(time, *about, incremental=merged, resources=items, removed=())
        return xds.judged(update, unreadable)

    def answer(self, update: Update, code: int, reason: str, version: str) -> bytes:
        """Return the ACK of *update*, or the NACK, which tells the *version* before it."""
        request = DiscoveryRequest(
            type_url=update.collection,
            resource_names=xds.names_for(update.collection, self.names),
            version_info=version if code else update.version,
            response_nonce=update.nonce,
        )
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        return request.SerializeToString()

    def verifiable(self, collection: str, *, refused: bool) -> bool:  # noqa: ARG002  # a wire's
        """Only resources of MCP's have versions of their own."""
        return xds.of_mcp(collection)
