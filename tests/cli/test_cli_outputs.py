"""`--output` on the command line: several reports, and what is wrong with one said at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from report_readers import check_sarif
from test_cli_validate import BAD, BIN, validate


def test_validate_writes_every_format_that_it_has_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    names = ("json", "junit", "sarif", "gitlab", "text")
    done = validate(
        "a.yaml", "--output", "github", *(f"--output={n}={n}.out" for n in names), cwd=tmp_path
    )

    assert 1 == done.returncode
    assert done.stdout.startswith("::error file=a.yaml,title=")
    assert "" == done.stderr
    assert "a.yaml" == json.loads((tmp_path / "json.out").read_text())["findings"][0]["file"]
    assert "a.yaml" == json.loads((tmp_path / "gitlab.out").read_text())[0]["location"]["path"]
    assert (tmp_path / "text.out").read_text().startswith("a.yaml:5:")
    assert "1" == ET.parse(tmp_path / "junit.out").getroot().attrib["failures"]  # noqa: S314 - ours
    check_sarif((tmp_path / "sarif.out").read_text())


def test_a_file_outside_of_any_repository_is_named_by_its_whole_address(tmp_path: Path) -> None:
    (tmp_path / "a b.yaml").write_text(BAD)
    told = json.loads(validate(tmp_path, "--output", "sarif").stdout)
    (result,) = told["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]

    assert {"uri": f"file://{tmp_path}/a%20b.yaml"} == place


@pytest.mark.parametrize("command", ["validate", "dry-run"])
@pytest.mark.parametrize(
    ("told", "words"),
    [
        (["yaml"], ("no format 'yaml'", "text, json, junit, sarif, github, gitlab")),
        (["json", "text"], ("both go to standard output",)),
        (["json=missing/a"], ("there is no folder missing",)),
        (["json="], ("names no file",)),
    ],
)
def test_what_is_wrong_with_an_output_is_a_usage_error_before_any_work(
    command: str, told: list[str], words: tuple[str, ...], tmp_path: Path
) -> None:
    """There is no repository and no file: nobody has looked."""
    given = [f"--output={each}" for each in told] + (["none.yaml"] if command == "validate" else [])
    done = subprocess.run(
        [BIN / "gitsource", command, *given], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert 2 == done.returncode
    assert "" == done.stdout
    for word in words:
        assert word in done.stderr


def test_help_loads_no_format(tmp_path: Path) -> None:
    code = """
import sys
from gitsource.cli.main import main
main(["validate", "--help"])
print([n for n in sys.modules if n.startswith(("gitsource.report", "rich", "xml.etree"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"HOME": str(tmp_path)},
    )  # fmt: skip

    assert "[]" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["text", "json"])
def test_a_standard_output_that_is_full_is_no_bug(name: str, tmp_path: Path) -> None:
    """It ends as a file that cannot be written does, and once."""
    (tmp_path / "a.yaml").write_text(BAD)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [BIN / "gitsource", "validate", "a.yaml", "--output", name],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert 2 == done.returncode
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
