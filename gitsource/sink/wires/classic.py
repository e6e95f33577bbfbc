"""
Classic MCP as a sink speaks it: `ResourceSource`, or `ResourceSink` where the source dials.

Rule: what is held is said only by an incremental sink, and only in the first request of a stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources, SinkNode
from gitsource.sink.state import Update, item_of
from gitsource.sink.wire import Held, Node


@dataclass(frozen=True, slots=True)
class Classic:
    """`istio.mcp.v1alpha1.ResourceSource`."""

    node: Node
    incremental: bool = False

    protocol = "mcp"
    method = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
    spoken = "the Mesh Configuration Protocol (no ResourceSource service)"

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each collection of a new stream."""
        for held in holdings:
            request = self._request(held.collection)
            if self.incremental:
                for name, item in held.items.items():
                    request.initial_resource_versions[name] = item.version
            yield held.collection, request.SerializeToString()

    def read(self, data: bytes, time: datetime) -> Update:
        """Return a push; raises DecodeError if it is none."""
        push = Resources.FromString(data)
        return Update(
            time,
            push.collection,
            push.system_version_info,
            push.nonce,
            push.incremental,
            tuple(map(item_of, push.resources)),
            tuple(push.removed_resources) if push.incremental else (),
        )

    def answer(self, update: Update, code: int, reason: str, _version: str) -> bytes:
        """Return the ACK of *update*, or the NACK."""
        request = self._request(update.collection)
        request.response_nonce = update.nonce
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        return request.SerializeToString()

    def _request(self, collection: str) -> RequestResources:
        node = SinkNode(id=self.node.id, annotations=self.node.metadata)
        return RequestResources(sink_node=node, collection=collection, incremental=self.incremental)

    def verifiable(self, collection: str, *, refused: bool) -> bool:  # noqa: ARG002  # a wire\'s
        """Every resource has a version of its own."""
        return True
