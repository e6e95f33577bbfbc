"""`gitsource validate` as a process: output, exit codes, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repositories import Upstream

BIN = Path(sys.executable).parent
GOOD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.example.com]
  http: [{route: [{destination: {host: web}}]}]
"""
BAD = GOOD.replace("hosts: [web.example.com]", "hosts: web.example.com")
ODD = "apiVersion: acme.dev/v1\nkind: Foreign\n"


def validate(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "gitsource", "validate", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"GITSOURCE_UNKNOWN_KINDS": "warn"},
    )


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (GOOD, [], 0),
        (ODD, [], 0),
        (ODD, ["--strict"], 1),
        (BAD, [], 1),
        (BAD, ["--isolated"], 1),
    ],
)
def test_the_exit_code_says_whether_there_are_errors(
    tmp_path: Path, content: str, options: list[str], code: int
) -> None:
    (tmp_path / "a.yaml").write_text(content)

    assert code == validate(tmp_path, *options).returncode


def test_json_output_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)

    done = validate("a.yaml", "--output", "json", cwd=tmp_path)

    told = json.loads(done.stdout)
    assert {"findings"} == set(told)
    (finding,) = told["findings"]
    assert {"file", "line", "column", "severity", "code", "message", "resource"} == set(finding)
    assert ("a.yaml", 5, 10, "error", "VirtualService/default/web") == tuple(
        finding[key] for key in ("file", "line", "column", "severity", "resource")
    )
    assert "" == done.stderr


def test_clean_json_output_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)

    assert {"findings": []} == json.loads(validate(tmp_path, "--output", "json").stdout)


def test_text_output_starts_each_line_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)

    done = validate("a.yaml", cwd=tmp_path)

    assert done.stdout.startswith("a.yaml:5:10: error GS301 VirtualService/default/web: ")
    assert "1 files: 1 error, 0 warnings" in done.stdout


def test_a_file_name_cannot_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mred.yaml").write_text(BAD)

    assert "\x1b" not in validate(tmp_path).stdout


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["missing.yaml"],
        ["--revision", "HEAD"],
        ["a.yaml", "--repo", "."],
        ["a.yaml", "--config", "missing.yaml"],
        ["--repo", "."],
    ],
)
def test_what_cannot_be_judged_is_exit_2_with_an_error(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)

    done = validate(*args, cwd=tmp_path)

    assert 2 == done.returncode
    assert "rror: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_revision_is_judged_as_the_server_would(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "repo.git")
    good = upstream.commit({"mesh/a.yaml": GOOD})
    upstream.commit({"mesh/b.yaml": BAD.replace("name: web", "name: other")})

    head = validate("--repo", upstream.folder, "--output", "json")
    before = validate("--repo", upstream.folder, "--revision", good)

    assert (1, 0) == (head.returncode, before.returncode), before.stderr
    assert ["mesh/b.yaml"] == [each["file"] for each in json.loads(head.stdout)["findings"]]
