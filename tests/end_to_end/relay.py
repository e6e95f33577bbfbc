"""
A relay between an xDS client and its source: it reads along, and can make every answer late.

What goes through is bytes and stays so. A delay holds up each answer in turn, so that what a source
sends at one go arrives as it would over a bad line: one type after the other, with a gap between.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import grpc
from envoy.service.discovery.v3 import discovery_pb2

from running import PATIENCE

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
MESSAGES: dict[str, tuple[Any, Any]] = {
    "StreamAggregatedResources": (
        discovery_pb2.DiscoveryRequest,
        discovery_pb2.DiscoveryResponse,
    ),
    "DeltaAggregatedResources": (
        discovery_pb2.DeltaDiscoveryRequest,
        discovery_pb2.DeltaDiscoveryResponse,
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A message that went through."""

    stream: int
    """Which stream, counted from 1."""
    type: str
    """The last part of the type URL, such as Cluster."""
    message: Any

    @property
    def request(self) -> bool:
        """Whether the client said it."""
        return isinstance(
            self.message, discovery_pb2.DiscoveryRequest | discovery_pb2.DeltaDiscoveryRequest
        )

    @property
    def refused(self) -> str:
        """The words of a NACK, else ""."""
        return self.message.error_detail.message if self.request else ""


class Relay:
    """Listens on :attr:`port` and passes on to the source that *target* names when asked."""

    def __init__(self, target: Callable[[], int]) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that each answer is held up."""
        self.said: list[Said] = []
        self._target = target
        self._streams = 0
        self._loop = asyncio.new_event_loop()
        self._open = threading.Event()
        self._close: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), daemon=True
        )

    def answers(self, kind: str) -> list[Any]:
        """Return the answers of a type so far."""
        return [each.message for each in list(self.said) if each.type == kind and not each.request]

    def refusals(self) -> list[str]:
        """Return the words of all NACKs so far."""
        return [each.refused for each in list(self.said) if each.refused]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._open.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._close is not None
        self._loop.call_soon_threadsafe(self._close.set)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _serve(self) -> None:
        self._close = asyncio.Event()
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
        server.add_generic_rpc_handlers((_Handlers(self._passes),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._open.set()
        await self._close.wait()
        await server.stop(0)

    def _note(self, stream: int, form: Any, raw: bytes) -> None:
        message = form.FromString(raw)
        self.said.append(Said(stream, message.type_url.rpartition(".")[2], message))

    async def _passes(self, method: str, requests: Any, context: grpc.aio.ServicerContext) -> None:
        self._streams += 1
        stream = self._streams
        request_form, answer_form = MESSAGES[method]
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{self._target()}", options=options
        ) as channel:
            call = channel.stream_stream(SERVICE + method)()

            async def forward() -> None:
                async for raw in requests:
                    self._note(stream, request_form, raw)
                    await call.write(raw)
                await call.done_writing()

            forwarding = asyncio.ensure_future(forward())
            try:
                async for raw in call:
                    await asyncio.sleep(self.delay)
                    self._note(stream, answer_form, raw)
                    await context.write(raw)
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")
            finally:
                forwarding.cancel()
                await asyncio.gather(forwarding, return_exceptions=True)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, passes: Callable[..., Any]) -> None:
        self._passes = passes

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.removeprefix(SERVICE)
        if method not in MESSAGES:
            return None

        async def handle(requests: Any, context: grpc.aio.ServicerContext) -> None:
            await self._passes(method, requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)
