"""The pages on audit log and threats say what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

from gitsource.observe.audit.lines import EVENTS

ROOT = Path(__file__).parents[2]
AUDIT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "audit.schema.json").read_text())


def rows(after: str) -> list[list[str]]:
    """Return the cells of the first table behind *after*, without its head."""
    lines = AUDIT.split(after, 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


def test_every_event_is_told_once():
    table = rows("in the first |")
    told = [name for row in table for name in re.findall(r"`(\w+)`", row[0])]

    assert sorted(told) == sorted(EVENTS)


def test_every_key_of_a_line_is_told():
    told = [row[0].strip("` ") for row in rows("`prev` is shortened")]

    assert told == SCHEMA["required"]


def test_the_line_that_is_shown_is_one():
    (shown,) = re.findall(r"```json\n(.*)\n```", AUDIT)
    line = json.loads(shown)
    line["prev"] = line["prev"].ljust(64, "0")

    assert list(Draft202012Validator(SCHEMA).iter_errors(line)) == []


def test_the_tests_that_show_a_promise_are_there():
    named = re.findall(r"`(tests/[\w/.]+)`", THREATS)

    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_attacker_of_the_list_meets_a_promise_and_a_test():
    table = THREATS.split("## Attackers", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]

    assert len(lines) > 15
    assert [line for line in lines if "tests/" not in line] == []
