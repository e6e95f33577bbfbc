"""A ProxyConfig drawn from its message is taken; one that is changed for the worse is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh

CONFIGS = mesh.message(
    "ProxyConfig",
    selector=mesh.message(
        "istio.type.v1beta1.WorkloadSelector", "matchLabels", matchLabels=mesh.SELECTED
    ),
    concurrency=st.integers(0, 2**31 - 1) | st.none(),
    environmentVariables=st.dictionaries(mesh.NAMES, mesh.TEXT, max_size=2),
    image=mesh.message("istio.networking.v1beta1.ProxyImage", imageType=mesh.NAMES),
)


@mesh.FEW
@given(CONFIGS)
def test_what_is_drawn_from_the_message_is_taken(spec):
    assert [] == mesh.findings("ProxyConfig", spec)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("PC-01", {"selector": {"matchLabels": {"app*": "a"}}}),
        ("PC-01", {"selector": {"matchLabels": {"app": "*"}}}),
        ("PC-01", {"selector": {"matchLabels": {"": "a"}}}),
        ("PC-02", {"concurrency": -1}),
        ("PC-02", {"concurrency": -(2**31)}),
    ],
)
def test_one_change_for_the_worse_is_refused_by_its_rule(code, change):
    @mesh.settings(mesh.FEW, max_examples=8)
    @given(CONFIGS)
    def refused(spec):
        assert {code} == mesh.errors("ProxyConfig", spec | change)

    refused()


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}])
def test_a_selector_without_labels_is_a_warning(selector):
    found = mesh.findings("ProxyConfig", {"selector": selector})

    assert [("PC-01", True)] == [(one.code, one.warning) for one in found]
