"""
Incremental (delta) xDS as a sink speaks it.

Rule: names are given once, in the first request of a stream, together with what is held; an answer
is a nonce and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gitsource._proto.gitsource.xds.v1.discovery_pb2 import DeltaDiscoveryRequest
from gitsource._proto.gitsource.xds.v1.response_pb2 import DeltaDiscoveryResponse
from gitsource.sink.state import Update
from gitsource.sink.wire import Held, Node
from gitsource.sink.wires import xds


@dataclass(frozen=True, slots=True)
class XdsDelta:
    """`DeltaAggregatedResources` of xDS."""

    node: Node
    protocol: str = "xds-delta"
    names: tuple[str, ...] = ()
    """What to ask for; empty: everything."""

    method = f"{xds.SERVICE}/DeltaAggregatedResources"
    spoken = xds.SPOKEN
    incremental = True

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each type of a new stream; the first tells the node."""
        for number, held in enumerate(holdings):
            request = DeltaDiscoveryRequest(
                type_url=held.collection,
                resource_names_subscribe=xds.names_for(held.collection, self.names),
                initial_resource_versions={n: item.version for n, item in held.items.items()},
                node=None if number else xds.node(self.node),
            )
            yield held.collection, request.SerializeToString()

    def read(self, data: bytes, time: datetime) -> Update:
        """Return a response; raises DecodeError if it is none."""
        told = DeltaDiscoveryResponse.FromString(data)
        there = [one for one in told.resources if one.HasField("resource")]
        items, unreadable = xds.items([(one.resource, one.version, one.name) for one in there])
        # A resource without a body says that there is none of that name, as for virtual hosts.
        absent = [one.name for one in told.resources if not one.HasField("resource")]
        removed = (*told.removed_resources, *absent)
        about = told.type_url, told.system_version_info, told.nonce
        update = Update(time, *about, incremental=True, resources=items, removed=removed)
        return xds.judged(update, unreadable)

    def answer(self, update: Update, code: int, reason: str, _version: str) -> bytes:
        """Return the ACK of *update*, or the NACK."""
        request = DeltaDiscoveryRequest(type_url=update.collection, response_nonce=update.nonce)
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        return request.SerializeToString()

    def verifiable(self, collection: str, *, refused: bool) -> bool:  # noqa: ARG002  # a wire's
        """Only until something is refused: a source cannot know what of it was taken over."""
        return not refused
