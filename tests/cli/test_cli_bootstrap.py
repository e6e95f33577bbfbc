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


PAPERS = ("--tls-ca", "/tls/ca.pem", "--tls-cert", "/tls/own.pem", "--tls-key", "/tls/own.key")


def envoys_tls(text):
    """Return what Envoy is told of TLS: its context, and the common part of it."""
    (source,) = YAML(typ="safe").load(text)["static_resources"]["clusters"]
    context = source["transport_socket"]["typed_config"]
    return context, context["common_tls_context"]


def test_an_envoy_shows_its_certificate_and_speaks_what_the_source_does(capsys):
    _, common = envoys_tls(printed(capsys, "envoy", "--address", "src:1", *PAPERS))

    assert {
        "certificate_chain": {"filename": "/tls/own.pem"},
        "private_key": {"filename": "/tls/own.key"},
    } == common["tls_certificates"][0]
    assert {"tls_maximum_protocol_version": "TLSv1_3"} == common["tls_params"]


def test_an_envoy_is_told_by_files_of_secrets_when_to_look_again(capsys):
    flags = ("--address", "src:1", *PAPERS)
    _, common = envoys_tls(printed(capsys, "envoy", *flags, "--tls-secrets", "/sds"))
    secrets = [
        each
        for which in ("client", "ca")
        for each in YAML(typ="safe").load(printed(capsys, "envoy-secret", which, *flags))[
            "resources"
        ]
    ]
    asked = [
        common["tls_certificate_sds_secret_configs"][0],
        common["combined_validation_context"]["validation_context_sds_secret_config"],
    ]

    assert [each["name"] for each in asked] == [each["name"] for each in secrets]
    assert ["/sds/client.yaml", "/sds/ca.yaml"] == [
        each["sds_config"]["path_config_source"]["path"] for each in asked
    ]
    assert [{"path": "/tls"}] * 2 == [
        (each.get("tls_certificate") or each["validation_context"])["watched_directory"]
        for each in secrets
    ]


def test_a_source_that_is_an_address_is_verified_by_it(capsys):
    """It is not said in the handshake, where only names may be."""
    context, common = envoys_tls(
        printed(capsys, "envoy", "--address", "[fd00::9]:1", "--tls-ca", "/tls/ca.pem")
    )

    assert "sni" not in context
    assert [{"san_type": "IP_ADDRESS", "matcher": {"exact": "fd00::9"}}] == (
        common["validation_context"]["match_typed_subject_alt_names"]
    )


def test_a_grpc_client_shows_its_certificate_to_source_and_backends(capsys):
    told = json.loads(printed(capsys, "grpc", "--address", "src:9901", *PAPERS))
    files = {
        "ca_certificate_file": "/tls/ca.pem",
        "certificate_file": "/tls/own.pem",
        "private_key_file": "/tls/own.key",
        "refresh_interval": "10s",
    }

    assert [{"type": "tls", "config": files}] == told["xds_servers"][0]["channel_creds"]
    assert {"default": {"plugin_name": "file_watcher", "config": files}} == (
        told["certificate_providers"]
    )


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("istio", *PAPERS), "shows no certificate"),
        (("grpc", *PAPERS[:4]), "go together"),
        (("envoy", *PAPERS[2:]), "with --tls-ca"),
        (("envoy", "--tls-secrets", "/sds"), "goes with --tls-ca"),
        (("envoy-secret", "ca"), "without --tls-ca"),
        (("envoy-secret", "client", *PAPERS[:2]), "without --tls-cert"),
    ],
)
def test_tls_that_would_come_to_less_than_was_asked_for_is_refused(capsys, wrong, why):
    assert 2 == main(["bootstrap", *wrong, "--address", "src:1"])
    assert why in capsys.readouterr().err


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
    config.write_text("listen: {mcp: '0.0.0.0:7000'}\ninsecure: true\n")
    told = json.loads(printed(capsys, "grpc", "--config", str(config)))

    assert "127.0.0.1:7000" == told["xds_servers"][0]["server_uri"]


@pytest.mark.parametrize(
    "wrong", [("--address", "nowhere"), ("--meta", "x"), ("--ca", "/nowhere/ca.pem")]
)
def test_what_cannot_be_is_refused(capsys, wrong):
    assert main(["bootstrap", "istio", "--address", "a:1", *wrong]) == 2
    assert capsys.readouterr().err
