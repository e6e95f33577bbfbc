"""Each kind of resource that Envoy takes over ADS reaches it from Git, and a change of it too."""

from __future__ import annotations

from pathlib import Path

import pytest

from envoy_proxy import get
from envoy_resources import (
    EXTENSION,
    OVER_ADS,
    ROUTES,
    RUNTIME,
    SCOPED_ROUTES,
    VIRTUAL_HOST,
    Doc,
    cluster,
    connection_manager,
    endpoints,
    routes,
    written,
)
from envoy_scene import playing, stalls
from running import eventually

HTTP = "type.googleapis.com/envoy.extensions.filters.http"
both_forms = pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])


def runtime(value: int) -> Doc:
    """Return a layer of the runtime."""
    return {"@type": RUNTIME, "name": "layer", "layer": {"acme.share": value}}


@both_forms
def test_a_layer_of_the_runtime(tmp_path: Path, *, delta: bool) -> None:
    with playing(tmp_path, "all", runtime(7), delta=delta, rtds="layer") as scene:
        assert '"final_value": "7"' in scene.envoy.ask("/runtime")[1]

        scene.commit({"others.yaml": written(runtime(8))})
        eventually(lambda: '"final_value": "8"' in scene.envoy.ask("/runtime")[1], "the new value")

        assert {} == stalls(scene.envoy)


def teapot(status: int) -> Doc:
    """Return the configuration of a filter that answers each request with *status*."""
    fault = {
        "@type": f"{HTTP}.fault.v3.HTTPFault",
        "abort": {"http_status": status, "percentage": {"numerator": 100}},
    }
    return {"@type": EXTENSION, "name": "teapot", "typed_config": fault}


@both_forms
def test_the_configuration_of_an_extension(tmp_path: Path, *, delta: bool) -> None:
    discovered = {
        "name": "teapot",
        "config_discovery": {
            "config_source": OVER_ADS,
            "type_urls": [f"{HTTP}.fault.v3.HTTPFault"],
        },
    }
    manager = connection_manager("all", discovered)
    with playing(tmp_path, manager, teapot(418), delta=delta) as scene:
        assert 418 == get(scene.web)[0]

        scene.commit({"others.yaml": written(teapot(429))})
        eventually(lambda: get(scene.web)[0] == 429, "the new status")

        assert {} == stalls(scene.envoy)


def scope(tenant: str, table: str) -> Doc:
    """Return what leads the requests of a tenant to a route table of its own."""
    return {
        "@type": SCOPED_ROUTES,
        "name": f"scope-{tenant}",
        "route_configuration_name": table,
        "key": {"fragments": [{"string_key": tenant}]},
    }


@both_forms
def test_scopes_of_routes(tmp_path: Path, *, delta: bool) -> None:
    by_header = {"header_value_extractor": {"name": "x-tenant", "index": 0}}
    by_tenant = {
        "name": "by-tenant",
        "scope_key_builder": {"fragments": [by_header]},
        "rds_config_source": OVER_ADS,
        "scoped_rds": {"scoped_rds_config_source": OVER_ADS},
    }
    manager = connection_manager("", scoped_routes=by_tenant)
    with playing(tmp_path, manager, scope("red", "all"), delta=delta) as scene:
        assert (200, "a") == get(scene.web, x_tenant="red")
        assert 404 == get(scene.web, x_tenant="blue")[0]

        scene.commit(
            scene.service("b")
            | {
                "others.yaml": written(
                    scope("red", "all"), scope("blue", "blue"), routes("blue", "b")
                )
            }
        )
        eventually(lambda: get(scene.web, x_tenant="blue") == (200, "b"), "the new scope")

        assert (200, "a") == get(scene.web, x_tenant="red")
        assert {} == stalls(scene.envoy)


def host(domain: str, to: str) -> Doc:
    """Return a virtual host of the route table `hosts`, found on demand."""
    return {
        "@type": VIRTUAL_HOST,
        "name": f"hosts/{domain}",
        "domains": [domain],
        "routes": [{"match": {"prefix": ""}, "route": {"cluster": to}}],
    }


def on_demand(**more: Doc) -> Doc:
    """Return the filter that has a request wait until what it needs was asked for."""
    name = "envoy.filters.http.on_demand"
    return {"name": name, "typed_config": {"@type": f"{HTTP}.on_demand.v3.OnDemand", **more}}


def test_virtual_hosts_on_demand(tmp_path: Path) -> None:
    """Over delta only: Envoy asks for a host when somebody asks for it, and once."""
    table = {"@type": ROUTES, "name": "hosts", "vhds": {"config_source": OVER_ADS}}
    manager = connection_manager("hosts", on_demand())
    with playing(tmp_path, manager, table, host("a.test", "a"), delta=True) as scene:
        assert (200, "a") == get(scene.web, host="a.test")
        assert [] == scene.relay.refusals()

        moved = endpoints("a", scene.ports["b"])
        scene.commit({"clusters/a.yaml": written(cluster("a"), moved)})
        eventually(lambda: get(scene.web, host="a.test") == (200, "b"), "the moved endpoint")
        assert {} == stalls(scene.envoy)


def test_a_virtual_host_is_found_by_each_of_its_domains(tmp_path: Path) -> None:
    """Its own name is none of them: the other names that it has in Git are."""
    table = {"@type": ROUTES, "name": "hosts", "vhds": {"config_source": OVER_ADS}}
    manager = connection_manager("hosts", on_demand())
    both = {
        "@type": "type.googleapis.com/envoy.service.discovery.v3.Resource",
        "name": "hosts/both",
        "aliases": ["hosts/one.test", "hosts/two.test"],
        "resource": host("both", "a") | {"domains": ["one.test", "two.test"]},
    }
    with playing(tmp_path, manager, table, both, delta=True) as scene:
        for domain in ("one.test", "two.test"):
            assert (200, "a") == get(scene.web, host=domain)

        assert 404 == get(scene.web, host="three.test")[0]
        assert [] == scene.relay.refusals()


def test_a_virtual_host_that_is_not_there_is_said_to_be_missing_at_once(tmp_path: Path) -> None:
    """Envoy holds the request for ever if a host is merely named as removed; it may come later."""
    table = {"@type": ROUTES, "name": "hosts", "vhds": {"config_source": OVER_ADS}}
    manager = connection_manager("hosts", on_demand())
    with playing(tmp_path, manager, table, host("a.test", "a"), delta=True) as scene:
        assert 404 == get(scene.web, host="b.test")[0]

        scene.server.stop()
        scene.server.start()
        scene.settled()
        assert 404 == get(scene.web, host="b.test")[0]
        assert 404 == get(scene.web, host="c.test")[0]

        others = written(table, host("a.test", "a"), host("b.test", "a"))
        scene.commit({"others.yaml": others})
        eventually(lambda: get(scene.web, host="b.test") == (200, "a"), "the new host")
        assert [] == scene.relay.refusals()


def test_a_cluster_on_demand_that_is_not_there_is_said_to_be_missing_at_once(
    tmp_path: Path,
) -> None:
    """Envoy holds the request until it is told; untold it would for 15 s."""
    discovered = {"source": OVER_ADS, "timeout": "600s"}
    table = routes("by-header", "")
    table["virtual_hosts"][0]["routes"][0]["route"] = {"cluster_header": "x-cluster"}
    manager = connection_manager("by-header", on_demand(odcds=discovered))
    with playing(tmp_path, manager, table, delta=True) as scene:
        assert (200, "a") == get(scene.web, x_cluster="a")
        assert 503 == get(scene.web, x_cluster="nowhere")[0]

        assert {"a"} == set(scene.envoy.clusters())
        assert ["nowhere"] == [
            name for each in scene.relay.answers("Cluster") for name in each.removed_resources
        ]
