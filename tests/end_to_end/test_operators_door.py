"""The operators' door of a running gitsource, asked by the command line: sockets, TLS, tokens."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from repositories import Upstream
from running import Gitsource, cli, eventually
from svids import Mesh, spiffe

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
LOOPBACK = "admin: '127.0.0.1:0'"
BOSS, READER = "boss-boss-boss-boss-", "reader-reader-reader"


def at(folder: Path, upstream: Upstream, address: str, settings: str = "") -> Gitsource:
    """Return a server whose operators' door is at *address*."""
    made = Gitsource(folder / "gitsource", upstream.url, QUIET + settings)
    made.config.write_text(made.config.read_text().replace(LOOPBACK, f"admin: '{address}'"))
    return made


def audited(server: Gitsource, event: str) -> list[dict]:
    """Return the lines of *event* in the audit log."""
    text = (server.state / "audit" / "audit.jsonl").read_text()
    lines = (json.loads(line) for line in text.splitlines())
    return [line for line in lines if line["event"] == event]


def test_everything_an_operator_does_goes_through_a_unix_socket(
    tmp_path: Path, upstream: Upstream
) -> None:
    where = f"unix:{tmp_path}/admin.sock"
    with at(tmp_path, upstream, where) as server:
        asked = ("--admin", where)
        eventually(lambda: cli("probe", *asked).returncode == 0, "it is ready")
        alive = cli("probe", "--alive", "--config", server.config)
        ordered = cli("suspend", "--reason", "freeze", "--who", "ada", *asked)
        status = json.loads(cli("status", "--output", "json", *asked).stdout)
        doctor = cli("doctor", "--config", server.config)
        (line,) = eventually(lambda: audited(server, "command"), "the order")
        server.stop()
    gone = cli("probe", *asked)

    assert (alive.returncode, ordered.returncode, gone.returncode) == (0, 0, 2)
    assert status["suspended"]["who"] == f"uid:{os.getuid()} (ada)"
    assert (line["who"], line["facts"]["claimed"]) == (f"uid:{os.getuid()}", "ada")
    assert any("ports" in row and "ok" in row for row in doctor.stdout.splitlines()), doctor


@pytest.fixture
def network(tmp_path: Path, upstream: Upstream) -> Gitsource:
    """A server whose door is on a network: TLS, tokens and certificates."""
    mesh = Mesh()
    mesh.server().put(tmp_path, "door")
    mesh.svid(spiffe("ns/ops/sa/ada")).put(tmp_path, "ada")
    mesh.svid(spiffe("ns/shop/sa/web")).put(tmp_path, "web")
    (tmp_path / "ca.pem").write_bytes(mesh.pem)
    for name, token in (("boss", BOSS), ("reader", READER), ("wrong", "wrong-wrong-wrong-wr")):
        (tmp_path / name).write_text(f"{token}\n")
    settings = (
        f"admin:\n  cert: {tmp_path}/door.pem\n  key: {tmp_path}/door.key\n"
        f"  ca: {tmp_path}/ca.pem\n"
        "  tokens:\n"
        f"  - {{name: bob, file: {tmp_path}/boss, role: operator}}\n"
        f"  - {{name: grafana, file: {tmp_path}/reader, role: viewer}}\n"
        f"  identities:\n  - {{identity: '{spiffe('ns/ops/sa/*')}', role: operator}}\n"
    )
    return at(tmp_path, upstream, "0.0.0.0:0", settings)


def test_on_a_network_roles_decide_and_the_audit_log_has_everybody(
    tmp_path: Path, network: Gitsource
) -> None:
    with network as server:
        where = ("--admin", f"https://localhost:{server.ports['admin']}")
        where += ("--admin-ca", f"{tmp_path}/ca.pem")

        def run(*args: str, **papers: str) -> subprocess.CompletedProcess[str]:
            given = [
                word
                for name, file in papers.items()
                for word in (f"--admin-{name.replace('_', '-')}", str(tmp_path / file))
            ]
            return cli(*args, *where, *given)

        eventually(lambda: run("probe").returncode == 0, "it is ready")
        order = ("suspend", "--reason", "freeze")
        done = {
            "nobody": run("status"),
            "wrong token": run("status", token_file="wrong"),
            "wrong certificate": run("status", cert="web.pem", key="web.key"),
            "viewer reads": run("status", token_file="reader"),
            "viewer orders": run(*order, token_file="reader"),
            "token orders": run(*order, token_file="boss"),
            "certificate orders": run(*order, cert="ada.pem", key="ada.key"),
            "no authority": cli("status", *where[:2]),
        }
        eventually(lambda: len(audited(server, "command")) == 2, "both orders")
        eventually(lambda: len(audited(server, "refuse")) >= 5, "the refusals")
        server.stop()
    codes = {name: one.returncode for name, one in done.items()}
    raw = (server.state / "audit" / "audit.jsonl").read_text() + server.log.read_text()

    assert codes == {
        "nobody": 2,
        "wrong token": 2,
        "wrong certificate": 2,
        "viewer reads": 0,
        "viewer orders": 2,
        "token orders": 0,
        "certificate orders": 0,
        "no authority": 2,
    }
    assert [line["who"] for line in audited(server, "command")] == [
        "token:bob",
        spiffe("ns/ops/sa/ada"),
    ]
    assert {line["who"] for line in audited(server, "refuse")} >= {"", "token:grafana"}
    assert [token for token in (BOSS, READER, "wrong-wrong") if token in raw] == []


def test_a_door_that_would_be_open_to_a_network_does_not_open(
    tmp_path: Path, upstream: Upstream
) -> None:
    server = at(tmp_path, upstream, "0.0.0.0:0").start(wait=False)
    assert server.process is not None

    assert server.process.wait(30) == 2
    assert "admin.cert" in eventually(server.log.read_text, "the log")


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "boss").write_text(BOSS)
    told = cli("status", "--admin", "192.0.2.1:9902", "--admin-token-file", tmp_path / "boss")

    assert (told.returncode, "in the clear" in told.stderr) == (2, True)
