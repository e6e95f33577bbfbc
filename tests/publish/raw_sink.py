"""A sink made of gRPC and the generated messages alone; it shares nothing with publish/."""

import asyncio
import base64
import contextlib
import hashlib

import grpc

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
PATIENCE = 20
"""Seconds to wait for what has to come."""


def channel(port, *options):
    """Return a channel with a connection of its own."""
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
            *options,
        ],
    )


class RawSink:
    """One stream; what it holds is what its pushes come to."""

    def __init__(self, connection, node="", metadata=None):
        self.node = node
        self.call = connection.stream_stream(METHOD)(metadata=metadata)
        self.held = {}

    async def send(self, collection="", **fields):
        message = mcp_pb2.RequestResources(
            collection=collection, sink_node={"id": self.node}, **fields
        )
        await self.call.write(message.SerializeToString())

    async def answer(self, push, **fields):
        await self.send(push.collection, response_nonce=push.nonce, **fields)

    async def refuse(self, push, message="no good", code=3):
        await self.answer(push, error_detail={"code": code, "message": message})

    async def receive(self):
        """Return the next push after applying it, and check that its version can be recomputed."""
        data = await asyncio.wait_for(self.call.read(), PATIENCE)
        if data is grpc.aio.EOF:
            raise AssertionError(f"the stream ended: {await self.ended()}")
        push = mcp_pb2.Resources.FromString(data)
        held = self.held.setdefault(push.collection, {})
        if not push.incremental:
            held.clear()
        held.update((one.metadata.name, one.metadata.version) for one in push.resources)
        for name in push.removed_resources:
            del held[name]

        assert push.system_version_info == recomputed(held)

        return push

    async def accept(self, **fields):
        push = await self.receive()
        await self.answer(push, **fields)
        return push

    async def ended(self):
        """Return status code and text of the end of the stream, whatever comes before it."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await asyncio.wait_for(self.call.read(), PATIENCE) is not grpc.aio.EOF:
                pass  # gRPC tells the status only after what was sent before it
        code = await asyncio.wait_for(self.call.code(), PATIENCE)
        return code.name, await self.call.details()


def recomputed(held):
    """Return a collection's version as docs/protocol.md tells a sink to compute it."""
    told = b""
    for name in sorted(held):
        for part in (name.encode(), held[name].encode()):
            told += len(part).to_bytes(4, "big") + part
    return base64.b64encode(hashlib.sha256(told).digest()).decode()
