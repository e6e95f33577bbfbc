"""What the corpus cannot say of ServiceEntry: warnings of error codes, several faults at once."""

import pytest

import mesh

HTTP = {"name": "http", "number": 80, "protocol": "HTTP"}


def found(spec, labels=None):
    """Return each finding's code, and whether it is a warning."""
    return [(one.code, one.warning) for one in mesh.findings("ServiceEntry", spec, labels)]


def test_a_selector_without_labels_is_a_warning():
    spec = {"hosts": ["a.com"], "resolution": "STATIC", "workloadSelector": {}}

    assert [("SE-01", True)] == found(spec)


def test_a_selector_with_resolution_none_is_a_warning():
    spec = {"hosts": ["a.com"], "workloadSelector": {"labels": {"app": "a"}}}

    assert [("SE-20", True)] == found(spec)


def test_lists_that_are_empty_are_absent():
    """As Istio reads them."""
    spec = {"hosts": ["a.com"], "resolution": "DNS", "addresses": [], "endpoints": [], "ports": []}

    assert [] == found(spec)


@pytest.mark.parametrize("label", ["false", "False", "FALSE"])
def test_a_service_can_be_kept_from_an_address_of_its_own_in_any_case(label):
    ports = [{"name": "tcp", "number": 5432, "protocol": "TCP"}]
    spec = {"hosts": ["a.com"], "resolution": "DNS", "ports": ports}
    labels = {"networking.istio.io/enable-autoallocate-ip": label}

    assert [("SE-17", True)] == found(spec, labels)


def test_tcp_in_lower_case_is_passed_over_as_in_istio():
    ports = [{"name": "tcp", "number": 5432, "protocol": "tcp"}]

    assert [] == found({"hosts": ["a.com"], "ports": ports})


def test_each_fault_of_a_document_is_told():
    spec = {
        "hosts": ["a.com", "*"],
        "ports": [HTTP, HTTP | {"targetPort": 70000}],
        "exportTo": ["~", "."],
    }
    expected = ["SE-04", "SE-13", "SE-11", "SE-12", "SE-52"]

    assert expected == [code for code, _ in found(spec)]


def test_what_is_missing_from_two_ports_is_no_name_given_twice():
    ports = [{"number": 80, "protocol": "HTTP"}, {"number": 81, "protocol": "HTTP"}]

    assert {"SE-14"} == mesh.errors("ServiceEntry", {"hosts": ["a.com"], "ports": ports})


def test_a_host_that_is_none_is_told_once():
    """What is no host needs no word on wildcards, DNS and DYNAMIC_DNS."""
    for resolution in ("DNS", "DYNAMIC_DNS"):
        spec = {"hosts": ["a_b.com"], "resolution": resolution}

        assert [("SE-05", False)] == found(spec)


def test_an_endpoint_without_an_address_is_told_of_nothing_else():
    """As in Istio: without an address it is not clear what the endpoint is."""
    endpoint = {"ports": {"other": 0}, "labels": {"-": "-"}}
    spec = {"hosts": ["a.com"], "resolution": "STATIC", "ports": [HTTP], "endpoints": [endpoint]}

    assert "WE-01" in mesh.errors("ServiceEntry", spec)
    assert {"WE-06", "WE-08"}.isdisjoint(mesh.errors("ServiceEntry", spec))


def test_what_a_message_quotes_is_short_and_harmless():
    host = "\u202e\n" + "x" * 10_000
    (finding,) = mesh.findings("ServiceEntry", {"hosts": [host]})

    assert finding.message.isprintable()
    assert len(finding.message) < 300
