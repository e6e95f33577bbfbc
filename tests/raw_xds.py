"""
An xDS client made of gRPC and Envoy's own messages (xds-protos); it shares nothing with publish/.

What it holds is what the responses it ACKed come to, in the way of SotW or of delta.
"""

import asyncio
import contextlib

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
PREFIX = "type.googleapis.com/"
CDS = PREFIX + "envoy.config.cluster.v3.Cluster"
EDS = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LDS = PREFIX + "envoy.config.listener.v3.Listener"
RDS = PREFIX + "envoy.config.route.v3.RouteConfiguration"
VHDS = PREFIX + "envoy.config.route.v3.VirtualHost"
LEDS = PREFIX + "envoy.config.endpoint.v3.LbEndpoint"
SDS = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
COMPLETE = {CDS, LDS}
PATIENCE = 20
"""Seconds to wait for what has to come."""


def body(url, name):
    """Return Envoy's message of the type *url* that is called *name*."""
    if url == CDS:
        return cluster_pb2.Cluster(name=name)
    if url == EDS:
        return endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    if url == LDS:
        return listener_pb2.Listener(name=name)
    if url == RDS:
        return route_pb2.RouteConfiguration(name=name)
    if url == SDS:
        return secret_pb2.Secret(name=name)
    return route_components_pb2.VirtualHost(name=name)


def stored(url, name, version="v1", *, size=0, message=None, annotations=(), labels=()):
    """Return a resource as it is kept; *size* bytes are added to it."""
    envelope = resource_pb2.Resource()
    envelope.metadata.name, envelope.metadata.version = name, version
    envelope.metadata.annotations.update(annotations)
    envelope.metadata.labels.update(labels)
    envelope.body.type_url = url
    told = message if message is not None else body(url, name)
    # An unknown field of the length that is asked for: clients pass over it.
    padding = b"\xfa\xff\x0f" + _varint(size) + bytes(size) if size else b""
    envelope.body.value = told.SerializeToString() + padding
    return Resource(name, version, envelope.SerializeToString(), Origin(f"{name}.yaml", 3))


def _varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def collection_of(url):
    """Return the collection that the type *url* is served from."""
    kind = Catalog().by_collection.get(url)
    return kind.collection if kind else url


def served(contents, commit="c"):
    """Return the snapshot of *contents*: type URL to resources."""
    built = {
        collection_of(url): Collection.of(collection_of(url), resources)
        for url, resources in contents.items()
    }
    return Snapshot.of(Revision(commit * 40, "t", 0), built)


class RawXds:
    """One stream."""

    def __init__(self, connection, node="", *, delta=False, headers=None, **node_fields):
        self.delta = delta
        self.node = {"id": node, **node_fields} if node or node_fields else None
        method = "DeltaAggregatedResources" if delta else "StreamAggregatedResources"
        self.call = connection.stream_stream(ADS + method)(metadata=headers)
        self.held = {}
        self.nonces = {}
        self.bytes = 0

    async def write(self, data):
        """Say *data*, whatever it is."""
        await self.call.write(data)

    async def ask(self, url, *names, **fields):
        """Ask for *names* of the type *url*, for the first time or anew."""
        if self.node is not None:
            fields.setdefault("node", self.node)
            self.node = None
        if self.delta:
            message = discovery_pb2.DeltaDiscoveryRequest(
                type_url=url, resource_names_subscribe=names, **fields
            )
        else:
            message = discovery_pb2.DiscoveryRequest(type_url=url, resource_names=names, **fields)
        await self.write(message.SerializeToString())

    async def next(self, patience=PATIENCE):
        """Return the next response."""
        data = await asyncio.wait_for(self.call.read(), patience)
        if data is grpc.aio.EOF:
            raise AssertionError(f"the stream ended: {await self.ended()}")
        self.bytes += len(data)
        kinds = discovery_pb2.DiscoveryResponse, discovery_pb2.DeltaDiscoveryResponse
        response = kinds[self.delta].FromString(data)

        assert response.nonce
        assert response.nonce != self.nonces.get(response.type_url)

        return response

    async def answer(self, response, *names, **fields):
        """ACK *response*, or NACK it with `error_detail`."""
        self.nonces[response.type_url] = response.nonce
        told = {} if self.delta else {"version_info": response.version_info}
        await self.ask(
            response.type_url, *names, **{"response_nonce": response.nonce, **told, **fields}
        )

    async def refuse(self, response, *names, message="no good", code=13):
        """NACK *response*."""
        told = {} if self.delta else {"version_info": ""}
        error = {"code": code, "message": message}
        await self.answer(response, *names, error_detail=error, **told)

    async def accept(self, *names):
        """Take the next response, apply and ACK it; over SotW *names* are asked for still."""
        response = await self.next()
        self.apply(response)
        await self.answer(response, *(() if self.delta else names))
        return response

    def apply(self, response):
        """Make what it holds what *response* says: name to body."""
        held = self.held.setdefault(response.type_url, {})
        if self.delta:
            for one in response.resources:
                held[one.name] = one.resource.value
            for name in response.removed_resources:
                held.pop(name, None)
            return
        if response.type_url in COMPLETE:
            held.clear()
        held.update((name_of(one), one.value) for one in response.resources)

    async def __aiter__(self):
        """Yield all responses until the stream ends."""
        while (data := await asyncio.wait_for(self.call.read(), PATIENCE)) is not grpc.aio.EOF:
            kinds = discovery_pb2.DiscoveryResponse, discovery_pb2.DeltaDiscoveryResponse
            yield kinds[self.delta].FromString(data)

    async def quiet(self, seconds=0.3):
        """Say whether nothing comes for that long; the stream cannot be read afterwards."""
        try:
            await asyncio.wait_for(self.call.read(), seconds)
        except TimeoutError:
            return True
        return False

    async def ended(self):
        """Return status code and text of the end of the stream, whatever comes before it."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await asyncio.wait_for(self.call.read(), PATIENCE) is not grpc.aio.EOF:
                pass
        code = await asyncio.wait_for(self.call.code(), PATIENCE)
        return code.name, await self.call.details()


def name_of(one):
    """Return the name in the Any *one*."""
    message = body(one.type_url, "")
    message.ParseFromString(one.value)
    return message.cluster_name if one.type_url == EDS else message.name
