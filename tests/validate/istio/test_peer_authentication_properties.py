"""PeerAuthentications drawn from their messages are taken; one thing made worse is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh
from attached import BAD_SELECTORS, warnings

KIND = "PeerAuthentication"
MTLS = "istio.security.v1beta1.PeerAuthentication.MutualTLS"
MODES = mesh.message(MTLS, mode=st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]))
PORTS = st.dictionaries(mesh.PORTS.map(str), MODES, min_size=1, max_size=3)
SELECTORS = st.builds(lambda labels: {"matchLabels": labels}, mesh.SELECTED)


@st.composite
def policies(draw):
    by_port = draw(st.booleans())
    must = ["selector", "portLevelMtls"] if by_port else []
    return draw(
        mesh.message(
            KIND,
            *must,
            selector=SELECTORS if by_port else SELECTORS | st.just({}),
            mtls=MODES,
            portLevelMtls=PORTS if by_port else None,
        )
    )


@mesh.FEW
@given(policies())
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(KIND, spec)


def test_a_selector_without_labels_is_a_warning():
    assert {"PA-01"} == warnings(KIND, {"selector": {}})


@mesh.FEW
@given(policies(), st.sampled_from(BAD_SELECTORS))
def test_a_selector_that_cannot_select_is_refused(spec, labels):
    assert {"PA-01"} == mesh.errors(KIND, {**spec, "selector": {"matchLabels": labels}})


@mesh.FEW
@given(policies(), PORTS, st.sampled_from([None, {}, {"matchLabels": {}}]))
def test_ports_need_a_workload(spec, ports, selector):
    worse = {**spec, "portLevelMtls": ports, "selector": selector}
    if selector is None:
        del worse["selector"]

    assert {"PA-02"} == mesh.errors(KIND, worse)


@mesh.FEW
@given(policies())
def test_no_port_is_not_the_same_as_no_port_level_mtls(spec):
    assert {"PA-03"} == mesh.errors(KIND, {**spec, "portLevelMtls": {}})


@pytest.mark.parametrize("port", ["0", "65536", "4294967295"])
@mesh.FEW
@given(spec=policies(), ports=PORTS)
def test_a_port_is_within_its_bounds(spec, ports, port):
    worse = {**spec, "selector": {"matchLabels": {"a": "b"}}, "portLevelMtls": {**ports, port: {}}}

    assert {"PA-04"} == mesh.errors(KIND, worse)
