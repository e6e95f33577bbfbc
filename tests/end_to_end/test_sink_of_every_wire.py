"""`gitsource sink` beside a real `gitsource serve`: one commit, read over every wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from envoy_resources import cluster, endpoints, written
from gitsource.cli.sink import PROTOCOLS
from repositories import Upstream
from running import VS, Gitsource, cli, eventually, route


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitsource]:
    """Serve a route of Istio's and clusters of Envoy's."""
    folder = tmp_path_factory.mktemp("wires")
    upstream = Upstream(folder / "upstream")
    upstream.commit(
        {
            "route.yaml": route("shop", "a"),
            "envoy.yaml": written(
                cluster("a"), endpoints("a", 8001), cluster("b"), endpoints("b", 8002)
            ),
        }
    )
    with Gitsource(folder / "gitsource", upstream.url) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        yield server


def held(source: Gitsource, protocol: str, *words: str) -> dict[str, dict[str, Any]]:
    """Return the bodies that a sink of *protocol* comes to hold, by collection and name."""
    address = f"127.0.0.1:{source.ports['mcp']}"
    flags = ("--protocol", protocol, "--once", "--timeout", "30s", "--dump", "-")
    done = cli("sink", address, *words, *flags)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return {
        told["collection"]: {row["name"]: row["body"] for row in told["resources"]}
        for told in json.loads(done.stdout)["collections"]
    }


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name.startswith("mcp")])
def test_a_route_is_read_over_every_generation_of_mcp(source: Gitsource, protocol: str) -> None:
    (found,) = held(source, protocol, VS).values()

    assert ["shop/shop"] == list(found)
    assert ["shop.example.com"] == found["shop/shop"]["hosts"]


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name.startswith("xds")])
def test_clusters_and_their_endpoints_are_read_over_xds(source: Gitsource, protocol: str) -> None:
    found = held(source, protocol)
    kinds = {url.rpartition(".")[2]: names for url, names in found.items()}

    assert {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"} == set(kinds)
    assert ["a", "b"] == list(kinds["Cluster"]) == list(kinds["ClusterLoadAssignment"])
    assert "EDS" == kinds["Cluster"]["a"]["type"]


def test_a_sink_like_istiod_is_answered_for_all_it_asks(source: Gitsource) -> None:
    found = held(source, "mcp-xds")

    assert 16 == len(found)
    assert ["shop/shop"] == [name for names in found.values() for name in names]
