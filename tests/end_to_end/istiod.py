"""
An emulator of the client with which istiod reads configuration from an `xds://` source.

It does what istiod's own client does, and no more: every kind is asked for at once with a nonce
that nobody gave, every answer is ACKed whatever is in it, nothing is ever NACKed, and what a sync
leaves out is deleted. The facts are those of docs/protocol.md; the code shares nothing with
gitsource but generated messages. It runs on a thread of its own and is looked at from the test's.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from gitsource._proto.istio.extensions.v1alpha1 import (  # noqa: F401  # registers the bodies
    traffic_extension_pb2,
    wasm_pb2,
)
from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource._proto.istio.networking.v1alpha3 import (  # noqa: F401  # registers the bodies
    destination_rule_pb2,
    envoy_filter_pb2,
    gateway_pb2,
    service_entry_pb2,
    sidecar_pb2,
    virtual_service_pb2,
    workload_entry_pb2,
    workload_group_pb2,
)
from gitsource._proto.istio.networking.v1beta1 import (  # noqa: F401  # registers the bodies
    proxy_config_pb2,
)
from gitsource._proto.istio.security.v1beta1 import (  # noqa: F401  # registers the bodies
    authorization_policy_pb2,
    peer_authentication_pb2,
    request_authentication_pb2,
)
from gitsource._proto.istio.telemetry.v1alpha1 import (  # noqa: F401  # registers the bodies
    telemetry_pb2,
)
from running import PATIENCE

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
MESH_CONFIG = "core/v1alpha1/MeshConfig"

_NETWORKING = "istio.networking.v1alpha3"
_SECURITY = "istio.security.v1beta1"
HEAD = {
    "security.istio.io/v1/AuthorizationPolicy": f"{_SECURITY}.AuthorizationPolicy",
    "networking.istio.io/v1/DestinationRule": f"{_NETWORKING}.DestinationRule",
    "networking.istio.io/v1alpha3/EnvoyFilter": f"{_NETWORKING}.EnvoyFilter",
    "networking.istio.io/v1/Gateway": f"{_NETWORKING}.Gateway",
    "security.istio.io/v1/PeerAuthentication": f"{_SECURITY}.PeerAuthentication",
    "networking.istio.io/v1beta1/ProxyConfig": "istio.networking.v1beta1.ProxyConfig",
    "security.istio.io/v1/RequestAuthentication": f"{_SECURITY}.RequestAuthentication",
    "networking.istio.io/v1/ServiceEntry": f"{_NETWORKING}.ServiceEntry",
    "networking.istio.io/v1/Sidecar": f"{_NETWORKING}.Sidecar",
    "telemetry.istio.io/v1/Telemetry": "istio.telemetry.v1alpha1.Telemetry",
    "extensions.istio.io/v1alpha1/TrafficExtension": "istio.extensions.v1alpha1.TrafficExtension",
    "networking.istio.io/v1/VirtualService": f"{_NETWORKING}.VirtualService",
    "extensions.istio.io/v1alpha1/WasmPlugin": "istio.extensions.v1alpha1.WasmPlugin",
    "networking.istio.io/v1/WorkloadEntry": f"{_NETWORKING}.WorkloadEntry",
    "networking.istio.io/v1/WorkloadGroup": f"{_NETWORKING}.WorkloadGroup",
}
"""What 1.30 and later ask for, in their order, and the message each body has to be."""

_BEFORE = {
    "networking.istio.io/v1": "networking.istio.io/v1alpha3",
    "security.istio.io/v1": "security.istio.io/v1beta1",
    "telemetry.istio.io/v1": "telemetry.istio.io/v1alpha1",
}


def _before_v1(type_url: str) -> str:
    group_version, kind = type_url.rsplit("/", 1)
    return f"{_BEFORE.get(group_version, group_version)}/{kind}"


UP_TO_1_23 = {
    _before_v1(url): body for url, body in HEAD.items() if not url.endswith("/TrafficExtension")
}
"""What releases up to 1.23 ask for: the bodies of HEAD under the versions before v1."""

RELEASES = {"head": HEAD, "1.23": UP_TO_1_23}


@dataclass(frozen=True, slots=True)
class Item:
    """An object of istiod's store."""

    version: str
    labels: dict[str, str]
    annotations: dict[str, str]
    create_time: int
    """Seconds since the epoch; 0 where the source gave none, which istiod takes for the oldest."""
    body: Message


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, as it came."""

    stream: int
    """Which stream of this istiod, counted from 1."""
    type_url: str
    version: str
    nonce: str
    names: tuple[str, ...]
    """Those that istiod could read, also where its revision then leaves them out."""
    acked: bool


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


class Istiod:
    """
    istiod's reader of one source, and the store that it keeps.

    *revision* is the REVISION of this istiod ("" for none), *valid* stands for Istio's own
    validation of what it is sent: an object it refuses is not put into the store, and one of that
    name that is there already is kept.
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
        self.kinds = RELEASES[release]
        self.store: dict[str, dict[str, Item]] = {url: {} for url in self.kinds}
        self.synced: set[str] = set()
        self.received: list[Received] = []
        self.changes: list[tuple[str, str, str]] = []
        """What became of the store: ("add" | "update" | "delete", type URL, name)."""
        self.complaints: list[str] = []
        """What istiod would have written into its log: what it could not use and passed over."""
        self.mesh_config: bytes | None = None
        self.streams = 0
        self.exited = ""
        """Why it ended by itself: it does when the source cannot be reached at its start."""
        self._address = f"127.0.0.1:{port}"
        self._revision = revision
        self._node = base_pb2.Node(
            id=f"sidecar~127.0.0.1~{pod}.{namespace}~{namespace}.svc.cluster.local"
        )
        meta: dict[str, str] = {"GENERATOR": "api", "ISTIO_VERSION": "65536.65536.65536"}
        if revision:
            meta["ISTIO_REVISION"] = revision
        self._node.metadata.update(meta)
        self._ping = ping
        self._roots = roots
        self._valid = valid
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._task: asyncio.Task[None] | None = None
        self._call: Any = None

    # ------------------------------------------------------------------ looking at it

    @property
    def ready(self) -> bool:
        """Whether every kind was answered since the start; until then istiod serves nobody."""
        return self.synced >= set(self.kinds)

    def url(self, kind: str) -> str:
        """Return the type URL under which this release asks for *kind*."""
        (found,) = (url for url in self.kinds if url.endswith(f"/{kind}"))
        return found

    def of(self, kind: str) -> dict[str, Item]:
        """Return a copy of what the store has of *kind*, by namespace/name."""
        return dict(self.store[self.url(kind)])

    def answers(self, type_url: str) -> list[Received]:
        """Return the answers for a type so far."""
        return [each for each in list(self.received) if each.type_url == type_url]

    # ------------------------------------------------------------------ running

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        def stop() -> None:
            if self._task is not None:
                self._task.cancel()

        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(stop)
            self._thread.join(PATIENCE)
        self._loop.close()

    def hang_up(self) -> None:
        """Break the stream, as a network does."""
        self._loop.call_soon_threadsafe(lambda: self._call and self._call.cancel())

    async def _run(self) -> None:
        self._task = asyncio.ensure_future(self._follow())
        await asyncio.wait([self._task])
        if not self._task.cancelled() and self._task.exception():
            self.exited = repr(self._task.exception())

    async def _follow(self) -> None:
        async with self._channel() as channel:
            if not await _reached(channel):
                self.exited = "the source cannot be reached"
                return
            backoff = Backoff()
            while True:
                if await _reached(channel):
                    backoff.reset()
                    await self._stream(channel)
                await asyncio.sleep(backoff.wait())

    def _channel(self) -> grpc.aio.Channel:
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
            return grpc.aio.insecure_channel(self._address, options=options)
        trust = grpc.ssl_channel_credentials(self._roots)
        return grpc.aio.secure_channel(self._address, trust, options=options)

    async def _stream(self, channel: grpc.aio.Channel) -> None:
        self.streams += 1
        call = self._call = channel.stream_stream(
            METHOD,
            request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
        )()
        try:
            node: base_pb2.Node | None = self._node
            for type_url in (MESH_CONFIG, *self.kinds):
                clock = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+0.1"
                first = discovery_pb2.DiscoveryRequest(
                    node=node, type_url=type_url, response_nonce=clock
                )
                node = None
                await call.write(first)
            while (answer := await call.read()) is not grpc.aio.EOF:
                acked = self._take(answer)
                if acked:
                    ack = discovery_pb2.DiscoveryRequest(
                        node=self._node,
                        type_url=answer.type_url,
                        version_info=answer.version_info,
                        response_nonce=answer.nonce,
                    )
                    await call.write(ack)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass
        except asyncio.CancelledError:
            call.cancel()
            if self._task is not None and self._task.cancelling():
                raise

    # ------------------------------------------------------------------ the store

    def _take(self, answer: discovery_pb2.DiscoveryResponse) -> bool:
        """Apply an answer; returns whether it is ACKed."""
        acked = True
        names: tuple[str, ...] = ()
        if answer.type_url == MESH_CONFIG:
            if answer.resources:
                self.mesh_config = answer.resources[0].value
                acked = False
        elif answer.type_url in self.kinds:
            names = self._replace(answer)
            self.synced.add(answer.type_url)
        else:
            self.complaints.append(f"a type that nobody asked for: {answer.type_url}")
        self.received.append(
            Received(
                stream=self.streams,
                type_url=answer.type_url,
                version=answer.version_info,
                nonce=answer.nonce,
                names=names,
                acked=acked,
            )
        )
        return acked

    def _replace(self, answer: discovery_pb2.DiscoveryResponse) -> tuple[str, ...]:
        """Make the store of one type that of the answer; returns the names in it."""
        url = answer.type_url
        had = self.store[url]
        now: dict[str, Item] = {}
        names = []
        for wrapped in answer.resources:
            read = self._read(url, wrapped)
            if read is None:
                continue
            name, item = read
            names.append(name)
            told = item.labels.get("istio.io/rev", "")
            if self._revision and told and told != self._revision:
                continue
            old = had.get(name)
            if old is not None and item.version and item.version == old.version:
                now[name] = old
            elif not self._valid(name, item.body):
                self.complaints.append(f"{name}: refused by validation")
                if old is not None:
                    now[name] = old
            else:
                now[name] = item
                self.changes.append(("add" if old is None else "update", url, name))
        self.changes += [("delete", url, name) for name in had if name not in now]
        self.store[url] = now
        return tuple(names)

    def _read(self, url: str, wrapped: Any) -> tuple[str, Item] | None:
        """Return what is wrapped, or None if istiod passes over it."""
        resource = resource_pb2.Resource()
        try:
            if wrapped.type_url.rsplit("/", 1)[-1] != resource.DESCRIPTOR.full_name:
                raise DecodeError(f"wrapped is a {wrapped.type_url}")
            resource.ParseFromString(wrapped.value)
            told = resource.body.type_url.rsplit("/", 1)[-1]
            if told != self.kinds[url]:
                raise DecodeError(f"the body is a {told}")
            body = _message(told).FromString(resource.body.value)
        except DecodeError as error:
            self.complaints.append(f"{url} {resource.metadata.name}: {error}")
            return None
        metadata = resource.metadata
        if metadata.name.count("/") != 1:
            self.complaints.append(f"{url}: the name {metadata.name!r} has not one slash")
            return None
        return metadata.name, Item(
            version=metadata.version,
            labels=dict(metadata.labels),
            annotations=dict(metadata.annotations),
            create_time=metadata.create_time.seconds,
            body=body,
        )


def _message(name: str) -> type[Message]:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


async def _reached(channel: grpc.aio.Channel) -> bool:
    """Whether the source takes connections: waits while one is being made, not beyond a failure."""
    while True:
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            return True
        if state in {
            grpc.ChannelConnectivity.TRANSIENT_FAILURE,
            grpc.ChannelConnectivity.SHUTDOWN,
        }:
            return False
        await channel.wait_for_state_change(state)
