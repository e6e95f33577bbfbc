"""What runs out of Envoy by its TTL: kept as long as gitsource is there, and dropped without it."""

from __future__ import annotations

from pathlib import Path

from envoy_proxy import Load, get
from envoy_resources import Doc, cluster, endpoints, written
from envoy_scene import Scene, playing, stalls
from running import eventually

RESOURCE = "type.googleapis.com/envoy.service.discovery.v3.Resource"


def lasting(doc: Doc, ttl: str) -> Doc:
    """Return *doc* so that it runs out after *ttl*."""
    return {"@type": RESOURCE, "ttl": ttl, "resource": doc}


def heartbeats(scene: Scene) -> int:
    """Return how often a cluster was told to go on living."""
    return sum(
        not one.HasField("resource")
        for answer in scene.relay.answers("Cluster")
        for one in answer.resources
    )


def test_a_cluster_lives_by_heartbeats_and_runs_out_without_them(tmp_path: Path) -> None:
    with playing(tmp_path, delta=True) as scene:
        again = written(lasting(cluster("a"), "1s"), endpoints("a", scene.ports["a"]))
        scene.commit({"clusters/a.yaml": again})
        scene.settled()
        with Load(scene.web) as load:
            eventually(lambda: heartbeats(scene) >= 9, "three seconds of heartbeats")

        assert {} == load.failures
        assert [] == scene.relay.refusals()
        assert {} == stalls(scene.envoy)

        scene.server.kill()
        eventually(lambda: "a" not in scene.envoy.clusters(), "the cluster runs out")

        assert 503 == get(scene.web)[0]
