"""Gateways drawn from their messages are taken; what is changed for the worse is refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh

BODY = "istio.networking.v1alpha3."
TLS_SETTINGS = BODY + "ServerTLSSettings"
FILES = st.sampled_from(["/etc/certs/a.pem", "a"])
VERSIONS = st.sampled_from(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"])
PAIR = ("serverCertificate", "privateKey")
EXPRESSIONS = st.sampled_from(["ECDHE-RSA-AES128-SHA", "ALL", "-ALL", "@STRENGTH", "", "NOVEL"])
PLACES = st.sampled_from(["", "./", "*/", "shop/", "Shop-1/"])
HOSTS = mesh.HOSTS.filter(lambda host: "." in host) | mesh.WILDCARDS | st.ip_addresses(v=4).map(str)
PLAIN = st.sampled_from(["TCP", "Mongo", "REDIS", "mysql", "UDP"])


def pairs():
    """Return a strategy for one or two certificates."""
    pair = mesh.message(
        TLS_SETTINGS + ".TLSCertificate",
        *PAIR,
        serverCertificate=FILES,
        privateKey=FILES,
        caCertificates=FILES,
    )
    return st.lists(pair, min_size=1, max_size=2)


def tls(mode, *must, only=()):
    """Return a strategy for TLS in *mode*, with certificates in fields of *only*."""
    certificates = {
        "serverCertificate": FILES,
        "privateKey": FILES,
        "caCertificates": FILES,
        "caCrl": FILES,
        "credentialName": mesh.NAMES,
        "credentialNames": st.lists(mesh.NAMES, min_size=1, max_size=2),
        "tlsCertificates": pairs(),
    }
    return mesh.message(
        TLS_SETTINGS,
        "mode",
        *must,
        mode=st.just(mode),
        httpsRedirect=st.booleans(),
        subjectAltNames=st.lists(mesh.NAMES, max_size=2),
        minProtocolVersion=VERSIONS,
        maxProtocolVersion=VERSIONS,
        cipherSuites=st.lists(EXPRESSIONS, max_size=3),
        verifyCertificateSpki=st.lists(mesh.NAMES, max_size=1),
        verifyCertificateHash=st.lists(mesh.NAMES, max_size=1),
        caCertCredentialName=mesh.NAMES,
        insecureSkipVerify=st.booleans(),
        **{name: values if name in only else None for name, values in certificates.items()},
    )


MUTUAL = st.sampled_from(["MUTUAL", "OPTIONAL_MUTUAL"])
ENDED = st.one_of(
    tls("ISTIO_MUTUAL", only={"caCrl"}),
    tls("PASSTHROUGH", only={*PAIR, "caCertificates", "caCrl"}),
    tls("AUTO_PASSTHROUGH", only={"credentialName"}),
    tls("SIMPLE", *PAIR, only={*PAIR, "caCertificates"}),
    tls("SIMPLE", "tlsCertificates", only={"tlsCertificates", "privateKey"}),
    tls("SIMPLE", "credentialNames", only={"credentialNames", "caCrl", "privateKey"}),
    MUTUAL.flatmap(
        lambda mode: st.one_of(
            tls(mode, *PAIR, "caCertificates", only={*PAIR, "caCertificates", "caCrl"}),
            tls(mode, "credentialName", only={"credentialName", "caCertificates", "caCrl"}),
            tls(
                mode,
                "tlsCertificates",
                "caCertificates",
                only={"tlsCertificates", "caCertificates", "caCrl"},
            ),
        )
    ),
)
"""TLS on a port of TLS."""
REDIRECT = tls("PASSTHROUGH", only={"caCrl"}) | tls("AUTO_PASSTHROUGH", only={"credentialName"})
"""TLS on a port of plain HTTP: settings without files."""


@st.composite
def servers(draw, name):
    """Return a server whose port is called *name*."""
    protocols, settings, must = draw(
        st.sampled_from([(mesh.HTTP, REDIRECT, ()), (mesh.TLS, ENDED, ("tls",)), (PLAIN, None, ())])
    )
    socket = draw(st.booleans())
    port = mesh.message(
        BODY + "Port",
        "number",
        "protocol",
        "name",
        number=st.just(0) if socket else mesh.PORTS,
        protocol=protocols,
        name=st.just(name),
        targetPort=st.just(0),
    )
    host = st.builds("{}{}".format, PLACES, HOSTS | st.just("*"))
    return draw(
        mesh.message(
            BODY + "Server",
            "port",
            "hosts",
            *must,
            *(("bind",) if socket else ()),
            port=port,
            hosts=st.lists(host, min_size=1, max_size=3),
            tls=settings,
            bind=mesh.SOCKETS if socket else mesh.ADDRESSES,
            defaultEndpoint=mesh.TEXT,
            name=mesh.TEXT,
        )
    )


@st.composite
def gateways(draw):
    """Return a Gateway that Istio takes."""
    names = draw(st.lists(mesh.NAMES | mesh.TEXT.filter(bool), min_size=1, max_size=3, unique=True))
    several = st.tuples(*map(servers, names)).map(list)
    return draw(mesh.message("Gateway", "servers", servers=several, selector=mesh.LABELS))


@mesh.FEW
@given(gateways())
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors("Gateway", spec)


def _server(**fields):
    """Return a change that adds a server that is good but for *fields*."""
    good = {"port": {"number": 80, "name": "added", "protocol": "HTTP"}, "hosts": ["*"]}
    return lambda spec: spec["servers"].append(good | fields)


def _port(**fields):
    return _server(port={"number": 80, "name": "added", "protocol": "HTTP"} | fields)


def _tls(**fields):
    port = {"number": 443, "name": "added", "protocol": "HTTPS"}
    return _server(port=port, tls=fields)


WORSE = [
    ("GW-02", lambda spec: spec.update(servers=[])),
    ("GW-03", lambda spec: spec["servers"].append(None)),
    ("GW-04", lambda spec: spec["servers"].append(spec["servers"][0])),
    ("GW-10", _server(hosts=[])),
    ("GW-11", _server(hosts=["*", "shop"])),
    ("GW-11", _server(hosts=["*shop.io"])),
    ("GW-11", _server(hosts=["~/shop.io"])),
    ("GW-11", _server(hosts=["2001:db8::1"])),
    ("GW-15", lambda spec: spec["servers"].append({"hosts": ["*"]})),
    ("GW-16", _port(protocol="KAFKA")),
    ("GW-17", _port(number=65536)),
    ("GW-17", _port(number=0)),
    ("GW-18", _port(targetPort=8080)),
    ("GW-19", _port(name="")),
    ("GW-20", _server(bind="unix://run/a")),
    ("GW-21", _server(bind="unix://@a")),
    ("GW-22", _server(bind="shop.io")),
    ("GW-25", _port(protocol="tls")),
    ("GW-26", _server(tls={"mode": "SIMPLE"})),
    ("GW-27", _server(port={"number": 1, "name": "added", "protocol": "TCP"}, tls={})),
    ("GW-33", _tls(mode="ISTIO_MUTUAL", credentialName="a")),
    ("GW-35", _tls(mode="SIMPLE", credentialName="a", tlsCertificates=[{"privateKey": "a"}])),
    ("GW-37", _tls(mode="MUTUAL", serverCertificate="a", privateKey="a")),
    ("GW-38", _tls(mode="SIMPLE", tlsCertificates=[{}, {}, {}])),
    ("GW-39", _tls(mode="SIMPLE", privateKey="a")),
    ("GW-40", _tls(mode="OPTIONAL_MUTUAL", serverCertificate="a")),
    ("GW-41", _tls(mode="PASSTHROUGH", credentialName="a", caCrl="a")),
    ("GW-42", _tls(mode="SIMPLE", caCrl="a")),
]


@pytest.mark.parametrize(("code", "worsen"), WORSE, ids=[code for code, _ in WORSE])
@mesh.settings(mesh.FEW, max_examples=8)
@given(spec=gateways())
def test_one_change_for_the_worse_is_refused(code, worsen, spec):
    changed = copy.deepcopy(spec)
    worsen(changed)

    assert code in mesh.errors("Gateway", changed)
