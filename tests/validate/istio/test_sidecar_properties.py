"""Sidecars drawn from their messages are taken; what is changed for the worse is refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh

PACKAGE = "istio.networking.v1alpha3"
COUNTS = st.integers(0, 2**31 - 1)
TIMES = st.sampled_from(["1ms", "30s", "1h", "1.5s"])
CAPTURE = st.sampled_from(["DEFAULT", "IPTABLES", "NONE"])
ANY = "0.0.0.0"  # noqa: S104  # written into a document, bound by nobody
OWN = st.builds(
    "{}:{}".format, st.sampled_from(["127.0.0.1", ANY, "[::1]", "[::]", ""]), mesh.PORTS
)
SPACES = st.one_of(st.sampled_from(["*", ".", "~", "~shop"]), mesh.NAMES)
REACHED = st.builds("{}/{}".format, SPACES, st.just("*") | mesh.WILDCARDS | st.just("a.b.c"))

KEEPALIVE = mesh.message(
    f"{PACKAGE}.ConnectionPoolSettings.TCPSettings.TcpKeepalive",
    probes=COUNTS,
    time=TIMES,
    interval=TIMES,
)
PINGS = mesh.message(
    f"{PACKAGE}.ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive",
    "interval",
    "timeout",
    interval=TIMES,
    timeout=TIMES,
)
POOL_OF_TCP = mesh.message(
    f"{PACKAGE}.ConnectionPoolSettings.TCPSettings",
    maxConnections=COUNTS,
    connectTimeout=TIMES,
    tcpKeepalive=KEEPALIVE,
    maxConnectionDuration=TIMES,
    idleTimeout=TIMES | st.just("0s"),
)
POOL_OF_HTTP = mesh.message(
    f"{PACKAGE}.ConnectionPoolSettings.HTTPSettings",
    http1MaxPendingRequests=COUNTS,
    http2MaxRequests=COUNTS,
    maxRequestsPerConnection=COUNTS,
    maxRetries=COUNTS,
    idleTimeout=TIMES,
    h2UpgradePolicy=st.sampled_from(["DEFAULT", "DO_NOT_UPGRADE"]),
    useClientProtocol=st.booleans(),
    maxConcurrentStreams=COUNTS,
    http2KeepAlive=PINGS,
)
POOLS = st.one_of(
    mesh.message(f"{PACKAGE}.ConnectionPoolSettings", "tcp", tcp=POOL_OF_TCP, http=POOL_OF_HTTP),
    mesh.message(f"{PACKAGE}.ConnectionPoolSettings", "http", tcp=None, http=POOL_OF_HTTP),
)
CERTIFIED = {"serverCertificate": st.just("/etc/cert.pem"), "privateKey": st.just("/etc/key.pem")}
UNTAKEN = dict.fromkeys(
    (
        *("httpsRedirect", "credentialName", "credentialNames", "tlsCertificates"),
        *("subjectAltNames", "caCrl"),
    )
)


def tls(mode):
    """Return a strategy for the TLS of a listener that ends it in this mode."""
    asks = mode != "SIMPLE"
    versions = st.sampled_from(["TLS_AUTO", "TLSV1_2", "TLSV1_3"])
    return mesh.message(
        f"{PACKAGE}.ServerTLSSettings",
        "mode",
        *CERTIFIED,
        *(["caCertificates"] if asks else []),
        mode=st.just(mode),
        caCertificates=st.just("/etc/ca.pem"),
        caCertCredentialName=mesh.NAMES,
        insecureSkipVerify=st.booleans(),
        verifyCertificateSpki=st.lists(mesh.NAMES, max_size=1),
        verifyCertificateHash=st.lists(mesh.NAMES, max_size=1),
        minProtocolVersion=versions,
        maxProtocolVersion=versions,
        cipherSuites=st.lists(st.sampled_from(["AES128-SHA", "AES256-SHA"]), unique=True),
        **CERTIFIED,
        **UNTAKEN,
    )


def port(number, protocols):
    """Return a strategy for a port; its target has no meaning in a Sidecar."""
    return mesh.message(
        f"{PACKAGE}.SidecarPort",
        *(["number"] if number else []),
        number=st.just(number),
        protocol=protocols,
        name=mesh.NAMES,
        targetPort=None,
    )


def incoming(number):
    """Return a strategy for the ingress listener on this port."""
    plain, secured = (
        mesh.message(
            f"{PACKAGE}.IstioIngressListener",
            "port",
            port=ports,
            bind=mesh.ADDRESSES,
            captureMode=CAPTURE,
            defaultEndpoint=OWN | mesh.SOCKETS.filter(lambda at: at != "unix://"),
            tls=secrets,
            connectionPool=POOLS,
        )
        for ports, secrets in (
            (port(number, mesh.PROTOCOLS), None),
            (
                port(number, mesh.TLS).filter(lambda taken: "protocol" in taken),
                st.sampled_from(["SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"]).flatmap(tls),
            ),
        )
    )
    return plain | secured


def outgoing(number=0, socket=""):
    """Return a strategy for the egress listener on this port or socket, or for all the rest."""
    ports = port(number, mesh.PROTOCOLS) if number or socket else None
    binds = st.just(socket) if socket else mesh.ADDRESSES if number else None
    return mesh.message(
        f"{PACKAGE}.IstioEgressListener",
        "hosts",
        *(["port"] if ports is not None else []),
        *(["bind"] if socket else []),
        port=ports,
        bind=binds,
        captureMode=st.sampled_from(["DEFAULT", "NONE"]) if socket else CAPTURE,
        hosts=st.lists(REACHED, min_size=1, max_size=4),
    )


POLICIES = st.one_of(
    mesh.message(
        f"{PACKAGE}.OutboundTrafficPolicy",
        mode=st.sampled_from(["ALLOW_ANY", "REGISTRY_ONLY"]),
        egressProxy=None,
    ),
    mesh.message(
        f"{PACKAGE}.OutboundTrafficPolicy",
        "mode",
        mode=st.just("ALLOW_ANY"),
        egressProxy=mesh.message(
            f"{PACKAGE}.Destination",
            "host",
            "port",
            host=mesh.HOSTS,
            subset=mesh.NAMES,
            port=mesh.message(f"{PACKAGE}.PortSelector", "number", number=mesh.PORTS),
        ),
    ),
)


@st.composite
def sidecars(draw):
    """Return a Sidecar that Istio takes."""
    numbers = st.lists(mesh.PORTS, max_size=2, unique=True)
    sockets = st.lists(st.sampled_from(["unix:///a", "unix://@a"]), max_size=1)
    ways = [outgoing(number) for number in draw(numbers)]
    ways += [outgoing(0, socket) for socket in draw(sockets)]
    ways += [outgoing()] * draw(st.integers(0, 1))
    taken = draw(numbers)
    return draw(
        mesh.message(
            "Sidecar",
            draw(st.sampled_from(["outboundTrafficPolicy", "inboundConnectionPool"])),
            workloadSelector=mesh.message(f"{PACKAGE}.WorkloadSelector", labels=mesh.SELECTED),
            ingress=st.tuples(*map(incoming, taken)).map(list),
            egress=st.tuples(*ways).map(list),
            outboundTrafficPolicy=POLICIES,
            inboundConnectionPool=POOLS,
        )
    )


@mesh.FEW
@given(sidecars())
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors("Sidecar", spec)


HTTP = {"number": 80, "protocol": "HTTP"}
HTTPS = {"number": 443, "protocol": "HTTPS"}
HOST = "shop/a.example.com"
PROXY = {"host": "a.example.com", "port": {"number": 80}}
PAIR = {"serverCertificate": "/etc/cert.pem", "privateKey": "/etc/key.pem"}


def _in(**fields):
    return {"ingress": [{"port": HTTP} | fields]}


def _tls(**fields):
    return _in(port=HTTPS, tls={"mode": "SIMPLE"} | PAIR | fields)


def _out(**fields):
    return {"egress": [{"port": HTTP, "hosts": [HOST]} | fields]}


def _to(host):
    return {"egress": [{"hosts": [host]}]}


def _policy(mode="ALLOW_ANY", **fields):
    return {"outboundTrafficPolicy": {"mode": mode, "egressProxy": PROXY | fields}}


SOCKET = {"port": {"protocol": "HTTP"}, "bind": "unix:///a"}
WORSE = [
    ("SC-01", {"workloadSelector": {"labels": {"app": "*"}}}),
    ("SC-10", {"ingress": [None]}),
    ("SC-11", {"ingress": [{}]}),
    ("SC-12", _in(port=HTTP | {"targetPort": 1})),
    ("SC-13", _in(port=HTTP | {"name": "a_b"})),
    ("SC-14", _in(port=HTTP | {"protocol": "SCTP"})),
    ("SC-15", _in(port=HTTP | {"number": 65536})),
    ("SC-16", _in(bind="unix:///a")),
    ("SC-17", {"ingress": [{"port": HTTP}, {"port": HTTP}]}),
    ("SC-20", _in(defaultEndpoint="localhost:80")),
    ("SC-20", _in(defaultEndpoint="unix://a")),
    ("SC-25", _tls(subjectAltNames=["a"])),
    ("SC-26", _tls(httpsRedirect=True)),
    ("SC-27", _tls(credentialName="a")),
    ("SC-28", _tls(credentialNames=["a"])),
    ("SC-29", _tls(tlsCertificates=[PAIR])),
    ("SC-30", _tls(mode="ISTIO_MUTUAL")),
    ("SC-30", _tls(mode="AUTO_PASSTHROUGH")),
    ("SC-31", _in(tls={"mode": "SIMPLE"} | PAIR)),
    ("GW-37", _tls(mode="MUTUAL")),
    ("DR-30", _in(connectionPool={})),
    ("DR-35", {"inboundConnectionPool": {"tcp": {"maxConnections": -1}}}),
    ("SC-40", {"egress": [None]}),
    ("SC-41", {"egress": [{"hosts": [HOST]}, {"port": HTTP, "hosts": [HOST]}]}),
    ("SC-42", {"egress": [{"hosts": [HOST]}, {"hosts": [HOST]}]}),
    ("SC-43", _out(port=HTTP | {"targetPort": 1})),
    ("SC-44", _out(port=HTTP | {"name": "a_b"})),
    ("SC-45", _out(port=HTTP | {"protocol": "SCTP"})),
    ("SC-46", _out(port={"protocol": "HTTP"})),
    ("SC-46", _out(port={"protocol": "HTTP"}, bind="127.0.0.1")),
    ("SC-46", _out(port={"protocol": "HTTP"}, bind="unix://a")),
    ("SC-47", _out(**SOCKET, captureMode="IPTABLES")),
    ("SC-48", _out(port=HTTP | {"number": 65536})),
    ("SC-49", _out(bind="unix:///a")),
    ("SC-50", {"egress": [SOCKET | {"hosts": [HOST]}, SOCKET | {"hosts": [HOST]}]}),
    ("SC-51", {"egress": [{"port": HTTP, "hosts": [HOST]}] * 2}),
    ("SC-55", _out(hosts=[])),
    ("SC-56", _to("a.example.com")),
    ("SC-57", _to("/a.example.com")),
    ("SC-57", _to("shop/")),
    ("SC-58", _to("a_b/a.example.com")),
    ("SC-58", _to("~a_b/a.example.com")),
    ("SC-59", _to("shop/a")),
    ("SC-60", _to("shop/a_b.example.com")),
    ("SC-60", _to("shop/10.0.0.1")),
    ("SC-60", _to("shop/a/b.example.com")),
    ("SC-61", _to("shop/*a.example.com")),
    ("SC-71", _policy("REGISTRY_ONLY")),
    ("SC-72", _policy(host="*.example.com")),
    ("SC-73", _policy(port=None)),
    ("SC-74", _policy(port={"number": 0})),
    ("SC-74", _policy(subset="a_b")),
]


@pytest.mark.parametrize(("code", "change"), WORSE)
def test_one_change_for_the_worse_is_refused_by_its_rule(code, change):
    @mesh.settings(mesh.FEW, max_examples=8)
    @given(sidecars())
    def refused(spec):
        assert code in mesh.errors("Sidecar", spec | copy.deepcopy(change))

    refused()
