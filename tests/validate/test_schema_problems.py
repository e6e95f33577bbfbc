"""Documents judged by schemas that users write, and what is told of them."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from gitsource.catalog.rows import BUILTIN, own_kind
from gitsource.validate.explain import MOST
from gitsource.validate.schema import LARGE, problems

SERVICE = next(kind for kind in BUILTIN if kind.kind == "VirtualService")


def judged(schema, value):
    row = {"name": "acme/v1/flags", "api_version": "acme.dev/v1", "kind": "Flag"}
    found = problems(value, own_kind(row, json.dumps(schema)))
    return [(problem.code, problem.path, problem.message) for problem in found]


def properties(**schemas):
    return {"type": "object", "properties": schemas, "additionalProperties": False}


CASES = {
    "type": (
        properties(a={"type": "string"}),
        {"a": 5},
        ("GS301", ("a",), "expected a string, not 5"),
    ),
    "types": (
        properties(a={"type": ["integer", "boolean", "null"]}),
        {"a": "x"},
        ("GS301", ("a",), "expected a whole number or true or false, not 'x'"),
    ),
    "enum": (
        properties(a={"enum": ["RED", "GREEN"]}),
        {"a": "green"},
        ("GS301", ("a",), "expected one of RED, GREEN, not 'green': did you mean GREEN?"),
    ),
    "enum of numbers": (
        properties(a={"enum": [1, 2]}),
        {"a": 3},
        ("GS301", ("a",), "expected one of 1, 2, not 3"),
    ),
    "const": (
        properties(a={"const": "v1"}),
        {"a": None},
        ("GS301", ("a",), "expected v1, not null"),
    ),
    "minimum": (
        properties(a={"minimum": 1}),
        {"a": 0},
        ("GS301", ("a",), "has to be at least 1, not 0"),
    ),
    "exclusive maximum": (
        properties(a={"exclusiveMaximum": 1}),
        {"a": 1},
        ("GS301", ("a",), "has to be less than 1, not 1"),
    ),
    "multiple": (
        properties(a={"multipleOf": 5}),
        {"a": 3},
        ("GS301", ("a",), "has to be a multiple of 5, not 3"),
    ),
    "length": (
        properties(a={"maxLength": 2}),
        {"a": "abc"},
        ("GS301", ("a",), "3 characters; at most 2 are allowed: 'abc'"),
    ),
    "items": (
        properties(a={"minItems": 1}),
        {"a": []},
        ("GS301", ("a",), "0 values; at least 1 are needed"),
    ),
    "pattern": (
        properties(a={"pattern": "^x+$"}),
        {"a": "y"},
        ("GS301", ("a",), "'y' does not match the pattern '^x+$'"),
    ),
    "pattern with a description": (
        properties(a={"type": "string", "pattern": "^x+$", "description": "Some x."}),
        {"a": 5},
        ("GS301", ("a",), "expected some x, not 5"),
    ),
    "unknown": (
        properties(colour={}, size={}),
        {"color": 1},
        ("GS310", ("color",), "unknown field 'color': did you mean colour?"),
    ),
    "unknown but for its case": (
        properties(exportTo={}),
        {"EXPORTTO": 1},
        ("GS310", ("EXPORTTO",), "unknown field 'EXPORTTO': did you mean exportTo?"),
    ),
    "unknown and far from all": (
        properties(colour={}, size={}),
        {"zzz": 1},
        ("GS310", ("zzz",), "unknown field 'zzz': the fields here are colour, size"),
    ),
    "unevaluated": (
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {"a": 1, "b": 2},
        ("GS310", ("b",), "unknown field 'b'"),
    ),
    "required": (
        {"required": ["a"]},
        {"b": 1},
        ("GS301", (), "a is missing: it is required here"),
    ),
    "nothing allowed": (
        {"properties": {"a": False}},
        {"a": 1},
        ("GS301", ("a",), "nothing may stand here, but 1 does"),
    ),
    "two that clash": (
        {"not": {"required": ["a", "b"]}},
        {"b": 1, "c": 2, "a": 3},
        ("GS301", ("a",), "a cannot stand beside b: only one of them may be set"),
    ),
    "alternatives of types": (
        properties(a={"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        {"a": []},
        ("GS301", ("a",), "expected a string or a whole number, not a list of 0"),
    ),
    "alternatives, one of them meant": (
        properties(a={"anyOf": [{"type": "string"}, {"type": "object", "required": ["b"]}]}),
        {"a": {}},
        ("GS301", ("a",), "b is missing: it is required here"),
    ),
    "alternatives told apart by a key": (
        properties(
            a={
                "oneOf": [
                    properties(kind={"const": "x"}, size={"type": "integer"}),
                    properties(kind={"const": "y"}, name={"type": "string"}),
                ]
            }
        ),
        {"a": {"kind": "y", "name": 5}},
        ("GS301", ("a", "name"), "expected a string, not 5"),
    ),
    "more than one alternative": (
        properties(a={"oneOf": [{"type": "integer"}, {"minimum": 1}]}),
        {"a": 3},
        ("GS301", ("a",), "3 fits more than one of the alternatives; it has to fit one"),
    ),
    "inside lists": (
        {"items": {"items": {"type": "integer"}}},
        [[1], [2, "x"]],
        ("GS301", (1, 1), "expected a whole number, not 'x'"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_is_told_in_words(case):
    schema, value, expected = CASES[case]

    assert judged(schema, value) == [expected]


@pytest.mark.parametrize("case", CASES)
def test_the_gate_alone_tells_the_same(case):
    """A costly keyword anywhere keeps the reference engine away: the words stay as they are."""
    schema, value, expected = CASES[case]
    costly = {**schema, "$defs": {"unused": {"uniqueItems": True}}}

    assert judged(costly, value) == [expected]


@pytest.mark.parametrize(
    ("schema", "value", "word"),
    [
        ({"uniqueItems": True}, [1, 1], "uniqueItems"),
        ({"contains": {"const": 5}}, [1], "contains"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "dependentRequired"),
    ],
)
def test_a_rule_without_words_of_its_own_is_named(schema, value, word):
    ((code, path, message),) = judged(schema, value)

    assert (code, path) == ("GS301", ())
    assert f"breaks the rule {word}" in message


def test_every_missing_and_unknown_field_is_told_by_itself():
    schema = {**properties(a={}, b={}), "required": ["a", "b"]}

    found = judged(schema, {"x": 1, "y": 2})

    assert [path for _, path, _ in found] == [(), (), ("x",), ("y",)]


def test_one_value_has_one_problem():
    schema = properties(a={"minimum": 9, "enum": ["x"], "const": "x", "type": "string"})

    assert judged(schema, {"a": 5}) == [("GS301", ("a",), "expected a string, not 5")]


def test_problems_come_sorted_by_place():
    schema = properties(b={"items": {"type": "string"}}, a={"type": "string"})

    paths = [path for _, path, _ in judged(schema, {"b": [0] * 12, "a": 1})]

    assert paths == [("a",), *(("b", index) for index in range(12))]
    assert all(first != second for first, second in pairwise(paths))


def test_no_more_problems_are_told_than_anybody_reads():
    schema = {"items": {"type": "string"}}

    found = judged(schema, [0] * 500)

    assert len(found) == MOST + 1
    assert found[-1][2] == f"{500 - MOST} more problems of this document are not told"


def test_values_are_quoted_short_and_harmless():
    ((_, _, message),) = judged(
        properties(a={"type": "integer"}), {"a": "\x1b[2J\u202e" + "x" * 999}
    )

    assert message.startswith(r"expected a whole number, not '\x1b[2J\u202ex")
    assert len(message) < 150
    assert message.isprintable()


def test_a_schema_of_true_takes_everything():
    assert problems({"any": ["thing"]}, own_kind({"name": "a/b", "path": "*"}, "")) == ()


def test_a_value_that_json_does_not_have_is_a_problem_and_no_crash():
    schema = properties(a={"type": "number"})

    assert judged(schema, {"a": float("inf")}) == [("GS301", ("a",), "expected a number, not inf")]
    assert judged(schema, {"a": {1: "no string key"}}) != []


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (properties(a={"pattern": "^(a+)+$"}), {"a": "a" * 50 + "!"}),
        (properties(a={"patternProperties": {"^(a|a)*$": False}}), {"a": {"a" * 60: 1}}),
        ({"uniqueItems": True}, [*({"n": [n]} for n in range(20_000)), {"n": [0]}]),
    ],
    ids=["pattern", "keys", "unique"],
)
def test_a_report_does_not_hang_on_what_is_meant_to_make_it(schema, value):
    assert len(judged(schema, value)) == 1


LOADED = """
import sys
from gitsource.catalog.rows import BUILTIN
from gitsource.validate.schema import problems
value = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
value |= {"metadata": {"name": "a"}, "spec": {"hosts": %s}}
kind = next(kind for kind in BUILTIN if kind.kind == "VirtualService")
found = problems(value, kind)
print(len(found), "jsonschema" in sys.modules)
"""


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("['web']", "0 False"),
        ("['web', 5]", "1 True"),
        (f"['web'] * {LARGE} + [5]", "1 False"),
    ],
    ids=["good", "bad", "large"],
)
def test_the_slow_engine_is_loaded_for_bad_documents_of_common_size_only(hosts, expected):
    told = subprocess.run(
        [sys.executable, "-c", LOADED % hosts], check=True, capture_output=True, text=True
    )

    assert told.stdout.strip() == expected


@pytest.mark.timeout(30)
def test_a_large_document_is_reported_in_the_same_words():
    route = {"destination": {"host": "web"}, "weight": 1}
    routes = [*({**route} for _ in range(LARGE)), {**route, "weight": "x"}]
    value = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web"},
        "spec": {"hosts": ["web"], "http": [{"route": routes}], "htpp": 1},
    }

    found = [(problem.code, problem.path, problem.message) for problem in problems(value, SERVICE)]

    assert found == [
        ("GS310", ("spec", "htpp"), "unknown field 'htpp': did you mean http?"),
        (
            "GS301",
            ("spec", "http", 0, "route", LARGE, "weight"),
            "expected a whole number, not 'x'",
        ),
    ]
