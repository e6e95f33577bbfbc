"""What kinds share is judged alike in each: exports, selectors, targets, destinations."""

import pytest

from gitsource._proto.istio.networking.v1alpha3.service_entry_pb2 import ServiceEntry
from gitsource._proto.istio.networking.v1alpha3.sidecar_pb2 import Sidecar
from gitsource._proto.istio.networking.v1alpha3.virtual_service_pb2 import Destination
from gitsource._proto.istio.telemetry.v1alpha1.telemetry_pb2 import Telemetry
from gitsource.validate.istio import policies
from gitsource.validate.istio.subject import SPEC, Subject

SELECTOR = (*SPEC, "selector")
CODES = ("ONE", "SELECTOR", "TARGET")


def subject(spec, raw=None):
    return Subject(spec, raw or {}, "checkout", "shop", {}, {})


def exported(entries, *, nowhere=False):
    """Return the places of entries of exportTo that are told."""
    entry = subject(ServiceEntry(export_to=entries))
    found = policies.export_to("EXPORT", entry, ("spec", "exportTo"), nowhere=nowhere)
    return [problem.path[-1] for problem in found]


@pytest.mark.parametrize(
    "entries", [[], ["."], ["*"], ["payments"], ["payments", "."], ["a", "b-1", "C"]]
)
def test_what_can_be_exported_to(entries):
    assert [] == exported(entries)


@pytest.mark.parametrize(
    ("entries", "places"),
    [
        (["payments", "payments"], [1]),
        ([".", "shop"], [1]),
        (["shop", "."], [1]),
        (["*", "payments"], [0]),
        (["payments", "*"], [1]),
        (["~"], [0]),
        (["a.b", "payments", "", "-a", "*.a"], [0, 2, 3, 4]),
    ],
)
def test_what_cannot_be_exported_to_is_told_at_its_entry(entries, places):
    assert places == exported(entries)


def test_nowhere_stands_alone_where_it_is_taken():
    assert [] == exported(["~"], nowhere=True)
    assert [0] == exported(["~", "payments"], nowhere=True)


def selected(labels):
    """Return severity, whether the key is meant, and the path of each problem of a selector."""
    spec = Telemetry()
    spec.selector.SetInParent()
    spec.selector.match_labels.update(labels)
    found = policies.beta_selector("SELECTOR", SELECTOR, spec)
    return [(problem.severity, problem.at_key, problem.path[2:]) for problem in found]


def test_every_label_of_a_selector_that_cannot_match_is_told():
    labels = {"app": "shop", "": "a", "a*": "b", "version": "*"}
    expected = [
        ("error", True, ("matchLabels", "")),
        ("error", True, ("matchLabels", "a*")),
        ("error", False, ("matchLabels", "version")),
    ]

    assert expected == selected(labels)


def test_a_selector_without_labels_deserves_a_word():
    assert [("warning", False, ())] == selected({})


def test_no_selector_deserves_none():
    assert [] == list(policies.beta_selector("SELECTOR", SELECTOR, Telemetry()))


def test_the_older_selector_is_judged_up_to_the_first_flaw():
    spec = Sidecar()
    spec.workload_selector.labels.update({"a": "*", "b": "*"})
    path = (*SPEC, "workloadSelector")

    found = list(policies.alpha_selector("SELECTOR", path, spec))

    assert [(*path, "labels", "a")] == [problem.path for problem in found]


def attached(**ways):
    """Return code and path of each problem of how a Telemetry is attached."""
    spec = Telemetry(**ways)
    found = policies.applies_to(CODES, subject(spec, ways))
    return [(problem.code, problem.path[1:]) for problem in found]


SERVICE = {"kind": "Service", "name": "checkout"}


def test_the_second_way_of_attaching_is_one_too_many():
    two = attached(selector={"match_labels": {"a": "b"}}, targetRef=SERVICE)
    three = attached(selector={"match_labels": {"a": "b"}}, targetRef=SERVICE, targetRefs=[SERVICE])

    assert [("ONE", ("targetRef",))] == two
    assert [("ONE", ("targetRef",)), ("ONE", ("targetRefs",))] == three


@pytest.mark.parametrize(
    "target",
    [
        SERVICE,
        {**SERVICE, "group": "core"},
        {"kind": "ServiceEntry", "group": "networking.istio.io", "name": "payments"},
        {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "waypoint"},
        {"kind": "GatewayClass", "group": "gateway.networking.k8s.io", "name": "waypoint"},
    ],
)
def test_what_a_policy_can_be_attached_to(target):
    assert [] == attached(targetRef=target) == attached(targetRefs=[target])


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ({"kind": "Service"}, ()),
        ({"kind": "Service", "name": ""}, ("name",)),
        ({**SERVICE, "namespace": "shop"}, ("namespace",)),
        ({"name": "checkout"}, ()),
        ({"kind": "service", "name": "checkout"}, ("kind",)),
        ({"kind": "Gateway", "name": "shop"}, ()),
        ({"kind": "Gateway", "name": "shop", "group": "networking.istio.io"}, ("group",)),
        ({**SERVICE, "group": "v1"}, ("group",)),
    ],
)
def test_what_is_wrong_with_a_target_is_told_where_it_is_written(target, place):
    """What is missing is told of the target as a whole."""
    assert [("TARGET", ("targetRefs", 0, *place))] == attached(targetRefs=[target])


def sent(**fields):
    target = Destination(**fields)
    return [p.path[1:] for p in policies.destination("TO", ("to",), target)]


@pytest.mark.parametrize("host", ["reviews", "reviews.shop.svc.cluster.local", "*.example.com"])
def test_traffic_can_be_sent_to_a_service_or_a_domain(host):
    assert [] == sent(host=host, subset="v1", port={"number": 9080})


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({}, [("host",)]),
        ({"host": "*"}, [("host",)]),
        ({"host": "a b"}, [("host",)]),
        ({"host": "a", "subset": "v.1"}, [("subset",)]),
        ({"host": "a", "port": {}}, [("port", "number")]),
        ({"host": "-", "subset": "-", "port": {"number": 65536}}, [("host",), ("subset",)]),
    ],
)
def test_a_destination_that_is_none_is_told_part_by_part(fields, places):
    assert places == sent(**fields)[: len(places)]
