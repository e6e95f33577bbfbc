"""
The corpus of Envoy's resources, asked of a real Envoy: what it takes and refuses is what we do.

`envoy --mode validate` takes a bootstrap, so each resource is put into one. What is ours alone (how
files and wrappers are written, where keys may stand) is not asked; nor are Secrets, whose contents
are put in when they are served.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from envoy_proxy import address, binary
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.parse import parse

CORPUS = Path(__file__).parents[1] / "corpus" / "Envoy"
ASKED = {"GS345", "GS307", "GS310"}
"""Codes that stand for what Envoy says, beside files that have none at all."""
URL = "type.googleapis.com/"
HTTP = f"{URL}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{URL}envoy.extensions.filters.http.router.v3.Router"
HTTP2 = f"{URL}envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
RESOURCE = f"{URL}envoy.service.discovery.v3.Resource"
FEWEST = 30
"""Files to be asked of at least: fewer would mean that they are looked for in the wrong place."""


def resources(path: Path) -> list[dict[str, Any]]:
    """Return the resources of a file, each as it stands alone."""
    found = []
    for document in parse(path.read_bytes(), lists=True).documents:
        value = document.value
        around = {"@type": value["type_url"]} if "type_url" in value else {}
        for each in value if isinstance(value, list) else value.get("resources", [value]):
            inner = each["resource"] if each.get("@type") == RESOURCE else each
            found.append({**around, **inner})
    return found


def bootstrap(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a bootstrap with the resource *value*; None for a type that has no place there."""
    label = value["@type"].rpartition(".")[2]
    body = {key: each for key, each in value.items() if key != "@type"}
    upstream = [{"lb_endpoints": [{"endpoint": address(9)}]}]
    xds: dict[str, Any] = {
        "name": "xds",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "xds", "endpoints": upstream},
        "typed_extension_protocol_options": {
            HTTP2.removeprefix(URL): {
                "@type": HTTP2,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    clusters, listeners = [xds, {**xds, "name": "svc-a"}], []
    if label == "Cluster":
        clusters = [xds, body]
    elif label == "ClusterLoadAssignment":
        clusters.append({"name": "another", "type": "STATIC", "load_assignment": body})
    elif label == "LbEndpoint":
        group = {"cluster_name": "another", "endpoints": [{"lb_endpoints": [body]}]}
        clusters.append({"name": "another", "type": "STATIC", "load_assignment": group})
    elif label == "Listener":
        listeners.append(body)
    elif label == "RouteConfiguration":
        listeners.append(listener(route_config=body))
    elif label == "VirtualHost":
        listeners.append(listener(route_config={"name": "web", "virtual_hosts": [body]}))
    elif label == "ScopedRouteConfiguration":
        # By name they are fetched, for which a list in a bootstrap has no place.
        body.pop("route_configuration_name", None)
        body["route_configuration"] = {"name": "web"}
        scopes = {
            "name": "web",
            "scope_key_builder": {
                "fragments": [{"header_value_extractor": {"name": "x-tenant", "index": 0}}]
            },
            "rds_config_source": {"ads": {}},
            "scoped_route_configurations_list": {"scoped_route_configurations": [body]},
        }
        listeners.append(listener(scoped_routes=scopes))
    else:
        return None
    service = {"envoy_grpc": {"cluster_name": "xds"}}
    ads = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]}
    return {
        "node": {"id": "one", "cluster": "test"},
        "dynamic_resources": {"ads_config": ads},
        "static_resources": {"clusters": clusters, "listeners": listeners},
    }


def listener(**manager: Any) -> dict[str, Any]:
    """Return a Listener for HTTP."""
    router = {"name": "router", "typed_config": {"@type": ROUTER}}
    config = {"@type": HTTP, "stat_prefix": "web", "http_filters": [router], **manager}
    filters = [{"name": "http", "typed_config": config}]
    return {"name": "web", **address(0), "filter_chains": [{"filters": filters}]}


def refused_by_envoy(asked: tuple[Path, dict[str, Any]]) -> str:
    """Return why Envoy does not take a bootstrap, which is written to the path; empty: it does."""
    path, value = asked
    path.write_text(json.dumps(value))
    done = subprocess.run(
        [binary(), "--mode", "validate", "--log-level", "error", "-c", path],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return (done.stderr + done.stdout)[-600:] if done.returncode else ""


def refused_by_us(value: dict[str, Any]) -> list[str]:
    """Return the errors in a resource that stand for what Envoy says."""
    catalog = Catalog()
    judged = judge(json.dumps(value).encode(), None, catalog, bounds(catalog), json=True)
    found = [each for document in judged.documents for each in document.findings]
    return [each.message for each in found if each.code in ASKED and not each.warning]


def asked(path: Path) -> bool:
    code = path.read_text(encoding="utf-8").split()[1]
    api = "api_listener:" in path.read_text(encoding="utf-8")  # let alone, outside of a bootstrap
    return (path.parent.name == "valid" or code in ASKED) and not api


def test_a_real_envoy_takes_and_refuses_what_we_do(tmp_path: Path) -> None:
    """Each of its processes takes some 50 ms."""
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    for path in sorted(CORPUS.glob("*/*.yaml")):
        for value in resources(path) if asked(path) else ():
            made = bootstrap(value)
            if made is not None:
                cases.append((f"{path.parent.name}/{path.name}", value, made))
    places = [(tmp_path / f"{index}.json", made) for index, (_, _, made) in enumerate(cases)]
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(refused_by_envoy, places))
    ours = [refused_by_us(value) for _, value, _ in cases]

    assert len(cases) > FEWEST
    differ = [
        (name, said, told)
        for (name, _, _), said, told in zip(cases, theirs, ours, strict=True)
        if bool(said) != bool(told)
    ]
    assert [] == differ
    assert {"invalid", "valid"} == {name.partition("/")[0] for name, _, _ in cases}


@pytest.mark.parametrize("weight", [0, 1])
def test_the_question_tells_good_from_bad(tmp_path: Path, weight: int) -> None:
    """Else a bootstrap that is refused whatever it holds would make everything look alike."""
    endpoint = {"endpoint": address(9), "load_balancing_weight": weight}
    kind = f"{URL}envoy.config.endpoint.v3.ClusterLoadAssignment"
    value = {
        "@type": kind,
        "cluster_name": "another",
        "endpoints": [{"lb_endpoints": [endpoint]}],
    }
    made = bootstrap(value)
    assert made is not None

    said = refused_by_envoy((tmp_path / "one.json", made))

    assert ("LoadBalancingWeight" in said) == (weight == 0)
    assert bool(said) == bool(refused_by_us(value)) == (weight == 0)
