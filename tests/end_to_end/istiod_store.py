"""
What istiod asks a source for, and what its store makes of the answers.

Facts about istiod, kept apart from how it talks: the requested kinds by release, and the rules by
which an answer replaces what is stored. Nothing here is shared with gitsource but messages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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


class Store:
    """
    The store of one source, one map a kind: what an answer leaves out is deleted.

    *revision* is the REVISION of this istiod ("" for none). *valid* stands for Istio's own
    validation: an object it refuses is not taken, and one of that name that is there already stays.
    It may be asked from another thread than the one that feeds it.
    """

    def __init__(
        self,
        kinds: Mapping[str, str],
        *,
        revision: str = "",
        valid: Callable[[str, Message], bool] = lambda _name, _body: True,
    ) -> None:
        self.kinds = kinds
        self._items: dict[str, dict[str, Item]] = {url: {} for url in kinds}
        self._synced: set[str] = set()
        self._received: list[Received] = []
        self._changes: list[tuple[str, str, str]] = []
        self._complaints: list[str] = []
        self._mesh_config: bytes | None = None
        self._revision = revision
        self._valid = valid
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ looking at it

    @property
    def ready(self) -> bool:
        """Whether every kind was answered since the start; until then istiod serves nobody."""
        with self._lock:
            return self._synced >= set(self.kinds)

    @property
    def items(self) -> dict[str, dict[str, Item]]:
        """The objects by type URL and namespace/name."""
        with self._lock:
            return dict(self._items)

    @property
    def received(self) -> list[Received]:
        """All answers."""
        with self._lock:
            return list(self._received)

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What became of the store: ("add" | "update" | "delete", type URL, name)."""
        with self._lock:
            return list(self._changes)

    @property
    def complaints(self) -> list[str]:
        """What istiod would have written into its log: what it could not use."""
        with self._lock:
            return list(self._complaints)

    @property
    def mesh_config(self) -> bytes | None:
        """The MeshConfig it was sent, of which it makes no use."""
        with self._lock:
            return self._mesh_config

    def url(self, kind: str) -> str:
        """Return the type URL under which this release asks for *kind*."""
        (found,) = (url for url in self.kinds if url.endswith(f"/{kind}"))
        return found

    def of(self, kind: str) -> dict[str, Item]:
        """Return what it has of *kind*, by namespace/name."""
        return self.items[self.url(kind)]

    def answers(self, type_url: str) -> list[Received]:
        """Return the answers for a type so far."""
        return [each for each in self.received if each.type_url == type_url]

    # ------------------------------------------------------------------ feeding it

    def take(self, answer: discovery_pb2.DiscoveryResponse, stream: int = 1) -> bool:
        """Apply an answer of a stream; returns whether istiod ACKs it. It never NACKs."""
        with self._lock:
            acked = True
            names: tuple[str, ...] = ()
            if answer.type_url == MESH_CONFIG:
                if answer.resources:
                    self._mesh_config = answer.resources[0].value
                    acked = False
            elif answer.type_url in self.kinds:
                names = self._replace(answer)
                self._synced.add(answer.type_url)
            else:
                self._complaints.append(f"nobody asked for {answer.type_url}")
            told = (answer.type_url, answer.version_info, answer.nonce)
            self._received.append(Received(stream, *told, names, acked))
            return acked

    def _replace(self, answer: discovery_pb2.DiscoveryResponse) -> tuple[str, ...]:
        """Make the objects of one type those of the answer; returns the names in it."""
        url = answer.type_url
        had = self._items[url]
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
            elif self._refused(url, name, item):
                if old is not None:
                    now[name] = old
            else:
                now[name] = item
                self._changes.append(("add" if old is None else "update", url, name))
        self._changes += [("delete", url, name) for name in had if name not in now]
        self._items[url] = now
        return tuple(names)

    def _refused(self, url: str, name: str, item: Item) -> bool:
        told = item.body.DESCRIPTOR.full_name
        if told == self.kinds[url] and self._valid(name, item.body):
            return False
        self._complaints.append(f"{url} {name}: the {told} is not valid")
        return True

    def _read(self, url: str, wrapped: Any) -> tuple[str, Item] | None:
        """Return what is wrapped, or None if istiod passes over it as if it had not come."""
        resource = resource_pb2.Resource()
        try:
            if wrapped.type_url.rsplit("/", 1)[-1] != resource.DESCRIPTOR.full_name:
                raise DecodeError(f"wrapped is a {wrapped.type_url}")
            resource.ParseFromString(wrapped.value)
            body = _message(resource.body.type_url).FromString(resource.body.value)
        except (DecodeError, KeyError) as error:
            self._complaints.append(f"{url} {resource.metadata.name}: {error}")
            return None
        metadata = resource.metadata
        if metadata.name.count("/") != 1:
            self._complaints.append(f"{url}: the name {metadata.name!r} has not one slash")
            return None
        return metadata.name, Item(
            version=metadata.version,
            labels=dict(metadata.labels),
            annotations=dict(metadata.annotations),
            create_time=metadata.create_time.seconds,
            body=body,
        )


def _message(type_url: str) -> type[Message]:
    """Return the message that a type URL names; KeyError if there is none."""
    name = type_url.rsplit("/", 1)[-1]
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
