"""Who may receive what, on a running server behind mutual TLS: rules in Git and in the settings."""

from __future__ import annotations

import json
import queue
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from envoy_proxy import free_port
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from repositories import Upstream
from running import VS, Gitsource, cli, eventually, route
from svids import Mesh, spiffe

SETTINGS = """\
poll: {{interval: 1h}}
watch: {{enabled: false}}
tls: {{cert: server.pem, key: server.key, ca: ca.pem}}
identity: {{trust_domains: [{{name: prod.example.org}}]}}
authorization:
  repository_file: authz/*.yaml
  ceiling:
  - to: {{spiffe: ["spiffe://prod.example.org/ns/foo/**"]}}
    resources: {{namespaces: [foo, shared]}}
  - to: {{spiffe: ["spiffe://prod.example.org/ns/bar/**"]}}
    resources: {{namespaces: [bar, shared]}}
{more}"""
ONLY = """\
  policy:
  - to: {spiffe: ["spiffe://prod.example.org/ns/bar/**"]}
    resources: {collections: ["*"]}
    effect: only
"""
POLICY = """\
apiVersion: gitsource.dev/v1
kind: SinkPolicy
metadata: {name: team}
spec:
  rules:
  - {to: {any: known}, resources: {namespaces: [%s]}}
"""
METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"


class Stream:
    """A sink of classic MCP that keeps every byte that it ever received."""

    def __init__(self, channel: grpc.Channel, node: str) -> None:
        self._asked: queue.Queue[bytes | None] = queue.Queue()
        self._call = channel.stream_stream(METHOD)(iter(self._asked.get, None), timeout=30)
        self.bytes = b""
        self.ask(node)

    def ask(self, node: str = "", nonce: str = "") -> None:
        """Subscribe, or accept."""
        asked = mcp_pb2.RequestResources(
            collection=VS, response_nonce=nonce, sink_node={"id": node}
        )
        self._asked.put(asked.SerializeToString())

    def next(self) -> list[str]:
        """Return the names of the next push, and accept it."""
        data = next(self._call)
        self.bytes += data
        push = mcp_pb2.Resources.FromString(data)
        self.ask(nonce=push.nonce)
        return sorted(one.metadata.name for one in push.resources)

    def ended(self) -> tuple[grpc.StatusCode, str]:
        """Return how the stream ends, once it does."""
        with suppress(grpc.RpcError):
            while True:
                self.next()
        return self._call.code(), self._call.details()


@dataclass
class Scene:
    """A server, and the papers of its sinks."""

    mesh: Mesh
    upstream: Upstream
    server: Gitsource
    port: int
    channels: list[grpc.Channel] = field(default_factory=list)

    def sink(self, path: str, node: str = "istiod") -> Stream:
        """Return a stream of the workload at *path*."""
        pair = self.mesh.svid(spiffe(path))
        papers = grpc.ssl_channel_credentials(self.mesh.pem, pair.key, pair.cert)
        self.channels.append(grpc.secure_channel(f"localhost:{self.port}", papers))
        return Stream(self.channels[-1], node)

    def audited(self, event: str) -> list[dict[str, Any]]:
        """Return what the audit log has of an event."""
        text = (self.server.state / "audit" / "audit.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [line for line in lines if line["event"] == event]

    def publish(self, **files: str) -> None:
        """Commit *files* and have the server look."""
        self.upstream.commit(
            {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
        )
        self.server.sync()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mesh, folder, port = Mesh(), tmp_path / "server", free_port()
    folder.mkdir()
    mesh.server().put(folder, "server")
    (folder / "ca.pem").write_bytes(mesh.pem)
    upstream = Upstream(tmp_path / "upstream.git")
    names = [("foo", "a"), ("bar", "b"), ("shared", "c")]
    files = {f"{name}.yaml": route(name, "x", space) for space, name in names}
    upstream.commit(files | {"authz/team.yaml": POLICY % "foo"})
    server = Gitsource(folder, upstream.url, SETTINGS.format(more="")).listen_on(port)
    with server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        scene = Scene(mesh, upstream, server, port)
        yield scene
        for channel in scene.channels:
            channel.close()


def test_rules_in_git_go_out_with_their_revision_and_within_the_ceiling(scene: Scene) -> None:
    foo = scene.sink("ns/foo/sa/a")

    assert ["foo/a"] == foo.next()
    assert (grpc.StatusCode.PERMISSION_DENIED) == scene.sink("ns/bar/sa/b").ended()[0]

    scene.publish(authz__team=POLICY % "bar, shared")
    bar = scene.sink("ns/bar/sa/b")

    # What is lost is taken back first, by itself.
    assert [] == foo.next()
    assert ["shared/c"] == foo.next()
    assert ["bar/b", "shared/c"] == bar.next()
    for name in (b"bar/b", b"b.example.com", b"SinkPolicy", b"sinkpolicies"):
        assert name not in foo.bytes

    row = next(one for one in scene.server.status()["sinks"] if "ns/foo" in one["id"])
    assert "spiffe://prod.example.org/ns/foo/sa/a istiod" == row["id"]
    assert ["team[0]", "ceiling[0]"] == row["rights"]["rules"]
    shown = scene.server.cli("sinks", "show", "istiod").stdout
    assert "may receive: " in shown
    eventually(lambda: len(scene.audited("policy")) == 2, "both policies in the audit log")
    policies = scene.audited("policy")
    assert policies[0]["facts"]["after"] == policies[1]["facts"]["before"]
    head = scene.upstream.git("rev-parse", "main").strip()
    assert head == policies[1]["facts"]["commit"]
    assert {
        "open": False,
        "policy": policies[1]["facts"]["after"][:12],
        "rules": 3,
        "fault": None,
    } == (scene.server.status()["authorization"])


def test_a_dry_run_foretells_what_new_rules_leave_to_each_sink(scene: Scene) -> None:
    """Unless what is known here of the rules in force does not come to what the server says."""
    foo = scene.sink("ns/foo/sa/a")
    foo.next()
    eventually(lambda: len(scene.server.status()["sinks"]) == 1, "the sink")
    scene.upstream.commit(
        {"authz/team.yaml": POLICY % "bar, shared"}, branch="change", parents=[scene.upstream.tip()]
    )
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    asked = ("dry-run", "--repo", scene.upstream.folder, "--head", "change", "--against", address)
    done = cli(*asked, "--config", scene.server.config, "--output", "json", "--base", "main")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["against"]
    unknown = json.loads(cli(*asked, "--output", "json", "--base", "main").stdout)["against"]
    other = scene.server.folder / "other.yaml"
    other.write_text(scene.server.config.read_text().replace("[foo, shared]", "[shared]"))
    differing = cli(*asked, "--config", other, "--output", "json", "--base", "main").stdout
    scene.publish(authz__team=POLICY % "bar, shared")

    while foo.next() != ["shared/c"]:
        pass  # what is taken may be gone before what is given comes; the call has a deadline
    (reached,) = told["sinks"]
    (row,) = scene.server.status()["sinks"]
    (sent,) = [each["sent"] for each in row["collections"].values()]
    assert [sent] == [each["after"] for each in reached["collections"]]
    assert any("told by the new ones" in note for note in told["notes"])
    assert not any("not known here" in note for note in told["notes"])
    assert any("istiod may receive then is not known here" in note
               for note in json.loads(differing)["against"]["notes"])  # fmt: skip
    assert unknown["sinks"] == []  # without the settings there are no rules to be known


def test_a_revision_with_broken_rules_is_held_and_the_old_ones_stay(scene: Scene) -> None:
    foo = scene.sink("ns/foo/sa/a")
    foo.next()
    broken = POLICY.replace("known", "anybody") % "bar"
    scene.publish(authz__team=broken, a=route("a", "changed", "foo"))
    status = scene.server.status()

    assert "does not validate" in status["held"]["reason"]
    (finding,) = [one for one in status["findings"] if "authz" in one["file"]]
    assert ("authz/team.yaml", 6) == (finding["file"], finding["line"])
    scene.publish(authz__team=POLICY % "foo")

    assert ["foo/a"] == foo.next()


def test_more_rules_in_git_than_may_be_in_force_hold_the_revision(scene: Scene) -> None:
    foo = scene.sink("ns/foo/sa/a")
    foo.next()
    rule = "  - {to: {any: known}, effect: deny, resources: {labels: {k%d: v}}}\n"
    many = {
        f"authz__{name}": POLICY.replace("team", name) % "foo"
        + "".join(rule % (at * 199 + n) for n in range(199))
        for at, name in enumerate("abcdefg")
    }
    scene.publish(**many)
    status = scene.server.status()

    assert "does not validate" in status["held"]["reason"]
    assert ["GS318"] == [one["code"] for one in status["findings"]]
    assert "authz/g.yaml" == status["findings"][0]["file"]

    scene.publish(authz__g=None)

    assert scene.server.status()["held"] is None
    assert 6 * 200 + 1 + 2 == scene.server.status()["authorization"]["rules"]


def test_a_right_that_the_settings_take_ends_the_stream_at_once(scene: Scene) -> None:
    foo = scene.sink("ns/foo/sa/a")
    foo.next()
    scene.server.configure(scene.upstream.url, SETTINGS.format(more=ONLY))
    assert scene.server.process is not None
    scene.server.process.send_signal(signal.SIGHUP)
    code, text = foo.ended()

    assert grpc.StatusCode.PERMISSION_DENIED == code
    assert "there is nothing here that this stream may receive" == text
    bar = scene.sink("ns/bar/sa/b")
    assert ["bar/b", "foo/a", "shared/c"] == bar.next()
    (refused,) = eventually(lambda: scene.audited("refuse"), "a refusal in the audit log")
    assert ("spiffe://prod.example.org/ns/foo/sa/a", "no rights") == (
        refused["who"],
        refused["why"],
    )


def test_the_rules_of_last_good_hold_after_a_restart(scene: Scene) -> None:
    scene.server.stop()
    scene.server.start()
    foo = scene.sink("ns/foo/sa/a")

    assert ["foo/a"] == foo.next()
    assert grpc.StatusCode.PERMISSION_DENIED == scene.sink("ns/bar/sa/b").ended()[0]
