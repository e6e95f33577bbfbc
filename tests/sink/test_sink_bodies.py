"""Bodies as messages and as JSON."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct

from gitsource.catalog.rows import BUILTIN
from gitsource.sink.bodies import as_json, message

STRUCT = "type.googleapis.com/google.protobuf.Struct"


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
def test_every_built_in_kind_is_known_by_its_type_url(kind):
    found = message(kind.type_url, b"")

    assert found is not None
    assert found.DESCRIPTOR.full_name == kind.body


def test_a_struct_is_plain_json_and_whole_numbers_stay_whole():
    spec = {"on": True, "limit": 3, "share": 0.5, "list": [1, None, "x", {"deep": -2}]}
    body = Struct()
    body.update(spec)
    told = as_json(STRUCT, body.SerializeToString())

    assert told == spec
    assert isinstance(told["limit"], int)
    assert isinstance(told["list"][3]["deep"], int)


def test_a_message_is_told_with_the_names_of_its_yaml():
    from gitsource._proto.istio.networking.v1alpha3.gateway_pb2 import Gateway

    body = Gateway(selector={"istio": "ingress"})
    server = body.servers.add(hosts=["*"])
    server.port.number, server.port.name, server.port.protocol = 80, "http", "HTTP"
    server.tls.https_redirect = True
    told = as_json(
        "type.googleapis.com/istio.networking.v1alpha3.Gateway", body.SerializeToString()
    )

    assert told == {
        "selector": {"istio": "ingress"},
        "servers": [
            {
                "hosts": ["*"],
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "tls": {"httpsRedirect": True},
            }
        ],
    }


@pytest.mark.parametrize(
    "name",
    [
        "strange.v1.Thing",
        "istio.networking.v9.Gateway",
        "istio.networking.v1alpha3.Nothing",
        "istio.mcp..v1alpha1.Nothing",
        "Gateway",
        "",
        "..",
        "os.path.x",
    ],
)
def test_an_unknown_type_is_passed_on_as_bytes(name):
    assert message(f"x/{name}", b"\x01") is None
    assert as_json(f"x/{name}", b"\x01\x02") == {"@type": f"x/{name}", "value": "AQI="}


def test_a_message_of_envoys_is_known():
    url = "type.googleapis.com/envoy.config.cluster.v3.Cluster"

    assert {"name": "web"} == as_json(url, b"\x0a\x03web")


def test_key_material_is_in_no_json_wherever_it_stands():
    """A Cluster may hold a key as a Secret does: in an Any, in a list."""
    from envoy.config.cluster.v3.cluster_pb2 import Cluster
    from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

    context = UpstreamTlsContext(sni="web")
    for key in (b"made-up one", b"made-up two"):
        pair = context.common_tls_context.tls_certificates.add()
        pair.certificate_chain.inline_string = "certificate"
        pair.private_key.inline_bytes = key
    pair = context.common_tls_context.tls_certificates.add()
    pair.private_key.filename = "/etc/web.key"
    cluster = Cluster(name="web")
    cluster.transport_socket.typed_config.Pack(context)
    url = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    told = as_json(url, cluster.SerializeToString())["transportSocket"]["typedConfig"]
    hidden = {
        "certificateChain": {"inlineString": "certificate"},
        "privateKey": {"inlineBytes": "redacted"},
    }

    assert told["sni"] == "web"
    assert told["commonTlsContext"]["tlsCertificates"] == [
        hidden,
        hidden,
        {"privateKey": {"filename": "/etc/web.key"}},
    ]


def test_bytes_that_are_not_the_message_are_refused_and_shown_as_bytes():
    with pytest.raises(ValueError, match=r"the body is no google\.protobuf\.Struct"):
        message(STRUCT, b"\xff")

    assert as_json(STRUCT, b"\xff") == {"@type": STRUCT, "value": "/w=="}


def test_what_json_cannot_say_is_shown_as_bytes():
    body = Struct()
    body["x"] = float("nan")
    told = as_json(STRUCT, body.SerializeToString())

    assert told.keys() == {"@type", "value"}
