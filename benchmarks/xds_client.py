"""
A load client: many xDS clients in one process, each on a TCP connection of its own.

Rule: as in `client`, with nothing of gitsource at all: the messages are Envoy's own (`xds-protos`).
Each client decodes every response into messages, counts its resources, books what it holds, and
only then ACKs. The first one also decodes each body as the message that its type says.

Clients subscribe as Envoy does: to all clusters and listeners first, to endpoints by name when the
clusters are there, and to routes when the listeners are. Besides the orders of `client` there is

    {"do": "storm"}     hang up, dial again saying what is held, and wait until everyone was heard

for which each client asks for a name of another type that does not exist: gitsource hears the
requests of a stream one after the other, so who has that answer was heard in full.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import selectors
import time
from pathlib import Path
from typing import Any

from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3 import discovery_pb2 as xds

import envoy_documents
from client import Load, Push, talk
from wire import Buffers, Call

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
CLUSTERS, ENDPOINTS, LISTENERS, ROUTES = (
    envoy_documents.URLS[f"envoy/{name}"]
    for name in ("clusters", "endpoints", "listeners", "routes")
)
PROBE = envoy_documents.PREFIX + "envoy.service.runtime.v3.Runtime"
AFTER = {CLUSTERS: ENDPOINTS, LISTENERS: ROUTES}
"""What is asked for by name once something else is there."""


class Asked:
    """What all clients ask for, serialized once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.delta: bool = options.delta
        told = json.loads(Path(options.asked).read_text())
        self.names: dict[str, list[str]] = told
        """By type; no names for what is asked for as a whole."""
        self.holds: dict[str, dict[str, str]] = {}
        """What everyone holds, as the first client found it."""
        self._requests: dict[tuple[str, str], bytes] = {}

    def first(self, url: str, node: Node | None = None, version: str = "") -> bytes:
        """Return the first request for a type; with *version* it says what it holds."""
        key = (url, version)
        request = self._requests.get(key)
        if request is None:
            names = self.names.get(url, [])
            if self.delta:
                request = xds.DeltaDiscoveryRequest(
                    type_url=url,
                    resource_names_subscribe=names,
                    initial_resource_versions=self.holds[url] if version else {},
                ).SerializeToString()
            else:
                request = xds.DiscoveryRequest(
                    type_url=url, resource_names=names, version_info=version
                ).SerializeToString()
            self._requests[key] = request
        if node is None:
            return request
        # Protobuf merges what stands one behind the other.
        kind = xds.DeltaDiscoveryRequest if self.delta else xds.DiscoveryRequest
        return request + kind(node=node).SerializeToString()

    def ack(self, url: str, version: str, nonce: str) -> bytes:
        """Return the ACK of a response."""
        if self.delta:
            return xds.DeltaDiscoveryRequest(type_url=url, response_nonce=nonce).SerializeToString()
        return xds.DiscoveryRequest(
            type_url=url,
            version_info=version,
            response_nonce=nonce,
            resource_names=self.names.get(url, []),
        ).SerializeToString()

    def probe(self) -> bytes:
        """Return a request that is answered in any case."""
        name = "a-name-that-nobody-has"
        if self.delta:
            return xds.DeltaDiscoveryRequest(
                type_url=PROBE, resource_names_subscribe=[name]
            ).SerializeToString()
        return xds.DiscoveryRequest(type_url=PROBE, resource_names=[name]).SerializeToString()


class Client:
    """One client: a call, and what it holds."""

    def __init__(
        self, number: int, options: argparse.Namespace, buffers: Buffers, asked: Asked
    ) -> None:
        self.number = number
        self.held: dict[str, int] = {}
        self.versions: dict[str, str] = {}
        self.kept: list[bytes] = []
        self.last: Push | None = None
        self.pushes = 0
        self.expected = 0
        """Pushes to wait for; 0: until everything asked for is held."""
        self.resent = 0
        self.complete_at = 0.0
        self.decoding = 0.0
        self._address = options.address
        self._buffers = buffers
        self._asked = asked
        self._decode = (
            xds.DeltaDiscoveryResponse if asked.delta else xds.DiscoveryResponse
        ).FromString
        self._keep = number == 0
        self._wants = sum(map(len, asked.names.values())), len(asked.names)
        self.counts: dict[str, int] = {}
        self._probing = False
        self._waits = True
        self.dial()

    def dial(self, *, again: bool = False) -> None:
        """Open a stream and ask; *again*: say what is held."""
        method = "DeltaAggregatedResources" if self._asked.delta else "StreamAggregatedResources"
        self.call = Call(self._address, ADS + method, self._buffers)
        node: Node | None = _node(self.number)
        for url in self._asked.names:
            if url in AFTER.values() and not again:
                continue
            self.call.send(self._asked.first(url, node, self.versions[url] if again else ""))
            node = None
        self._probing, self._waits = again, True
        if again:
            self.call.send(self._asked.probe())

    def wait(self, pushes: int) -> None:
        """Wait for *pushes* more."""
        self.expected, self.decoding, self._waits = self.pushes + pushes, 0.0, True

    def take(self) -> bool:
        """Read what is there; True if that was what it waits for."""
        for raw in self.call.readable():
            url = self._take(raw)
            if self._waits and self._done(url):
                self._probing = self._waits = False
                self.complete_at = time.monotonic()
                return True
        return False

    def _done(self, url: str) -> bool:
        if self._probing:
            return url == PROBE
        return self.pushes == self.expected if self.expected else self.held == self.counts

    def _take(self, raw: bytearray) -> str:
        started = time.perf_counter()
        message = self._decode(raw)
        count = len(message.resources)
        self.decoding += time.perf_counter() - started
        url = message.type_url
        delta = self._asked.delta
        version = message.system_version_info if delta else message.version_info
        self.call.send(self._asked.ack(url, version, message.nonce))
        if url != PROBE:
            self._booked(url, version, message, count, raw)
        self._buffers.give_back(raw)
        return str(url)

    def _booked(self, url: str, version: str, message: Any, count: int, raw: bytearray) -> None:
        delta = self._asked.delta
        self.pushes += 1
        self.resent += count
        self.versions[url] = version
        removed = len(message.removed_resources) if delta else 0
        # What a SotW client is sent of endpoints and routes is merged as well.
        merges = delta or url in AFTER.values()
        held = self.held.get(url, 0)
        if self.expected == 0:
            self.held[url] = held + count if merges else count
        names = []
        if count <= 10:
            names = [one.name for one in message.resources] if delta else ["?"] * count
        self.last = Push(url, count, removed, delta, len(raw), names)
        if self._keep:
            self.kept.append(bytes(raw))
        follows = AFTER.get(url)
        if follows in self._asked.names and self.held.get(follows) is None:
            self.held[follows] = 0
            self.call.send(self._asked.first(follows))


def _node(number: int) -> Node:
    """Return a node as Envoy tells it, less its extensions."""
    node = Node(id=f"bench-{number:05d}", cluster=f"mesh-{number % 7}", user_agent_name="envoy")
    node.locality.region, node.locality.zone = "eu-west-1", "eu-west-1a"
    for at in range(20):
        node.metadata.fields[f"FACT_{at}"].string_value = f"value-{number}-{at}"
    return node


class XdsLoad(Load):
    """All clients of this process."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.asked = Asked(options)
        super().__init__(options, lambda *told: Client(*told, self.asked))

    def arm(self, pushes: int) -> None:
        """Wait for *pushes* more from now on."""
        self._cpu = time.process_time()
        for one in self.sinks:
            one.wait(pushes)

    def storm(self) -> dict[str, Any]:
        """Hang up on all streams at once, dial again, and return when everyone was heard."""
        self.check("")
        for one in self.sinks:
            self._selector.unregister(one.call.socket)
            one.call.close()
            one.resent = 0
        started, self._cpu = time.monotonic(), time.process_time()
        for one in self.sinks:
            one.dial(again=True)
            self._selector.register(one.call.socket, selectors.EVENT_READ, one)
        report = self.complete()
        return report | {"started": started, "resent": sum(one.resent for one in self.sinks)}

    def check(self, folder: str) -> dict[str, Any]:
        """Decode every body that the first client was sent; write the responses to *folder*."""
        holds: dict[str, dict[str, str]] = {url: {} for url in self.asked.names}
        delta = self.asked.delta
        for number, raw in enumerate(self.sinks[0].kept):
            message = (xds.DeltaDiscoveryResponse if delta else xds.DiscoveryResponse).FromString(
                raw
            )
            url = message.type_url
            decode, name_in = _decoder(url)
            bodies = [one.resource if delta else one for one in message.resources]
            names = [getattr(decode(body.value), name_in) for body in bodies]
            if any(body.type_url != url for body in bodies):
                return {"error": f"a body of {url} is of another type"}
            if delta:
                if names != [one.name for one in message.resources]:
                    return {"error": f"a body of {url} has another name"}
                holds[url].update((one.name, one.version) for one in message.resources)
                for name in message.removed_resources:
                    holds[url].pop(name, None)
            else:
                holds[url].update((name, message.version_info) for name in names)
            if folder:
                Path(folder, f"payload-{number}").write_bytes(raw)
        self.asked.holds = holds
        return {url: len(names) for url, names in holds.items()} | {
            "responses": len(self.sinks[0].kept)
        }


def _decoder(url: str) -> tuple[Any, str]:
    package, _, message = url.removeprefix(envoy_documents.PREFIX).rpartition(".")
    module = {"ClusterLoadAssignment": "endpoint"}.get(message, package.split(".")[2])
    found = importlib.import_module(f"{package}.{module}_pb2".replace("/", "."))
    name_in = "cluster_name" if message == "ClusterLoadAssignment" else "name"
    return getattr(found, message).FromString, name_in


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("asked", help="a file of JSON: type URL to names")
    parser.add_argument("--sinks", type=int, default=1)
    parser.add_argument("--delta", action="store_true")
    load = XdsLoad(parser.parse_args())
    warm_up()
    gc.collect()
    gc.freeze()
    talk(load)


def warm_up() -> None:
    """Decode as much as will come, so that the memory for it is there and is not paid for later."""
    message = xds.DeltaDiscoveryResponse()
    for number in range(10_000):
        resource = message.resources.add(name=f"warm/up-{number:06d}", version="." * 44)
        resource.resource.value = b"." * 1500
    raw = message.SerializeToString()
    for _ in range(3):
        xds.DeltaDiscoveryResponse.FromString(raw)


if __name__ == "__main__":
    main()
