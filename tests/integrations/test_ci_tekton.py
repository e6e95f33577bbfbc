"""The Tekton task: its script runs with parameters as its environment has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci_runs import HOSTILE, Change, Ran, read, run, unharmed

TASK = read("tekton/task.yaml")
(STEP,) = TASK["spec"]["steps"]
PARAMS = {each["name"]: each["default"] for each in TASK["spec"]["params"]}
SHELLS = [("bash",), ("dash",)]


def dry_run(folder: Path, shell: tuple[str, ...] = ("dash",), **params: str) -> tuple[Ran, str]:
    """Run the step; returns how it went, and its result."""
    result = folder.parent / "result"
    told = {name.replace("_", "-"): text for name, text in params.items()}
    assert told.keys() <= PARAMS.keys()
    environ = {}
    for each in STEP["env"]:
        named = re.fullmatch(r"\$\(params\.([a-z-]+)\)", each["value"])
        environ[each["name"]] = {**PARAMS, **told}[named[1]] if named else str(result)
    ran = run(STEP["script"], folder, shell, **environ)
    return ran, result.read_text() if result.exists() else ""


def test_no_parameter_is_put_into_the_text_of_the_script():
    assert "$(params" not in STEP["script"]
    assert "$(workspaces" not in STEP["script"]


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "dash"])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_commit_is_compared_with_the_base_that_is_given(
    depth: int, shell: tuple[str, ...], tmp_path: Path
):
    change = Change(tmp_path)
    ran, result = dry_run(change.checkout(change.merged, depth=depth), shell, base=change.target)

    assert (ran.code, result) == (0, "0"), ran.err
    assert "+ web/new" in ran.out
    assert ("fetching 2 commits" in ran.err) == bool(depth)


@pytest.mark.parametrize("depth", [0, 1])
def test_without_a_base_it_is_compared_with_what_was_before(depth: int, tmp_path: Path):
    """A clone of one commit is what Tekton's own task for cloning makes."""
    change = Change(tmp_path)
    ran, result = dry_run(change.checkout(change.target, depth=depth))

    assert (ran.code, result) == (0, "0"), ran.err
    assert "+ web/later" in ran.out


def test_a_bad_document_is_the_result(tmp_path: Path):
    change = Change(tmp_path, port="many")
    ran, result = dry_run(change.checkout(change.merged), base=change.target)

    assert (ran.code, result) == (1, "1")


def test_without_any_network_a_full_clone_is_enough(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged)
    change.gone()
    ran, result = dry_run(folder, base=change.target)

    assert (ran.code, result) == (0, "0"), ran.err


def test_a_hostile_parameter_is_a_text_and_nothing_else(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged, depth=1)
    for text in HOSTILE:
        ran, _ = dry_run(folder, base=text)
        assert ran.code == 2, (text, ran.err)
        ran, _ = dry_run(folder, base=change.target, config=text)
        assert ran.code == 2, (text, ran.err)
        assert unharmed(folder)
