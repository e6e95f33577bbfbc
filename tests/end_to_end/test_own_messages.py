"""The AI gateway of the fixtures, served: each way to have a collection reaches a sink."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf.message_factory import GetMessageClass

from gitsource.catalog.kinds import body_descriptor
from repositories import FIXTURES, Upstream, commit_step, steps
from running import Gitsource, cli, closing, eventually

GATEWAY = FIXTURES / "gateway"
CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ROUTES = "acme/ai/v1/modelroutes"


@pytest.fixture
def gateway(tmp_path: Path) -> Upstream:
    """Return the history up to its second step."""
    made = Upstream(tmp_path / "upstream.git")
    for step in steps(GATEWAY)[:2]:
        commit_step(made, step)
    return made


@pytest.fixture
def server(tmp_path: Path, gateway: Upstream) -> Iterator[Gitsource]:
    rows = (GATEWAY / "gitsource.yaml").read_text(encoding="utf-8")
    quiet = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
    with Gitsource(tmp_path / "gitsource", gateway.url, quiet + rows) as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        yield running


def test_envoys_clusters_are_served_under_their_type_url(server: Gitsource) -> None:
    with closing(server.sink(CLUSTERS)) as sink:
        push = sink.next()

        clusters = [Cluster.FromString(each.body.value) for each in push.resources]
        assert CLUSTERS == push.collection
        assert {CLUSTERS} == {each.body.type_url for each in push.resources}
        assert ["large-model", "small-model"] == sorted(each.name for each in clusters)


def test_a_new_field_comes_with_the_messages_that_have_it(
    server: Gitsource, gateway: Upstream
) -> None:
    with closing(server.sink(ROUTES)) as sink:
        sink.next()
        commit_step(gateway, steps(GATEWAY)[2])
        assert "held" == server.sync()["outcome"]
        assert "retries" in json.dumps(server.status())

        commit_step(gateway, steps(GATEWAY)[3])
        assert "published" == server.sync()["outcome"]
        push = sink.next()
    step = steps(GATEWAY)[3]
    data = (step / "descriptors" / "ai.binpb").read_bytes()
    route = GetMessageClass(body_descriptor("acme.ai.v1.ModelRoute", data))
    bodies = {each.metadata.name: route.FromString(each.body.value) for each in push.resources}
    assert 2 == bodies["gateway/chat"].retries


def test_the_sink_of_the_command_line_shows_what_it_does_not_know_as_bytes(
    server: Gitsource,
) -> None:
    at = f"127.0.0.1:{server.ports['mcp']}"
    told = cli("sink", at, ROUTES, "--once", "--output", "json")
    known = cli("sink", at, CLUSTERS, "--once", "--output", "json")

    (unknown, _) = json.loads(told.stdout)["resources"]
    (cluster, _) = json.loads(known.stdout)["resources"]
    assert {"@type", "value"} == unknown["body"].keys()
    assert "1s" == cluster["body"]["connectTimeout"]
    assert "large.models.example.com" in json.dumps(cluster["body"]["transportSocket"])
