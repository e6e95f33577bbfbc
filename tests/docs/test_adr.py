"""The decision records: numbered, in one form, and complete where they have to be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def test_records_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in RECORDS]

    assert list(range(1, len(RECORDS) + 1)) == numbers


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_form(record: Path) -> None:
    """Its title carries its number, and it tells context, options, decision and consequences."""
    text = record.read_text(encoding="utf-8")
    headings = re.findall(r"^## (\w+)", text, re.MULTILINE)

    assert text.startswith(f"# {record.name[:4]}. ")
    assert re.search(r"^\* Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
    assert re.search(r"^\* Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert [h for h in headings if h in FORM] == FORM


FORM = ["Context", "Options", "Decision", "Consequences"]


def test_every_dependency_has_its_reason_and_no_other_is_told() -> None:
    """Those to run and those to test, by their names in pyproject.toml."""
    declarations = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declarations["project"]
    declared = [
        *project["dependencies"],
        *project["optional-dependencies"]["test"],
        *declarations["dependency-groups"]["apart"],
    ]
    text = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert {re.split(r"[<>=~\[ ]", name)[0] for name in declared} == told


def test_every_constraint_is_a_plain_version() -> None:
    """No address of a registry, no file, no hash: where a package comes from is not ours to say."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]

    assert [
        pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin)
    ] == []
    assert pins == sorted(pins, key=lambda pin: pin.lower().split("=="))
