"""A real server on a free port, and snapshots to serve with it."""

import contextlib
from dataclasses import replace

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.server import McpServer
from gitsource.settings.serving import Limits
from gitsource.settings.units import Address
from gitsource.snapshot.cache import SnapshotCache

VS = "istio/networking/v1alpha3/virtualservices"


def resource(name, version="v0", size=0):
    message = resource_pb2.Resource()
    message.metadata.name, message.metadata.version = name, version
    message.body.value = bytes(size)
    return Resource(name, version, message.SerializeToString(), Origin("a.yaml", 1))


def snapshot(*resources, collection=VS, **others):
    built = {collection: Collection.of(collection, resources)}
    built |= {name: Collection.of(name, more) for name, more in others.items()}
    return Snapshot.of(Revision("c" * 40, "t", 0), built)


@contextlib.asynccontextmanager
async def serving(first=None, catalog=Catalog, keepalive=30.0, metadata=(), entry=None, **limits):
    """Serve *first*, if given, until the block ends; yields the cache and the server."""
    cache = SnapshotCache()
    if first is not None:
        cache.set("default", first)
    bounds = replace(Limits(), **limits)
    how = {"keepalive": keepalive, "metadata": metadata, "entry": entry}
    server = McpServer(cache, catalog, Address("127.0.0.1:0"), bounds, **how)
    await server.start()
    try:
        yield cache, server
    finally:
        await server.stop()
