"""The schemas that ship: fresh, sound, and as strict as they say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gitsource.catalog import BUILTIN, body_descriptor, builtin_schema, spellings
from gitsource.errors import ConfigurationError
from gitsource.validate.schema import check_schema

ROOT = Path(__file__).parents[1]
SCHEMAS = {kind.kind: json.loads(kind.schema_text()) for kind in BUILTIN}
POOL = body_descriptor(BUILTIN[0].body).file.pool
CONSTRAINTS = json.loads((ROOT / "schemas" / "constraints.json").read_text())


def test_the_committed_schemas_are_what_the_generator_writes():
    command = [sys.executable, ROOT / "schemas" / "generate.py", "--check"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
def test_a_shipped_schema_is_as_sound_as_a_users_has_to_be(kind):
    check_schema(kind.schema_text(), kind.collection)


def test_a_schema_that_is_not_there_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="the schema of acme/v1/flags is missing"):
        builtin_schema("acme/v1/flags")


def objects(schema):
    """Yield each schema of a message in *schema*, by the message's name."""
    for name, definition in schema["$defs"].items():
        if name.startswith("istio."):
            yield name, definition


@pytest.mark.parametrize("kind", SCHEMAS)
def test_unknown_fields_are_refused_everywhere(kind):
    assert SCHEMAS[kind]["additionalProperties"] is False
    for _, definition in objects(SCHEMAS[kind]):
        assert definition["additionalProperties"] is False


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_of_every_message_is_there_in_every_spelling(kind):
    for name, definition in objects(SCHEMAS[kind]):
        fields = POOL.FindMessageTypeByName(name).fields
        expected = {spelling for field in fields for spelling in spellings(field)}

        assert set(definition["properties"]) == expected


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_message_says_what_it_is(kind):
    for name, definition in objects(SCHEMAS[kind]):
        assert definition["title"] == name.rpartition(".")[2]
        assert "description" in definition


def test_every_constraint_has_reached_a_schema():
    """A misspelt field in constraints.json would constrain nothing, in silence."""
    definitions = {name: d for schema in SCHEMAS.values() for name, d in objects(schema)}
    for name, rules in CONSTRAINTS["messages"].items():
        properties = definitions[name]["properties"]
        for field, own in rules.get("fields", {}).items():
            told = {key: rule for key, rule in own.items() if key not in ("items", "values")}
            inner = properties[field].get("items", properties[field].get("additionalProperties"))

            assert told.items() <= properties[field].items()
            assert {**own.get("items", {}), **own.get("values", {})}.items() <= (
                inner or {}
            ).items()
        for field in rules.get("required", []):
            assert field in properties
            assert not Draft202012Validator(
                {"$ref": f"#/$defs/{name}", "$defs": definitions_of(name)}
            ).is_valid({})


def definitions_of(name):
    return next(schema["$defs"] for schema in SCHEMAS.values() if name in schema["$defs"])


DURATIONS = {
    True: ["30s", "500ms", "5m", "1h30m", "0", "0s", "+1s", ".5s", "1.s", "7\u00b5s", "7\u03bcs"],
    False: [
        "",
        "5",
        "5 s",
        "5s\n",
        "\n5s",
        "5d",
        "-5s",
        "s",
        "1e3s",
        "\u0665s",
        "5s5",
        "5S",
        "1h 3m",
    ],
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [(written, expected) for expected, all_of in DURATIONS.items() for written in all_of],
)
def test_durations_are_judged_as_they_are_encoded(written, expected):
    definition = SCHEMAS["VirtualService"]["$defs"]["duration"]

    assert Draft202012Validator(definition).is_valid(written) == expected


def test_no_pattern_is_read_in_two_ways():
    """Python's digits and line ends are not those of other engines."""
    for schema in SCHEMAS.values():
        for definition in schema["$defs"].values():
            pattern = definition.get("pattern", "")

            assert "\\" not in pattern
            assert "(?" not in pattern
            assert not pattern.endswith("$") or "pattern" in definition["not"]
