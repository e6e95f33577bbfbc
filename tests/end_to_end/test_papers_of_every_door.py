"""Papers of any door that are no good: each place an operator looks at says so, and whose."""

from __future__ import annotations

import json
from pathlib import Path

from envoy_proxy import get
from repositories import Upstream
from running import Gitsource, cli, eventually
from svids import Mesh

FILES = ("hook.pem", "dial.pem")


def test_the_webhooks_and_those_of_a_sink_that_is_dialled(
    tmp_path: Path, upstream: Upstream
) -> None:
    mesh = Mesh()
    mesh.server().put(tmp_path, "hook")
    (tmp_path / "dial.pem").write_bytes(mesh.pem)
    (tmp_path / "secret").write_text("a-secret-of-this-test\n")
    settings = (
        f"webhook: {{listen: '127.0.0.1:0', secret_file: {tmp_path}/secret,\n"
        f"  cert: {tmp_path}/hook.pem, key: {tmp_path}/hook.key}}\n"
        "tls: {reload: 200ms}\n"
        f"sinks: {{dial: [{{name: edge, address: 'localhost:1', tls: simple,"
        f" ca: {tmp_path}/dial.pem}}]}}\n"
    )
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        eventually(lambda: "webhook" in server.ports, "the door is open")
        before = server.status()["papers"]
        for name in FILES:
            (tmp_path / name).write_bytes(b"no certificate\n")
        eventually(lambda: len(server.status()["papers"]) == 2, "both are told of")
        status = server.status()
        ready = json.loads(get(server.ports["admin"], "/readyz")[1])["reasons"]
        _, metrics = get(server.ports["admin"], "/metrics")
        shown = cli("status", "--admin", f"127.0.0.1:{server.ports['admin']}").stdout
        lines = (server.state / "audit" / "audit.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]

    failed = {
        one["facts"]["door"]
        for one in told
        if (one["event"], one["outcome"]) == ("certificate", "failed")
    }
    refused = [one for one in told if one["facts"].get("what") == "dial"]
    assert [] == before
    assert ["webhook", "dial edge"] == [one["door"] for one in status["papers"]]
    for name, row in zip(FILES, status["papers"], strict=True):
        assert str(tmp_path / name) in row["why"]
        assert f"papers of {row['door']}: {row['why']}" in ready
        assert name in shown
    assert {"webhook", "dial edge"} == failed
    assert "gitsource_certificate_alarms 2.0" in metrics
    assert [("refuse", "failed", "localhost:1", "edge")] == [
        (one["event"], one["outcome"], one["peer"], one["facts"]["sink"]) for one in refused
    ]
