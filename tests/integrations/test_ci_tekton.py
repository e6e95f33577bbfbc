"""The Tekton task: its script runs with parameters as its environment has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_runs import HOSTILE, Change, Ran, read, run, unharmed

TASK = read("tekton/task.yaml")
(STEP,) = TASK["spec"]["steps"]
PARAMS = {each["name"]: each["default"] for each in TASK["spec"]["params"]}
SHELLS = [("bash",), ("dash",)]


def dry_run(
    folder: Path, shell: tuple[str, ...] = ("dash",), *, reports: bool = False, **params: str
) -> tuple[Ran, str]:
    """Run the step; returns how it went, and its result."""
    result = folder.parent / "result"
    known = {
        "results.exit-code.path": str(result),
        "results.ends.path": str(folder.parent / "ends"),
        "workspaces.reports.path": str(folder.parent / "reports") if reports else "",
    }
    if reports:
        (folder.parent / "reports").mkdir(exist_ok=True)
    told = {name.replace("_", "-"): text for name, text in params.items()}
    assert told.keys() <= PARAMS.keys()
    environ = {}
    for each in STEP["env"]:
        place = each["value"].removeprefix("$(").removesuffix(")")
        param = place.removeprefix("params.")
        environ[each["name"]] = known[place] if place == param else {**PARAMS, **told}[param]
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


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "dash"])
def test_reports_go_to_a_workspace_where_there_is_one(shell: tuple[str, ...], tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged)
    reports = tmp_path / "reports" / "gitsource-reports"
    reports.parent.mkdir()
    reports.symlink_to(folder)
    ran, _ = dry_run(folder, shell, base=change.target, reports=True)

    names = {path.name for path in reports.iterdir()}
    assert ran.code == 0, ran.err
    assert {"plan.json", "junit.xml", "plan.sarif", "plan.md", "plan.html"} == names
    assert not reports.is_symlink()
    assert all(path.stat().st_size for path in reports.iterdir())
    workspaces = {each["name"]: each.get("optional") for each in TASK["spec"]["workspaces"]}
    assert {"source": None, "reports": True} == workspaces


def test_what_it_ends_with_is_a_word_that_tells_guards_from_findings(tmp_path: Path):
    change = Change(tmp_path, port="many")
    found = []
    for number, (head, told) in enumerate(
        (
            (change.target, {"base": change.fork}),
            (change.merged, {"base": change.target}),
            (change.removal(), {"base": change.target}),
            (change.target, {"config": "nosuch.yaml"}),
        )
    ):
        ran, _ = dry_run(change.checkout(head, name=f"checkout{number}"), **told)
        found.append((ran.code, (tmp_path / "ends").read_text()))

    assert found == [(0, "clean"), (1, "findings"), (3, "guarded"), (2, "failed")]


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
