"""
`AggregatedMeshConfigService` of Istio 1.0 and 1.1 as two wires over the same exchange.

Rule: their words are translated, nothing is decided anew. A type URL is a collection by any name of
the catalog, or the type of the messages in it. Until a push was sent, a nonce means nothing; in an
answer `version_info` is what the sink holds, so only the version that was pushed accepts it. The
incremental method has no full state: every message is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.catalog.whole import Catalog
from gitsource.errors import ExchangeError
from gitsource.model import Collection, Snapshot
from gitsource.publish.classic.mcp import Encoder, Layout, named, node_id, refusal
from gitsource.publish.classic.wires import Bounded
from gitsource.publish.sending.chunks import Chunks
from gitsource.publish.sending.content import Kept
from gitsource.publish.wire import Machine
from gitsource.publish.words import Error, Heard, Node, Push, Request
from gitsource.settings.serving import Limits

STATE = Layout(b"\x0a", b"\x12", b"\x22", collection=b"\x1a")
"""`istio.mcp.v1alpha1.MeshConfigResponse`."""
INCREMENTS = Layout(b"\x0a", b"\x12", b"\x22", removed=b"\x1a")
"""`istio.mcp.v1alpha1.IncrementalMeshConfigResponse`."""
UNKNOWN = 2
"""The gRPC status code of a refusal that gives none."""

M = TypeVar("M", bound=Message)


# --------------------------------------------------------------------------- from the sink


def decode(data: bytes) -> Request:
    """Return what a sink of `StreamAggregatedResources` sent; raises ExchangeError if nothing."""
    try:
        message = mcp_pb2.MeshConfigRequest.FromString(data)
        annotations = dict(message.sink_node.annotations)
        told = message.sink_node.id
        if not all(map(str.isprintable, annotations)):
            raise DecodeError("what a client of 1.0 calls metadata")
        of_1_0 = False
    except DecodeError:
        of_1_0 = True
    if of_1_0:
        older = _parsed(mcp_pb2.ClientConfigRequest, data)
        fields = older.client.metadata.fields.items()
        annotations = {k: v.string_value for k, v in fields if v.HasField("string_value")}
        told = older.client.id
        message = mcp_pb2.MeshConfigRequest(
            version_info=older.version_info,
            type_url=older.type_url,
            response_nonce=older.response_nonce,
            error_detail=older.error_detail if older.HasField("error_detail") else None,
        )
    return Request(
        collection=named(message.type_url),
        nonce=message.response_nonce,
        error=refusal(message.error_detail) if message.HasField("error_detail") else None,
        node_id=node_id(told),
        annotations=annotations,
        version=message.version_info,
    )


def decode_incremental(data: bytes) -> Request:
    """Return what a sink of `IncrementalAggregatedResources` sent; raises ExchangeError too."""
    message = _parsed(mcp_pb2.IncrementalMeshConfigRequest, data)
    nonce, _, requested = message.response_nonce.partition(" ")
    return Request(
        collection=named(message.type_url),
        nonce=nonce if requested == message.type_url else message.response_nonce,
        error=refusal(message.error_detail) if message.HasField("error_detail") else None,
        incremental=True,
        initial_versions=dict(message.initial_resource_versions),
        node_id=node_id(message.sink_node.id),
        annotations=dict(message.sink_node.annotations),
    )


def _parsed(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ExchangeError(
            f"the message is no istio.mcp.v1alpha1.{kind.DESCRIPTOR.name}",
            hint="gitsource speaks the MCP of Istio 1.0 and 1.1 on this method",
        ) from error


# --------------------------------------------------------------------------- the wires


class _Aggregated(Bounded):
    """An exchange that knows requests by type URL and answers by what the sink says it holds."""

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
        super().__init__(stream, kept, catalog, subscriptions, chunks, whole=whole)
        self._tells_versions = whole
        self._last: dict[str, tuple[str, str]] = {}
        """By type URL: nonce and version of the last push."""

    def collection(self, catalog: Catalog, requested: str) -> str:
        """Return the collection that *requested* names, or whose messages are of that type."""
        if requested not in catalog.by_collection:
            for kind in catalog.kinds:
                if kind.type_url == requested:
                    return kind.collection
        return super().collection(catalog, requested)

    def receive(self, request: Request, snapshot: Snapshot | None, now: float) -> Heard:
        """Take in what the sink says; raises OverLimit for one collection too many."""
        last = self._last.get(request.collection)
        if last is None:
            request = replace(request, nonce="", error=None)
        elif (
            self._tells_versions
            and request.error is None
            and request.nonce == last[0]
            and request.version != last[1]
        ):
            text = f"no reason given; it holds version {request.version or 'none'}"
            request = replace(request, error=Error(UNKNOWN, text))
        return super().receive(request, snapshot, now)

    def sent(self, push: Push, now: float) -> None:
        """Note that *push*, the last one offered, is being written."""
        super().sent(push, now)
        self._last[push.requested] = push.nonce, push.version


class Legacy:
    """`AggregatedMeshConfigService`: one of its two methods."""

    protocol = "mcp-legacy"

    def __init__(
        self,
        kept: Kept,
        catalog: Callable[[], Catalog],
        limits: Limits,
        *,
        incremental: bool = False,
    ) -> None:
        self._kept = kept
        self._catalog = catalog
        self._subscriptions = limits.subscriptions
        self._chunks = Chunks(limits.message_bytes)
        self._incremental = incremental
        self._encoder = Encoder(INCREMENTS if incremental else STATE)

    def __repr__(self) -> str:
        return f"<Legacy incremental={self._incremental} {self._encoder!r}>"

    def limit(self, limits: Limits) -> None:
        """Have streams that begin from now on go by *limits*."""
        self._subscriptions = limits.subscriptions

    def machine(self, stream: int) -> Machine:
        """Return the exchange of a new stream."""
        whole = not self._incremental
        kept = self._kept, self._catalog, self._subscriptions, self._chunks
        return _Aggregated(stream, *kept, whole=whole)

    def told(self, data: bytes) -> tuple[Request, Node | None]:
        """Return a request and who sent it; raises ExchangeError if it is none."""
        request = decode_incremental(data) if self._incremental else decode(data)
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
