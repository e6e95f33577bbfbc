"""What the corpus cannot say of Gateway: several faults, and what is not asked for."""

import pytest

import mesh

HTTPS = {"number": 443, "name": "https", "protocol": "HTTPS"}
FILES = ("serverCertificate", "privateKey", "caCertificates")


def found(*servers):
    """Return code and warning of each finding in a gateway of *servers*."""
    spec = {"servers": list(servers)}
    return [(one.code, one.warning) for one in mesh.findings("Gateway", spec)]


def server(port=HTTPS, **fields):
    return {"hosts": ["*"], "port": port} | fields


def test_in_mutual_mode_everything_that_is_missing_is_told():
    expected = [("GW-37", False), ("GW-39", False), ("GW-40", False)]

    assert expected == found(server(tls={"mode": "MUTUAL"}))


def test_each_certificate_that_the_mesh_brings_is_told():
    tls = {"mode": "ISTIO_MUTUAL", "credentialName": "a"} | dict.fromkeys(FILES, "a.pem")

    assert [("GW-33", False)] * 4 == found(server(tls=tls))


def test_in_istio_mutual_mode_nothing_else_is_asked():
    """Certificates from two sources are certificates too many already."""
    tls = {"mode": "ISTIO_MUTUAL", "credentialName": "a", "caCrl": "b"}
    tls |= {"serverCertificate": "c.pem", "privateKey": "c.key"}

    assert [("GW-33", False)] * 3 == found(server(tls=tls))


def test_old_versions_are_warned_of_in_any_mode():
    tls = {"mode": "ISTIO_MUTUAL", "minProtocolVersion": "TLSV1_0"}

    assert [("GW-30", True)] == found(server(tls=tls))


def test_three_sources_of_certificates_are_two_too_many():
    tls = {
        "mode": "SIMPLE",
        "credentialName": "a",
        "serverCertificate": "b.pem",
        "privateKey": "b.key",
        "credentialNames": ["c"],
    }

    assert [("GW-35", False)] * 2 == found(server(tls=tls))


@pytest.mark.parametrize(
    "port",
    [
        {"number": 0, "name": "http", "protocol": "HTTP"},
        {"number": 80, "name": "", "protocol": "HTTP"},
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 80},
    ],
)
def test_tls_is_held_against_the_protocol_only_if_the_port_is_good(port):
    """As in Istio; what the settings lack is told anyway."""
    codes = [code for code, _ in found(server(port, tls={"mode": "MUTUAL", "caCertificates": "a"}))]

    assert {"GW-39", "GW-40"} < set(codes)
    assert "GW-26" not in codes


def test_ports_without_a_name_are_not_said_to_share_one():
    nameless = {"number": 80, "name": "", "protocol": "HTTP"}

    assert [("GW-19", False)] * 2 == found(server(nameless), server(nameless))


def test_a_bind_is_judged_even_without_a_port():
    assert [("GW-22", False), ("GW-15", False)] == found({"hosts": ["*"], "bind": "a"})


def test_what_is_in_mode_passthrough_is_warned_of_and_judged_too():
    tls = {"mode": "PASSTHROUGH", "credentialName": "a", "caCrl": "b"}
    expected = [("GW-34", True), ("GW-34", True), ("GW-41", False)]

    assert expected == found(server(tls=tls))


@pytest.mark.parametrize("protocol", ["HTTP", "https", "GRPC-Web", "http_proxy", "MySQL", "uDp"])
def test_the_case_of_a_protocol_makes_no_difference(protocol):
    port = {"number": 80, "name": "a", "protocol": protocol}
    codes = [code for code, _ in found(server(port))]

    assert "GW-16" not in codes


def test_a_fault_of_another_server_is_told_of_that_one():
    good = {"number": 80, "name": "http", "protocol": "HTTP"}
    bad = server(good | {"name": "more"}, hosts=["a.io", "b"])
    (one,) = mesh.findings("Gateway", {"servers": [server(good), bad]})

    assert "GW-11" == one.code
    assert "'b' cannot be served" in one.message
