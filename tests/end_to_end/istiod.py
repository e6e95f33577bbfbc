"""
An emulator of the client with which istiod reads configuration from an `xds://` source.

It does what istiod's own client does, and no more: every kind is asked for at once with a nonce
that nobody gave, every answer is ACKed whatever is in it, nothing is ever NACKed, and what a sync
leaves out is deleted. The facts are those of docs/protocol.md; the code shares nothing with
gitsource but generated messages. It runs on a thread of its own and is looked at from the test's.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import Message

from istiod_store import MESH_CONFIG, RELEASES, Store
from running import PATIENCE

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


@dataclass(slots=True)
class Backoff:
    """How long istiod waits before it opens a stream again, in seconds."""

    initial: float = 0.5
    cap: float = 60.0
    _next: float = field(default=0.0, init=False)

    def reset(self) -> None:
        """Begin anew: a stream was opened."""
        self._next = 0.0

    def wait(self) -> float:
        """Return the next wait: half as long again each time, give or take a half."""
        self._next = min(self._next * 1.5, self.cap) if self._next else self.initial
        return self._next * random.uniform(0.5, 1.5)


class Istiod(Store):
    """
    istiod's reader of one source, and the store that it keeps.

    *release* says what it asks for, *roots* are the CA certificates it trusts (PEM; None: no TLS).
    """

    def __init__(
        self,
        port: int,
        *,
        release: str = "head",
        revision: str = "",
        pod: str = "istiod-0",
        namespace: str = "istio-system",
        ping: float = 30.0,
        roots: bytes | None = None,
        valid: Callable[[str, Message], bool] = lambda _name, _body: True,
    ) -> None:
        super().__init__(RELEASES[release], revision=revision, valid=valid)
        self.streams = 0
        self.exited = ""
        """Why it ended by itself: it does when the source cannot be reached at its start."""
        self._address = f"127.0.0.1:{port}"
        self._node = base_pb2.Node(
            id=f"sidecar~127.0.0.1~{pod}.{namespace}~{namespace}.svc.cluster.local"
        )
        meta: dict[str, str] = {"GENERATOR": "api", "ISTIO_VERSION": "65536.65536.65536"}
        if revision:
            meta["ISTIO_REVISION"] = revision
        self._node.metadata.update(meta)
        self._ping = ping
        self._roots = roots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._call: Any = None

    # ------------------------------------------------------------------ running

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.hang_up()
        self._thread.join(PATIENCE)

    def hang_up(self) -> None:
        """Break the stream, as a network does."""
        if self._call is not None:
            self._call.cancel()

    def _follow(self) -> None:
        backoff = Backoff()
        with self._channel() as channel:
            while not self._stop.is_set():
                if self._stream(channel):
                    backoff.reset()
                elif not self.streams and not self._stop.is_set():
                    self.exited = "the source cannot be reached"
                    return
                self._stop.wait(backoff.wait())

    def _channel(self) -> grpc.Channel:
        options = [
            ("grpc.max_receive_message_length", 2**31 - 1),
            ("grpc.keepalive_time_ms", int(self._ping * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 0),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 120_000),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._roots is None:
            return grpc.insecure_channel(self._address, options=options)
        trust = grpc.ssl_channel_credentials(self._roots)
        return grpc.secure_channel(self._address, trust, options=options)

    def _stream(self, channel: grpc.Channel) -> bool:
        """Ask for every kind, then ACK what comes; returns at its end whether it was opened."""
        requests: queue.SimpleQueue[discovery_pb2.DiscoveryRequest | None] = queue.SimpleQueue()
        node: base_pb2.Node | None = self._node
        for type_url in (MESH_CONFIG, *self.kinds):
            clock = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+0.1"
            requests.put(
                discovery_pb2.DiscoveryRequest(node=node, type_url=type_url, response_nonce=clock)
            )
            node = None
        establish = channel.stream_stream(
            METHOD,
            request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
        )
        call = self._call = establish(iter(requests.get, None))
        try:
            call.initial_metadata()  # gitsource sends it when a stream begins
            if not call.is_active():
                return False
            self.streams += 1
            for answer in call:
                if self.take(answer, self.streams):
                    ack = discovery_pb2.DiscoveryRequest(
                        node=self._node,
                        type_url=answer.type_url,
                        version_info=answer.version_info,
                        response_nonce=answer.nonce,
                    )
                    requests.put(ack)
        except grpc.RpcError:
            pass
        finally:
            requests.put(None)
        return True
