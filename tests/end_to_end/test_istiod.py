"""
What istiod's reader of an `xds://` source makes of a Git repository: MCP over xDS.

istiod itself needs a cluster; the reader here is an emulator that was written from how istiod
behaves, and stands in for it. A server, a repository and a process of its own are real.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envoy_proxy import free_port
from istiod import Istiod
from istiod_store import MESH_CONFIG
from repositories import Upstream
from running import Gitsource, broken, eventually, route

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"

SPECS = {
    "AuthorizationPolicy": ("security.istio.io/v1", "{action: ALLOW, rules: [{}]}"),
    "DestinationRule": ("networking.istio.io/v1", "{host: web.example.com}"),
    "EnvoyFilter": (
        "networking.istio.io/v1alpha3",
        (
            "{configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, "
            "patch: {operation: MERGE, value: {connect_timeout: 2s}}}]}"
        ),
    ),
    "Gateway": (
        "networking.istio.io/v1",
        (
            "{selector: {app: edge}, "
            "servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}]}"
        ),
    ),
    "PeerAuthentication": ("security.istio.io/v1", "{mtls: {mode: STRICT}}"),
    "ProxyConfig": ("networking.istio.io/v1beta1", "{concurrency: 2}"),
    "RequestAuthentication": ("security.istio.io/v1", "{jwtRules: [{issuer: me.example.com}]}"),
    "ServiceEntry": (
        "networking.istio.io/v1",
        (
            "{hosts: [web.example.com], ports: [{number: 80, name: http, protocol: HTTP}], "
            "resolution: DNS}"
        ),
    ),
    "Sidecar": ("networking.istio.io/v1", "{egress: [{hosts: ['./*']}]}"),
    "Telemetry": ("telemetry.istio.io/v1", "{accessLogging: [{disabled: false}]}"),
    "TrafficExtension": (
        "extensions.istio.io/v1alpha1",
        "{wasm: {url: 'oci://registry.example.com/filter:v1'}}",
    ),
    "VirtualService": (
        "networking.istio.io/v1",
        "{hosts: [web.example.com], http: [{route: [{destination: {host: web.example.com}}]}]}",
    ),
    "WasmPlugin": ("extensions.istio.io/v1alpha1", "{url: 'oci://registry.example.com/auth:v1'}"),
    "WorkloadEntry": ("networking.istio.io/v1", "{address: 192.0.2.7, labels: {app: web}}"),
    "WorkloadGroup": ("networking.istio.io/v1", "{template: {serviceAccount: web}}"),
}
"""The smallest document of each kind that istiod asks for."""


def document(kind: str, name: str = "web") -> str:
    """Return the smallest document of *kind*."""
    api_version, spec = SPECS[kind]
    return (
        f"apiVersion: {api_version}\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )


def one_of_each() -> dict[str, str]:
    """Return a repository's files: one document of each kind."""
    return {f"mesh/{kind.lower()}.yaml": document(kind) for kind in SPECS}


def labelled(name: str, revision: str) -> str:
    """Return a VirtualService for the istiods of one revision."""
    labels = f"labels: {{istio.io/rev: {revision}}}"
    return route(name, f"{name}.example.com").replace(
        "namespace: shop}", f"namespace: shop, {labels}}}"
    )


@pytest.fixture
def whole(tmp_path: Path) -> Upstream:
    """Return a repository with one document of each kind."""
    made = Upstream(tmp_path / "whole.git")
    made.commit(one_of_each())
    return made


@pytest.fixture
def source(tmp_path: Path, whole: Upstream) -> Iterator[Gitsource]:
    """Return a server of it that looks when it is told to, on a port that it keeps."""
    made = Gitsource(tmp_path / "source", whole.url, QUIET).listen_on(free_port())
    with made as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        yield running


def until_ready(istiod: Istiod) -> None:
    """Wait until it would serve its proxies."""
    eventually(lambda: istiod.exited or istiod.ready, "istiod is ready")
    assert not istiod.exited


@pytest.mark.parametrize("release", ["head", "1.23"])
def test_istiod_becomes_ready_with_one_object_of_each_kind(source: Gitsource, release: str) -> None:
    """Each kind under the version that this release asks for, in the message it insists on."""
    with Istiod(source.ports["mcp"], release=release) as istiod:
        until_ready(istiod)
        eventually(lambda: istiod.answers(MESH_CONFIG), "an answer for the MeshConfig")

        assert {url: ["shop/web"] for url in istiod.kinds} == {
            url: list(items) for url, items in istiod.items.items()
        }
        assert [] == istiod.complaints
        assert istiod.mesh_config is None
        items = [items["shop/web"] for items in istiod.items.values()]
        assert all(item.version and item.create_time for item in items)


def test_each_answer_comes_once_with_a_nonce_of_its_own_and_is_accepted(
    source: Gitsource,
) -> None:
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        eventually(
            lambda: [
                told
                for told in source.status()["sinks"]
                if sum(bool(each["acked"]) for each in told["collections"].values())
                >= len(istiod.kinds)
            ],
            "every ACK in the status",
        )

        assert [1] * len(istiod.kinds) == [len(istiod.answers(url)) for url in istiod.kinds]
        assert len(istiod.received) == len({each.nonce for each in istiod.received} - {""})
        assert all(each.acked and each.version for each in istiod.received)


def test_a_change_arrives_and_nothing_else_does(source: Gitsource, whole: Upstream) -> None:
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        eventually(lambda: istiod.answers(MESH_CONFIG), "an answer for the MeshConfig")
        answers, changes = len(istiod.received), len(istiod.changes)
        url = istiod.url("VirtualService")

        whole.commit({"mesh/virtualservice.yaml": route("web", "elsewhere.example.com")})
        source.sync()
        eventually(lambda: len(istiod.changes) > changes, "a change in the store")

        assert [("update", url, "shop/web")] == istiod.changes[changes:]
        assert [url] == [each.type_url for each in istiod.received[answers:]]
        (rule,) = istiod.of("VirtualService")["shop/web"].body.http
        assert "elsewhere.example.com" == rule.route[0].destination.host


def test_an_object_that_is_deleted_goes_and_its_neighbours_are_not_touched(
    source: Gitsource, whole: Upstream
) -> None:
    whole.commit({"mesh/api.yaml": route("api", "api.example.com")})
    source.sync()
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        changes = len(istiod.changes)
        url = istiod.url("VirtualService")

        whole.commit({"mesh/api.yaml": None})
        source.sync()
        eventually(lambda: len(istiod.changes) > changes, "a change in the store")
        assert [("delete", url, "shop/api")] == istiod.changes[changes:]
        assert ["shop/web"] == list(istiod.of("VirtualService"))

        whole.commit({"mesh/virtualservice.yaml": None})
        source.sync()
        eventually(lambda: not istiod.of("VirtualService"), "the last of a kind is gone")
        assert () == istiod.answers(url)[-1].names


def test_what_is_referred_to_comes_before_what_refers_to_it_and_goes_after_it(
    tmp_path: Path,
) -> None:
    kinds = ("DestinationRule", "Gateway", "ServiceEntry", "VirtualService")
    files = {f"mesh/{kind}.yaml": document(kind) for kind in kinds}
    upstream = Upstream(tmp_path / "pair.git")
    upstream.commit({"mesh/telemetry.yaml": document("Telemetry")})
    with Gitsource(tmp_path / "pair", upstream.url, QUIET) as source:
        eventually(lambda: source.status()["revision"], "a first snapshot")
        with Istiod(source.ports["mcp"]) as istiod:
            until_ready(istiod)
            mark = len(istiod.changes)
            upstream.commit(files)
            source.sync()
            eventually(lambda: len(istiod.changes) == mark + len(kinds), "all four have come")
            upstream.commit(dict.fromkeys(files))
            source.sync()
            eventually(lambda: len(istiod.changes) == mark + 2 * len(kinds), "all four are gone")

            said = [(verb, url.rpartition("/")[2]) for verb, url, _ in istiod.changes[mark:]]
            assert ("add", "VirtualService") == said[3]
            assert ("delete", "VirtualService") == said[4]


def test_a_commit_that_is_refused_changes_nothing_at_istiod(
    source: Gitsource, whole: Upstream
) -> None:
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        eventually(lambda: istiod.answers(MESH_CONFIG), "an answer for the MeshConfig")
        answers = len(istiod.received)

        whole.commit({"mesh/bad.yaml": broken("bad"), "mesh/api.yaml": route("api", "a.b")})
        assert "held" == source.sync()["outcome"]
        whole.commit({"mesh/bad.yaml": None})
        source.sync()
        eventually(lambda: "shop/api" in istiod.of("VirtualService"), "the mended commit")

        assert answers + 1 == len(istiod.received)


def test_an_istiod_gets_what_is_for_its_revision_and_what_is_for_all(
    source: Gitsource, whole: Upstream
) -> None:
    whole.commit(
        {
            "mesh/canary.yaml": labelled("canary", "canary"),
            "mesh/stable.yaml": labelled("stable", "stable"),
        }
    )
    source.sync()
    port = source.ports["mcp"]
    with (
        Istiod(port, revision="canary") as canary,
        Istiod(port, revision="stable", pod="istiod-1") as stable,
        Istiod(port, pod="istiod-2") as plain,
    ):
        for each in (canary, stable, plain):
            until_ready(each)

        url = canary.url("VirtualService")
        assert ("shop/canary", "shop/web") == canary.answers(url)[0].names
        assert {"shop/canary", "shop/web"} == set(canary.of("VirtualService"))
        assert {"shop/stable", "shop/web"} == set(stable.of("VirtualService"))
        assert {"shop/canary", "shop/stable", "shop/web"} == set(plain.of("VirtualService"))

        eventually(lambda: stable.answers(MESH_CONFIG), "an answer for the MeshConfig")
        answers = len(stable.received)
        whole.commit({"mesh/canary.yaml": labelled("canary", "canary") + "    timeout: 3s\n"})
        source.sync()
        eventually(lambda: len(canary.answers(url)) == 2, "the change at the canary")
        eventually(lambda: len(plain.answers(url)) == 2, "the change at the one without revision")
        assert answers == len(stable.received)


def test_a_restart_of_the_server_changes_nothing_at_istiod(
    source: Gitsource, whole: Upstream
) -> None:
    """The store keeps what it has while the server is away, and is not rewritten afterwards."""
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        changes = list(istiod.changes)

        source.stop()
        source.start()
        eventually(
            lambda: (
                {each.type_url for each in istiod.received if each.stream > 1} >= set(istiod.kinds)
            ),
            "istiod is back",
        )
        assert changes == istiod.changes

        whole.commit({"mesh/gateway.yaml": None})
        source.sync()
        eventually(lambda: len(istiod.changes) > len(changes), "a change after the restart")
        assert [("delete", istiod.url("Gateway"), "shop/web")] == istiod.changes[len(changes) :]


def test_what_was_deleted_while_istiod_was_away_is_gone_when_it_is_back(
    source: Gitsource, whole: Upstream
) -> None:
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)

        source.kill()
        whole.commit({"mesh/sidecar.yaml": None})
        source.start()
        eventually(lambda: not istiod.of("Sidecar"), "the Sidecar is gone")

        assert [("delete", istiod.url("Sidecar"), "shop/web")] == [
            each for each in istiod.changes if each[0] != "add"
        ]


def test_istiod_waits_until_the_first_snapshot_stands(tmp_path: Path) -> None:
    """An empty answer would make it serve its proxies without any configuration."""
    empty = Upstream(tmp_path / "empty.git")
    with Gitsource(tmp_path / "empty", empty.url, QUIET) as source:
        eventually(lambda: source.status()["last_sync"], "a first look")
        with Istiod(source.ports["mcp"]) as istiod:
            eventually(lambda: istiod.streams, "a stream")
            eventually(lambda: source.status()["sinks"], "the sink in the status")
            time.sleep(0.3)
            assert [] == istiod.received
            empty.commit(one_of_each())
            source.sync()
            until_ready(istiod)

            assert {url: ["shop/web"] for url in istiod.kinds} == {
                url: list(items) for url, items in istiod.items.items()
            }


def test_an_istiod_that_finds_no_source_at_its_start_ends() -> None:
    """The emulator's own manner, on which the others rely: istiod does not start without it."""
    with Istiod(free_port()) as istiod:
        eventually(lambda: istiod.exited, "istiod has given up")

        assert not istiod.ready


@pytest.mark.full
@pytest.mark.timeout(400)
def test_half_a_minutes_pings_over_a_quiet_stream_are_borne(
    source: Gitsource, whole: Upstream
) -> None:
    """A gRPC server left as it comes ends such a stream after some 150 s: "too many pings"."""
    with Istiod(source.ports["mcp"]) as istiod:
        until_ready(istiod)
        time.sleep(200)
        whole.commit({"mesh/gateway.yaml": None})
        source.sync()
        eventually(lambda: not istiod.of("Gateway"), "a change after the silence")

        assert 1 == istiod.streams
