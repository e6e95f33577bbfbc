"""EnvoyFilters drawn from their messages are taken; one thing changed for the worse is told."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generated import documents
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.messages.known import find
from gitsource.validate.istio import envoy_patch

CATALOG = Catalog()
OBJECTS = {
    "LISTENER": "listener",
    "FILTER_CHAIN": "listener",
    "NETWORK_FILTER": "listener",
    "HTTP_FILTER": "listener",
    "ROUTE_CONFIGURATION": "routeConfiguration",
    "VIRTUAL_HOST": "routeConfiguration",
    "HTTP_ROUTE": "routeConfiguration",
    "CLUSTER": "cluster",
}
FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
NAMES = st.sampled_from(["reviews", "shop.example.com", "outbound|9080||reviews", "a/b"])


@st.composite
def patches(draw):
    """Return a patch that istiod takes."""
    applies = draw(st.sampled_from(sorted(envoy_patch._MESSAGES)))
    patch = {"applyTo": applies, "patch": {"operation": "MERGE"}}
    if draw(st.booleans()):
        patch["match"] = {"context": draw(st.sampled_from(["ANY", "GATEWAY", "SIDECAR_INBOUND"]))}
        kind = OBJECTS.get(applies)
        if kind and draw(st.booleans()):
            patch["match"][kind] = draw(st.sampled_from([{}, {"portNumber": 9080}]))
        if draw(st.booleans()):
            patch["match"]["proxy"] = {"proxyVersion": draw(st.sampled_from(["", "1.*", "^1[.]2"]))}
    if applies == "HTTP_FILTER" and draw(st.booleans()):
        name = "envoy.filters.network.http_connection_manager"
        inner = {"name": name, "subFilter": {"name": draw(NAMES)}}
        patch["match"] = {"listener": {"filterChain": {"filter": inner}}}
    patch["patch"]["value"] = draw(values(applies))
    return patch


@st.composite
def values(draw, applies):
    """Return a value of what *applies* is patched with, small and of any depth."""
    descriptor = find(envoy_patch._MESSAGES[applies])
    return _in_doubles(draw(documents(descriptor, depth=3))[0])


def _in_doubles(value):
    """Return *value* with whole numbers that a Struct, which has doubles only, can carry."""
    if isinstance(value, dict):
        return {key: _in_doubles(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_doubles(inner) for inner in value]
    large = type(value) is int and abs(value) > 2**53
    return 2**53 if large else value


def findings(patch):
    document = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"configPatches": [patch]},
    }
    data = json.dumps(document).encode()
    judged = judge(data, None, CATALOG, bounds(CATALOG), json=True)
    return [*judged.findings, *(one for each in judged.documents for one in each.findings)]


def errors(patch):
    return {finding.code for finding in findings(patch) if not finding.warning}


@FEW
@given(patches())
def test_what_is_drawn_from_the_messages_is_taken(patch):
    assert set() == errors(patch)


def _without(*path):
    def change(patch):
        inside = patch
        for step in path[:-1]:
            inside = inside[step]
        del inside[path[-1]]

    return change


def _with(value, *path):
    def change(patch):
        inside = patch
        for step in path[:-1]:
            inside = inside.setdefault(step, {})
        inside[path[-1]] = value

    return change


def _matched_otherwise(patch):
    wanted = OBJECTS.get(patch["applyTo"])
    other = next(kind for kind in ("cluster", "listener") if kind != wanted)
    patch["match"] = {other: {}}


CHANGES = {
    "EF-05": _without("applyTo"),
    "EF-06": _without("patch"),
    "EF-07": _without("patch", "operation"),
    "EF-08": _without("patch", "value"),
    "EF-09": _with("(", "match", "proxy", "proxyVersion"),
    "EF-15": _matched_otherwise,
    "EF-25": _matched_otherwise,
    "EF-26": _matched_otherwise,
}


@FEW
@given(patches(), st.sampled_from(sorted(CHANGES)))
def test_one_fatal_change_is_told_under_its_code(patch, code):
    own = {"listener": "EF-15", "routeConfiguration": "EF-25", "cluster": "EF-26"}
    if CHANGES[code] is _matched_otherwise:
        code = own.get(OBJECTS.get(patch["applyTo"], ""), "")
        if not code:
            return
    CHANGES[code](patch)

    assert {code} == errors(patch)


@FEW
@given(patches(), st.sampled_from(["name", "stat_prefix"]), st.sampled_from([5, True, ["a"]]))
def test_a_name_of_another_type_is_no_value(patch, field, wrong):
    descriptor = find(envoy_patch._MESSAGES[patch["applyTo"]])
    if field in descriptor.fields_by_name:
        patch["patch"]["value"] = {field: wrong}

        assert {"EF-30"} == errors(patch)
