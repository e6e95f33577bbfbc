"""The Jenkins stage: its script stands in single quotes, and runs as Jenkins runs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci_runs import HOSTILE, INTEGRATIONS, Change, Ran, run, unharmed

TEXT = (INTEGRATIONS / "jenkins" / "Jenkinsfile").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"sh\(returnStatus: true, script: '''\n(.*?)'''\)\n", TEXT, re.DOTALL)
SHELL = ("sh", "-xe")
"""How Jenkins runs a script without a first line of its own."""


def dry_run(folder: Path, **environ: str) -> Ran:
    return run(SCRIPT, folder, SHELL, BUILD_NUMBER="1", **environ)


def test_groovy_puts_nothing_into_the_script():
    """In double quotes it would, before any shell can quote it; a backslash it would read too."""
    assert TEXT.count("'''") == 2
    assert TEXT.count("sh(") == 1
    assert '"""' not in TEXT
    assert "\\" not in SCRIPT.replace("\\\n", "")


@pytest.mark.parametrize("depth", [0, 1])
def test_a_change_request_is_compared_with_where_it_left_its_target(depth: int, tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.head, depth=depth), CHANGE_TARGET="main")

    assert ran.code == 0, ran.err
    assert "+ web/new" in ran.out
    assert f"base  {change.fork[:12]}" in ran.out
    assert ("the clone is shallow" in ran.err) == bool(depth)


def test_a_branch_is_compared_with_what_was_built_last(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.target), GIT_PREVIOUS_SUCCESSFUL_COMMIT=change.fork)

    assert ran.code == 0, ran.err
    assert f"base  {change.fork[:12]}" in ran.out
    assert "+ web/later" in ran.out


def test_a_bad_document_fails_the_stage_and_is_a_failed_test(tmp_path: Path):
    change = Change(tmp_path, port="many")
    folder = change.checkout(change.head)
    ran = dry_run(folder, CHANGE_TARGET="main")

    assert ran.code == 1, ran.err
    assert "<failure" in (folder / "gitsource-reports" / "junit.xml").read_text()


def test_without_any_network_a_full_clone_is_enough(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head)
    change.gone()
    ran = dry_run(folder, CHANGE_TARGET="main")

    assert ran.code == 0, ran.err


def test_what_only_a_guard_would_hold_has_a_code_of_its_own(tmp_path: Path):
    """Which the stage turns into `unstable`, where findings fail it."""
    change = Change(tmp_path)
    folder = change.checkout(change.removal())
    guarded = dry_run(folder, CHANGE_TARGET="main")
    let = dry_run(folder, CHANGE_TARGET="main", DRY_RUN_FAIL_ON="error")

    assert (guarded.code, let.code) == (3, 0), guarded.err + guarded.out
    codes = re.findall(r"code (?:==|!=) (\d)\) \{\n +(unstable|error)\(", TEXT)
    assert codes == [("3", "unstable"), ("1", "error"), ("0", "error")]


def test_every_parameter_reaches_the_script():
    names = set(re.findall(r"(?:string|choice)\(name: '(\w+)'", TEXT))

    assert names == set(re.findall(r"DRY_RUN_[A-Z_]+", SCRIPT))


def test_an_instance_to_compare_with_is_asked(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head)
    ran = dry_run(folder, CHANGE_TARGET="main", DRY_RUN_AGAINST="127.0.0.1:1")

    assert ran.code == 2
    assert "cannot reach gitsource at http://127.0.0.1:1" in ran.err


def test_a_hostile_name_is_a_name_and_nothing_else(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head)
    for texts in zip(HOSTILE[::3], HOSTILE[1::3], HOSTILE[2::3], strict=False):
        told = dict(zip(("CHANGE_BRANCH", "CHANGE_TITLE", "BRANCH_NAME"), texts, strict=True))
        ran = dry_run(folder, CHANGE_TARGET="main", **told)
        assert ran.code == 0, (texts, ran.err)
    for text in HOSTILE:
        ran = dry_run(folder, CHANGE_TARGET=text)
        assert ran.code == 2, "neither findings nor a guard"
        ran = dry_run(folder, CHANGE_TARGET="main", DRY_RUN_CONFIG=text)
        assert ran.code == 2, (text, ran.err)
        ran = dry_run(folder, CHANGE_TARGET="main", DRY_RUN_FAIL_ON=text)
        assert ran.code == 2, (text, ran.err)
    assert unharmed(folder)
