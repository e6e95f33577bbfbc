"""
A load client: many MCP sinks in one process, each on a TCP connection of its own.

Rule: it shares nothing with gitsource but the compiled contracts (`gitsource._proto`), and every
sink does the whole job of a sink: it decodes each push into messages, counts the resources, and
only then ACKs. A push has arrived when its ACK has been handed to the kernel. Times are readings of
the machine's monotonic clock, so that another process may compare them with its own.

It is told what to do by lines of JSON on standard input and answers each with one line:

    {"do": "connect", "expect": {collection: count}}   dial, subscribe, until every sink is complete
    {"do": "arm", "pushes": 1}                         from now on, wait for this many pushes a sink
    {"do": "check"}                                    look into the last push of the first sink
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from wire import Buffers, Call, StreamEndedError

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
PATIENCE = 240.0
"""Seconds after which what is waited for has not come."""


@dataclass
class Push:
    """What a sink learned from one push."""

    collection: str
    resources: int
    removed: int
    incremental: bool
    size: int
    """Bytes of the message."""
    names: list[str]
    """Names of the resources, if they are few."""


class Sink:
    """One sink: a call, and what it holds."""

    def __init__(self, number: int, options: argparse.Namespace, buffers: Buffers) -> None:
        limit = options.limit or 2**31
        shown = options.papers[number % len(options.papers)] if options.papers else None
        self.call = Call(options.address, METHOD, buffers, limit, shown)
        self.held: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        """What it waits for if it is sent collections in parts."""
        self.kept: dict[str, bytes] = {}
        self.last: Push | None = None
        self.pushes = 0
        self.expected = len(options.collections)
        self.complete_at = 0.0
        self.decoding = 0.0
        self._buffers = buffers
        self._keep = number == 0
        self._incremental = options.incremental
        self._chunked = bool(options.limit)
        # Of what is too large it is told once, so such a sink comes back as itself.
        self._id = f"limited-{number}" if options.limit else f"bench-{os.getpid()}-{number}"
        for collection in options.collections:
            self.call.send(self._request(collection))

    def take(self) -> bool:
        """Read what is there; True if that made the sink complete."""
        for raw in self.call.readable():
            self._take(raw)
            self.pushes += 1
            done = self.pushes == self.expected
            if self.held == self.counts if self._chunked else done:
                self.complete_at = time.monotonic()
                return True
        return False

    def _take(self, raw: bytearray) -> None:
        started = time.perf_counter()
        message = Resources.FromString(raw)
        count = len(message.resources)
        self.decoding += time.perf_counter() - started
        collection = message.collection
        self.call.send(self._request(collection, message.nonce))
        names = [resource.metadata.name for resource in message.resources] if count <= 10 else []
        self.last = Push(
            collection, count, len(message.removed_resources), message.incremental, len(raw), names
        )
        if collection not in self.held or not message.incremental:
            self.held[collection] = count
        elif self._chunked:
            self.held[collection] += count
        if self._keep:
            self.kept[collection] = bytes(raw)
        self._buffers.give_back(raw)

    def _request(self, collection: str, nonce: str = "") -> bytes:
        request = RequestResources(
            collection=collection, response_nonce=nonce, incremental=self._incremental
        )
        request.sink_node.id = self._id
        return request.SerializeToString()


class Load:
    """All sinks of this process."""

    def __init__(
        self,
        options: argparse.Namespace,
        make: Callable[[int, argparse.Namespace, Buffers], Any] = Sink,
    ) -> None:
        """*make*: a sink of its number; it is anything with the attributes of `Sink`."""
        self._options = options
        self._make = make
        self._buffers = Buffers()
        self._selector = selectors.DefaultSelector()
        self.sinks: list[Any] = []
        self._lost = ""
        self._cpu = 0.0

    def connect(self, expect: dict[str, int] | list[dict[str, int]]) -> dict[str, Any]:
        """
        Dial once the port answers; return when every sink holds what is expected.

        Of a list each sink takes its own, turn by turn.
        """
        turns = expect if isinstance(expect, list) else [expect]
        if not self._listening():
            return {"error": f"nothing listens on {self._options.address}"}
        started = time.monotonic()
        self._cpu = time.process_time()
        for number in range(self._options.sinks):
            sink = self._make(number, self._options, self._buffers)
            self.added(sink, turns[number % len(turns)])
            self.sinks.append(sink)
            self._selector.register(sink.call.socket, selectors.EVENT_READ, sink)
        report = self.complete()
        for number, sink in enumerate(self.sinks):
            mine = turns[number % len(turns)]
            if "error" not in report and sink.held != mine:
                return {"error": f"a sink holds {sink.held}, expected {mine}"}
        return report | {"started": started}

    def added(self, sink: Any, expect: dict[str, int]) -> None:
        """Tell a new sink what it waits for."""
        sink.counts = expect

    def next_order(self) -> dict[str, Any] | None:
        """Return what is asked next; until then, answer the pings of the source. None: the end."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.data is None:
                        line = sys.stdin.readline()
                        return json.loads(line) if line else None
                    self._take(key.data)
        finally:
            self._selector.unregister(sys.stdin)

    def _take(self, sink: Any) -> bool:
        try:
            return sink.take()
        except (StreamEndedError, OSError) as error:
            self._lost = self._lost or str(error)
            self._selector.unregister(sink.call.socket)
            sink.call.close()
            return False

    def arm(self, pushes: int) -> None:
        """Wait for *pushes* more from now on; the ones before are over."""
        self._cpu = time.process_time()
        for sink in self.sinks:
            sink.expected = sink.pushes + pushes
            sink.decoding = 0.0

    def complete(self) -> dict[str, Any]:
        """Serve all sinks until each has what it waits for; say when the first and the last had."""
        left = len(self.sinks)
        give_up = time.monotonic() + PATIENCE
        while left:
            for key, _ in self._selector.select(timeout=5.0):
                left -= self._take(key.data)
            if self._lost:
                return {"error": f"a sink lost its stream: {self._lost}"}
            if time.monotonic() > give_up:
                return {"error": f"{left} of {len(self.sinks)} sinks wait in vain"}
        times = sorted(sink.complete_at for sink in self.sinks)
        last = self.sinks[-1].last
        return {
            "first": times[0],
            "median": times[len(times) // 2],
            "last": times[-1],
            "decoding": sum(sink.decoding for sink in self.sinks),
            "cpu": time.process_time() - self._cpu,
            "alike": all(
                sink.last is not None
                and last is not None
                and vars(sink.last) | {"size": 0} == vars(last) | {"size": 0}
                for sink in self.sinks
            ),
            "push": last and vars(last),
        }

    def check(self, folder: str) -> dict[str, Any]:
        """Look into what the first sink was sent: names once each, versions and bodies there."""
        found = {}
        for number, (collection, raw) in enumerate(self.sinks[0].kept.items()):
            message = Resources.FromString(raw)
            found[collection] = {
                "resources": len(message.resources),
                "names": len({resource.metadata.name for resource in message.resources}),
                "whole": sum(
                    bool(resource.metadata.version and resource.body.type_url)
                    for resource in message.resources
                ),
                "size": len(raw),
            }
            if folder:
                Path(folder, f"payload-{number}").write_bytes(raw)
        return found

    def _listening(self) -> bool:
        """Return as soon as something listens there."""
        host, _, port = self._options.address.rpartition(":")
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return True
            time.sleep(0.002)
        return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--sinks", type=int, default=1)
    parser.add_argument("--incremental", action="store_true")
    parser.add_argument("--limit", type=int, default=0, help="largest message it takes")
    parser.add_argument(
        "--tls", type=Path, help="folder of ca.pem and pairs client*.pem, client*.key, for turns"
    )
    options = parser.parse_args()
    options.papers = options.tls and papers(options.tls)
    load = Load(options)
    warm_up()
    gc.collect()
    gc.freeze()
    talk(load)


def papers(folder: Path) -> list[ssl.SSLContext]:
    """Return what sinks show, turn by turn, and trust."""
    contexts = []
    for shown in sorted(folder.glob("client*.pem")):
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(shown, shown.with_suffix(".key"))
        context.set_alpn_protocols(["h2"])
        contexts.append(context)
    return contexts


def talk(load: Any) -> None:
    """Do what is asked on standard input, until it ends."""
    say({"ready": os.getpid()})
    while (order := load.next_order()) is not None:
        what = order.pop("do")
        if what == "arm":
            load.arm(**order)
            say({"armed": len(load.sinks)})
            say(load.complete())
        else:
            say(getattr(load, what)(**order))


def warm_up() -> None:
    """Decode as much as will come, so that the memory for it is there and is not paid for later."""
    message = Resources()
    for number in range(5000):
        resource = message.resources.add()
        resource.metadata.name = f"warm/up-{number:06d}"
        resource.metadata.labels["app"] = resource.metadata.labels["team"] = "warm-up"
        resource.body.value = b"." * 600
    raw = message.SerializeToString()
    for _ in range(3):
        Resources.FromString(raw)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
