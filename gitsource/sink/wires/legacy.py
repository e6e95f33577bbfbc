"""
MCP of Istio 1.0 and 1.1 as a sink speaks it: `AggregatedMeshConfigService`, both of its methods.

Rule: over the full-state method an answer tells the version that is held, which after a NACK is the
one before. The incremental method only merges; which collection a push is of stands in its nonce.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import DecodeError

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import (
    IncrementalMeshConfigRequest,
    IncrementalMeshConfigResponse,
    MeshConfigRequest,
    MeshConfigResponse,
    SinkNode,
)
from gitsource.sink.state import Update, item_of
from gitsource.sink.wire import Held, Node

SERVICE = "/istio.mcp.v1alpha1.AggregatedMeshConfigService"


class _Legacy:
    """What both methods share."""

    protocol = "mcp-legacy"
    spoken = "the MCP of Istio 1.0 and 1.1 (no AggregatedMeshConfigService)"
    node: Node

    @property
    def _sink_node(self) -> SinkNode:
        return SinkNode(id=self.node.id, annotations=self.node.metadata)

    def verifiable(self, collection: str, *, refused: bool) -> bool:  # noqa: ARG002  # a wire\'s
        """Every resource has a version of its own."""
        return True


@dataclass(frozen=True)
class LegacyState(_Legacy):
    """`StreamAggregatedResources`."""

    node: Node

    method = f"{SERVICE}/StreamAggregatedResources"
    incremental = False

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each collection of a new stream."""
        for held in holdings:
            request = MeshConfigRequest(
                sink_node=self._sink_node, type_url=held.collection, version_info=held.version
            )
            yield held.collection, request.SerializeToString()

    def read(self, data: bytes, time: datetime) -> Update:
        """Return a push; raises DecodeError if it is none."""
        push = MeshConfigResponse.FromString(data)
        items = tuple(map(item_of, push.resources))
        told = push.type_url, push.version_info, push.nonce
        return Update(time, *told, incremental=False, resources=items, removed=())

    def answer(self, update: Update, code: int, reason: str, version: str) -> bytes:
        """Return the ACK of *update*, or the NACK, which tells the *version* before it."""
        request = MeshConfigRequest(
            sink_node=self._sink_node,
            type_url=update.collection,
            response_nonce=update.nonce,
            version_info=version if code else update.version,
        )
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        return request.SerializeToString()


@dataclass(frozen=True)
class LegacyIncrements(_Legacy):
    """`IncrementalAggregatedResources`, which no source of Istio's ever answered."""

    node: Node

    method = f"{SERVICE}/IncrementalAggregatedResources"
    incremental = True

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each collection of a new stream."""
        for held in holdings:
            request = IncrementalMeshConfigRequest(
                sink_node=self._sink_node,
                type_url=held.collection,
                initial_resource_versions={n: item.version for n, item in held.items.items()},
            )
            yield held.collection, request.SerializeToString()

    def read(self, data: bytes, time: datetime) -> Update:
        """Return a push; raises DecodeError if it is none, or does not tell its collection."""
        push = IncrementalMeshConfigResponse.FromString(data)
        _, _, collection = push.nonce.partition(" ")
        if not collection:
            raise DecodeError("its nonce does not tell the collection")
        items = tuple(map(item_of, push.resources))
        told = collection, push.system_version_info, push.nonce
        removed = tuple(push.removed_resources)
        return Update(time, *told, incremental=True, resources=items, removed=removed)

    def answer(self, update: Update, code: int, reason: str, _version: str) -> bytes:
        """Return the ACK of *update*, or the NACK."""
        request = IncrementalMeshConfigRequest(
            sink_node=self._sink_node, type_url=update.collection, response_nonce=update.nonce
        )
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        return request.SerializeToString()
