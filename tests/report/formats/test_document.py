"""The JSON of a plan, and the schema that says what it is."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import pytest

from gitsource.model import Finding
from gitsource.plan.values import (
    CollectionPlan,
    FieldChange,
    LayerPlan,
    NoEffect,
    Plan,
    ResourceChange,
)
from gitsource.report.formats.document import SCHEMA_VERSION, dumped
from report_expected import CLEAN, GUARDED, LAYERED, RICH, VS, report
from report_readers import SCHEMA, check_json


def told(planned: Plan) -> dict:
    return json.loads(report("json", planned))


def test_the_schema_is_a_sound_schema_that_explains_each_key() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def unexplained(value) -> list:
        if isinstance(value, dict):
            here = [
                key
                for key, each in value.get("properties", {}).items()
                if "$ref" not in each and "description" not in each and each != {"type": "string"}
            ]
            return here + [found for each in value.values() for found in unexplained(each)]
        return [f for each in value for f in unexplained(each)] if isinstance(value, list) else []

    assert [] == unexplained(schema)
    assert SCHEMA_VERSION == schema["properties"]["schema_version"]["const"]


def test_the_schema_comes_with_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("gitsource/report/plan.schema.json")

    assert SCHEMA.read_bytes() == packed


def test_nothing_that_a_plan_says_is_left_out() -> None:
    """A field that comes to the values must come to the JSON, and so to the schema."""
    value = told(RICH)
    change = value["collections"][VS]["changes"][0]

    for of, keys in (
        (Plan, {*value, "new", "old", "guards"}),
        (CollectionPlan, {*value["collections"][VS], "name"}),
        (ResourceChange, {*change}),
        (FieldChange, {*value["collections"][VS]["changes"][2]["fields"][0]}),
        (Finding, {*value["findings"][0], "suppressed"}),
        (type(RICH.against), {*value["against"]}),
        (type(RICH.settings[0]), {*value["settings"][0]}),
        (type(RICH.rights[0]), {*value["rights"][0]}),
        (LayerPlan, {*told(LAYERED)["layers"][0]}),
        (NoEffect, {*told(LAYERED)["no_effect"][0]}),
    ):
        assert {field.name for field in fields(of)} <= keys, of


@pytest.mark.parametrize(
    ("planned", "ends"), [(RICH, "findings"), (GUARDED, "guarded"), (CLEAN, "clean")]
)
def test_it_says_what_the_plan_comes_to(planned: Plan, ends: str) -> None:
    assert (ends, ends != "clean") == (told(planned)["ends"], told(planned)["held"])


def test_findings_say_how_they_stand_to_the_base() -> None:
    value = told(RICH)
    states = {each["code"]: each["state"] for each in (*value["findings"], *value["fixed"])}

    assert {
        "GS206": "guard",
        "GS301": "new",
        "VS-131": "new",
        "GS402": "old",
        "GS304": "fixed",
    } == states
    assert ["GS202"] == [each["code"] for each in value["suppressed"]]


def test_numbers_that_json_does_not_have_are_their_names() -> None:
    odd = [float("nan"), float("inf"), float("-inf"), 1.5, 10**400]
    field = FieldChange("spec.x", "changed", before=odd, after={"\udcff": ["\udcff"]})
    change = replace(RICH.collections[1].changes[2], fields=(field,))
    whole = replace(RICH.collections[1], changes=(change,))
    text = report("json", replace(RICH, collections=(whole,)))
    read = json.loads(text)["collections"][VS]["changes"][0]["fields"][0]

    check_json(text)
    assert ["NaN", "Infinity", "-Infinity", 1.5, 10**400] == read["before"]
    assert {"\\udcff": ["\\udcff"]} == read["after"]


@pytest.mark.parametrize("text", ["##[error]", "###[x", "####", "a ##vso[b", "\\##["])
def test_no_log_sees_a_command_and_every_reader_the_text(text: str) -> None:
    assert "##" not in dumped([text])
    assert [text] == json.loads(dumped([text]))
