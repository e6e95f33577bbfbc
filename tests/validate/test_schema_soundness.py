"""Schemas that may be let near documents, and schemas that may not."""

import json

import pytest

from gitsource.errors import ConfigurationError
from gitsource.validate.schema import check_schema

SOUND = {
    "true": True,
    "empty": {},
    "with its dialect": {"$schema": "https://json-schema.org/draft/2020-12/schema"},
    "with an id": {
        "$id": "https://acme.example/flags.json",
        "$ref": "#/$defs/a",
        "$defs": {"a": {}},
    },
    "references": {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"$ref": "#c"}, "d": {"$anchor": "c"}}},
    "the same inside": {"$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}},
    "a property called $ref": {"properties": {"$ref": {"type": "string"}}},
    "data that looks like a reference": {"const": {"$ref": "http://acme.example"}, "enum": [{}]},
    "a pattern": {"pattern": "^[a-z]+([-][a-z]+)*$"},
    "a pattern of parts": {"pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"},
    "names of hosts": {"pattern": r"^[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z]([-a-z0-9]*[a-z0-9])?)*$"},
    "alternatives that differ": {"pattern": "^(foo|far|ab*)+$"},
    "a boolean target": {"$ref": "#/$defs/no", "$defs": {"no": False}},
}
UNSOUND = {
    "no JSON": ("{", "is not JSON"),
    "no number": ('{"minimum": NaN}', "is not JSON"),
    "nested without end": ("[" * 100_000, "is not JSON"),
    "a list": ("[]", "has to be an object"),
    "a text": ('"object"', "has to be an object"),
    "an unknown type": ({"type": "text"}, "'text' is not valid"),
    "a wrong place": ({"properties": []}, "properties"),
    "another draft": ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only draft 2020-12"),
    "a dialect that is no text": ({"$schema": 5}, ""),
    "a remote reference": ({"$ref": "https://acme.example/a.json"}, "nothing is fetched"),
    "a file": ({"items": {"$ref": "file:///etc/passwd"}}, "/items/$ref"),
    "a neighbour": ({"anyOf": [{"$ref": "other.json#/$defs/a"}]}, "/anyOf/0/$ref"),
    "a dead end": ({"$ref": "#/$defs/gone"}, "leads nowhere"),
    "a dead anchor": ({"$ref": "#gone"}, "leads nowhere"),
    "a reference beside schemas": ({"$ref": "#/x", "x": {"$ref": "#/x"}}, "no schema"),
    "a repetition repeated": ({"pattern": "^(a+)+$"}, "it repeats a repetition"),
    "a repetition of all": ({"pattern": "(a*)*"}, "it repeats a repetition"),
    "a separator that may lack": ({"pattern": r"(\w+\s?)*$"}, "it repeats a repetition"),
    "a separator that is no other": ({"pattern": "(.*a){12}"}, "it repeats a repetition"),
    "two repetitions": ({"items": {"pattern": "(x+x+)+y"}}, "/items: the pattern"),
    "alternatives alike": ({"pattern": "(a|a)+"}, "alternatives that overlap"),
    "one within the other": ({"patternProperties": {"(a|aa)+": {}}}, "alternatives that overlap"),
    "itself": ({"$ref": "#"}, "never ends"),
    "a circle": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "never ends",
    ),
    "a circle through allOf": (
        {"$defs": {"a": {"allOf": [{"not": {"$ref": "#/$defs/a"}}]}}},
        "never ends",
    ),
    "a tree": ({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}, "itself"),
    "a list of itself": (
        {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        "refers to itself",
    ),
    "itself two levels down": (
        {"$defs": {"a": {"properties": {"b": {"items": {"$ref": "#/$defs/a"}}}}}},
        "write out",
    ),
    "more at every step": (
        {
            "$ref": "#/$defs/0",
            "$defs": {
                **{str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)},
                "40": {},
            },
        },
        "more than 10000 schemas",
    ),
    "a dynamic reference": (
        {"$dynamicRef": "#a", "$defs": {"b": {"$dynamicAnchor": "a"}}},
        "dynamic",
    ),
    "a schema within": (
        {"$defs": {"a": {"$id": "https://acme.example/b"}}},
        "only the whole schema",
    ),
    "look-around": ({"pattern": "(?=a)b"}, "linear time"),
    "a back-reference": ({"patternProperties": {"(a)\\1": {}}}, "linear time"),
    "a pattern that Python lacks": ({"pattern": "\\p{Lu}"}, "bad escape"),
    "a broken pattern": ({"properties": {"a": {"pattern": "("}}}, "/properties/a"),
    "a huge pattern": ({"pattern": "(a{1000}){1000}"}, "linear time"),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_schema_is_taken(case):
    check_schema(json.dumps(SOUND[case]), "flags.json")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("case", UNSOUND)
def test_an_unsound_schema_is_refused_with_a_reason(case):
    schema, reason = UNSOUND[case]
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(ConfigurationError) as caught:
        check_schema(text, "flags.json")

    assert str(caught.value).startswith("flags.json")
    assert reason in str(caught.value)
    assert caught.value.hint


@pytest.mark.timeout(30)
def test_a_schema_nested_beyond_reason_is_refused():
    text = '{"not":' * 400 + "{}" + "}" * 400
    with pytest.raises(ConfigurationError, match="nested too deep"):
        check_schema(text, "flags.json")
