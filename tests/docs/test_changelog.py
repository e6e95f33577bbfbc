"""The changelog keeps its form, so that people and tools can read it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def _versions() -> list[tuple[int, ...]]:
    found = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\]", TEXT, re.MULTILINE)
    return [tuple(map(int, parts)) for parts in found]


def test_sections_are_unreleased_first_then_dated_versions_newest_first() -> None:
    first, *released = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)

    assert first == "[Unreleased]"
    assert [
        h for h in released if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", h)
    ] == []
    assert sorted(_versions(), reverse=True) == _versions()


def test_changes_stand_under_the_six_kinds() -> None:
    kinds = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)

    assert [kind for kind in kinds if kind not in KINDS] == []


def test_no_kind_is_empty() -> None:
    parts = re.split(r"^### .+$", TEXT, flags=re.MULTILINE)[1:]

    assert [part for part in parts if not part.lstrip().startswith("- ")] == []


def test_the_version_in_hand_is_not_older_than_the_newest_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    in_hand = tuple(map(int, project["version"].split(".")))

    assert in_hand >= max(_versions(), default=(0, 0, 0))
