"""Plaintext on a network: refused, or wanted and then said wherever an operator looks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from envoy_proxy import get
from repositories import Upstream
from running import BIN, Gitsource, cli, eventually, route

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


OTHERS = """\
webhook: {listen: '0.0.0.0:0', secret_file: secret, host: %s}
sinks: {dial: [{name: edge, address: '192.0.2.1:9911'}]}
"""
WAYS = (
    "webhook deliveries come in in plaintext",
    "the sink edge at 192.0.2.1:9911 is served in plaintext",
)


def elsewhere(folder: Path, url: str, settings: str) -> Gitsource:
    server = Gitsource(folder / "server", url, settings)
    (server.folder / "secret").write_text("a-secret-of-this-test\n")
    return server


def test_other_ways_are_refused_without_a_word_each_at_its_place(tmp_path: Path) -> None:
    server = elsewhere(tmp_path, "http://git.example/mesh.git", OTHERS % "auto")
    done = subprocess.run(
        [BIN / "gitsource", "serve", "--config", server.config],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 2 == done.returncode
    for told in (
        ":1:19: repository.url: configuration is fetched in plaintext from http://git.example: use",
        ": webhook.listen: webhook deliveries come in in plaintext at 0.0.0.0:0, and with them",
        ": sinks.dial[0]: the sink edge at 192.0.2.1:9911 is served in plaintext",
    ):
        assert told in done.stderr


def test_other_ways_that_are_meant_are_said_wherever_an_operator_looks(
    tmp_path: Path, upstream: Upstream
) -> None:
    settings = OTHERS % "github" + "insecure: true\n"
    with elsewhere(tmp_path, upstream.url, settings) as server:
        eventually(lambda: "webhook" in server.ports, "the door is open")
        status = server.status()
        _, ready = get(server.ports["admin"], "/readyz")
        _, metrics = get(server.ports["admin"], "/metrics")
        warned = [
            line["message"]
            for line in map(json.loads, server.log.read_text().splitlines())
            if line["level"] == "warning"
        ]
        doctor = cli("doctor", "--config", server.config).stdout

        assert "gitsource_plaintext 2.0" in metrics
        for way, told in zip(WAYS, status["plaintext"], strict=True):
            assert told.startswith(way)
            assert told in ready
            assert any(line.startswith(way) for line in warned)
        assert 2 == doctor.count("plaintext  ")
