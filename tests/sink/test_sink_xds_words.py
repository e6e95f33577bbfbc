"""The words of an xDS sink, read and written by Envoy's own messages."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.sink.state import Item, mismatch
from gitsource.sink.wire import REFUSED, UNDECODABLE, Held, Node
from gitsource.sink.wires.xds_delta import XdsDelta
from gitsource.sink.wires.xds_sotw import XdsSotw

PREFIX = "type.googleapis.com/"
CDS = f"{PREFIX}envoy.config.cluster.v3.Cluster"
EDS = f"{PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
LEDS = f"{PREFIX}envoy.config.endpoint.v3.LbEndpoint"
GATEWAY = "networking.istio.io/v1/Gateway"
NOW = datetime(2020, 2, 29, tzinfo=UTC)
NODE = Node("me", "edge", {"team": "mesh"})

SotwRequest, DeltaRequest = discovery_pb2.DiscoveryRequest, discovery_pb2.DeltaDiscoveryRequest
SotwResponse, DeltaResponse = discovery_pb2.DiscoveryResponse, discovery_pb2.DeltaDiscoveryResponse


def held(collection, version="", **items):
    made = {name: Item(name, told, "", {}, {}, collection, b"") for name, told in items.items()}
    return Held(collection, version, made)


def packed(message):
    body = Any()
    body.Pack(message, type_url_prefix=PREFIX)
    return body


def sotw(*resources, url=CDS, version="v1", nonce="1"):
    return SotwResponse(
        version_info=version, type_url=url, nonce=nonce, resources=resources
    ).SerializeToString()


def delta(*resources, url=CDS, nonce="1", removed=()):
    return DeltaResponse(
        system_version_info="v1",
        type_url=url,
        nonce=nonce,
        resources=resources,
        removed_resources=removed,
    ).SerializeToString()


def named(name, message, version="r1"):
    return discovery_pb2.Resource(name=name, version=version, resource=packed(message))


def of_mcp(name, version="m1"):
    made = Resource(metadata={"name": name, "version": version})
    made.body.type_url = f"{PREFIX}istio.networking.v1alpha3.Gateway"
    return made


def test_sotw_asks_for_all_and_tells_the_node_once_and_what_version_it_holds():
    first, second = (
        SotwRequest.FromString(data)
        for _, data in XdsSotw(NODE).opening([held(CDS, "v7", a="v7"), held(EDS)])
    )

    assert (CDS, "v7", [], "") == (
        first.type_url, first.version_info, list(first.resource_names), first.response_nonce,
    )  # fmt: skip
    assert ("me", "edge", {"team": "mesh"}) == (
        first.node.id, first.node.cluster, dict(first.node.metadata),
    )  # fmt: skip
    assert (EDS, ["*"]) == (second.type_url, list(second.resource_names))
    assert not second.HasField("node")


def test_sotw_repeats_names_and_tells_the_version_that_stands_after_its_answer():
    wire = XdsSotw(NODE, "xds", ("a", "b"))
    update = wire.read(sotw(packed(Cluster(name="a")), version="v2", nonce="7"), NOW)
    ack, nack = (
        SotwRequest.FromString(wire.answer(update, code, reason, "v1"))
        for code, reason in ((0, ""), (REFUSED, "no"))
    )

    assert ("v2", ["a", "b"], "7") == (
        ack.version_info, list(ack.resource_names), ack.response_nonce,
    )  # fmt: skip
    assert not ack.HasField("error_detail")
    assert ("v1", "7", 3, "no") == (
        nack.version_info, nack.response_nonce, nack.error_detail.code, nack.error_detail.message,
    )  # fmt: skip


def test_delta_says_what_it_holds_and_what_it_wants_once():
    wire = XdsDelta(NODE, "xds-delta", ("a", "b"))
    (first,) = (DeltaRequest.FromString(data) for _, data in wire.opening([held(CDS, "v", a="r1")]))
    update = wire.read(delta(named("a", Cluster(name="a")), nonce="7"), NOW)
    ack = DeltaRequest.FromString(wire.answer(update, 0, "", ""))
    nack = DeltaRequest.FromString(wire.answer(update, REFUSED, "no", ""))

    assert {"a": "r1"} == dict(first.initial_resource_versions)
    assert ["a", "b"] == list(first.resource_names_subscribe)
    assert "me" == first.node.id
    assert DeltaRequest(type_url=CDS, response_nonce="7") == ack
    assert (3, "no") == (nack.error_detail.code, nack.error_detail.message)


@pytest.mark.parametrize(("url", "merged"), [(CDS, False), (EDS, True), (GATEWAY, False)])
def test_a_sotw_response_is_all_there_is_where_the_type_says_so(url, merged):
    assert XdsSotw(NODE).read(sotw(url=url), NOW).incremental == merged


def test_a_resource_over_sotw_has_the_version_it_came_with_and_its_own_name():
    data = sotw(packed(ClusterLoadAssignment(cluster_name="a")), url=EDS)
    (item,) = XdsSotw(NODE).read(data, NOW).resources

    assert ("a", "v1", EDS) == (item.name, item.version, item.type_url)


def test_resources_of_an_unknown_type_are_told_apart_by_their_content():
    url = f"{PREFIX}acme.ai.v1.RateLimitPolicy"
    data = sotw(
        Any(type_url=url, value=b"\x0a\x01a"), Any(type_url=url, value=b"\x0a\x01b"), url=url
    )
    update = XdsSotw(NODE).read(data, NOW)
    first, second = (item.name for item in update.resources)

    assert "" == update.refused
    assert first.startswith("unnamed-")
    assert first != second


def test_a_resource_in_a_wrapper_is_taken_out_of_it():
    data = sotw(packed(named("a/b", LbEndpoint(), "r3")), url=LEDS)
    (item,) = XdsSotw(NODE).read(data, NOW).resources

    assert ("a/b", "r3", LEDS) == (item.name, item.version, item.type_url)


@pytest.mark.parametrize("wire", [XdsSotw(NODE, "mcp-xds"), XdsDelta(NODE, "mcp-xds-delta")])
def test_a_resource_of_mcps_has_the_name_and_version_of_its_metadata(wire):
    inside = of_mcp("ns/a")
    whole = delta(named("", inside, ""), url=GATEWAY)
    if isinstance(wire, XdsSotw):
        whole = sotw(packed(inside), url=GATEWAY)
    update = wire.read(whole, NOW)
    (item,) = update.resources

    assert "" == update.refused
    assert ("ns/a", "m1", "type.googleapis.com/istio.networking.v1alpha3.Gateway") == (
        item.name, item.version, item.type_url,
    )  # fmt: skip


A = packed(Cluster(name="a"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (sotw(A, nonce=""), "it has no nonce"),
        (sotw(version=""), "it has no version"),
        (sotw(A, A), "a is in it 2 times"),
        (sotw(packed(Cluster())), "a resource has no name"),
        (sotw(packed(ClusterLoadAssignment(cluster_name="a"))), f"a is of type {EDS}"),
        (sotw(Any(type_url=CDS, value=b"\xff")), "resource 1 cannot be read"),
    ],
)
def test_a_sotw_response_that_breaks_a_rule_is_refused(data, told):
    update = XdsSotw(NODE).read(data, NOW)

    assert update.refused.startswith(told)
    assert update.code == (UNDECODABLE if "read" in told else REFUSED)


def test_a_resource_without_a_body_is_one_that_is_not_there():
    absent = discovery_pb2.Resource(name="routes/shop.example.com", aliases=["shop.example.com"])
    update = XdsDelta(NODE).read(
        delta(absent, url=f"{PREFIX}envoy.config.route.v3.VirtualHost"), NOW
    )

    assert ((), ("routes/shop.example.com",), "") == (
        update.resources, update.removed, update.refused,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (delta(nonce=""), "it has no nonce"),
        (delta(named("a", Cluster(name="a")), removed=["a"]), "a is both put and removed"),
        (delta(named("b", Cluster(name="a"))), "resource 1 cannot be read: b: inside it is called"),
        (delta(named("a", Cluster(name="a"), "")), "a has no version"),
    ],
)
def test_a_delta_that_breaks_a_rule_is_refused(data, told):
    assert XdsDelta(NODE).read(data, NOW).refused.startswith(told)


@pytest.mark.parametrize("wire", [XdsSotw(NODE), XdsDelta(NODE)])
def test_bytes_that_are_no_response_are_told_apart(wire):
    with pytest.raises(DecodeError):
        wire.read(b"\xff\xff", NOW)


def test_a_version_is_checked_where_what_is_held_tells_it():
    assert not XdsSotw(NODE).verifiable(CDS, refused=False)
    assert XdsSotw(NODE).verifiable(GATEWAY, refused=True)
    assert XdsDelta(NODE).verifiable(CDS, refused=False)
    assert not XdsDelta(NODE).verifiable(CDS, refused=True)


def test_what_came_without_versions_of_its_own_is_not_checked():
    announced = base64.b64encode(bytes(32)).decode()
    bare = Item("unnamed-1", "", "", {}, {}, "type.example/a.B", b"")

    assert not mismatch({bare.name: bare}, announced)
    assert mismatch({"a": replace(bare, name="a", version="1")}, announced)
