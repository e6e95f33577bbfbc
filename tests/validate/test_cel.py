"""Rules in CEL that stand in a schema: asked at their places, once for what they can see."""

import json

import pytest

from gitsource.catalog.rows import BUILTIN
from gitsource.model import Problem
from gitsource.validate import cel
from gitsource.validate.istio import judge
from gitsource.validate.schema import problems

KINDS = {kind.kind: kind for kind in BUILTIN}


def broken(schema, value):
    return [(found.path, found.message) for found in cel.problems(value, cel.compiled(schema))]


def ruled(rule, **keywords):
    return {**keywords, "x-kubernetes-validations": [{"rule": rule, "message": "no"}]}


def judged(kind, spec):
    """Return the codes and places of what the schema of *kind* finds in a document with *spec*."""
    value = {"apiVersion": KINDS[kind].api_versions[0], "kind": kind}
    value |= {"metadata": {"name": "a"}, "spec": spec}
    return [(found.code, found.path) for found in problems(value, KINDS[kind])]


def test_a_schema_without_rules_costs_no_walk():
    assert cel.compiled({"properties": {"a": {"type": "string"}, "b": True}}) is None


def test_rules_are_found_in_properties_lists_maps_and_references():
    short = ruled("self.size() < 3")
    schema = {
        "properties": {
            "text": short,
            "list": {"items": {"$ref": "#/$defs/short"}},
            "map": {"additionalProperties": {"$ref": "#/$defs/short"}},
        },
        "$defs": {"short": short},
    }
    value = {"text": "long", "list": ["ok", "long"], "map": {"a": "long", "b": "ok"}}

    assert broken(schema, value) == [
        (("text",), "no, not 'long'"),
        (("list", 1), "no, not 'long'"),
        (("map", "a"), "no, not 'long'"),
    ]


def test_values_of_another_type_are_left_to_the_schema():
    schema = {"properties": {"list": {"items": ruled("true")}, "map": {"properties": {"a": {}}}}}
    schema["properties"]["map"]["properties"]["a"] = ruled("true")

    assert broken(schema, {"list": "text", "map": 5}) == []
    assert broken(schema, "text") == []


def test_a_rule_that_cannot_be_evaluated_does_not_hold():
    assert broken(ruled("self.a.b == 1"), {"a": {}}) == [((), "no")]
    assert broken(ruled("duration(self) > duration('1s')"), "soon") == [((), "no, not 'soon'")]


def test_a_rule_that_would_take_too_long_says_nothing():
    rule = "self.all(a, self.exists_one(b, a == b))"
    numbers = list(range(1000))

    assert broken(ruled(rule), [1, 1]) == [((), "no")]
    assert broken(ruled(rule), numbers) == []


def test_a_string_that_nothing_can_carry_is_left_to_encoding():
    assert broken(ruled("!self.contains('*')"), "\ud800") == []


def test_of_many_broken_rules_some_are_told():
    schema = {"items": ruled("self == 1")}

    assert len(broken(schema, [2] * 1000)) == cel.MOST


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1}, []),
        ({"b": 1}, [((), "no")]),
        ({"a": 2}, [((), "no")]),
        ({"a": 1, "b": 2}, [((), "no")]),
        ({"c": 1}, [((), "no")]),
        ({"a": 1, "c": 1}, []),
    ],
)
def test_an_answer_is_remembered_for_what_a_rule_can_see_and_no_more(value, expected):
    schema = ruled("has(self.a) && self.a == 1 && !has(self.b)")

    assert broken(schema, value) == expected
    assert broken(schema, dict(reversed(value.items()))) == expected


def test_equal_values_of_other_types_are_not_taken_for_each_other():
    schema = {"items": ruled("type(self) == bool")}

    assert broken(schema, [True, 1, 1.0]) == [((1,), "no, not 1"), ((2,), "no, not 1.0")]
    assert broken(ruled("type(self.a) == bool"), {"a": True}) == []
    assert broken(ruled("type(self.a) == bool"), {"a": 1}) == [((), "no")]


@pytest.mark.parametrize("size", [1, cel.PIECES, cel.PIECES + 1, 300])
def test_large_values_are_asked_each_time(size):
    schema = ruled("self.a.all(x, x == 0)")

    assert broken(schema, {"a": [0] * size}) == []
    assert broken(schema, {"a": [*([0] * size), 1]}) == [((), "no")]


def test_more_answers_than_are_kept_are_found_anew():
    schema = ruled("self != 7")
    for number in range(cel.ANSWERS + 10):
        assert bool(broken(schema, number)) == (number == 7)

    assert broken(schema, 7) == [((), "no, not 7")]


def test_items_with_the_key_of_an_earlier_one_are_told():
    schema = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    value = [{"name": "a"}, {"name": "b"}, {"name": "a"}, {}, {}, "text", {"name": ["a"]}]

    assert broken(schema, value) == [((2,), "name 'a' is given twice: once is allowed here")]


def test_a_deprecated_field_is_a_warning_at_its_key():
    schema = {"properties": {"old": {"deprecated": True}}}
    (found,) = cel.problems({"old": 1}, cel.compiled(schema))

    assert (found.code, found.severity, found.at_key) == ("GS315", "warning", True)


# --------------------------------------------------------------------------- the dialect


@pytest.mark.parametrize(
    ("rule", "holds", "fails"),
    [
        ("isURL(self)", ["https://a/b", "/a", "oci:a"], ["a b", "a", "http://a:b/"]),
        ("url(self).getScheme() == 'https'", ["https://a", "HTTPS://a"], ["http://a", "a"]),
        ("self.substring(1, 3) == 'bc'", ["abc", "abcd"], ["ab", ""]),
        ("duration(self) >= duration('1ms')", ["1ms", "1h1s", "1.5h"], ["-1s", "0", "1us", "1"]),
        ("duration(self) > duration('1h')", ["2562047h"], ["2562048h", "99999999999999h"]),
        ("self.matches('^[a-z]+$')", ["abc"], ["aBc", ""]),
    ],
)
def test_the_functions_of_kubernetes_are_there(rule, holds, fails):
    for value in holds:
        assert broken(ruled(rule), value) == []
    for value in fails:
        assert len(broken(ruled(rule), value)) == 1


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
def test_every_rule_of_the_schemas_compiles(kind):
    rules = set()

    def gather(value):
        if isinstance(value, dict):
            rules.update(each["rule"] for each in value.get("x-kubernetes-validations", ()))
            for item in value.values():
                gather(item)
        elif isinstance(value, list):
            for item in value:
                gather(item)

    gather(json.loads(kind.schema_text()))
    for rule in rules:
        assert cel._program(rule)


# --------------------------------------------------------------------------- Istio's rules

JWKS = {"issuer": "a", "jwksUri": "https://a/keys"}
ENV = {"url": "oci://a/b", "vmConfig": {"env": [{"name": "A"}, {"name": "A"}]}}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("AuthorizationPolicy", {"selector": {}, "targetRef": {"kind": "A", "name": "a"}}, ()),
        (
            "AuthorizationPolicy",
            {"rules": [{"from": [{"source": {"serviceAccounts": ["a"], "namespaces": ["b"]}}]}]},
            ("rules", 0, "from", 0, "source"),
        ),
        (
            "PeerAuthentication",
            {"selector": {"matchLabels": {"a*": "b"}}},
            ("selector", "matchLabels"),
        ),
        (
            "PeerAuthentication",
            {"selector": {"matchLabels": {"": "b"}}},
            ("selector", "matchLabels"),
        ),
        (
            "PeerAuthentication",
            {"selector": {"matchLabels": {"a": "b*"}}},
            ("selector", "matchLabels", "a"),
        ),
        (
            "Telemetry",
            {"targetRefs": [{"kind": "A", "name": "a", "namespace": "b"}]},
            ("targetRefs", 0, "namespace"),
        ),
        ("VirtualService", {"http": [{"timeout": "100us"}]}, ("http", 0, "timeout")),
        (
            "EnvoyFilter",
            {"workloadSelector": {}, "targetRefs": [{"kind": "A", "name": "a"}]},
            (),
        ),
        (
            "EnvoyFilter",
            {"configPatches": [{"match": {"context": "WAYPOINT"}}]},
            ("configPatches", 0, "match"),
        ),
        ("WorkloadEntry", {"address": "a", "ports": {"web": 70000}}, ("ports", "web")),
        (
            "Sidecar",
            {"workloadSelector": {"labels": {"app": "a*"}}},
            ("workloadSelector", "labels", "app"),
        ),
        (
            "Gateway",
            {
                "servers": [
                    {
                        "port": {"number": 1, "name": "a", "protocol": "TLS"},
                        "hosts": ["a"],
                        "tls": {"credentialName": "a", "credentialNames": ["b"]},
                    }
                ]
            },
            ("servers", 0, "tls"),
        ),
        ("PeerAuthentication", {"portLevelMtls": {"80": {}}}, ()),
        (
            "PeerAuthentication",
            {"selector": {"matchLabels": {"a": "b"}}, "portLevelMtls": {"70000": {}}},
            ("portLevelMtls",),
        ),
        ("RequestAuthentication", {"jwtRules": [{**JWKS, "jwks": "{}"}]}, ("jwtRules", 0)),
        (
            "RequestAuthentication",
            {"jwtRules": [{"issuer": "a", "jwks_uri": "ftp://a"}]},
            ("jwtRules", 0, "jwks_uri"),
        ),
        (
            "ServiceEntry",
            {"hosts": ["a.b"], "resolution": "STATIC", "workloadSelector": {}, "endpoints": []},
            (),
        ),
        ("ServiceEntry", {"hosts": ["a.b"], "resolution": "DNS", "addresses": ["10.0.0.0/8"]}, ()),
        ("ServiceEntry", {"hosts": ["a.b"], "endpoints": [{"address": "1.2.3.4"}]}, ()),
        (
            "ServiceEntry",
            {
                "hosts": ["a.b"],
                "resolution": "DNS_ROUND_ROBIN",
                "endpoints": [{"address": "a"}, {"address": "b"}],
            },
            (),
        ),
        ("WorkloadEntry", {"weight": 1}, ()),
        ("WorkloadEntry", {"address": "unix:///a", "ports": {"a": 1}}, ()),
        ("WorkloadEntry", {"address": "unix://a"}, ("address",)),
        ("WorkloadEntry", {"address": "unix:///a/"}, ("address",)),
        ("WorkloadEntry", {"address": "a", "ports": {"a_b": 1}}, ("ports",)),
        ("ServiceEntry", {"hosts": ["*"]}, ("hosts", 0)),
        (
            "ServiceEntry",
            {"hosts": ["a.b"], "ports": [{"name": n, "number": 80} for n in ("a", "b")]},
            ("ports",),
        ),
        (
            "ServiceEntry",
            {"hosts": ["a.b"], "ports": [{"name": "a", "number": n} for n in (80, 81)]},
            ("ports", 1),
        ),
        (
            "Telemetry",
            {"metrics": [{"overrides": [{"tagOverrides": {"a": {"operation": "UPSERT"}}}]}]},
            ("metrics", 0, "overrides", 0, "tagOverrides", "a"),
        ),
        (
            "Telemetry",
            {
                "metrics": [
                    {"overrides": [{"tagOverrides": {"a": {"operation": "REMOVE", "value": "b"}}}]}
                ]
            },
            ("metrics", 0, "overrides", 0, "tagOverrides", "a"),
        ),
        ("TrafficExtension", {"phase": "AUTHN"}, ()),
        ("WasmPlugin", {"url": "ftp://a/b"}, ("url",)),
        ("WasmPlugin", ENV, ("vmConfig", "env", 1)),
        (
            "WasmPlugin",
            {
                "url": "oci://a",
                "vmConfig": {"env": [{"name": "A", "valueFrom": "HOST", "value": "b"}]},
            },
            ("vmConfig", "env", 0),
        ),
        (
            "WorkloadGroup",
            {"template": {}, "probe": {"httpGet": {"port": 80, "scheme": "FTP"}}},
            ("probe", "httpGet", "scheme"),
        ),
    ],
)
def test_each_rule_of_a_cluster_is_told_where_it_stands(kind, spec, expected):
    assert ("GS312", ("spec", *expected)) in judged(kind, spec)


def test_an_empty_list_is_an_absent_one_to_istio():
    """A cluster thinks otherwise, which is worth a warning and no more."""
    spec = {"selector": {"matchLabels": {"a": "b"}}, "targetRefs": []}
    value = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
    value |= {"metadata": {"name": "a"}, "spec": spec}

    assert [each.severity for each in problems(value, KINDS["AuthorizationPolicy"])] == ["warning"]


def test_a_workload_group_needs_no_address():
    assert judged("WorkloadGroup", {"template": {"labels": {"a": "b"}}}) == []


def test_where_the_schema_says_what_is_wrong_its_rules_do_not_speak_of_the_same():
    assert judged("VirtualService", {"http": [{"timeout": "soon"}]}) == [
        ("GS301", ("spec", "http", 0, "timeout"))
    ]


def broken_at(*path, same=()):
    return cel.Broken("GS312", "", path, same=frozenset(same))


def kept(by_schema, *by_rules):
    told = [Problem(code, "", path) for code, path in by_rules]
    return [each.code for each in judge.merged([by_schema], told)]


def test_a_rule_of_istios_that_says_the_same_is_told_instead():
    found = broken_at("spec", "ports", same=["SE-12"])
    other = broken_at("spec", "ports")

    assert kept(found, ("SE-12", ("spec", "ports", 1, "number"))) == ["SE-12"]
    assert kept(found, ("SE-12", ("spec",))) == ["SE-12"]
    assert kept(found, ("SE-16", ("spec", "ports", 1, "number"))) == ["GS312", "SE-16"]
    assert kept(found, ("SE-12", ("spec", "hosts", 1))) == ["GS312", "SE-12"]
    assert kept(other, ("SE-12", ("spec", "ports", 1, "number"))) == ["GS312", "SE-12"]


def test_a_rule_of_istios_is_told_instead_whatever_the_spelling():
    found = broken_at("spec", "jwtRules", 0, "jwks_uri", same=["RA-12"])

    assert kept(found, ("RA-12", ("spec", "jwtRules", 0, "jwksUri"))) == ["RA-12"]


@pytest.mark.parametrize("odd", [2**70, float("nan"), None, {1: 2}], ids=repr)
def test_what_a_rule_does_not_ask_for_decides_nothing_neither_now_nor_later(odd):
    """No field beside it, and not what is in a field of which only the presence counts."""
    text = "(has(self.jwks) ? 1 : 0) + (has(self.uri) ? 1 : 0) <= 1"
    check = cel.compiled({"x-kubernetes-validations": [{"rule": text, "message": "one of them"}]})
    values = [{"uri": odd, "issuer": odd}, {"uri": "https://a/keys", "issuer": "a"}]

    assert [[], []] == [list(cel.problems(value, check)) for value in values]
    assert 1 == len(list(cel.problems({"uri": odd, "jwks": "{}"}, check)))


def test_a_rule_about_keys_is_asked_once_for_all_mappings_with_the_same_keys():
    """What stands under them decides nothing, also if it is no text or a list that is empty."""
    check = cel.compiled(
        {
            "x-kubernetes-validations": [
                {"rule": "self.all(key, size(key) < 3 && key != 'no')", "message": "short, not no"}
            ]
        }
    )

    told = [
        bool(list(cel.problems(value, check)))
        for value in ({"ab": 1}, {"ab": []}, {"no": 1}, {"no": {"x": []}}, {"ab": "abc"}, {})
    ]

    assert [False, False, True, True, False, False] == told


def test_a_rule_that_asks_for_what_stands_under_keys_sees_it():
    check = cel.compiled(
        {
            "x-kubernetes-validations": [
                {"rule": "self.all(key, self[key] < 3)", "message": "below three"}
            ]
        }
    )

    assert [] == list(cel.problems({"a": 1}, check))
    assert ["below three"] == [each.message for each in cel.problems({"a": 3}, check)]


@pytest.mark.parametrize("given", ["1ms", "0.5s", "1h", "999us"])
def test_durations_that_a_rule_names_are_what_they_are(given):
    check = cel.compiled(
        {
            "x-kubernetes-validations": [
                {"rule": "duration(self) >= duration('1ms')", "message": "too short"}
            ]
        }
    )

    assert (given == "999us") == bool(list(cel.problems(given, check)))
