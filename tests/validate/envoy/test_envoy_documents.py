"""Documents of Envoy's types: which of them are there, what they are called, what goes out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import JSON, damaged, documents
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.build.judge import bounds, judge
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import ENVOY, own_kind
from gitsource.catalog.whole import Catalog
from gitsource.encode.resource import frame
from gitsource.envoy_types import XDS

CATALOG = Catalog()
URL = "type.googleapis.com/"
CLUSTER = f"{URL}envoy.config.cluster.v3.Cluster"
ENDPOINTS = f"{URL}envoy.config.endpoint.v3.ClusterLoadAssignment"
WRAPPER = f"{URL}envoy.service.discovery.v3.Resource"
BY_PATH = own_kind(
    {"name": "team/upstreams", "path": "up/*", "message": "envoy.config.cluster.v3.Cluster"}
)


def judged(value: Any, catalog: Catalog = CATALOG, path: str = "a.json") -> Any:
    data = json.dumps(value).encode()
    return judge(data, catalog.route(path), catalog, bounds(catalog), json=True)


def told(result: Any) -> list[str]:
    findings = [each for document in result.documents for each in document.findings]
    return [each.code for each in (*findings, *result.findings)]


def names(result: Any) -> list[tuple[str, str]]:
    return [(each.collection, each.name) for each in result.documents if each.version]


def resource(document: Any) -> Resource:
    """Return what sinks get of a judged document."""
    return Resource.FromString(frame(document.name, 0, document.metadata, document.body))


ROUTER = {"@type": f"{URL}envoy.extensions.filters.http.router.v3.Router"}
NAMED = {
    "envoy.config.endpoint.v3.ClusterLoadAssignment": {"cluster_name": "a"},
    "envoy.config.endpoint.v3.LbEndpoint": None,
    "envoy.config.route.v3.VirtualHost": {"name": "a/b", "domains": ["*"]},
    "envoy.config.route.v3.ScopedRouteConfiguration": {
        "name": "a",
        "route_configuration_name": "a",
        "key": {"fragments": [{"string_key": "a"}]},
    },
    "envoy.config.core.v3.TypedExtensionConfig": {"name": "a", "typed_config": ROUTER},
    "envoy.config.listener.v3.Listener": {
        "name": "a",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
        "default_filter_chain": {},
    },
}
"""The least of each type that an Envoy takes; None: it has no name inside."""


@pytest.mark.parametrize("kind", ENVOY, ids=lambda kind: kind.collection)
def test_a_document_of_each_type_is_chosen_by_its_type_and_named_by_its_own_field(kind):
    body = NAMED.get(kind.body, {"name": "a"})
    value = {"@type": kind.type_url, **(body or {})}
    if body is None:
        value = {"@type": WRAPPER, "name": "xdstp://mesh/x/a", "resource": value}

    found = judged(value)

    expected = (value if body is None else body).get("cluster_name") or value.get("name")
    assert [(kind.collection, expected)] == names(found)
    assert kind.type_url == resource(found.documents[0]).body.type_url


def test_sinks_may_subscribe_by_the_type_url():
    for kind in ENVOY:
        assert CATALOG.by_collection[kind.type_url] is kind


def test_what_is_referred_to_goes_before_what_refers_to_it():
    ranks = [CATALOG.rank(row.collection) for row in XDS.values()]

    assert sorted(ranks) == ranks
    assert len(set(ranks)) == len(ranks)


def test_the_wrapper_gives_labels_and_annotations_and_the_resource_inside_goes_out():
    inner = {"@type": CLUSTER, "name": "a", "connect_timeout": "1s"}
    own = {"labels": {"team": "web"}, "annotations": {"owner": "ada"}}
    wrapper = {
        "@type": WRAPPER,
        "name": "a",
        "metadata": {"filter_metadata": {}},
        "resource": inner,
    }
    wrapper["metadata"]["filter_metadata"]["gitsource.dev"] = own
    (alone,), (wrapped,) = judged(inner).documents, judged(wrapper).documents

    found = resource(wrapped)

    assert (dict(found.metadata.labels), dict(found.metadata.annotations)) == tuple(own.values())
    assert alone.body == wrapped.body
    assert alone.version != wrapped.version


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [("30s", "30s"), ("1m", "60s"), ("500ms", "0.5s"), ("100s", "100s"), ("1ns", "0.000000001s")],
)
def test_a_ttl_becomes_an_annotation_and_so_a_part_of_the_version(ttl, expected):
    inner = {"@type": CLUSTER, "name": "a"}
    (found,) = judged({"@type": WRAPPER, "ttl": ttl, "resource": inner}).documents
    (other,) = judged({"@type": WRAPPER, "ttl": "7s", "resource": inner}).documents

    assert {"gitsource.dev/ttl": expected} == dict(resource(found).metadata.annotations)
    assert found.version != other.version


@pytest.mark.parametrize(
    "ttl", ["0s", "-1s", "-1ns", "1000000000s", 30, "soon", [], {"seconds": 1}]
)
def test_a_ttl_is_a_duration_above_zero(ttl):
    inner = {"@type": CLUSTER, "name": "a"}

    assert ["GS301"] == told(judged({"@type": WRAPPER, "ttl": ttl, "resource": inner}))


@pytest.mark.parametrize(
    "row", [row for row in XDS.values() if row.name], ids=lambda row: row.label
)
def test_only_a_cluster_or_a_listener_has_a_ttl(row):
    inner = {"@type": f"{URL}{row.body}", row.name: "a", **(NAMED.get(row.body) or {})}
    found = told(judged({"@type": WRAPPER, "ttl": "3s", "resource": inner}))

    assert found == ([] if row.label in {"Cluster", "Listener"} else ["GS340"])


def test_aliases_are_an_annotation_of_a_virtual_host():
    host = {"@type": f"{URL}envoy.config.route.v3.VirtualHost", "name": "b", "domains": ["*"]}
    wrapper = {"@type": WRAPPER, "name": "r/b", "aliases": ["r/d", "r/c", "r/d"], "resource": host}
    (found,) = judged(wrapper).documents

    assert {"gitsource.dev/aliases": "r/c r/d"} == dict(resource(found).metadata.annotations)


# --------------------------------------------------------------------------- several in one file


def test_a_list_is_as_many_resources_each_at_its_line():
    text = (
        f'- "@type": {CLUSTER}\n  name: a\n- "@type": {ENDPOINTS}\n  cluster_name: a\n'
        f'---\nresources:\n- "@type": {CLUSTER}\n  name: b\n---\n"@type": {CLUSTER}\nname: c\n'
    )
    found = judge(text.encode(), None, CATALOG, bounds(CATALOG), json=False)

    lines = [(each.name, each.line) for each in found.documents]
    assert [("a", 1), ("a", 3), ("b", 7), ("c", 10)] == lines
    assert [] == told(found)


def test_an_item_is_what_it_is_by_itself():
    item = {"@type": CLUSTER, "name": "a", "connect_timeout": "1s"}
    alone, listed, answered = judged(item), judged([item]), judged({"resources": [item]})

    versions = {each.documents[0].version for each in (alone, listed, answered)}
    assert 1 == len(versions)


def test_a_list_in_a_file_of_envoys_by_its_path_needs_no_types():
    catalog = CATALOG.extended([BY_PATH])
    for value in ([{"name": "a"}, {"name": "b"}], {"resources": [{"name": "a"}, {"name": "b"}]}):
        found = judged(value, catalog, "up/all.json")

        assert [("team/upstreams", "a"), ("team/upstreams", "b")] == names(found)


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["a"],
        [{"name": "a"}],
        [{"@type": "type.googleapis.com/acme.v1.Thing"}],
        [{"apiVersion": "v1", "kind": "Service"}],
        {"resources": ["one.yaml", "two.yaml"]},
        {"resources": [{"name": "a"}]},
        {"kind": "Kustomization", "apiVersion": "x/v1", "resources": [{"@type": CLUSTER}]},
        {"@type": "type.googleapis.com/acme.v1.Thing", "resources": [{"@type": CLUSTER}]},
        {"@type": "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"},
        {"@type": 7},
    ],
)
def test_what_is_none_of_envoys_resources_is_left_alone(value):
    found = judged(value)

    assert (1, []) == (found.ignored, told(found))


def test_a_list_where_no_list_may_be_is_said_to_be_one():
    catalog = replace(CATALOG, unknown_kinds="error")
    flags = own_kind({"name": "acme/flags", "path": "flags/*"})

    assert ["GS108"] == told(judged([{"a": 1}], catalog))
    assert ["GS108"] == told(judged([{"a": 1}], CATALOG.extended([flags]), "flags/a.json"))


def test_a_list_does_not_flood_the_report():
    found = judged([{"@type": CLUSTER, "name": "a"}, *range(1000)])

    assert 100 == told(found).count("GS108")
    assert [("envoy/clusters", "a")] == names(found)


# --------------------------------------------------------------------------- rows of the user's


ROW = {"name": "team/upstreams", "message": "envoy.config.cluster.v3.Cluster"}


@pytest.mark.parametrize(
    "row", [ROW, {**ROW, "path": "up/*"}, {**ROW, "api_version": "a/v1", "kind": "C"}]
)
def test_a_row_with_the_message_takes_the_documents_and_the_type_url(row):
    catalog = CATALOG.extended([own_kind(row)])

    assert [("team/upstreams", "a")] == names(judged({"@type": CLUSTER, "name": "a"}, catalog))
    assert "team/upstreams" == catalog.by_collection[CLUSTER].collection
    assert "envoy/clusters" not in catalog.by_collection


def test_of_two_rows_the_one_that_asks_for_nothing_else_takes_the_documents():
    rows = [own_kind({**ROW, "name": "by/path", "path": "up/*"}), own_kind(ROW)]
    catalog = CATALOG.extended(rows)

    assert [("team/upstreams", "a")] == names(judged({"@type": CLUSTER, "name": "a"}, catalog))
    assert [("by/path", "a")] == names(judged({"name": "a"}, catalog, "up/a.json"))


def test_a_row_with_the_name_takes_the_place_of_the_built_in_one():
    catalog = CATALOG.extended([own_kind({"name": "envoy/clusters", "path": "mine/*"})])

    assert [("envoy/clusters", "mine/a")] == [
        (each.collection, each.name or "mine/a") for each in judged({}, catalog, "mine/a").documents
    ]
    assert 1 == judged({"@type": CLUSTER, "name": "a"}, catalog).ignored


def test_names_inside_and_outside_are_the_same_in_a_document_with_metadata():
    row = {**ROW, "api_version": "acme/v1", "kind": "Upstream"}
    catalog = CATALOG.extended([own_kind(row)])
    value = {"apiVersion": "acme/v1", "kind": "Upstream", "metadata": {"name": "a"}}

    assert [] == told(judged({**value, "spec": {"name": "a"}}, catalog))
    assert ["GS342"] == told(judged({**value, "spec": {"name": "b"}}, catalog))


# --------------------------------------------------------------------------- anything


FEW = settings(max_examples=60, deadline=None)
TYPED = st.sampled_from([CLUSTER, ENDPOINTS, WRAPPER, f"{URL}{'a' * 400}", "Cluster", ""])


def sound(result: Any) -> bool:
    """Say whether each document is a resource or has an error."""
    return all(
        bool(each.version) != any(not found.warning for found in each.findings)
        for each in result.documents
    )


@FEW
@given(st.dictionaries(st.sampled_from(["name", "ttl", "aliases", "resource", "x"]), JSON), TYPED)
def test_any_wrapper_has_an_answer(around, url):
    value = {**around, "@type": WRAPPER}
    inner = around.get("resource")
    if isinstance(inner, dict):
        value["resource"] = {**inner, "@type": url}

    assert sound(judged(value))


@FEW
@given(JSON)
def test_any_metadata_of_a_wrapper_has_an_answer(metadata):
    inner = {"@type": CLUSTER, "name": "a"}
    for held in (metadata, {"filter_metadata": metadata}):
        assert sound(judged({"@type": WRAPPER, "metadata": held, "resource": inner}))
    for held in (metadata, {"labels": metadata}, {"annotations": metadata}):
        told = {"filterMetadata": {"gitsource.dev": held}}

        assert sound(judged({"@type": WRAPPER, "metadata": told, "resource": inner}))


@FEW
@given(st.lists(JSON | st.just({"@type": CLUSTER, "name": "a"}), max_size=4), JSON)
def test_any_list_has_an_answer(items, other):
    assert sound(judged(items))
    assert sound(judged({"resources": items, "type_url": other}))
    assert sound(judged(items, CATALOG.extended([BY_PATH]), "up/a.json"))


@pytest.mark.parametrize("kind", ENVOY, ids=lambda kind: kind.collection)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_damaged_resource_has_an_answer(kind, data):
    good = data.draw(documents(body_descriptor(kind.body), depth=3))[0]
    value = data.draw(damaged([good]))
    if isinstance(value, dict):
        assert sound(judged({**value, "@type": kind.type_url}))
