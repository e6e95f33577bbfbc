"""One plan with everything in it, in every format, as it was read and found good."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from report_expected import (
    CLEAN,
    EMPTY,
    EXPECTED,
    GUARDED,
    LAYERED,
    PARTIAL,
    RICH,
    SUFFIXES,
    made,
    report,
)
from report_readers import check_github, check_gitlab, check_json, check_junit, check_sarif


@pytest.mark.parametrize("name", SUFFIXES)
def test_a_format_is_what_was_found_good(name: str) -> None:
    """If a change is meant: python tests/report_expected.py NAME, read the diff, commit it."""
    for file, told in made(name).items():
        assert (EXPECTED / file).read_text(encoding="utf-8") == told, file


def test_no_file_is_left_of_what_is_not_made_any_more() -> None:
    assert {path.name for path in EXPECTED.iterdir()} == {
        file for name in SUFFIXES for file in made(name)
    }


@pytest.mark.parametrize(
    "planned",
    [RICH, GUARDED, CLEAN, EMPTY, LAYERED, PARTIAL],
    ids=["rich", "guarded", "clean", "empty", "layered", "partial"],
)
def test_every_outcome_is_sound_for_machines(planned) -> None:
    check_json(report("json", planned))
    check_junit(report("junit", planned))
    check_sarif(report("sarif", planned))
    check_github(report("github", planned))
    if planned.new:
        check_gitlab(report("gitlab", planned))


def test_a_revision_without_findings_is_an_empty_list_to_gitlab() -> None:
    assert [] == json.loads(report("gitlab", replace(CLEAN, collections=())))


def test_text_keeps_to_eighty_columns_where_the_content_lets_it() -> None:
    told = report("text", CLEAN)
    ours = [line for line in told.splitlines() if not line.startswith(("warning: ", "note: "))]

    assert max(map(len, ours)) <= 80
