"""Every message inside a message is found, also what an Any holds, with the place it stands at."""

from __future__ import annotations

from google.protobuf.message_factory import GetMessageClass

from gitsource.catalog.kinds import body_descriptor
from gitsource.encode.message import Compiler
from gitsource.messages.opened import content, opened

CLUSTER = body_descriptor("envoy.config.cluster.v3.Cluster")
TLS = "envoy.extensions.transport_sockets.tls.v3"


def cluster(**fields):
    return GetMessageClass(CLUSTER)(**Compiler().message(CLUSTER)(fields))


def places(message):
    return {"/".join(map(str, path)): inner.DESCRIPTOR.name for path, inner in opened(message)}


def test_messages_are_found_in_fields_lists_maps_and_anys():
    held = {
        "@type": f"type.googleapis.com/{TLS}.UpstreamTlsContext",
        "common_tls_context": {"tls_certificates": [{"private_key": {"filename": "a"}}]},
    }
    found = places(
        cluster(
            name="a",
            connect_timeout="1s",
            metadata={"filter_metadata": {"a": {"b": 1}}},
            typed_extension_protocol_options={"x/y": held},
            transport_socket={"name": "tls", "typed_config": held},
        )
    )

    inside = "commonTlsContext/tlsCertificates/0"
    options = "typedExtensionProtocolOptions/x/y"
    assert found == {
        "": "Cluster",
        "metadata": "Metadata",
        options: "UpstreamTlsContext",
        f"{options}/commonTlsContext": "CommonTlsContext",
        f"{options}/{inside}": "TlsCertificate",
        f"{options}/{inside}/privateKey": "DataSource",
        "transportSocket": "TransportSocket",
        "transportSocket/typedConfig": "UpstreamTlsContext",
        "transportSocket/typedConfig/commonTlsContext": "CommonTlsContext",
        f"transportSocket/typedConfig/{inside}": "TlsCertificate",
        f"transportSocket/typedConfig/{inside}/privateKey": "DataSource",
    }


def test_outer_messages_come_before_inner_ones():
    order = [path for path, _ in opened(cluster(name="a", transport_socket={"name": "b"}))]

    assert sorted(order) == order


def test_what_cannot_be_read_is_passed_over():
    socket = cluster(name="a", transport_socket={"name": "b"}).transport_socket
    for url, value in (
        ("type.googleapis.com/acme.v1.Unknown", b""),
        (f"type.googleapis.com/{TLS}.UpstreamTlsContext", b"\xff\xff"),
        ("type.googleapis.com/google.protobuf.StringValue", b""),
        ("", b""),
    ):
        socket.typed_config.type_url, socket.typed_config.value = url, value

        assert content(socket.typed_config) is None
        assert ["TransportSocket"] == list(places(socket).values())
