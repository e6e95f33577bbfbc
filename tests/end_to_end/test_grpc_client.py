"""gRPC's own xDS client finds its backend by what a Git repository says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from envoy_proxy import free_port
from envoy_resources import Doc, api_listener, cluster, endpoints, routes, written
from grpc_client import Greeter, GrpcClient
from relay import Relay
from repositories import Upstream
from running import Gitsource, eventually

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
FOUR_MB = 4 * 1024 * 1024


@dataclass
class Scene:
    """A server of what leads to a greeter, and a relay that reads along."""

    upstream: Upstream
    server: Gitsource
    relay: Relay

    def commit(self, *docs: Doc, **files: str | None) -> None:
        """Commit the documents, all in one file, and have the server look."""
        named = {f"{name}.yaml": content for name, content in files.items()}
        whole = {"greeter.yaml": written(*docs)} if docs else {}
        self.upstream.commit(whole | named)
        outcome = self.server.sync()
        assert "published" == outcome["outcome"], outcome


def greeter(port: int, to: str = "g") -> list[Doc]:
    """Return all that leads `xds:///greeter` to one port."""
    return [
        api_listener("greeter", "to-greeter"),
        routes("to-greeter", to),
        cluster(to),
        endpoints(to, port),
    ]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    upstream = Upstream(tmp_path / "upstream.git")
    other = written(
        api_listener("other", "to-other"),
        routes("to-other", "other"),
        cluster("other"),
        endpoints("other", 1),
    )
    upstream.commit({"other.yaml": other})
    port = free_port()
    with (
        Gitsource(tmp_path / "server", upstream.url, QUIET).listen_on(port) as server,
        Relay(port) as relay,
    ):
        eventually(lambda: server.status()["revision"], "a first snapshot")
        yield Scene(upstream, server, relay)


def test_a_call_finds_its_backend_and_follows_it(scene: Scene, tmp_path: Path) -> None:
    with (
        Greeter("one") as one,
        Greeter("two") as two,
        GrpcClient(tmp_path / "client", scene.relay.port) as client,
    ):
        scene.commit(*greeter(one.port))
        assert ("OK", "one") == client.call()

        scene.commit(*greeter(two.port))
        eventually(lambda: client.call() == ("OK", "two"), "the moved endpoint")

        scene.commit(*greeter(one.port, to="elsewhere"))
        eventually(lambda: client.call() == ("OK", "one"), "the other cluster")
        assert [] == scene.relay.refusals()


def test_a_client_gets_what_it_named_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    with Greeter("one") as one, GrpcClient(tmp_path / "client", scene.relay.port) as client:
        scene.commit(*greeter(one.port))
        assert ("OK", "one") == client.call()

        (clusters,) = scene.relay.answers("Cluster")
        assert 1 == len(clusters.resources)
        assert b"other" not in clusters.SerializeToString()


def test_a_target_that_comes_later_is_told_when_it_comes_and_missed_when_it_goes(
    scene: Scene, tmp_path: Path
) -> None:
    with Greeter("one") as one, GrpcClient(tmp_path / "client", scene.relay.port) as client:
        assert "OK" != client.call(1.0)[0]

        scene.commit(*greeter(one.port))
        eventually(lambda: client.call() == ("OK", "one"), "the target that came")

        scene.commit(greeter=None)
        eventually(lambda: client.call()[0] == "UNAVAILABLE", "the target that went")
        assert "does not exist" in client.call()[1]


def test_a_restart_of_the_server_is_not_felt(tmp_path: Path, scene: Scene) -> None:
    with Greeter("one") as one, Greeter("two") as two:
        scene.commit(*greeter(one.port))
        with GrpcClient(tmp_path / "client", scene.relay.port) as client:
            assert ("OK", "one") == client.call()
            scene.server.stop()
            assert ("OK", "one") == client.call()
            scene.server.start()
            assert ("OK", "one") == client.call()
            scene.commit(*greeter(two.port))
            eventually(lambda: client.call() == ("OK", "two"), "a change after the restart")


def test_endpoints_beyond_what_a_client_takes_at_one_go_come_in_several_answers(
    scene: Scene, tmp_path: Path
) -> None:
    """Clients of gRPC refuse a message of more than 4 MiB, and would ask for it again for ever."""
    names = [f"g{number}" for number in range(6)]
    with Greeter("one") as one, GrpcClient(tmp_path / "client", scene.relay.port) as client:
        weighted = routes("to-greeter", "g0")
        weighted["virtual_hosts"][0]["routes"][0]["route"] = {
            "weighted_clusters": {"clusters": [{"name": name, "weight": 1} for name in names]}
        }
        files = {}
        for name in names:
            heavy = endpoints(name, one.port)
            host = heavy["endpoints"][0]["lb_endpoints"][0]
            host["metadata"] = {"filter_metadata": {"acme.note": {"note": "x" * 900_000}}}
            files[name] = written(cluster(name), heavy)
        scene.commit(api_listener("greeter", "to-greeter"), weighted, **files)

        assert ("OK", "one") == client.call(20.0)
        answers = scene.relay.answers("ClusterLoadAssignment")
        assert FOUR_MB > max(each.ByteSize() for each in answers)
        assert FOUR_MB < sum(each.ByteSize() for each in answers)
