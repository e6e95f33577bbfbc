"""
gRPC's own xDS client, in a process of its own, and a small backend that it finds by `xds:///`.

The client reads its bootstrap once, when gRPC is first used, hence the process. Run as a program
this module is that process: for each line it reads it makes one call and writes what came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc

if TYPE_CHECKING:  # as a program it has the standard library and gRPC, and needs no more
    from envoy_proxy import Papers

METHOD = "/demo.Greeter/Greet"


class Greeter:
    """A gRPC server that answers every call with its name."""

    def __init__(self, name: str) -> None:
        said = name.encode()
        self.name = name
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        greet = grpc.unary_unary_rpc_method_handler(lambda _request, _context: said)
        service, method = METHOD.strip("/").split("/")
        handler = grpc.method_handlers_generic_handler(service, {method: greet})
        self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()


class GrpcClient:
    """A program that calls *target* and asks the source on *port* where that is."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        target: str = "xds:///greeter",
        node: str = "grpc-1",
        tls: Papers | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        """*told* is a bootstrap from elsewhere, used as it is."""
        self._bootstrap = {
            "xds_servers": [
                {
                    "server_uri": f"{'127.0.0.1' if tls is None else tls.name}:{port}",
                    "channel_creds": [{"type": "insecure"} if tls is None else tls.channel_creds()],
                    "server_features": ["xds_v3"],
                }
            ],
            "node": {"id": node, "locality": {"zone": "z1"}},
        }
        self._bootstrap = told or self._bootstrap
        self._folder = folder
        self._target = target
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True, parents=True)
        bootstrap = self._folder / "bootstrap.json"
        bootstrap.write_text(json.dumps(self._bootstrap))
        with (self._folder / "client.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, self._target],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"GRPC_XDS_BOOTSTRAP": str(bootstrap)},
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def call(self, deadline: float = 5.0) -> tuple[str, str]:
        """Make one call; returns the code's name and the answer, or what the error says."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(deadline, file=self._process.stdin, flush=True)
        code, said = json.loads(self._process.stdout.readline())
        return code, said


def _call_for_each_line(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        greet: Any = channel.unary_unary(METHOD)
        for line in sys.stdin:
            try:
                told = "OK", greet(b"", timeout=float(line), wait_for_ready=False).decode()
            except grpc.RpcError as error:
                told = error.code().name, error.details()
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _call_for_each_line(sys.argv[1])
