"""
A relay between an xDS client and its source: it reads along, and can make every answer late.

What goes through is bytes and stays so. A delay holds up each answer in turn, so that what a source
sends at one go arrives as it would over a bad line: one type after the other, with a gap between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
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
    """Listens on :attr:`port` and passes on to the source on *target*, while there is one."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that each answer is held up."""
        self.said: list[Said] = []
        self._target = target
        self._streams = 0
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)]
        )
        self._server.add_generic_rpc_handlers((_Handlers(self._passes),))

    def answers(self, kind: str) -> list[Any]:
        """Return the answers of a type so far."""
        return [each.message for each in list(self.said) if each.type == kind and not each.request]

    def refusals(self) -> list[str]:
        """Return the words of all NACKs so far."""
        return [each.refused for each in list(self.said) if each.refused]

    def __enter__(self) -> Self:
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(PATIENCE)

    def _note(self, stream: int, form: Any, raw: bytes) -> None:
        message = form.FromString(raw)
        self.said.append(Said(stream, message.type_url.rpartition(".")[2], message))

    def _passes(
        self, method: str, requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        self._streams += 1
        stream = self._streams
        request_form, answer_form = MESSAGES[method]

        def noted() -> Iterator[bytes]:
            with suppress(grpc.RpcError):  # the client hung up
                for raw in requests:
                    self._note(stream, request_form, raw)
                    yield raw

        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self._target}", options=options) as channel:
            call = channel.stream_stream(SERVICE + method)(noted())
            context.add_callback(call.cancel)
            try:
                for raw in call:
                    time.sleep(self.delay)
                    self._note(stream, answer_form, raw)
                    yield raw
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, passes: Callable[..., Iterator[bytes]]) -> None:
        self._passes = passes

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.removeprefix(SERVICE)
        if method not in MESSAGES:
            return None
        return grpc.stream_stream_rpc_method_handler(partial(self._passes, method))
