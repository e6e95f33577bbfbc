"""Service entries drawn from their messages are taken; what is changed for the worse is refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh

ENTRY = "istio.networking.v1alpha3.ServiceEntry"
WORKLOAD = "istio.networking.v1alpha3.WorkloadEntry"
PORT = "istio.networking.v1alpha3.ServicePort"
SELECTOR = "istio.networking.v1alpha3.WorkloadSelector"
RESOLUTIONS = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]
SEEN_BY_DYNAMIC = st.sampled_from(["HTTP", "http2", "GRPC", "TLS"])
EXPORTS = st.sampled_from([["."], ["*"], ["~"], [], ["payments", "."], ["payments"]])


@st.composite
def service_ports(draw, protocols):
    """Return ports of which no two have a name or a number in common."""
    names = draw(st.lists(mesh.NAMES, max_size=4, unique=True))
    numbers = draw(st.lists(mesh.PORTS, min_size=len(names), max_size=len(names), unique=True))
    return [
        draw(
            mesh.message(
                PORT,
                "name",
                "number",
                name=st.just(name),
                number=st.just(number),
                protocol=protocols,
                targetPort=mesh.PORTS,
            )
        )
        for name, number in zip(names, numbers, strict=True)
    ]


def endpoint(names, addresses, *, ports=True):
    """Return a strategy for an endpoint of a service whose ports have *names*."""
    mapped = st.dictionaries(st.sampled_from(names), mesh.PORTS) if names and ports else None
    return mesh.message(
        WORKLOAD,
        "address",
        address=addresses,
        ports=mapped,
        labels=mesh.LABELS,
        network=mesh.NAMES,
        locality=st.sampled_from(["eu", "eu/zone-a", "eu/zone-a/rack-1"]),
        weight=st.integers(0, 2**32 - 1),
        serviceAccount=mesh.NAMES,
    )


@st.composite
def entries(draw, resolutions=RESOLUTIONS):
    """Return a ServiceEntry that Istio takes."""
    resolution = draw(st.sampled_from(resolutions))
    plain = resolution in ("DNS", "DNS_ROUND_ROBIN")
    hosts = mesh.HOSTS if plain else mesh.HOSTS | mesh.WILDCARDS
    if resolution == "DYNAMIC_DNS":
        hosts = mesh.WILDCARDS
    several = draw(st.lists(hosts, min_size=1, max_size=3))
    protocols = mesh.PROTOCOLS
    if resolution == "DYNAMIC_DNS":
        protocols = SEEN_BY_DYNAMIC
    elif resolution != "NONE" and len(several) > 1:
        protocols = mesh.HTTP | mesh.TLS
    ports = draw(service_ports(protocols))
    if resolution == "DYNAMIC_DNS" or len(several) > 1:
        ports = [port for port in ports if "protocol" in port]
    names = [port["name"] for port in ports]
    endpoints, selector = None, mesh.message(SELECTOR, labels=mesh.SELECTED)
    if resolution == "STATIC" and draw(st.booleans()):
        sockets = endpoint(names, mesh.SOCKETS, ports=False) if len(names) == 1 else st.nothing()
        endpoints = st.lists(endpoint(names, mesh.ADDRESSES) | sockets, max_size=3)
    elif plain and draw(st.booleans()):
        most = 3 if resolution == "DNS" else 1
        endpoints = st.lists(endpoint(names, mesh.ADDRESSES | mesh.HOSTS), max_size=most)
    ranges = st.nothing() if plain else mesh.RANGES
    return draw(
        mesh.message(
            ENTRY,
            "hosts",
            "ports",
            "resolution",
            hosts=st.just(several),
            ports=st.just(ports),
            addresses=(
                None
                if resolution == "DYNAMIC_DNS"
                else st.lists(mesh.ADDRESSES | ranges, max_size=3)
            ),
            location=st.sampled_from(["MESH_EXTERNAL", "MESH_INTERNAL"]),
            resolution=st.just(resolution),
            endpoints=endpoints,
            exportTo=EXPORTS,
            subjectAltNames=st.lists(mesh.TEXT, max_size=2),
            workloadSelector=None if endpoints is not None else selector,
        )
    )


@mesh.FEW
@given(entries())
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors("ServiceEntry", spec)


def _set(*path, to):
    """Return a change that puts *to* at *path*."""

    def change(spec):
        inside = spec
        for step in path[:-1]:
            inside = inside[step] if isinstance(inside, list) else inside.setdefault(step, {})
        inside[path[-1]] = to

    return change


def _add(*path, item):
    """Return a change that adds *item* to the list at *path*."""

    def change(spec):
        inside = spec
        for step in path[:-1]:
            inside = inside[step]
        inside.setdefault(path[-1], []).append(item)

    return change


def _both(*changes):
    def change(spec):
        for one in changes:
            one(spec)

    return change


def _port(**fields):
    """Return a change that adds a port of its own."""
    return _add("ports", item={"name": "added", "number": 1234, "protocol": "HTTP"} | fields)


def _twice(field):
    """Return a change that adds two ports that differ in all but *field*."""
    other = {"name": "other", "number": 4321} | {field: {"name": "added", "number": 1234}[field]}
    return _both(_set("ports", to=[]), _port(), _port(**other))


def _endpoint(**fields):
    """Return a change that makes this the only endpoint, of a service with one port."""

    def change(spec):
        spec.pop("workloadSelector", None)
        spec["ports"] = [{"name": "web", "number": 80, "protocol": "HTTP"}]
        spec["endpoints"] = [fields]

    return change


WORSE = [
    ("SE-01", RESOLUTIONS, _set("workloadSelector", to={"labels": {"app": "a*"}})),
    ("SE-01", RESOLUTIONS, _set("workloadSelector", to={"labels": {"": "a"}})),
    (
        "SE-02",
        ["STATIC"],
        _both(_endpoint(address="1.2.3.4"), _set("workloadSelector", to={"labels": {"a": "b"}})),
    ),
    ("SE-03", RESOLUTIONS, _set("hosts", to=[])),
    ("SE-04", RESOLUTIONS, _add("hosts", item="*")),
    ("SE-05", RESOLUTIONS, _add("hosts", item="a_b.example.com")),
    ("SE-05", RESOLUTIONS, _add("hosts", item="10.0.0.1")),
    ("SE-07", RESOLUTIONS, _set("addresses", to=["10.0.0.256"])),
    ("SE-08", ["DNS", "DNS_ROUND_ROBIN"], _set("addresses", to=["10.0.0.0/8"])),
    ("SE-10", RESOLUTIONS, _add("ports", item=None)),
    ("SE-11", RESOLUTIONS, _twice("name")),
    ("SE-12", RESOLUTIONS, _twice("number")),
    ("SE-13", RESOLUTIONS, _port(targetPort=65536)),
    ("SE-14", RESOLUTIONS, _port(name="web_1")),
    ("SE-15", RESOLUTIONS, _port(protocol="SCTP")),
    ("SE-16", RESOLUTIONS, _port(number=0)),
    ("SE-20", ["NONE"], _endpoint(address="1.2.3.4")),
    ("SE-25", ["STATIC"], _endpoint(address="db.example.com")),
    ("SE-25", ["STATIC"], _endpoint(address="1.2.3.4", ports={"other": 80})),
    (
        "SE-25",
        ["STATIC"],
        _both(_endpoint(address="unix:///a"), _add("ports", item={"name": "b", "number": 81})),
    ),
    ("WE-01", ["STATIC"], _endpoint(labels={"a": "b"})),
    ("WE-03", ["STATIC"], _endpoint(address="unix://a")),
    ("WE-04", ["STATIC"], _endpoint(address="unix:///a", ports={"web": 80})),
    ("WE-06", ["STATIC"], _endpoint(address="1.2.3.4", ports={"web_1": 80})),
    ("WE-07", ["STATIC"], _endpoint(address="1.2.3.4", ports={"web": 65536})),
    ("WE-08", ["STATIC"], _endpoint(address="1.2.3.4", labels={"a": "b c"})),
    (
        "SE-30",
        ["DNS", "DNS_ROUND_ROBIN"],
        _both(_set("endpoints", to=[]), _add("hosts", item="*.example.com")),
    ),
    ("SE-31", ["DNS_ROUND_ROBIN"], _set("endpoints", to=[{"address": "a"}, {"address": "b"}])),
    ("SE-32", ["DNS", "DNS_ROUND_ROBIN", "STATIC"], _set("endpoints", to=[None])),
    ("SE-33", ["DNS", "DNS_ROUND_ROBIN"], _endpoint(address="unix:///a")),
    ("SE-33", ["DNS", "DNS_ROUND_ROBIN"], _endpoint(network="cellar")),
    ("SE-34", ["DNS", "DNS_ROUND_ROBIN"], _endpoint(address="a", labels={"-": "b"})),
    ("SE-35", ["DNS", "DNS_ROUND_ROBIN"], _endpoint(address="a", ports={"other": 80})),
    ("SE-36", ["DNS", "DNS_ROUND_ROBIN"], _endpoint(address="a", ports={"web": 0})),
    ("SE-41", ["DYNAMIC_DNS"], _add("hosts", item="www.example.com")),
    ("SE-42", ["DYNAMIC_DNS"], _set("addresses", to=["10.0.0.1"])),
    ("SE-43", ["DYNAMIC_DNS"], _endpoint(address="a.example.com")),
    ("SE-44", ["DYNAMIC_DNS"], _port(protocol="TCP")),
    (
        "SE-51",
        ["STATIC", "DNS", "DNS_ROUND_ROBIN"],
        _both(_add("hosts", item="b.example.com"), _port(protocol="TCP")),
    ),
    ("SE-52", RESOLUTIONS, _set("exportTo", to=["*", "shop"])),
    ("SE-52", RESOLUTIONS, _set("exportTo", to=[".", "shop"])),
]


@pytest.mark.parametrize(("code", "resolutions", "change"), WORSE)
def test_one_change_for_the_worse_is_refused_by_its_rule(code, resolutions, change):
    @mesh.settings(mesh.FEW, max_examples=8)
    @given(entries(resolutions))
    def refused(spec):
        worse = copy.deepcopy(spec)
        change(worse)

        assert code in mesh.errors("ServiceEntry", worse)

    refused()


@mesh.settings(mesh.FEW, max_examples=8)
@given(entries(["DYNAMIC_DNS"]), st.sampled_from(["", "none", "egress"]))
def test_a_waypoint_serves_dynamic_dns_outside_of_the_mesh_only(spec, waypoint):
    spec = spec | {"location": "MESH_INTERNAL"}
    labels = {"istio.io/use-waypoint": waypoint}
    expected = {"SE-46"} if waypoint == "egress" else set()

    assert expected == mesh.errors("ServiceEntry", spec, labels)
