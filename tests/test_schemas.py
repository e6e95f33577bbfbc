"""The schemas that ship: fresh, sound, and as strict as they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from gitsource.catalog.kinds import body_descriptor, builtin_schema
from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError
from gitsource.parse import parse
from gitsource.validate.schema import check_schema, problems

ROOT = Path(__file__).parents[1]
SCHEMAS = {kind.kind: json.loads(kind.schema_text()) for kind in BUILTIN}
BODIES = [body_descriptor(kind.body) for kind in BUILTIN]
POOL = BODIES[0].file.pool
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


def message_of(name):
    """Return the message that the definition *name* is for: some stand under a second name."""
    return name.partition("-in-")[0]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_of_every_message_is_there_as_a_cluster_spells_it(kind):
    for name, definition in objects(SCHEMAS[kind]):
        message = message_of(name)
        fields = {field.json_name for field in POOL.FindMessageTypeByName(message).fields}
        also = set(CONSTRAINTS["messages"].get(message, {}).get("also", ()))

        assert set(definition["properties"]) == fields | also


def test_two_fields_may_be_written_as_they_are_declared_too():
    also = {name: row["also"] for name, row in CONSTRAINTS["messages"].items() if "also" in row}

    assert also == {
        "istio.networking.v1alpha3.HTTPRoute": ["mirror_percent"],
        "istio.security.v1beta1.JWTRule": ["jwks_uri"],
    }


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_message_says_what_it_is(kind):
    for name, definition in objects(SCHEMAS[kind]):
        assert definition["title"] == message_of(name).rpartition(".")[2]
        assert "description" in definition


def keywords(rules):
    """Return what a schema says word for word for the *rules* of constraints.json."""
    apart = ("items", "values", "rules", "unique")
    return {key: rule for key, rule in rules.items() if key not in apart}


def validations(rules):
    return [rule["rule"] for rule in rules.get("rules", ())]


def written(schema):
    return [each["rule"] for each in schema.get("x-kubernetes-validations", ())]


def test_every_constraint_has_reached_a_schema():
    """A misspelt field in constraints.json would constrain nothing, in silence."""
    definitions = {name: d for schema in SCHEMAS.values() for name, d in objects(schema)}
    for name, rules in CONSTRAINTS["messages"].items():
        fields = POOL.FindMessageTypeByName(name).fields_by_name
        properties = definitions[name]["properties"]
        for field, own in rules.get("fields", {}).items():
            schema = properties[fields[field].json_name]
            inner = schema.get("items", schema.get("additionalProperties", {}))
            below = {**own.get("items", {}), **own.get("values", {})}
            first = {key: rule for key, rule in keywords(own).items() if key != "description"}

            assert first.items() <= schema.items()
            assert keywords(below).items() <= inner.items()
            assert written(schema) == validations(own)
            assert written(inner) == validations(below)
        required = [fields[field].json_name for field in rules.get("required", [])]

        assert definitions[name].get("required", []) == required
        assert written(definitions[name]) == validations(rules)


def test_a_rule_that_does_not_hold_everywhere_is_left_out_there():
    entry = "istio.networking.v1alpha3.WorkloadEntry"
    alone = SCHEMAS["WorkloadEntry"]["$defs"][entry]
    template = SCHEMAS["WorkloadGroup"]["$defs"][f"{entry}-in-template"]

    assert set(written(alone)) - set(written(template)) == {
        "has(self.address) || has(self.network)"
    }


def test_thirty_six_rules_of_the_cluster_are_there():
    def rules(value):
        if isinstance(value, dict):
            yield from written(value)
            for item in value.values():
                yield from rules(item)
        elif isinstance(value, list):
            for item in value:
                yield from rules(item)

    assert len({rule for schema in SCHEMAS.values() for rule in rules(schema)}) == 36


DURATIONS = {
    True: [
        "30s",
        "500ms",
        "5m",
        "1h30m",
        "0",
        "0s",
        "+1s",
        ".5s",
        "1.s",
        "7\u00b5s",
        "7\u03bcs",
        "-5s",
    ],
    False: [
        "",
        "5",
        "5 s",
        "5s\n",
        "\n5s",
        "5d",
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


# --------------------------------------------------------------------------- for editors

FOLDER = ROOT / "schemas"
DOCUMENTS = ROOT / "tests" / "validate" / "documents"


def test_the_index_lists_every_schema_in_the_form_of_the_schema_store():
    index = json.loads((FOLDER / "index.json").read_text())
    listed = [row["url"] for row in index["schemas"]]

    assert index["version"] == 1
    assert listed == ["any.json", *(f"{kind.collection}.json" for kind in BUILTIN)]
    assert all((FOLDER / url).is_file() for url in listed)
    assert all(
        {"name", "description", "fileMatch", "url"} == row.keys() for row in index["schemas"]
    )


def editor(name):
    """Return what an editor makes of the schema *name*: what it refers to lies beside it."""

    def read(address):
        path = FOLDER / address.removeprefix("file:///schemas/")
        return Resource.from_contents(json.loads(path.read_text()))

    text = json.loads((FOLDER / name).read_text())
    schema = {"$id": f"file:///schemas/{name}", **text}
    return Draft202012Validator(schema, registry=Registry(retrieve=read))


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("valid/*.yaml")), ids=lambda file: file.stem)
def test_an_editor_takes_what_a_cluster_takes(file):
    for document in parse(file.read_bytes()).documents:
        kind = Catalog().by_document[document.value["apiVersion"], document.value["kind"]]
        spelled = {"GS313", "GS314"} & {each.code for each in problems(document.value, kind)}

        assert editor("any.json").is_valid(document.value) != bool(spelled)


def test_an_editor_refuses_by_kind_and_lets_other_kinds_pass():
    told = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "a"}}

    assert editor("any.json").is_valid(told)
    assert not editor("any.json").is_valid({**told, "spec": {"hosts": []}})
    assert editor("any.json").is_valid({"apiVersion": "v1", "kind": "Service", "spec": {"a": 1}})


def test_the_first_line_that_the_how_to_shows_names_a_schema():
    readme = (FOLDER / "README.md").read_text()
    (named,) = re.findall(r"# yaml-language-server: \$schema=\.\./schemas/(\S+)", readme)
    value = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}

    assert editor(named).is_valid({**value, "metadata": {"name": "a"}})
    assert not editor(named).is_valid({**value, "metadata": {"name": "a"}, "spec": {"host": "a"}})
