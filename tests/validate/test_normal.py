"""What Istio reads and a cluster refuses: taken, with a warning that says what to write."""

import pytest

from gitsource.catalog.rows import BUILTIN
from gitsource.encode.resource import EncodeProblem, encode
from gitsource.validate.metadata import identify
from gitsource.validate.normal import normal
from gitsource.validate.schema import problems

KINDS = {kind.kind: kind for kind in BUILTIN}


def document(spec, kind="VirtualService"):
    told = {"apiVersion": KINDS[kind].api_versions[0], "kind": kind}
    return {**told, "metadata": {"name": "a"}, "spec": spec}


def judged(spec, kind="VirtualService"):
    """Return code, severity and place below spec of what the schema finds."""
    found = problems(document(spec, kind), KINDS[kind])
    return [(each.code, each.severity, each.path[1:]) for each in found]


def body(spec, kind="VirtualService"):
    value = document(spec, kind)
    return encode(value, identify(value, KINDS[kind], "default")[0], KINDS[kind]).message


def http(**fields):
    return {"hosts": ["a"], "http": [fields]}


def subset(**policy):
    return {"host": "a", "trafficPolicy": policy}


SAME = [
    ("VirtualService", {"export_to": ["*"]}, {"exportTo": ["*"]}, "GS313"),
    ("VirtualService", http(cors_policy={}), http(corsPolicy={}), "GS313"),
    (
        "VirtualService",
        http(redirect={"redirectCode": "301"}),
        http(redirect={"redirectCode": 301}),
        "GS314",
    ),
    (
        "VirtualService",
        http(mirrorPercentage={"value": "2.5"}),
        http(mirrorPercentage={"value": 2.5}),
        "GS314",
    ),
    (
        "ServiceEntry",
        {"resolution": 2, "hosts": ["a"]},
        {"resolution": "DNS", "hosts": ["a"]},
        "GS314",
    ),
    (
        "ServiceEntry",
        {"resolution": 2.0, "hosts": ["a"]},
        {"resolution": "DNS", "hosts": ["a"]},
        "GS314",
    ),
    (
        "DestinationRule",
        subset(outlierDetection={"consecutive5xxErrors": "7"}),
        subset(outlierDetection={"consecutive5xxErrors": 7}),
        "GS314",
    ),
    (
        "WorkloadEntry",
        {"address": "a", "ports": {"a": "80"}},
        {"address": "a", "ports": {"a": 80}},
        "GS314",
    ),
]


@pytest.mark.parametrize(("kind", "written", "plain", "code"), SAME)
def test_a_spelling_of_istios_is_a_warning_and_the_same_message(kind, written, plain, code):
    assert judged(plain, kind) == []
    assert {(told, severity) for told, severity, _ in judged(written, kind)} == {(code, "warning")}
    assert body(written, kind) == body(plain, kind)
    assert normal(document(written, kind), KINDS[kind], frozenset())[0] == document(plain, kind)


def test_a_warning_stands_at_what_was_written_and_says_what_to_write():
    found = problems(document(http(cors_policy={"max_age": "5s"})), KINDS["VirtualService"])

    assert [(each.path, each.at_key) for each in found] == [
        (("spec", "http", 0, "cors_policy"), True),
        (("spec", "http", 0, "cors_policy", "max_age"), True),
    ]
    assert found[1].message.endswith("write maxAge")


def test_the_declared_names_that_a_cluster_has_are_no_matter():
    keys = {"jwtRules": [{"issuer": "a", "jwks_uri": "https://a/keys"}]}

    assert judged(keys, "RequestAuthentication") == []
    assert judged(http(mirror_percent=5)) == [("GS315", "warning", ("http", 0, "mirror_percent"))]


NULLS = [
    ({"hosts": ["a"], "http": None}, {"hosts": ["a"]}),
    (http(timeout=None, retries=None, match=None), http()),
    (http(match=[{"uri": {"exact": "/", "prefix": None}}]), http(match=[{"uri": {"exact": "/"}}])),
    (http(headers={"request": {"set": None}}), http(headers={"request": {}})),
    (http(mirrorPercent=None), http()),
]


@pytest.mark.parametrize(("written", "plain"), NULLS)
def test_a_null_field_is_an_unset_one_and_nothing_is_said(written, plain):
    assert [code for code, _, _ in judged(written) if code != "GS315"] == []
    assert body(written) == body(plain)


@pytest.mark.parametrize(
    "spec",
    [
        {"hosts": [None]},
        {"hosts": ["a"], "http": [None]},
        http(match=[{"headers": {"a": None}}]),
        http(route=[{"destination": {"host": None}}]),
    ],
)
def test_a_null_where_something_has_to_stand_is_refused(spec):
    assert {severity for _, severity, _ in judged(spec)} == {"error"}


REFUSED = [
    ("VirtualService", http(redirect={"redirectCode": "many"})),
    ("VirtualService", http(redirect={"redirectCode": "0301"})),
    ("VirtualService", http(redirect={"redirectCode": "3e2"})),
    ("VirtualService", http(redirect={"redirectCode": True})),
    ("VirtualService", http(redirect={"redirectCode": 1.5})),
    ("VirtualService", http(redirect={"redirectCode": -1})),
    ("VirtualService", http(redirect={"derivePort": "from_protocol_default"})),
    ("VirtualService", http(redirect={"derivePort": 9})),
    ("VirtualService", http(redirect={"derivePort": True})),
    ("VirtualService", http(redirect={"derivePort": "1"})),
    ("VirtualService", http(match=[{"ignoreUriCase": "true"}])),
    ("VirtualService", http(match=[{"ignoreUriCase": 1}])),
    ("VirtualService", http(timeout=5)),
    ("VirtualService", http(timeout="5")),
    ("VirtualService", http(timeout="5d")),
    ("VirtualService", http(timeout="")),
    ("VirtualService", http(timeout={"seconds": 5})),
    ("VirtualService", http(name=5)),
    ("VirtualService", http(mirrorPercentage={"value": "much"})),
    ("VirtualService", http(mirrorPercentage={"value": ""})),
    ("VirtualService", http(mirrorPercentage=5)),
    ("VirtualService", http(directResponse={"status": 200, "body": {"bytes": "aGk"}})),
    ("VirtualService", http(directResponse={"status": 200, "body": {"bytes": "-_=="}})),
    ("VirtualService", {"hosts": "a"}),
    ("VirtualService", {"hosts": {"a": 1}}),
    ("VirtualService", http(match={"uri": {"exact": "/"}})),
    ("VirtualService", {"Hosts": ["a"]}),
    ("VirtualService", {"export-to": ["a"]}),
    ("VirtualService", {"exportTo": ["."], "export_to": ["*"]}),
    ("WasmPlugin", {"url": "oci://a", "pluginConfig": []}),
    ("PeerAuthentication", {"portLevelMtls": {"web": {}}}),
    ("PeerAuthentication", {"portLevelMtls": {"080": {}}}),
]


@pytest.mark.parametrize(("kind", "spec"), REFUSED)
def test_what_istio_does_not_read_is_refused(kind, spec):
    errors = [told for told in judged(spec, kind) if told[1] == "error" and told[0] != "GS312"]

    assert len(errors) == 1


@pytest.mark.parametrize("weight", ["2147483648", "99999999999999999999"])
def test_a_number_in_quotes_that_is_too_large_is_refused_at_the_latest_by_encoding(weight):
    spec = http(route=[{"destination": {"host": "a"}, "weight": weight}])
    if {severity for _, severity, _ in judged(spec)} == {"warning"}:
        with pytest.raises(EncodeProblem) as refused:
            body(spec)

        assert refused.value.problem.path == ("spec", "http", 0, "route", 0, "weight")


def test_many_old_spellings_are_told_by_the_first_few():
    spec = {"hosts": ["a"], "http": [{"cors_policy": {}}] * 100}

    assert len(judged(spec)) == 20


def test_what_is_no_document_is_left_as_it_is():
    for spec in (None, [], "text"):
        value = document(spec)

        assert normal(value, KINDS["VirtualService"], frozenset()) == (value, ())
