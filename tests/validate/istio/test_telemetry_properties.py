"""Telemetries drawn from their messages are taken; one thing made worse is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh
from attached import attached, mutations, reattached, warnings

KIND = "Telemetry"
PACKAGE = "istio.telemetry.v1alpha1"
FEWER = settings(mesh.FEW, max_examples=4)
MODES = st.sampled_from(["CLIENT_AND_SERVER", "CLIENT", "SERVER"])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "response.code", "1", "'x y'", "0.5", "7u", "b'c'", "true", "null"]),
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["&&", "<", "in", "+", "=="]), inner),
        st.builds("!({})".format, inner),
        st.builds("f({})".format, inner),
        st.builds("a.exists(x, {})".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=6,
)
PROVIDERS = st.lists(mesh.message(f"{PACKAGE}.ProviderRef", "name", name=WORDS), max_size=2)
NULLABLE = st.booleans() | st.none()
TAGS = st.one_of(
    st.builds(lambda text: {"literal": {"value": text}}, WORDS),
    st.builds(lambda text: {"formatter": {"value": text}}, WORDS),
    st.builds(lambda text: {"header": {"name": text, "defaultValue": text}}, WORDS),
    st.builds(lambda text: {"environment": {"name": text}}, WORDS),
    st.just({}),
)
TRACING = mesh.message(
    f"{PACKAGE}.Tracing",
    match=st.builds(lambda mode: {"mode": mode}, MODES),
    providers=PROVIDERS,
    randomSamplingPercentage=st.floats(0, 100) | st.sampled_from([0, 100, None]),
    disableSpanReporting=NULLABLE,
    customTags=st.dictionaries(WORDS, TAGS, max_size=2),
    useRequestIdForTraceSampling=NULLABLE,
    enableIstioTags=NULLABLE,
    disableContextPropagation=NULLABLE,
)
CHANGES = st.one_of(
    st.builds(lambda text: {"value": text}, WORDS),
    st.builds(lambda text: {"operation": "UPSERT", "value": text}, WORDS),
    st.just({"operation": "REMOVE"}),
)
METRICS = mesh.message(
    f"{PACKAGE}.Metrics",
    providers=PROVIDERS,
    reportingInterval=st.integers(1, 10**6).map("{}ms".format),
    overrides=st.lists(
        mesh.message(
            f"{PACKAGE}.MetricsOverrides",
            match=st.one_of(
                st.builds(lambda text: {"customMetric": text}, WORDS),
                st.builds(lambda mode: {"metric": "REQUEST_COUNT", "mode": mode}, MODES),
            ),
            disabled=NULLABLE,
            tagOverrides=st.dictionaries(WORDS, CHANGES, max_size=2),
        ),
        max_size=2,
    ),
)
LOGGING = mesh.message(
    f"{PACKAGE}.AccessLogging",
    providers=PROVIDERS,
    disabled=NULLABLE,
    filter=st.builds(lambda text: {"expression": text}, EXPRESSIONS),
    match=st.builds(lambda mode: {"mode": mode}, MODES),
)
TELEMETRIES = mesh.message(
    KIND,
    selector=None,
    targetRef=None,
    targetRefs=None,
    tracing=st.lists(TRACING, max_size=2),
    metrics=st.lists(METRICS, max_size=2),
    accessLogging=st.lists(LOGGING, max_size=2),
)


@mesh.FEW
@given(attached(TELEMETRIES))
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(KIND, spec)


@mesh.FEW
@given(attached(TELEMETRIES), st.sampled_from(mutations("TL-01", "TL-02", "TL-03")))
def test_what_is_attached_in_a_wrong_way_is_refused(spec, mutation):
    code, way = mutation

    assert code in mesh.errors(KIND, reattached(spec, way))


def _override(**tag):
    return {"overrides": [{"tagOverrides": {"request_host": tag}}]}


def _tag(**tag):
    return {"customTags": {"tenant": tag}}


FATAL = [
    *(("TL-10", place, {"providers": [{}]}) for place in ("metrics", "tracing", "accessLogging")),
    ("TL-10", "tracing", {"providers": [{"name": "a"}, {"name": ""}]}),
    ("TL-10", "accessLogging", {"providers": [None]}),
    ("TL-11", "metrics", {"overrides": [None]}),
    ("TL-11", "metrics", {"overrides": [{"tagOverrides": {"a": None}}]}),
    ("TL-13", "metrics", _override()),
    ("TL-13", "metrics", _override(operation="UPSERT", value="")),
    ("TL-14", "metrics", _override(operation="REMOVE", value="a")),
    ("TL-15", "metrics", {"overrides": [{"match": {"customMetric": ""}}]}),
    *(("TL-22", "tracing", {"randomSamplingPercentage": share}) for share in (-0.1, 100.01, 1e9)),
    ("TL-23", "tracing", {"customTags": {"": {"literal": {"value": "a"}}}}),
    ("TL-23", "tracing", {"customTags": {"a": None}}),
    ("TL-24", "tracing", _tag(literal={})),
    ("TL-25", "tracing", _tag(header={"defaultValue": "a"})),
    ("TL-26", "tracing", _tag(environment={"name": ""})),
    *(
        ("TL-30", "accessLogging", {"filter": {"expression": text}})
        for text in ("", "a b", "a ==", "(a", "has(a)", "a[", "'", "a ? b", "a && ", "#")
    ),
]


@pytest.mark.parametrize(("code", "place", "entry"), FATAL)
@FEWER
@given(spec=TELEMETRIES)
def test_one_entry_that_is_wrong_is_refused_among_good_ones(spec, code, place, entry):
    worse = {**spec, place: [*spec.get(place, []), entry]}

    assert code in mesh.errors(KIND, worse)


@mesh.FEW
@given(TELEMETRIES)
def test_what_istio_does_not_follow_is_told_and_holds_nothing_up(spec):
    two = [{"name": "otel"}, {"name": "zipkin"}]
    more = {**spec, "tracing": [*spec.get("tracing", []), {}, {"providers": two}]}

    assert {"TL-20", "TL-21"} <= warnings(KIND, more)
    assert set() == mesh.errors(KIND, more)
