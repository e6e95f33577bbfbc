"""
What documents say of each other, as folders of files.

Each folder of `cases` holds the files of a repository, `expected.txt` (a line for each finding:
place, code, and what it counts as unless that is a warning) and, at times, `settings.txt`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.codes.references import ROWS
from gitsource.configuration.whole import load
from gitsource.files import judge_files
from gitsource.model import Finding
from gitsource.settings.whole import Settings

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(folder for folder in CASES.iterdir() if folder.is_dir())


def settings_of(folder: Path) -> Settings:
    """Return the settings that lie beside the files, or the defaults."""
    file = folder / "settings.txt"
    return load(file if file.exists() else None, {}, {})


def expected_of(folder: Path) -> list[str]:
    """Return the lines of the expectation, sorted."""
    return sorted((folder / "expected.txt").read_text().splitlines())


def line(found: Finding, folder: Path) -> str:
    """Return a finding as a line of the expectation."""
    counts = "suppressed" if found.suppressed else found.severity
    place = f"{Path(found.file).relative_to(folder)}:{found.line}:{found.column}"
    return " ".join([place, found.code, *([counts] if counts != "warning" else [])])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_folder_has_just_the_findings_it_expects(folder: Path) -> None:
    found, _ = judge_files([folder], settings_of(folder))

    assert expected_of(folder) == sorted(line(finding, folder) for finding in found)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_nothing_is_said_of_others_when_each_file_is_judged_alone(folder: Path) -> None:
    found, _ = judge_files([folder], settings_of(folder), isolated=True)

    assert [] == [finding.code for finding in found if finding.code in ROWS]


def test_there_is_a_case_for_every_code() -> None:
    lines = [told for folder in FOLDERS for told in expected_of(folder)]

    assert set(ROWS) <= {told.split()[1] for told in lines}
