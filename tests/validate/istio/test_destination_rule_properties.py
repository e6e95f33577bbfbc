"""Rules drawn from their messages are taken; what is changed for the worse is refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh
from destinations import rules


@mesh.FEW
@given(rules())
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors("DestinationRule", spec)


def _rule(**fields):
    """Return a change that sets *fields* of the rule."""
    return lambda spec: spec.update(fields)


def _policy(**fields):
    """Return a change that sets *fields* of the traffic policy."""
    return lambda spec: spec.setdefault("trafficPolicy", {}).update(fields)


def _port(**fields):
    """Return a change that adds settings of a port."""

    def change(spec):
        policy = spec.setdefault("trafficPolicy", {})
        policy.setdefault("portLevelSettings", []).append(fields)

    return change


def _subset(**fields):
    """Return a change that adds a subset."""
    return lambda spec: spec.setdefault("subsets", []).append(fields)


def _locality(**fields):
    return _policy(loadBalancer={"localityLbSetting": fields})


def _zone(**fields):
    return _policy(loadBalancer={"zoneAwareLbSetting": fields})


def _hash(**fields):
    return _policy(loadBalancer={"consistentHash": fields})


WORSE = [
    ("DR-01", _rule(host="reviews.*.shop")),
    ("DR-01", _rule(host="my_reviews")),
    ("DR-03", lambda spec: spec.update(subsets=[{"name": "v1"}, {"name": "v1"}])),
    ("DR-04", _subset(name="v1.2")),
    ("DR-05", _subset(name="added", labels={"version": "v 1"})),
    ("DR-07", _rule(exportTo=["*", "."])),
    ("DR-07", _rule(exportTo=["~"])),
    ("DR-08", _rule(workloadSelector={"matchLabels": {"app": "*"}})),
    ("DR-09", _rule(workloadSelector={"matchLabels": {"a": "b"}}, exportTo=["payments"])),
    ("DR-10", _rule(workloadSelector={"matchLabels": {"a": "b"}}, exportTo=[".", "payments"])),
    ("DR-20", _rule(trafficPolicy={})),
    ("DR-20", _subset(name="added", trafficPolicy={"portLevelSettings": []})),
    ("DR-22", _rule(trafficPolicy={"tunnel": {"protocol": "GET"}})),
    ("DR-23", _rule(trafficPolicy={"tunnel": {"targetHost": "*.io", "targetPort": 1}})),
    ("DR-24", _rule(trafficPolicy={"tunnel": {"targetHost": "a.io", "targetPort": 65536}})),
    ("DR-26", _port(tls={"mode": "DISABLE"})),
    ("DR-26", _port(port={"number": 80})),
    ("DR-30", _policy(connectionPool={})),
    ("DR-31", _policy(connectionPool={"http": {"maxRetries": -1}})),
    ("DR-32", _policy(connectionPool={"http": {"idleTimeout": "0s"}})),
    (
        "DR-33",
        _policy(connectionPool={"http": {"h2UpgradePolicy": "UPGRADE", "useClientProtocol": True}}),
    ),
    ("DR-34", _policy(connectionPool={"http": {"http2KeepAlive": {"timeout": "1s"}}})),
    ("DR-35", _policy(connectionPool={"tcp": {"maxConnections": -1}})),
    ("DR-36", _policy(connectionPool={"tcp": {"connectTimeout": "1us"}})),
    ("DR-37", _policy(connectionPool={"tcp": {"idleTimeout": "1.0005s"}})),
    ("DR-40", _policy(tls={"credentialName": "configmap://partner"})),
    ("DR-41", _policy(tls={"credentialName": "configmap://payments/partner"})),
    (
        "DR-42",
        _policy(tls={"mode": "SIMPLE", "insecureSkipVerify": True, "subjectAltNames": ["a"]}),
    ),
    ("DR-43", _policy(tls={"mode": "MUTUAL", "insecureSkipVerify": True, "caCertificates": "a"})),
    ("DR-44", _policy(tls={"mode": "MUTUAL", "credentialName": "a", "caCrl": "a"})),
    ("DR-45", _policy(tls={"mode": "MUTUAL", "privateKey": "a"})),
    ("DR-46", _port(port={"number": 1}, tls={"mode": "MUTUAL", "clientCertificate": "a"})),
    ("DR-50", _policy(outlierDetection={"interval": "1500us"})),
    ("DR-52", _policy(outlierDetection={"consecutiveLocalOriginFailures": 1})),
    ("DR-53", _policy(outlierDetection={"minHealthPercent": 101})),
    ("DR-60", _hash(httpCookie={"name": ""})),
    ("DR-61", _hash(httpCookie={"name": "a", "attributes": [{"name": ""}]})),
    ("DR-62", _hash(httpCookie={"name": "a", "attributes": [{"name": "b"}, {"name": "b"}]})),
    ("DR-64", _hash(minimumRingSize=1, ringHash={})),
    ("DR-65", _hash(maglev={})),
    ("DR-66", _hash(maglev={"tableSize": 5000011})),
    ("DR-67", _hash(maglev={"tableSize": 65536})),
    ("DR-68", _policy(loadBalancer={"localityLbSetting": {}, "zoneAwareLbSetting": {}})),
    ("DR-69", _policy(loadBalancer={"warmup": {"duration": "0s"}})),
    ("DR-70", _policy(loadBalancer={"warmup": {"duration": "1s", "minimumPercent": 101}})),
    ("DR-71", _policy(loadBalancer={"warmup": {"duration": "1s", "aggression": 0}})),
    (
        "DR-72",
        _locality(distribute=[{"from": "a", "to": {"b": 100}}], failover=[{"from": "a"}]),
    ),
    (
        "DR-73",
        _locality(
            failover=[{"from": "a", "to": "b"}],
            failoverPriority=["topology.istio.io/subzone"],
        ),
    ),
    ("DR-74", _locality(distribute=[{"from": "a", "to": {"b": 101}}])),
    ("DR-75", _locality(distribute=[{"from": "a", "to": {"b": 50, "c": 49}}])),
    ("DR-76", _locality(distribute=[{"from": "a", "to": {"b": 50, "*": 50}}])),
    ("DR-76", _locality(distribute=[{"from": "a/", "to": {"b": 100}}])),
    ("DR-78", _locality(failover=[{"from": "a", "to": "a"}])),
    ("DR-79", _locality(failover=[{"from": "a", "to": "b/c"}])),
    ("DR-80", _locality(failover=[{"from": "*", "to": "b"}])),
    ("DR-85", _zone(failoverPriority=["topology.kubernetes.io/region"])),
    ("DR-87", _zone(failover=[{"from": "a", "to": "a"}])),
    ("DR-88", _zone(failover=[{"from": "a/b", "to": "c"}])),
    ("DR-89", _zone(failover=[{"from": "a", "to": "c*"}])),
]


@pytest.mark.parametrize(("code", "worsen"), WORSE, ids=[code for code, _ in WORSE])
@mesh.settings(mesh.FEW, max_examples=6)
@given(spec=rules())
def test_one_change_for_the_worse_is_refused(code, worsen, spec):
    changed = copy.deepcopy(spec)
    worsen(changed)

    assert code in mesh.errors("DestinationRule", changed)


@mesh.FEW
@given(st.integers(1, 5000010))
def test_a_table_size_is_refused_just_if_it_has_a_divisor(size):
    policy = {"loadBalancer": {"consistentHash": {"maglev": {"tableSize": size}}}}
    prime = all(size % divisor for divisor in range(2, int(size**0.5) + 1))

    assert (set() if prime else {"DR-67"}) == mesh.errors(
        "DestinationRule", {"host": "reviews", "trafficPolicy": policy}
    )
