"""
A real `gitsource serve` in a process of its own, and a sink that shares no code with it.

The sink speaks the protocol from the generated messages alone, over a blocking gRPC channel.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import grpc

from audited import problems
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2

BIN = Path(sys.executable).parent
PATIENCE = 30.0
PATH = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"

VS = "istio/networking/v1alpha3/virtualservices"
DR = "istio/networking/v1alpha3/destinationrules"
GW = "istio/networking/v1alpha3/gateways"
SE = "istio/networking/v1alpha3/serviceentries"


def eventually(ask: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Ask until the answer is truthy; returns it."""
    deadline = time.monotonic() + patience
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)


def route(name: str, host: str, namespace: str = "shop") -> str:
    """Return a VirtualService that sends everything to *host*."""
    return (
        "apiVersion: networking.istio.io/v1\n"
        "kind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        "spec:\n"
        f"  hosts: [{name}.example.com]\n"
        "  http:\n"
        "  - route:\n"
        f"    - destination: {{host: {host}}}\n"
    )


def broken(name: str) -> str:
    """Return a VirtualService whose weight is no number."""
    return route(name, "a") + "      weight: plenty\n"


class Gitsource:
    """A running server; *settings* are further lines of its config file."""

    def __init__(self, folder: Path, url: str, settings: str = "", **environ: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "gitsource.yaml"
        self.log = folder / "serve.log"
        self.ports: dict[str, int] = {}
        self.environ = os.environ | environ
        self.before: tuple[str | Path, ...] = ()
        """What runs it: a program and arguments that its own command line is put behind."""
        self._doors = threading.Event()
        self.process: subprocess.Popen[str] | None = None
        self.configure(url, settings)

    def configure(self, url: str, settings: str = "") -> None:
        """Write the config file."""
        self.folder.mkdir(exist_ok=True)
        self.config.write_text(
            f"repository: {{url: '{url}', ref: main}}\n"
            "state_dir: state\n"
            "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
            "log: {format: json}\n" + settings
        )

    def listen_on(self, port: int) -> Self:
        """Have sinks find it where they left it after a restart."""
        text = self.config.read_text().replace("mcp: '127.0.0.1:0'", f"mcp: '127.0.0.1:{port}'")
        self.config.write_text(text)
        return self

    def start(self, *, wait: bool = True) -> Gitsource:
        """Start it; returns when its ports are open."""
        self.ports.clear()
        self._doors.clear()
        self.process = subprocess.Popen(
            [*self.before, BIN / "gitsource", "serve", "--config", self.config],
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        if wait and not self._doors.wait(PATIENCE):
            raise AssertionError(f"did not start: {self.log.read_text()[-3000:]}")
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with self.log.open("a") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if "door" in told:
                    self.ports[told["door"]] = told["port"]
                if "mcp" in self.ports and "admin" in self.ports:
                    self._doors.set()

    def stop(self) -> int:
        """End it as Kubernetes does; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if kind is None and self.state.is_dir():
            # Whatever a test was about: what was written down of it is whole and as documented.
            assert problems(self.state / "audit" / "audit.jsonl") == []

    # ------------------------------------------------------------------ asking

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the admin side; returns status code and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json"} if method == "POST" else {}
            raw = json.dumps(body or {}) if method == "POST" else None
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            told = answer.read()
            try:
                return answer.status, json.loads(told)
            except ValueError:
                return answer.status, told.decode()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Return the status."""
        code, told = self.ask("GET", "/status")
        assert code == 200, told
        return told

    def sync(self) -> dict[str, Any]:
        """Have it look now; returns what that came to."""
        _, told = self.ask("POST", "/sync")
        return told

    def cli(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run an operator's command against it."""
        return cli(*args, "--admin", f"127.0.0.1:{self.ports['admin']}")

    def sink(self, *collections: str, **options: Any) -> Sink:
        """Attach a sink."""
        return Sink(self.ports["mcp"], collections or (VS,), log=self.log, **options)


def cli(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `gitsource` to its end."""
    return subprocess.run(
        [BIN / "gitsource", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
    )


class Sink:
    """A blocking sink: subscribes, applies and ACKs until it is closed."""

    def __init__(
        self,
        port: int,
        collections: tuple[str, ...],
        *,
        node: str = "",
        incremental: bool = False,
        accept: Callable[[mcp_pb2.Resources], bool] = lambda _push: True,
        holds: dict[str, dict[str, str]] | None = None,
        log: Path | None = None,
    ) -> None:
        self.log = log
        self.state: dict[str, dict[str, str]] = {name: {} for name in collections}
        self.wires: dict[tuple[str, str], mcp_pb2.Resources] = {}
        self.versions: dict[str, str] = {}
        self.pushes: queue.Queue[mcp_pb2.Resources] = queue.Queue()
        self.ended: grpc.RpcError | None = None
        self._requests: queue.Queue[mcp_pb2.RequestResources | None] = queue.Queue()
        self._accept = accept
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        call = self._channel.stream_stream(
            PATH,
            request_serializer=mcp_pb2.RequestResources.SerializeToString,
            response_deserializer=mcp_pb2.Resources.FromString,
        )
        self.state |= holds or {}
        for name in collections:
            request = mcp_pb2.RequestResources(
                collection=name,
                incremental=incremental,
                initial_resource_versions=self.state[name] if incremental else {},
            )
            request.sink_node.id = node
            self._requests.put(request)
        self._incremental = incremental
        self._call = call(iter(self._requests.get, None))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for push in self._call:
                answer = mcp_pb2.RequestResources(
                    collection=push.collection,
                    response_nonce=push.nonce,
                    incremental=self._incremental,
                )
                if self._accept(push):
                    self._apply(push)
                else:
                    answer.error_detail.code = 3
                    answer.error_detail.message = "refused by the test"
                self._requests.put(answer)
                self.pushes.put(push)
        except grpc.RpcError as error:
            self.ended = error

    def _apply(self, push: mcp_pb2.Resources) -> None:
        held = dict(self.state[push.collection]) if push.incremental else {}
        for resource in push.resources:
            held[resource.metadata.name] = resource.metadata.version
        for name in push.removed_resources:
            held.pop(name, None)
        self.state[push.collection] = held
        self.versions[push.collection] = push.system_version_info

    def next(self, patience: float = PATIENCE) -> mcp_pb2.Resources:
        """Return the next push."""
        try:
            return self.pushes.get(timeout=patience)
        except queue.Empty:
            told = self.log.read_text()[-3000:] if self.log else "nothing known of it"
            raise queue.Empty(
                f"no push in {patience} s; stream: {self.ended or self._call}; source: {told}"
            ) from None

    def quiet(self, seconds: float = 0.3) -> bool:
        """Whether no push comes for *seconds*."""
        try:
            self.pushes.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def close(self) -> None:
        """Hang up."""
        self._requests.put(None)
        self._call.cancel()
        self._thread.join(PATIENCE)
        self._channel.close()


@contextmanager
def closing(sink: Sink) -> Iterator[Sink]:
    """Close *sink* at the end."""
    try:
        yield sink
    finally:
        sink.close()
