"""What the corpus cannot say of DestinationRule: warnings of error codes, several faults."""

import pytest

import mesh

TO_NORTH = {"from": "eu-west", "to": "eu-north"}


def found(**fields):
    """Return code and warning of each finding in a rule with *fields*."""
    spec = {"host": "reviews"} | fields
    return [(one.code, one.warning) for one in mesh.findings("DestinationRule", spec)]


def by_locality(*, guarded=True, **setting):
    """Return what is found in a rule with such a localityLbSetting."""
    policy = {"loadBalancer": {"localityLbSetting": setting}}
    if guarded:
        policy["outlierDetection"] = {"consecutive5xxErrors": 5}
    return found(trafficPolicy=policy)


def distribute(*sources):
    """Return shares that send all traffic of each of *sources* to one place of its own."""
    return [{"from": source, "to": {f"to-{n}": 100}} for n, source in enumerate(sources)]


def test_a_selector_without_labels_is_a_warning():
    assert [("DR-08", True)] == found(workloadSelector={})


@pytest.mark.parametrize("sources", [("eu/a", "*"), ("eu/a/1", "eu/*"), ("eu/a/1", "us", "eu/a/*")])
def test_a_wider_place_after_a_narrower_one_is_a_warning(sources):
    """Istio does not see it."""
    assert [("DR-76", True)] == by_locality(distribute=distribute(*sources))


@pytest.mark.parametrize(
    "sources",
    [("*", "eu"), ("eu/*", "eu/a"), ("eu/a", "eu"), ("eu", "eu/*"), ("eu/a/1", "eu/a/1")],
)
def test_a_place_that_istio_sees_twice_is_an_error(sources):
    assert [("DR-76", False)] == by_locality(distribute=distribute(*sources))


def test_the_order_in_which_shares_are_written_makes_no_difference():
    """Istio draws it by lot; what it may refuse is an error."""
    one = [{"from": "eu", "to": {"*": 60, "eu/a": 40}}]
    other = [{"from": "eu", "to": {"eu/a": 40, "*": 60}}]

    assert [("DR-76", False)] == by_locality(distribute=one)
    assert [("DR-76", False)] == by_locality(distribute=other)


def test_distribute_beside_failover_is_all_that_is_said_of_both():
    both = by_locality(
        guarded=False, distribute=distribute("eu//a"), failover=[{"from": "*", "to": "*"}]
    )

    assert [("DR-72", False)] == both


def test_weights_are_added_up_only_if_each_is_one():
    shares = [{"from": "eu//a", "to": {"eu": 0, "us": 101}}]

    assert [("DR-74", False)] * 2 == by_locality(distribute=shares)


def test_each_fault_of_a_failover_is_told():
    steps = [TO_NORTH, {"from": "eu/a", "to": "eu/a"}, {"from": "eu*", "to": "us/*"}]
    expected = ["DR-77", "DR-78", "DR-79", "DR-79", "DR-80", "DR-79", "DR-80"]

    assert expected == [code for code, _ in by_locality(guarded=False, failover=steps)]


def test_a_port_needs_outlier_detection_of_its_own():
    """Settings of a port replace those of the host; they do not add to them."""
    port = {
        "port": {"number": 80},
        "loadBalancer": {"localityLbSetting": {"failover": [TO_NORTH]}},
    }
    policy = {"outlierDetection": {"interval": "5s"}, "portLevelSettings": [port]}

    assert [("DR-77", True)] == found(trafficPolicy=policy)


def test_a_port_without_number_or_settings_is_told_twice():
    policy = {"portLevelSettings": [{}]}

    assert [("DR-26", False)] * 2 == found(trafficPolicy=policy)


def test_a_tunnel_beside_proxy_protocol_is_all_that_is_said_of_a_policy():
    policy = {
        "tunnel": {"protocol": "GET", "targetHost": "*", "targetPort": 0},
        "proxyProtocol": {},
        "connectionPool": {},
    }

    assert [("DR-21", False)] == found(trafficPolicy=policy)


def test_each_certificate_beside_a_credential_is_told():
    files = ("clientCertificate", "privateKey", "caCertificates", "caCrl")
    tls = {"mode": "MUTUAL", "credentialName": "partner"} | dict.fromkeys(files, "a.pem")

    assert [("DR-44", False)] * 4 == found(trafficPolicy={"tls": tls})


def test_an_own_namespace_goes_without_saying_for_a_rule_in_the_default_one():
    """The namespace of mesh documents is shop: '.' is the same."""
    selector = {"matchLabels": {"app": "a"}}

    assert [] == found(exportTo=["shop"], workloadSelector=selector)
    assert [("DR-09", False)] == found(exportTo=["default"], workloadSelector=selector)


def test_namespaces_that_are_none_do_not_count_as_exports():
    selector = {"matchLabels": {"app": "a"}}

    assert [("DR-07", False)] == found(exportTo=["a_b"], workloadSelector=selector)


def test_a_fault_is_found_by_either_spelling():
    policy = {"connection_pool": {"http": {"max_retries": -1}}}
    (one,) = mesh.findings("DestinationRule", {"host": "a", "traffic_policy": policy})[-1:]

    assert "DR-31" == one.code
    assert "-1 is below 0" in one.message
