"""What `gitsource bootstrap` prints can be read by whom it is for."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML

from gitsource.cli.main import main


def printed(capsys, *args):
    assert main(["bootstrap", *args]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("flags", "api"), [((), "GRPC"), (("--delta",), "DELTA_GRPC")])
def test_an_envoy_is_told_where_to_dial_and_who_it_is(capsys, flags, api):
    text = printed(
        capsys, "envoy", "--address", "10.0.0.9:9901", "--node-id", 'edge-1": x',
        "--cluster", "edge", "--meta", "zone=a", *flags,
    )  # fmt: skip
    told = YAML(typ="safe").load(text)
    (source,) = told["static_resources"]["clusters"]
    (group,) = source["load_assignment"]["endpoints"]

    assert {"id": 'edge-1": x', "cluster": "edge", "metadata": {"zone": "a"}} == told["node"]
    assert api == told["dynamic_resources"]["ads_config"]["api_type"]
    assert told["dynamic_resources"]["ads_config"]["set_node_on_first_message_only"] is True
    assert {"address": "10.0.0.9", "port_value": 9901} == (
        group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    )
    assert "transport_socket" not in source


def test_with_a_ca_the_source_is_verified(capsys, tmp_path):
    told = YAML(typ="safe").load(
        printed(capsys, "envoy", "--address", "src:1", "--ca", "/etc/ca.pem")
    )
    context = told["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]
    (tmp_path / "ca.pem").write_text("-----BEGIN\nx: y\n")
    mesh = YAML(typ="safe").load(
        printed(capsys, "istio", "--address", "src:1", "--ca", str(tmp_path / "ca.pem"))
    )

    assert "src" == context["sni"]
    assert {"filename": "/etc/ca.pem"} == (
        context["common_tls_context"]["validation_context"]["trusted_ca"]
    )
    assert "-----BEGIN\nx: y\n" == mesh["configSources"][0]["tlsSettings"]["caCertificates"]


def test_a_grpc_client_is_told_the_same_in_json(capsys):
    told = json.loads(printed(capsys, "grpc", "--address", "src:9901", "--node-id", "shop-1"))

    assert {"id": "shop-1"} == told["node"]
    assert {
        "server_uri": "src:9901",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    } == told["xds_servers"][0]


def test_istiod_is_told_to_keep_reading_the_cluster(capsys):
    """With config sources listed it reads only these."""
    told = YAML(typ="safe").load(printed(capsys, "istio", "--address", "src:9901"))

    assert [{"address": "xds://src:9901"}, {"address": "k8s://"}] == told["configSources"]


def test_the_address_is_that_of_the_settings(capsys, tmp_path):
    config = tmp_path / "gitsource.yaml"
    config.write_text("listen: {mcp: '0.0.0.0:7000'}\n")
    told = json.loads(printed(capsys, "grpc", "--config", str(config)))

    assert "127.0.0.1:7000" == told["xds_servers"][0]["server_uri"]


@pytest.mark.parametrize(
    "wrong", [("--address", "nowhere"), ("--meta", "x"), ("--ca", "/nowhere/ca.pem")]
)
def test_what_cannot_be_is_refused(capsys, wrong):
    assert main(["bootstrap", "istio", "--address", "a:1", *wrong]) == 2
    assert capsys.readouterr().err
