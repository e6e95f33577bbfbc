"""The words of xDS as bytes, read and written by Envoy's own messages."""

from dataclasses import replace

import pytest
from ads_transcript import ISTIO, URLS
from envoy.config.cluster.v3 import cluster_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.errors import ExchangeError
from gitsource.model import Collection, Origin, Resource
from gitsource.publish.words import Error, Node
from gitsource.publish.xds.annotations import ttl_of
from gitsource.publish.xds.stated import NAME_CHARACTERS
from gitsource.publish.xds.types import type_of
from gitsource.publish.xds.wire import (
    BODIES,
    BODY_BYTES,
    FACTS,
    Encoder,
    decode_delta,
    decode_sotw,
)
from gitsource.publish.xds.words import DeltaRequest, Response, SotwRequest

CDS, VHDS = URLS["CDS"], URLS["VHDS"]


def cluster(name, version="v1", annotations=None, size=0):
    stored = resource_pb2.Resource()
    stored.metadata.name = name
    stored.metadata.annotations.update(annotations or {})
    stored.body.Pack(cluster_pb2.Cluster(name=name, alt_stat_name="x" * size))
    return Resource(name, version, stored.SerializeToString(), Origin("a.yaml", 1))


def response(put, nonce="1", removed=(), *, delta=False, url=CDS):
    kind = type_of(url, 100)
    after = Collection.of("envoy/clusters", put)
    return Response(
        kind, url, after.name, nonce, after.version, tuple(put), removed,
        delta, not delta, after, after.version,
    )  # fmt: skip


def test_a_sotw_request_is_read_with_what_matters_of_its_node():
    message = discovery_pb2.DiscoveryRequest(
        version_info="v", resource_names=["b", "a"], type_url=CDS, response_nonce="7"
    )
    message.node.id, message.node.cluster = "envoy-1", "edge"
    message.node.metadata.update({"team": "shop", "canary": True, "n": 3, "deep": {"a": "b"}})
    message.node.locality.zone = "z1"
    message.node.user_agent_name = "envoy"
    message.node.extensions.add(name="a.filter")
    message.error_detail.code, message.error_detail.message = 13, "no"
    metadata = {"team": "shop", "canary": "true", "n": "3", "user_agent_name": "envoy"}
    node = Node("envoy-1", "edge", metadata, zone="z1")
    expected = SotwRequest(CDS, frozenset("ab"), "v", "7", Error(13, "no"), node)

    assert expected == decode_sotw(message.SerializeToString())


def test_a_delta_request_is_read():
    message = discovery_pb2.DeltaDiscoveryRequest(
        type_url=CDS,
        resource_names_subscribe=["a", "*"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "v1"},
        response_nonce="7",
    )
    expected = DeltaRequest(CDS, frozenset("a*"), frozenset("b"), {"c": "v1"}, "7")

    assert expected == decode_delta(message.SerializeToString())


@pytest.mark.parametrize("decode", [decode_sotw, decode_delta])
@pytest.mark.parametrize("data", [b"\xff", b"", b"\x22\x02\xff\xff"])
def test_what_is_no_request_is_refused(decode, data):
    with pytest.raises(ExchangeError):
        decode(data)


def test_a_name_that_is_too_long_is_refused():
    message = discovery_pb2.DiscoveryRequest(
        type_url=CDS, resource_names=["x" * (NAME_CHARACTERS + 1)]
    )
    with pytest.raises(ExchangeError, match="longer than"):
        decode_sotw(message.SerializeToString())


def test_a_node_with_endless_metadata_is_cut():
    message = discovery_pb2.DiscoveryRequest(type_url=CDS)
    message.node.metadata.update({f"k{number}": "v" for number in range(10 * FACTS)})
    message.node.metadata.update({"long": "x" * 1000, "y" * 1000: "long"})
    node = decode_sotw(message.SerializeToString()).node

    assert len(node.metadata) == FACTS
    assert "long" not in node.metadata


def test_a_node_id_that_could_harm_a_terminal_is_made_harmless():
    message = discovery_pb2.DiscoveryRequest(type_url=CDS)
    message.node.id = "a\x1b[31m\n" + "x" * 1000
    node = decode_sotw(message.SerializeToString()).node

    assert node.id.isprintable()


def test_envoy_reads_a_sotw_response():
    sent = response([cluster("a"), cluster("b")])
    message = discovery_pb2.DiscoveryResponse.FromString(Encoder().encode(sent))
    bodies = [cluster_pb2.Cluster(), cluster_pb2.Cluster()]
    for packed, body in zip(message.resources, bodies, strict=True):
        packed.Unpack(body)

    assert ["a", "b"] == [body.name for body in bodies]
    assert (CDS, "1", sent.version) == (message.type_url, message.nonce, message.version_info)
    assert message.control_plane.identifier == "gitsource"


def test_a_name_that_was_only_asked_about_is_told_as_a_resource_without_a_body():
    """So Envoy takes it as the answer about a virtual host; it refuses one without the alias."""
    sent = replace(
        response([], removed=("r/gone", "r/never"), delta=True, url=VHDS),
        absent=frozenset(("r/never",)),
    )
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(Encoder().encode(sent))
    (one,) = message.resources

    assert ("r/never", ["r/never"], False) == (
        one.name,
        list(one.aliases),
        one.HasField("resource"),
    )
    assert one.version
    assert ["r/gone"] == list(message.removed_resources)


def test_envoy_reads_a_delta_response():
    sent = response([cluster("a", "v7")], removed=("x", "y"), delta=True)
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(Encoder().encode(sent))
    (one,) = message.resources
    body = cluster_pb2.Cluster()
    one.resource.Unpack(body)

    assert ("a", "a", "v7", False) == (one.name, body.name, one.version, one.HasField("ttl"))
    assert ["x", "y"] == list(message.removed_resources)
    assert (CDS, "1", sent.version) == (
        message.type_url,
        message.nonce,
        message.system_version_info,
    )
    assert message.control_plane.identifier == "gitsource"


@pytest.mark.parametrize("delta", [False, True])
def test_a_kind_of_istio_travels_whole(delta):
    sent = response([cluster("ns/a")], delta=delta, url=ISTIO + "VirtualService")
    encoded = Encoder().encode(sent)
    if delta:
        packed = discovery_pb2.DeltaDiscoveryResponse.FromString(encoded).resources[0].resource
    else:
        packed = discovery_pb2.DiscoveryResponse.FromString(encoded).resources[0]

    assert packed.type_url == "type.googleapis.com/istio.mcp.v1alpha1.Resource"
    assert packed.value == sent.put[0].wire


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [("30s", 30, 0), ("1.5s", 1, 500_000_000), ("0.000000001s", 0, 1), ("2", 2, 0)],
)
def test_a_cluster_with_a_time_to_live_runs_out_over_delta_alone(text, seconds, nanos):
    one = cluster("a", annotations={"gitsource.dev/ttl": text})
    encoded = Encoder().encode(response([one], delta=True))
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(encoded)
    endless = Encoder().encode(response([one], delta=True, url=URLS["EDS"]))
    plain = discovery_pb2.DiscoveryResponse.FromString(Encoder().encode(response([one])))

    assert (seconds, nanos) == (message.resources[0].ttl.seconds, message.resources[0].ttl.nanos)
    assert plain.resources[0].type_url == CDS
    assert not discovery_pb2.DeltaDiscoveryResponse.FromString(endless).resources[0].HasField("ttl")


@pytest.mark.parametrize("text", ["", "s", "-1s", "1e3s", "soon", "1.0000000001s"])
def test_a_time_to_live_that_is_none_is_left_out(text):
    one = cluster("a", annotations={"gitsource.dev/ttl": text})
    encoded = Encoder().encode(response([one], delta=True))
    (told,) = discovery_pb2.DeltaDiscoveryResponse.FromString(encoded).resources

    assert (0, 0) == ttl_of(one.wire)
    assert not told.HasField("ttl")


def test_a_heartbeat_tells_name_version_and_time_to_live_and_no_body():
    encoder, one = Encoder(), cluster("a", "v7", annotations={"gitsource.dev/ttl": "30s"})
    news = response([one], delta=True)
    encoder.encode(news)
    encoded = encoder.encode(replace(news, nonce="2", heartbeat=True))
    (told,) = discovery_pb2.DeltaDiscoveryResponse.FromString(encoded).resources

    assert ("a", "v7", 30, False) == (
        told.name,
        told.version,
        told.ttl.seconds,
        told.HasField("resource"),
    )


def test_a_virtual_host_is_sent_with_its_other_names_and_a_cluster_without():
    annotations = {"gitsource.dev/aliases": "r/bar.com  r/baz.com"}
    found = []
    for url in (VHDS, CDS):
        encoded = Encoder().encode(
            response([cluster("r/v", annotations=annotations)], delta=True, url=url)
        )
        (told,) = discovery_pb2.DeltaDiscoveryResponse.FromString(encoded).resources
        found.append(list(told.aliases))

    assert [["r/bar.com", "r/baz.com"], []] == found


def test_what_two_streams_get_alike_is_encoded_once():
    encoder, put = Encoder(), [cluster("a", size=1000)]
    first = response(put)
    second = replace(first, nonce="2")
    one, other = encoder.encode(first), encoder.encode(second)

    assert "bodies=1 " in repr(encoder)
    assert one.removesuffix(b"\x2a\x011") == other.removesuffix(b"\x2a\x012")
    assert encoder.encode(first) is one


def test_bytes_of_what_is_no_longer_served_are_let_go():
    encoder, put = Encoder(), [cluster("a")]
    sent = response(put)
    encoder.encode(sent)
    encoder.serve([])

    assert "bodies=0 bytes=0 messages=0" in repr(encoder)


def test_bytes_of_what_is_served_are_kept_whatever_else_is_sent():
    encoder = Encoder()
    whole = Collection.of("envoy/clusters", [cluster("a")])
    encoder.serve([whole])
    kept = replace(response(whole.resources), put=whole.resources)
    encoder.encode(kept)
    for number in range(3 * BODIES):
        encoder.encode(response([cluster(f"x{number}")], nonce=str(number)))
    for number in range(3):
        encoder.encode(response([cluster(f"big{number}", size=BODY_BYTES // 2)]))
    size = int(repr(encoder).split("bytes=")[1].split()[0])

    assert any(body.put is whole.resources for body in encoder._bodies.values())
    assert len(encoder._bodies) <= BODIES + 1
    assert size < 1.1 * BODY_BYTES


def test_stored_bytes_that_are_cut_off_are_noticed():
    one = cluster("a")
    cut = Resource("a", "v", one.wire[:-1], one.origin)

    with pytest.raises((ValueError, DecodeError)):
        Encoder().encode(response([cut]))


def test_an_any_is_cut_out_as_it_is():
    one = cluster("a", size=300)
    encoded = Encoder().encode(response([one]))
    expected = any_pb2.Any()
    expected.CopyFrom(resource_pb2.Resource.FromString(one.wire).body)

    assert expected == discovery_pb2.DiscoveryResponse.FromString(encoded).resources[0]
