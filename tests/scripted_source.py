"""A real gRPC MCP source that says what a test tells it to: made from `_proto` alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource

FLAGS = "acme/v1/flags"
TUNES = "acme/v1/tunes"


def resource(name: str, version: str = "v1", body: Message | None = None, **spec: Any) -> Resource:
    """A resource with *body*, or with a Struct of *spec*."""
    made = Resource()
    made.metadata.name = name
    made.metadata.version = version
    made.metadata.create_time.FromJsonString("2020-02-29T12:00:00Z")
    made.metadata.labels["team"] = "mesh"
    if body is None:
        body = Struct()
        body.update(spec)
    made.body.Pack(body)
    return made


class ScriptedSource:
    """Serves one stream at a time; what the sink sends is read with `request`."""

    def __init__(self) -> None:
        self.address = ""
        self.requests: asyncio.Queue[RequestResources] = asyncio.Queue()
        self.left = asyncio.Event()
        """A sink has ended its stream in good order."""
        self.opened = 0
        self._pushes: asyncio.Queue[Resources | grpc.StatusCode | None] = asyncio.Queue()
        self._server: Any = None

    async def start(self, address: str = "127.0.0.1:0", credentials: Any = None) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=RequestResources.FromString,
            response_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
        )
        service = grpc.method_handlers_generic_handler(
            "istio.mcp.v1alpha1.ResourceSource", {"EstablishResourceStream": handler}
        )
        self._server.add_generic_rpc_handlers((service,))
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self.address = f"127.0.0.1:{port}"
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _stream(self, requests: Any, context: Any) -> None:
        self.opened += 1
        self._pushes = pushes = asyncio.Queue()
        context.add_done_callback(lambda rpc: None if rpc.cancelled() else self.left.set())

        async def read() -> None:
            async for request in requests:
                await self.requests.put(request)
            await pushes.put(None)

        reader = asyncio.create_task(read())
        try:
            while (push := await pushes.get()) is not None:
                if isinstance(push, grpc.StatusCode):
                    await context.abort(push, "as the script says")
                await context.write(push)
        finally:
            reader.cancel()

    async def request(self) -> RequestResources:
        """The next thing the sink says."""
        return await asyncio.wait_for(self.requests.get(), 20)

    async def subscriptions(self, count: int) -> dict[str, RequestResources]:
        """The next *count* requests by collection."""
        said = [await self.request() for _ in range(count)]
        return {request.collection: request for request in said}

    async def push(self, collection: str, *resources: Resource, **fields: Any) -> None:
        """Send a push on the open stream."""
        await self._pushes.put(Resources(collection=collection, resources=resources, **fields))

    async def push_bytes(self, data: bytes) -> None:
        """Send bytes that need not be a message."""
        await self._pushes.put(data)  # type: ignore[arg-type]

    async def break_stream(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """End the open stream with *code*."""
        await self._pushes.put(code)

    async def end_stream(self) -> None:
        """End the open stream as if all had been said."""
        await self._pushes.put(None)


@asynccontextmanager
async def scripted_source(credentials: Any = None) -> AsyncIterator[ScriptedSource]:
    """A source that listens on a free port, with TLS if it has *credentials*."""
    source = ScriptedSource()
    await source.start(credentials=credentials)
    try:
        yield source
    finally:
        await source.stop()
