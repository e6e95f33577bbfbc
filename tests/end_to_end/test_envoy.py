"""
A real Envoy that lives on what a Git repository says, over both forms of xDS.

Between the two stands a relay that reads along and, where a test asks for it, makes each answer
late: on loopback nothing that is sent in the wrong order would be seen, since Envoy has it all at
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envoy_proxy import Backend, Envoy, Load, free_port, get
from envoy_resources import CLUSTER, Doc, cluster, endpoints, listener, routes, written
from envoy_scene import QUIET, Scene, playing, stalls
from relay import Relay
from repositories import Upstream
from running import Gitsource, eventually

GAP = 0.2
"""Seconds between two answers where a gap is forced: some fifty requests of a load."""


@pytest.fixture(params=["sotw", "delta"])
def delta(request: pytest.FixtureRequest) -> bool:
    """Return whether Envoy is to speak the incremental form."""
    return request.param == "delta"


@pytest.fixture
def scene(tmp_path: Path, delta: bool) -> Iterator[Scene]:  # noqa: FBT001  # a fixture
    with playing(tmp_path, delta=delta) as made:
        yield made


def test_envoy_is_live_at_once_and_leads_to_the_backend(scene: Scene) -> None:
    assert (200, "a") == get(scene.web)
    assert {"a"} == set(scene.envoy.clusters())
    assert {f"127.0.0.1:{scene.ports['a']}"} == scene.envoy.hosts()["a"]
    assert {} == stalls(scene.envoy)
    assert [] == scene.relay.refusals()


def test_a_change_of_a_route_is_applied_and_only_the_route_is_sent(scene: Scene) -> None:
    scene.commit(scene.service("b"))
    eventually(lambda: "b" in scene.envoy.hosts(), "the new cluster")
    scene.settled()
    sent = [each.type for each in scene.relay.said if not each.request]

    scene.commit(scene.route_to("b"))
    eventually(lambda: get(scene.web) == (200, "b"), "the new route")

    now = [each.type for each in scene.relay.said if not each.request]
    assert ["RouteConfiguration"] == now[len(sent) :]


def test_a_change_of_endpoints_is_applied(scene: Scene) -> None:
    moved = written(cluster("a"), endpoints("a", scene.ports["b"]))
    scene.commit({"clusters/a.yaml": moved})

    eventually(lambda: get(scene.web) == (200, "b"), "the new endpoint")
    assert {f"127.0.0.1:{scene.ports['b']}"} == scene.envoy.hosts()["a"]


def test_a_listener_that_is_removed_closes_and_what_it_needed_goes(scene: Scene) -> None:
    other = free_port()
    scene.commit(
        scene.service("b")
        | {"other.yaml": written(listener("other", other, "other"), routes("other", "b"))}
    )
    eventually(lambda: get(other) == (200, "b"), "the other listener")

    scene.commit({"other.yaml": None, "clusters/b.yaml": None})
    eventually(lambda: get(other)[0] == 0, "its port is closed")
    eventually(lambda: set(scene.envoy.clusters()) == {"a"}, "its cluster is gone")

    assert (200, "a") == get(scene.web)


def test_traffic_moves_to_a_new_cluster_without_an_error_though_each_answer_is_late(
    scene: Scene,
) -> None:
    """Make before break: what is new comes first, then the route, and the old goes last."""
    scene.relay.delay = GAP
    with Load(scene.web) as load:
        scene.commit(scene.service("b") | scene.route_to("b") | {"clusters/a.yaml": None})
        eventually(lambda: load.came("b"), "an answer of the new backend")
        eventually(lambda: set(scene.envoy.clusters()) == {"b"}, "the old cluster is gone")
        load.more()

    assert {} == load.failures
    assert {} == stalls(scene.envoy)


def test_traffic_moves_back_and_forth_without_an_error(scene: Scene) -> None:
    """Commits that come faster than Envoy can take them."""
    scene.relay.delay = 0.02
    with Load(scene.web) as load:
        for new, old in ("ba", "ab") * 3:
            scene.commit(scene.service(new) | scene.route_to(new) | {f"clusters/{old}.yaml": None})
        eventually(lambda: set(scene.envoy.clusters()) == {"a"}, "the last commit's cluster")
        scene.settled()
        eventually(lambda: get(scene.web) == (200, "a"), "the last commit's route")
        load.more()

    assert {} == load.failures


def test_a_changed_cluster_is_in_use_at_once_though_its_endpoints_stayed_the_same(
    scene: Scene,
) -> None:
    """Envoy warms it and needs its endpoints anew; over delta it does not even ask for them."""
    with Load(scene.web) as load:
        scene.commit(scene.service("a", connect_timeout="2s"))
        eventually(
            lambda: scene.envoy.clusters()["a"]["connect_timeout"] == "2s", "the changed cluster"
        )
        load.more()

    assert {} == stalls(scene.envoy)
    assert 0 == scene.envoy.stat("cluster_manager.warming_clusters")
    assert {} == load.failures


def refused_by_envoy(name: str) -> Doc:
    """Return a cluster that is well formed, but which Envoy does not take: it is nowhere."""
    where = nowhere(name)
    del where["@type"]
    return {
        "@type": CLUSTER,
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": where,
    }


def nowhere(name: str) -> Doc:
    """Return endpoints at an address that is none, which is not looked into before a push."""
    where = endpoints(name, 1)
    endpoint = where["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"]["address"] = "10.0.0.256"
    return where


def test_what_envoy_refuses_is_told_with_its_name_and_not_sent_again(scene: Scene) -> None:
    commit = scene.commit(
        {"clusters/odd.yaml": written(refused_by_envoy("odd"))} | scene.service("b")
    )
    eventually(scene.relay.refusals, "a NACK")
    told = eventually(
        lambda: [
            each
            for each in scene.server.status()["refusals"]
            if each["resources"] and "commit" in each["resources"][0]
        ],
        "the refusal, traced to its commit",
    )
    (blamed,) = told[0]["resources"]
    assert ("envoy-1", CLUSTER) == (told[0]["sink"], told[0]["collection"])
    assert ("odd", "clusters/odd.yaml", commit) == (
        blamed["name"],
        blamed["file"],
        blamed["commit"],
    )
    assert "malformed IP address" in scene.server.cli("sinks").stdout
    eventually(lambda: "b" in scene.envoy.clusters(), "the good one of the same commit")
    answers = len(scene.relay.answers("Cluster"))

    scene.commit(scene.route_to("b"))
    eventually(lambda: get(scene.web) == (200, "b"), "a later change of another type")
    assert answers == len(scene.relay.answers("Cluster"))

    scene.commit({"clusters/odd.yaml": None})
    scene.settled()
    assert {"a", "b"} == set(scene.envoy.clusters())


def test_a_good_change_beside_a_refused_one_is_not_lost(scene: Scene) -> None:
    """Envoy takes nothing of endpoints of which one is bad; the good ones have to come again."""
    scene.commit(scene.service("b"))
    eventually(lambda: "b" in scene.envoy.hosts(), "both clusters")
    scene.settled()
    scene.commit(
        {
            "clusters/a.yaml": written(cluster("a"), endpoints("a", scene.ports["b"])),
            "clusters/b.yaml": written(cluster("b"), nowhere("b")),
        }
    )
    eventually(scene.relay.refusals, "a NACK")

    scene.commit(scene.service("b"))
    eventually(lambda: get(scene.web) == (200, "b"), "the good change of the refused commit")


def test_a_restart_of_the_server_is_not_felt(scene: Scene) -> None:
    with Load(scene.web) as load:
        scene.server.stop()
        load.more()
        scene.server.start()
        eventually(lambda: scene.server.status()["sinks"], "Envoy is back")
        scene.settled()
        scene.commit(scene.service("b") | scene.route_to("b"))
        eventually(lambda: load.came("b"), "a change after the restart")
        load.more()

    assert {} == load.failures
    assert {} == stalls(scene.envoy)


def test_what_was_removed_while_the_server_was_away_is_gone(scene: Scene) -> None:
    scene.commit(scene.service("b"))
    eventually(lambda: "b" in scene.envoy.clusters(), "both clusters")
    scene.server.kill()
    scene.upstream.commit({"clusters/b.yaml": None})
    with Load(scene.web) as load:
        scene.server.start()
        eventually(lambda: set(scene.envoy.clusters()) == {"a"}, "the removed one is gone")
        load.more()

    assert {} == load.failures


def test_an_envoy_that_dials_before_the_first_snapshot_gets_all_of_it(
    tmp_path: Path,
    delta: bool,  # noqa: FBT001  # a fixture
) -> None:
    """No empty answer is given meanwhile: it would delete what an Envoy runs on."""
    empty = Upstream(tmp_path / "empty.git")
    web = free_port()
    with (
        Backend("a") as backend,
        Gitsource(tmp_path / "server", empty.url, QUIET) as server,
        Relay(server.ports["mcp"]) as relay,
    ):
        eventually(lambda: server.status()["last_sync"], "a first look")
        with Envoy(tmp_path / "envoy", relay.port, delta=delta) as envoy:
            eventually(lambda: relay.said, "Envoy has asked")
            empty.commit(
                {
                    "all.yaml": written(
                        cluster("a"),
                        endpoints("a", backend.port),
                        listener("web", web, "all"),
                        routes("all", "a"),
                    )
                }
            )
            server.sync()
            envoy.until_live()
            eventually(lambda: get(web) == (200, "a"), "traffic")

            assert all(each.resources for each in relay.answers("Cluster"))
