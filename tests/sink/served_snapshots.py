"""Snapshots for sinks of every wire, with bodies that are what they say, and those sinks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.struct_pb2 import Struct

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Stored
from gitsource._proto.istio.networking.v1alpha3.virtual_service_pb2 import VirtualService
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.sink.client import Sink
from gitsource.sink.protocols import asked, wire
from gitsource.sink.state import Update
from gitsource.sink.wire import Node

VS = "istio/networking/v1alpha3/virtualservices"
FLAGS = "acme/v1/flags"
CDS, EDS, LDS, RDS = "envoy/clusters", "envoy/endpoints", "envoy/listeners", "envoy/routes"

OF_MCP = (VS, FLAGS)
OF_XDS = (CDS, EDS, LDS, RDS)

MERGED = {EDS, RDS}
"""Of these a SotW response may be a part: what is gone is not told."""

WIRES = (
    ("mcp", False),
    ("mcp", True),
    ("mcp-legacy", False),
    ("mcp-legacy", True),
    ("mcp-xds", False),
    ("mcp-xds-delta", False),
    ("xds", False),
    ("xds-delta", False),
)

Content = Mapping[str, Mapping[str, str]]
"""Collection to resource name to version."""


def body(collection: str, name: str, version: str) -> Any:
    """Return a message that differs from version to version."""
    if collection == VS:
        return VirtualService(hosts=[f"{version}.example.com"])
    if collection == FLAGS:
        made = Struct()
        made.update({"version": version})
        return made
    if collection == CDS:
        return Cluster(name=name, alt_stat_name=version)
    if collection == EDS:
        made = ClusterLoadAssignment(cluster_name=name)
        made.endpoints.add(priority=0).locality.zone = version
        return made
    if collection == LDS:
        return Listener(name=name, stat_prefix=version)
    return RouteConfiguration(name=name, response_headers_to_remove=[version])


def resource(collection: str, name: str, version: str) -> Resource:
    """Return what is served under *name*."""
    stored = Stored()
    stored.metadata.name, stored.metadata.version = name, version
    stored.body.Pack(body(collection, name, version))
    return Resource(name, version, stored.SerializeToString(), Origin("a.yaml", 1))


def snapshot(content: Content) -> Snapshot:
    """Return *content* as a snapshot."""
    built = {
        collection: Collection.of(
            collection, [resource(collection, *pair) for pair in resources.items()]
        )
        for collection, resources in content.items()
    }
    return Snapshot.of(Revision("c" * 40, "t", 0), built)


def collections_of(protocol: str) -> tuple[str, ...]:
    """Return what a sink of *protocol* is interested in."""
    return OF_XDS if protocol.startswith("xds") else OF_MCP


def versions(sink: Sink, protocol: str) -> dict[str, dict[str, str]]:
    """Return what *sink* holds, each resource by the version that stands in its body."""
    held = {}
    for collection, url in zip(
        collections_of(protocol), asked(protocol, collections_of(protocol)), strict=True
    ):
        kind = type(body(collection, "x", "x"))
        held[collection] = {
            name: told(collection, kind.FromString(item.body))
            for name, item in sink.held(url).items()
        }
    return held


def told(collection: str, message: Any) -> str:
    """Return the version that *message* was made for."""
    return str(
        {
            VS: lambda: message.hosts[0].partition(".")[0],
            FLAGS: lambda: message["version"],
            CDS: lambda: message.alt_stat_name,
            EDS: lambda: message.endpoints[0].locality.zone,
            LDS: lambda: message.stat_prefix,
            RDS: lambda: message.response_headers_to_remove[0],
        }[collection]()
    )


def matches(held: Content, served: Content, protocol: str) -> bool:
    """Say whether *held* is what a sink of *protocol* has to hold of *served*."""
    for collection in collections_of(protocol):
        mine, wanted = held[collection], served.get(collection, {})
        if protocol == "xds" and collection in MERGED:
            mine = {name: mine[name] for name in mine if name in wanted}
        if mine != wanted:
            return False
    return True


class Following:
    """A sink that follows its source in the background."""

    def __init__(self, sink: Sink, protocol: str) -> None:
        self.sink = sink
        self.protocol = protocol
        self.updates: list[Update] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for update in self.sink.updates():
            self.updates.append(update)
            self._news.set()

    async def until(self, true: Any) -> None:
        """Wait until *true* of this."""
        async with asyncio.timeout(30):
            while not true(self):
                if self._task.done():
                    await self._task
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):  # an answer comes after the push
                        await self._news.wait()

    async def holds(self, served: Content) -> None:
        """Wait until it holds what is *served*."""
        mine = self.sink, self.protocol
        try:
            await self.until(lambda _: matches(versions(*mine), served, self.protocol))
        except TimeoutError as error:
            held = versions(*mine)
            raise AssertionError(f"{self.protocol} holds {held}, not {served}") from error

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def following(
    port: int, protocol: str, *, incremental: bool = False, names: tuple[str, ...] = (), **how: Any
) -> AsyncIterator[Following]:
    """A sink of the source at *port* that asks for what it is interested in."""
    node = how.pop("node", Node("test-node", "test-cluster", {"team": "mesh"}))
    speaks = wire(protocol, node, names, incremental=incremental)
    subscribed = asked(protocol, how.pop("collections", collections_of(protocol)))
    async with Sink(f"127.0.0.1:{port}", subscribed, node_id=node.id, wire=speaks, **how) as sink:
        one = Following(sink, protocol)
        try:
            yield one
        finally:
            await one.stop()
