"""Workload entries and groups drawn from their messages are taken; worse ones are refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh

PACKAGE = "istio.networking.v1alpha3"
WEIGHTS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(0, 2**31 - 1)
PLACES = st.sampled_from(["eu", "eu/zone-a", "eu/zone-a/rack-1"])


def workload(*required, addresses, ports):
    """Return a strategy for a WorkloadEntry."""
    return mesh.message(
        "WorkloadEntry",
        *required,
        address=addresses,
        ports=ports,
        labels=mesh.LABELS,
        network=mesh.NAMES,
        locality=PLACES,
        weight=WEIGHTS,
        serviceAccount=mesh.NAMES,
    )


PORTS = st.dictionaries(mesh.NAMES, mesh.PORTS, max_size=3)
ENTRIES = st.one_of(
    workload("address", addresses=mesh.ADDRESSES | mesh.HOSTS, ports=PORTS),
    workload("address", addresses=mesh.SOCKETS.filter(lambda at: at != "unix://"), ports=None),
    workload("network", addresses=None, ports=PORTS),
)
HEADERS = mesh.message(
    f"{PACKAGE}.HTTPHeader",
    "name",
    name=st.sampled_from(["X-Till", "accept", "9", "-"]),
    value=mesh.TEXT,
)
METHODS = {
    "httpGet": mesh.message(
        f"{PACKAGE}.HTTPHealthCheckConfig",
        "port",
        path=mesh.TEXT,
        port=mesh.PORTS,
        host=mesh.TEXT,
        scheme=st.sampled_from(["", "HTTP", "HTTPS"]),
        httpHeaders=st.lists(HEADERS, max_size=2),
    ),
    "tcpSocket": mesh.message(
        f"{PACKAGE}.TCPHealthCheckConfig", "port", host=mesh.TEXT, port=mesh.PORTS
    ),
    "exec": mesh.message(
        f"{PACKAGE}.ExecHealthCheckConfig",
        "command",
        command=st.lists(mesh.NAMES, min_size=1, max_size=3),
    ),
}


def probe(method):
    """Return a strategy for a probe that asks in this way; grpc is refused by Istio."""
    return mesh.message(
        f"{PACKAGE}.ReadinessProbe",
        method,
        initialDelaySeconds=COUNTS,
        timeoutSeconds=COUNTS,
        periodSeconds=COUNTS,
        successThreshold=COUNTS,
        failureThreshold=COUNTS,
        **(dict.fromkeys((*METHODS, "grpc")) | {method: METHODS[method]}),
    )


GROUPS = mesh.message(
    "WorkloadGroup",
    "template",
    metadata=mesh.message(
        f"{PACKAGE}.WorkloadGroup.ObjectMeta",
        labels=mesh.LABELS,
        annotations=st.dictionaries(mesh.NAMES, mesh.TEXT, max_size=2),
    ),
    template=workload(addresses=mesh.ADDRESSES | mesh.HOSTS, ports=PORTS),
    probe=st.sampled_from(sorted(METHODS)).flatmap(probe),
)


@mesh.FEW
@given(ENTRIES)
def test_an_entry_drawn_from_its_message_is_taken(spec):
    expected = [] if "address" in spec else [("WE-02", True)]
    found = mesh.findings("WorkloadEntry", spec)

    assert expected == [(one.code, one.warning) for one in found]


@mesh.FEW
@given(GROUPS)
def test_a_group_drawn_from_its_message_is_taken(spec):
    assert [] == mesh.findings("WorkloadGroup", spec)


WORSE_ENTRIES = [
    ("WE-01", {"address": "", "network": ""}),
    ("WE-03", {"address": "unix://"}),
    ("WE-03", {"address": "unix:///run/"}),
    ("WE-04", {"address": "unix:///run", "ports": {"http": 80}}),
    ("WE-05", {"address": "a b"}),
    ("WE-05", {"address": "10.0.0.0/8"}),
    ("WE-05", {"address": "*.example.com"}),
    ("WE-06", {"address": "a", "ports": {"http_1": 80}}),
    ("WE-06", {"address": "a", "ports": {"": 80}}),
    ("WE-07", {"address": "a", "ports": {"http": 0}}),
    ("WE-07", {"address": "a", "ports": {"http": 65536}}),
    ("WE-08", {"address": "a", "labels": {"": "a"}}),
    ("WE-08", {"address": "a", "labels": {"a": "-"}}),
    ("WE-08", {"address": "a", "labels": {"/a": "a"}}),
    ("WE-08", {"address": "a", "labels": {"x" * 64: "a"}}),
]
WORSE_GROUPS = [
    ("WG-02", {"metadata": {"labels": {"a": "-"}}}),
    ("WG-10", {"probe": {"tcpSocket": {"port": 80}, "periodSeconds": -1}}),
    ("WG-10", {"probe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": -1}}),
    ("WG-10", {"probe": {"tcpSocket": {"port": 80}, "timeoutSeconds": -1}}),
    ("WG-10", {"probe": {"tcpSocket": {"port": 80}, "successThreshold": -1}}),
    ("WG-10", {"probe": {"tcpSocket": {"port": 80}, "failureThreshold": -1}}),
    ("WG-11", {"probe": {}}),
    ("WG-11", {"probe": {"grpc": {"port": 80}}}),
    ("WG-12", {"probe": {"httpGet": {"port": 65536}}}),
    ("WG-12", {"probe": {"httpGet": {}}}),
    ("WG-13", {"probe": {"httpGet": {"port": 80, "scheme": "http"}}}),
    ("WG-14", {"probe": {"httpGet": {"port": 80, "httpHeaders": [{"value": "a"}]}}}),
    ("WG-14", {"probe": {"httpGet": {"port": 80, "httpHeaders": [None]}}}),
    ("WG-14", {"probe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a_b"}]}}}),
    ("WG-15", {"probe": {"tcpSocket": {"port": 0}}}),
    ("WG-16", {"probe": {"exec": {}}}),
]


@pytest.mark.parametrize(("code", "change"), WORSE_ENTRIES)
def test_one_change_of_an_entry_for_the_worse_is_refused_by_its_rule(code, change):
    @mesh.settings(mesh.FEW, max_examples=8)
    @given(ENTRIES)
    def refused(spec):
        assert {code} <= mesh.errors("WorkloadEntry", spec | copy.deepcopy(change))

    refused()


@pytest.mark.parametrize(("code", "change"), WORSE_GROUPS)
def test_one_change_of_a_group_for_the_worse_is_refused_by_its_rule(code, change):
    @mesh.settings(mesh.FEW, max_examples=8)
    @given(GROUPS)
    def refused(spec):
        assert {code} <= mesh.errors("WorkloadGroup", spec | copy.deepcopy(change))

    refused()


@mesh.settings(mesh.FEW, max_examples=20)
@given(GROUPS)
def test_a_group_without_a_template_is_refused(spec):
    del spec["template"]

    assert {"WG-01"} == mesh.errors("WorkloadGroup", spec)


@pytest.mark.parametrize("change", [each for code, each in WORSE_ENTRIES if code != "WE-01"])
def test_a_template_that_would_be_refused_as_an_entry_is_a_warning(change):
    """Istio does not look at it; errors of the resource definition's own may stand beside."""
    found = mesh.findings("WorkloadGroup", {"template": change})

    assert "WG-03" in {one.code for one in found if one.warning}
    assert "WG-03" not in {one.code for one in found if not one.warning}
