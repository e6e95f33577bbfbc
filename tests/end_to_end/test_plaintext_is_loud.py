"""Plaintext on a network: refused, or wanted and then said wherever an operator looks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from envoy_proxy import get
from repositories import Upstream
from running import BIN, Gitsource, eventually, route

NETWORK = "listen: {mcp: '0.0.0.0:0', admin: '127.0.0.1:0'}"
LOOPBACK = "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}"


def server_on_a_network(folder: Path, settings: str = "") -> Gitsource:
    upstream = Upstream(folder / "upstream.git")
    upstream.commit({"a.yaml": route("a", "b")})
    server = Gitsource(folder / "server", upstream.url, settings)
    server.config.write_text(server.config.read_text().replace(LOOPBACK, NETWORK))
    return server


def test_without_a_word_it_does_not_start(tmp_path: Path) -> None:
    server = server_on_a_network(tmp_path)
    done = subprocess.run(
        [BIN / "gitsource", "serve", "--config", server.config],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 2 == done.returncode
    assert "listen.mcp: on a network it needs tls.cert" in done.stderr


def test_with_the_word_log_status_readiness_and_metrics_say_so(tmp_path: Path) -> None:
    with server_on_a_network(tmp_path, "insecure: true\n") as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        status = server.status()
        _, ready = get(server.ports["admin"], "/readyz")
        _, metrics = get(server.ports["admin"], "/metrics")
        warned = [json.loads(line) for line in server.log.read_text().splitlines()]

        assert "plaintext on a network" in status["door"]["insecure"]
        assert "plaintext on a network" in ready
        assert "gitsource_insecure 1.0" in metrics
        assert any(
            line["level"] == "warning" and "plaintext on a network" in line["message"]
            for line in warned
        )
