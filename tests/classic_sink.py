"""
A sink of classic MCP as Istio's were, written from section 3.9 of the protocol facts (K1 to K8).

It asks for all its collections at once, then takes one push after the other and answers each. What
it holds is checked after every push: the version of a push is that of what it comes to. It shares
nothing with gitsource but the generated messages.
"""

import asyncio
import base64
import contextlib
import hashlib
import random
from collections import deque
from dataclasses import dataclass, field

import grpc

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2

SOURCE = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
SINK = "istio.mcp.v1alpha1.ResourceSink"
STATE = "/istio.mcp.v1alpha1.AggregatedMeshConfigService/StreamAggregatedResources"
INCREMENTS = "/istio.mcp.v1alpha1.AggregatedMeshConfigService/IncrementalAggregatedResources"

UNKNOWN, INVALID, UNIMPLEMENTED = 2, 3, 12


def recomputed(held):
    """Return a collection's version as docs/protocol.md tells a sink to compute it."""
    told = b""
    for name in sorted(held):
        for part in (name.encode(), held[name].metadata.version.encode()):
            told += len(part).to_bytes(4, "big") + part
    return base64.b64encode(hashlib.sha256(told).digest()).decode()


@dataclass
class Got:
    """One push, whatever its wire."""

    collection: str
    version: str
    nonce: str
    put: list
    removed: list
    size: int
    incremental: bool = False


@dataclass
class Sink:
    """What a sink is and holds, over all its streams."""

    collections: list
    node: str = ""
    annotations: dict = field(default_factory=dict)
    incremental: bool = False
    largest: int = 4 * 1024 * 1024
    refuse: object = None
    """Called with each push; what it returns is why the update is refused, if anything."""
    says_incremental_in_nacks: bool = False
    held: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    """By collection: the version accepted last."""
    journal: deque = field(default_factory=lambda: deque(maxlen=32))
    """The last requests: (collection, nonce, error code or None). K6."""
    got: list = field(default_factory=list)
    streams: int = 0
    mismatches: list = field(default_factory=list)
    """Pushes whose version was not that of what they came to."""
    pause: float = 0.0
    torn: bool = False
    """Leave the next push un-answered and end the stream."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def described(self):
        """What an operator of the sink can look at. K7."""
        return self.node, self.annotations, sorted(self.collections)

    # ------------------------------------------------------------------ one stream

    async def talk(self, words, read, write):
        """Ask for everything, then answer each push, until the stream ends. K1, K2, K4."""
        self.streams += 1
        for name in random.sample(self.collections, len(self.collections)):
            await self.say(words, write, name)
        while (data := await read()) is not None:
            push = words.parse(data)
            push.collection = push.collection or words.whose(push)
            if self.pause:
                await asyncio.sleep(self.pause)
            if self.torn:
                self.torn = False
                return
            error = self.take(push)
            await self.say(words, write, push.collection, push.nonce, error)

    async def say(self, words, write, collection, nonce="", error=None):
        self.journal.append((collection, nonce, error[0] if error else None))
        await write(words.request(self, collection, nonce, error))

    def take(self, push):
        """Apply *push*; return (code, text) if it is refused, and then nothing changed. K3."""
        self.got.append(push)
        self.news.set()
        if push.collection not in self.collections:
            return UNIMPLEMENTED, f"unsupported collection {push.collection}"
        if any(one.body.type_url == "broken" for one in push.put):
            return UNKNOWN, "a body cannot be decoded"
        if self.refuse and (why := self.refuse(push)):
            return INVALID, why if isinstance(why, str) else why[0]
        held = dict(self.held.get(push.collection, {})) if push.incremental else {}
        held.update((one.metadata.name, one) for one in push.put)
        for name in push.removed:
            held.pop(name, None)

        if push.version != recomputed(held) or (push.removed and not push.incremental):
            self.mismatches.append(push)
        self.held[push.collection] = held
        self.versions[push.collection] = push.version
        return None

    def stated(self, collection):
        """What `initial_resource_versions` says: the map that was accepted last."""
        return {name: one.metadata.version for name, one in self.held.get(collection, {}).items()}

    async def until(self, true):
        """Wait until *true* of this sink."""
        async with asyncio.timeout(30):
            while not true(self) and not self.mismatches:
                self.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):  # an answer may come after the push
                        await self.news.wait()

        assert [] == self.mismatches


# --------------------------------------------------------------------------- words of each wire


class ResourceWords:
    """`ResourceSource` and `ResourceSink`."""

    method = SOURCE

    def request(self, sink, collection, nonce, error):
        first = sink.incremental and not nonce
        incremental = sink.incremental and (error is None or sink.says_incremental_in_nacks)
        message = mcp_pb2.RequestResources(
            sink_node={"id": sink.node, "annotations": sink.annotations},
            collection=collection,
            response_nonce="" if collection == "$triggerCollection" else nonce,
            incremental=incremental,
            initial_resource_versions=sink.stated(collection) if first else {},
            error_detail={"code": error[0], "message": error[1]} if error else None,
        )
        return message.SerializeToString()

    def parse(self, data):
        push = mcp_pb2.Resources.FromString(data)
        return Got(
            push.collection,
            push.system_version_info,
            push.nonce,
            list(push.resources),
            list(push.removed_resources),
            len(data),
            push.incremental,
        )


class StateWords:
    """`StreamAggregatedResources` of 1.1: `version_info` tells what is held."""

    method = STATE

    def request(self, sink, collection, nonce, error):
        message = mcp_pb2.MeshConfigRequest(
            sink_node={"id": sink.node, "annotations": sink.annotations},
            type_url=collection,
            version_info=sink.versions.get(collection, ""),
            response_nonce=nonce,
            error_detail={"code": error[0], "message": error[1]} if error else None,
        )
        return message.SerializeToString()

    def parse(self, data):
        push = mcp_pb2.MeshConfigResponse.FromString(data)
        told = push.type_url, push.version_info, push.nonce
        return Got(*told, list(push.resources), [], len(data))


class IncrementWords:
    """`IncrementalAggregatedResources`: a push is always merged, its nonce tells the type URL."""

    method = INCREMENTS

    def request(self, sink, collection, nonce, error):
        message = mcp_pb2.IncrementalMeshConfigRequest(
            sink_node={"id": sink.node, "annotations": sink.annotations},
            type_url=collection,
            response_nonce=nonce,
            initial_resource_versions={} if nonce else sink.stated(collection),
            error_detail={"code": error[0], "message": error[1]} if error else None,
        )
        return message.SerializeToString()

    def parse(self, data):
        push = mcp_pb2.IncrementalMeshConfigResponse.FromString(data)
        told = "", push.system_version_info, push.nonce
        removed = list(push.removed_resources)
        return Got(*told, list(push.resources), removed, len(data), incremental=True)

    def whose(self, push):
        return push.nonce.partition(" ")[2]


# --------------------------------------------------------------------------- as a client


def channel(port, largest=4 * 1024 * 1024):
    options = [("grpc.max_receive_message_length", largest), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)


@contextlib.asynccontextmanager
async def connected(sink, port, words=None):
    """Keep *sink* connected to a source at *port*, stream after stream, for the block. K5."""
    task = asyncio.create_task(keep(sink, port, words or ResourceWords()))
    try:
        yield sink
    finally:
        ended = task.done()
        task.cancel()
        done, _ = await asyncio.wait([task])
        if ended:
            done.pop().result()


async def keep(sink, port, words):
    while True:
        async with channel(port, sink.largest) as connection:
            call = connection.stream_stream(words.method)()
            with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
                await sink.talk(words, reader(call), call.write)
        await asyncio.sleep(0.02)


def reader(call):
    async def read():
        data = await call.read()
        return None if data is grpc.aio.EOF else data

    return read


# --------------------------------------------------------------------------- as a server


class _Service(grpc.GenericRpcHandler):
    def __init__(self, serve):
        self.handler = grpc.stream_stream_rpc_method_handler(serve)

    def service(self, details):
        right = details.method == f"/{SINK}/EstablishResourceStream"
        return self.handler if right else None


class Listening:
    """A sink that is dialled. K8: each stream is counted, and may be turned away."""

    def __init__(self, sink, port=0, credentials=None):
        self.sink = sink
        self.port = port
        self.credentials = credentials
        self.dials = []
        """The gRPC metadata of each dial."""
        self.turn_away = None
        """(status code, text) for those who come."""
        self.reads_first = False
        self.contexts = []

    async def __aenter__(self):
        options = [("grpc.max_receive_message_length", self.sink.largest), ("grpc.so_reuseport", 0)]
        self.server = grpc.aio.server(options=options)
        self.server.add_generic_rpc_handlers((_Service(self.serve),))
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.port = self.server.add_insecure_port(address)
        else:
            self.port = self.server.add_secure_port(address, self.credentials)
        await self.server.start()
        return self

    async def __aexit__(self, *_):
        await self.server.stop(0)

    async def serve(self, _, context):
        self.dials.append(dict(context.invocation_metadata()))
        if self.turn_away:
            await context.abort(*self.turn_away)
        self.contexts.append(context)
        if self.reads_first:
            await context.read()

        with contextlib.suppress(grpc.aio.BaseError):
            await self.sink.talk(ResourceWords(), reader(context), context.write)
