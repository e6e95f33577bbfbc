"""Real clients over mutual TLS: Envoy, gRPC's own xDS client, and `gitsource sink`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from envoy_proxy import Backend, Envoy, Papers, free_port, get
from envoy_resources import api_listener, cluster, endpoints, listener, routes, written
from grpc_client import Greeter, GrpcClient
from repositories import Upstream
from running import BIN, Gitsource, eventually
from svids import Mesh, spiffe

SETTINGS = """\
poll: {interval: 1h}
watch: {enabled: false}
tls: {cert: server.pem, key: server.key, ca: ca.pem, crl: crl.pem, reload: 200ms}
identity: {trust_domains: [{name: prod.example.org}]}
authorization:
  policy:
  - to: {spiffe: ["spiffe://prod.example.org/ns/shop/**"]}
    resources: {collections: ["*"]}
"""


@dataclass
class Scene:
    """A server behind mutual TLS, of what leads to a backend."""

    mesh: Mesh
    folder: Path
    upstream: Upstream
    server: Gitsource
    port: int
    web: int

    def papers(self, name: str, made: Any) -> Papers:
        """Write a client's papers."""
        cert, key = made.put(self.folder, name)
        return Papers(cert, key, self.folder / "ca.pem")

    def audited(self, event: str) -> list[dict[str, Any]]:
        """Return what the audit log has of an event."""
        files = sorted((self.server.state / "audit").glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mesh, folder, web = Mesh(), tmp_path / "server", free_port()
    folder.mkdir()
    mesh.server().put(folder, "server")
    (folder / "ca.pem").write_bytes(mesh.pem)
    (folder / "crl.pem").write_bytes(mesh.revoking())
    upstream = Upstream(tmp_path / "upstream.git")
    with Backend("a") as backend, Greeter("g") as greeter:
        upstream.commit(
            {
                "envoy.yaml": written(
                    cluster("a"), endpoints("a", backend.port), listener("web", web, "all"),
                    routes("all", "a"),
                ),
                "grpc.yaml": written(
                    api_listener("greeter", "to-greeter"), routes("to-greeter", "g"),
                    cluster("g"), endpoints("g", greeter.port),
                ),
            }
        )  # fmt: skip
        port = free_port()
        with Gitsource(folder, upstream.url, SETTINGS).listen_on(port) as server:
            eventually(lambda: server.status()["revision"], "a first snapshot")
            yield Scene(mesh, folder, upstream, server, port, web)


@pytest.mark.parametrize("delta", [False, True])
def test_envoy_lives_on_what_it_gets_over_mutual_tls_and_through_a_rotation(
    scene: Scene,
    tmp_path: Path,
    delta: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    papers = scene.papers("envoy", scene.mesh.svid(spiffe("ns/shop/sa/envoy")))
    with Envoy(tmp_path / "envoy", scene.port, delta=delta, tls=papers) as envoy:
        envoy.until_live()
        eventually(lambda: get(scene.web) == (200, "a"), "the backend")
        before = [one["stream"] for one in scene.server.status()["sinks"]]
        scene.mesh.server().put(scene.folder, "server")
        eventually(lambda: scene.audited("certificate"), "the new certificate")
        scene.upstream.commit({"more.yaml": written(cluster("b"), endpoints("b", 1))})
        scene.server.sync()
        eventually(lambda: "b" in envoy.clusters(), "a cluster over the old stream")

        assert before == [one["stream"] for one in scene.server.status()["sinks"]]
        assert "spiffe://prod.example.org/ns/shop/sa/envoy" in {
            one["who"] for one in scene.audited("connect")
        }


def test_an_envoy_of_another_domain_gets_nothing_and_is_in_the_audit_log(
    scene: Scene, tmp_path: Path
) -> None:
    made = scene.mesh.svid(spiffe("ns/shop/sa/envoy", domain="evil.example.org"))
    with Envoy(tmp_path / "envoy", scene.port, tls=scene.papers("evil", made)) as envoy:
        eventually(lambda: scene.audited("refuse"), "a refusal in the audit log")

        assert not envoy.live()
        assert "evil.example.org" in scene.audited("refuse")[0]["why"]
        assert [] == scene.server.status()["sinks"]


def test_grpcs_own_xds_client_finds_its_backend_over_mutual_tls(
    scene: Scene, tmp_path: Path
) -> None:
    papers = scene.papers("grpc", scene.mesh.svid(spiffe("ns/shop/sa/client")))
    with GrpcClient(tmp_path / "client", scene.port, tls=papers) as client:
        assert ("OK", "g") == client.call(20.0)


def printed(scene: Scene, papers: Papers, kind: str, *more: str | Path) -> str:
    """Return what `gitsource bootstrap` prints for a client with *papers*."""
    assert papers.cert is not None
    assert papers.key is not None
    command: list[str | Path] = [
        BIN / "gitsource", "bootstrap", kind, "--address", f"localhost:{scene.port}",
        "--node-id", "told", "--tls-ca", papers.ca, "--tls-cert", papers.cert,
        "--tls-key", papers.key, *more,
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def mounted(folder: Path, made: Any, authority: bytes) -> None:
    """Have papers in *folder* as Kubernetes does it: by the swap of one link to a folder."""
    content = folder / f"..{made.serial:x}"
    content.mkdir()
    made.put(content, "own")
    (content / "ca.pem").write_bytes(authority)
    (folder / "..new").symlink_to(content.name)
    (folder / "..new").rename(folder / "..data")
    for name in ("own.pem", "own.key", "ca.pem"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


@pytest.mark.parametrize("flags", [(), ("--delta",)])
def test_the_bootstrap_that_is_printed_for_envoy_outlives_its_certificate(
    scene: Scene, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    mine, secrets = tmp_path / "mine", tmp_path / "secrets"
    mine.mkdir()
    secrets.mkdir()
    first, second = (scene.mesh.svid(spiffe("ns/shop/sa/envoy")) for _ in range(2))
    mounted(mine, first, scene.mesh.pem)
    papers = Papers(mine / "own.pem", mine / "own.key", mine / "ca.pem")
    for which in ("ca", "client"):
        (secrets / f"{which}.yaml").write_text(printed(scene, papers, "envoy-secret", which))
    text = printed(scene, papers, "envoy", *flags, "--tls-secrets", secrets)
    with Envoy(tmp_path / "envoy", scene.port, told=YAML(typ="safe").load(text)) as envoy:
        envoy.until_live()
        eventually(lambda: get(scene.web) == (200, "a"), "the backend")
        mounted(mine, second, scene.mesh.pem)
        eventually(lambda: f"{second.serial:x}" in envoy.ask("/certs")[1], "the new certificate")
        (scene.folder / "crl.pem").write_bytes(scene.mesh.revoking(first))
        eventually(lambda: len(scene.audited("connect")) > 1, "a stream with the new one")
        scene.upstream.commit({"more.yaml": written(cluster("b"), endpoints("b", 1))})
        scene.server.sync()
        eventually(lambda: "b" in envoy.clusters(), "a cluster over the new stream")

        assert 1 == len(scene.server.status()["sinks"])


def test_without_a_file_of_secrets_the_bootstrap_for_envoy_is_as_good_until_it_is_renewed(
    scene: Scene, tmp_path: Path
) -> None:
    papers = scene.papers("envoy", scene.mesh.svid(spiffe("ns/shop/sa/envoy")))
    told = YAML(typ="safe").load(printed(scene, papers, "envoy"))
    with Envoy(tmp_path / "envoy", scene.port, told=told) as envoy:
        envoy.until_live()

        assert {"a", "g"} == envoy.clusters().keys()


def test_the_bootstrap_for_envoy_trusts_nobody_but_the_source(scene: Scene, tmp_path: Path) -> None:
    papers = scene.papers("envoy", scene.mesh.svid(spiffe("ns/shop/sa/envoy")))
    told = YAML(typ="safe").load(printed(scene, papers, "envoy", "--server-name", "other.example"))
    with Envoy(tmp_path / "envoy", scene.port, told=told) as envoy:
        failed = "cluster.gitsource.ssl.fail_verify_san"
        eventually(lambda: envoy.stat(failed), "a certificate of somebody else")

        assert [] == scene.server.status()["sinks"]


def test_the_bootstrap_that_is_printed_for_grpc_is_taken_by_its_xds_client(
    scene: Scene, tmp_path: Path
) -> None:
    papers = scene.papers("grpc", scene.mesh.svid(spiffe("ns/shop/sa/client")))
    told = json.loads(printed(scene, papers, "grpc"))
    with GrpcClient(tmp_path / "client", scene.port, told=told) as client:
        assert ("OK", "g") == client.call(20.0)


def test_a_sink_on_the_command_line_shows_its_papers_and_is_cut_off_once_revoked(
    scene: Scene, tmp_path: Path
) -> None:
    made = scene.mesh.svid(spiffe("ns/shop/sa/cli"))
    papers = scene.papers("cli", made)
    command = [
        BIN / "gitsource", "sink", f"localhost:{scene.port}", "--protocol", "xds", "CDS",
        "--ca", papers.ca, "--cert", papers.cert, "--key", papers.key, "--once", "--timeout",
    ]  # fmt: skip
    how: dict[str, Any] = {"check": False, "capture_output": True, "text": True, "timeout": 60}
    first = subprocess.run([*command, "20s"], **how)  # noqa: PLW1510 - it is in there
    (scene.folder / "crl.pem").write_bytes(scene.mesh.revoking(made))
    eventually(lambda: scene.audited("certificate"), "the new list")
    second = subprocess.run([*command, "3s"], **how)  # noqa: PLW1510 - the same

    assert 0 == first.returncode, first.stderr
    assert 1 == second.returncode
    assert "certificate revoked" in {one["why"] for one in scene.audited("refuse")}
