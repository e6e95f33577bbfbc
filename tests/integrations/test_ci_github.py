"""The GitHub action: its scripts run as the runner runs them, on full and on shallow clones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ci_runs import HOSTILE, INTEGRATIONS, ROOT, Change, Ran, read, run, service, unharmed

ACTION = read("github/action.yml")
SETUP, PLAN = ACTION["runs"]["steps"]
BASH = ("bash", "--noprofile", "--norc", "-eu", "-o", "pipefail")
EXPRESSION = re.compile(r"\$\{\{ *inputs\.([a-z-]+) *\}\}")


def dry_run(folder: Path, **environ: str) -> Ran:
    """Run the step as on a pull request, unless *environ* says otherwise."""
    files = {
        name: folder.parent / f"{folder.name}.{name}"
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    }
    for file in files.values():
        file.write_text("")
    told = dict.fromkeys(PLAN["env"], "")
    for name, text in PLAN["env"].items():
        if given := EXPRESSION.fullmatch(text):
            told[name] = ACTION["inputs"][given[1]]["default"]
    told |= {name: str(file) for name, file in files.items()}
    told |= {"RUNNER_TEMP": str(folder.parent), "GITHUB_REF": "refs/pull/7/merge"}
    told |= {"GITHUB_ACTIONS": "true", "DEFAULT_BRANCH": "main"}
    ran = run(PLAN["run"], folder, BASH, **told | environ)
    ran.files = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    return ran


def outputs(ran: Ran) -> dict[str, str]:
    return dict(line.split("=", 1) for line in ran.files["GITHUB_OUTPUT"].splitlines())


def plan(ran: Ran) -> dict:
    return json.loads(Path(outputs(ran)["json"]).read_text(encoding="utf-8"))


def added(ran: Ran) -> list[str]:
    return [name for each in plan(ran)["collections"].values() for name in each["added"]]


# ---------------------------------------------------------------------- what it says


def test_no_script_has_an_expression_in_it():
    """What stands in ${{ }} is put into the script's text before any shell can quote it."""
    files = [*INTEGRATIONS.glob("github/**/action.yml")]
    steps = [step for file in files for step in read(file)["runs"]["steps"]]

    assert len(files) == 2
    assert [step["name"] for step in steps if "${{" in step["run"]] == []


def test_every_input_reaches_the_script_by_environment_and_is_used_there():
    told = {given[1] for text in PLAN["env"].values() if (given := EXPRESSION.fullmatch(text))}

    assert told == set(ACTION["inputs"])
    assert [name for name in PLAN["env"] if f"${name}" not in PLAN["run"].replace("{", "")] == []


# ---------------------------------------------------------------------- pull requests


def test_a_pull_request_on_a_full_clone_is_compared_with_what_it_is_merged_into(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.merged))

    assert (ran.code, outputs(ran)["exit-code"]) == (0, "0"), ran.err
    assert (plan(ran)["base"]["commit"], added(ran)) == (change.target, ["web/new"])
    assert "fetching" not in ran.err


def test_a_shallow_clone_fetches_one_commit_more_and_says_so(tmp_path: Path):
    """Which is what actions/checkout makes unless it is told otherwise."""
    change = Change(tmp_path)
    folder = change.checkout(change.merged, depth=1)
    ran = dry_run(folder)

    assert ran.code == 0, ran.err
    assert (plan(ran)["base"]["commit"], added(ran)) == (change.target, ["web/new"])
    assert ran.err.count("fetching") == 1
    assert "fetching 2 commits of history" in ran.err


def test_reports_are_written_and_the_summary_gets_the_plan(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.merged))

    assert ran.files["GITHUB_STEP_SUMMARY"].startswith("<!-- gitsource:dry-run -->")
    assert json.loads(Path(outputs(ran)["sarif"]).read_text())["version"] == "2.1.0"


def test_the_summary_can_be_left_out(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.merged), SUMMARY="false")

    assert ran.files["GITHUB_STEP_SUMMARY"] == ""


def test_a_bad_document_fails_the_step_with_an_annotation_at_its_line(tmp_path: Path):
    change = Change(tmp_path, port="many")
    ran = dry_run(change.checkout(change.merged, depth=1))

    assert (ran.code, outputs(ran)["exit-code"]) == (1, "1"), ran.err
    assert re.search(r"^::error file=mesh/new\.yaml,.*line=6,", ran.out, re.MULTILINE)
    assert ran.files["GITHUB_STEP_SUMMARY"] != ""


# ---------------------------------------------------------------------- other events


def test_a_push_is_compared_with_what_was_there_before(tmp_path: Path):
    """However far back that is: the clone is deepened until it is reached."""
    change = Change(tmp_path, behind=5)
    first = change.upstream.git("rev-list", "--max-parents=0", "main")
    folder = change.checkout(change.target, depth=1)
    ran = dry_run(folder, GITHUB_REF="refs/heads/main", BEFORE=first)

    assert ran.code == 0, ran.err
    assert plan(ran)["base"]["commit"] == first
    assert len(added(ran)) == 5
    assert "fetching 50 commits" in ran.err


def test_a_new_branch_is_compared_with_the_default_branch(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(
        change.checkout(change.head, depth=1), GITHUB_REF="refs/heads/change", BEFORE="0" * 40
    )

    assert ran.code == 0, ran.err
    assert (plan(ran)["base"]["commit"], added(ran)) == (change.fork, ["web/new"])


@pytest.mark.parametrize("depth", [0, 1])
def test_a_pull_request_of_which_the_branch_is_checked_out_shows_all_its_commits(
    tmp_path: Path, depth: int
):
    """With `ref: head.sha` the reference is still that of the merge; nobody's work is removed."""
    change = Change(tmp_path)
    more = change.upstream.commit(
        {"mesh/more.yaml": service("more")}, branch="change", parents=[change.head]
    )
    ran = dry_run(change.checkout(more, depth=depth), TARGET=change.target)

    assert ran.code == 0, ran.err
    assert (plan(ran)["base"]["commit"], added(ran)) == (change.fork, ["web/more", "web/new"])
    assert [each["removed"] for each in plan(ran)["collections"].values()] == [[]]


def test_a_run_by_hand_on_the_default_branch_shows_its_last_commit(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.target), GITHUB_REF="refs/heads/main")

    assert (ran.code, added(ran)) == (0, ["web/later"]), ran.err


@pytest.mark.parametrize("base", ["main", "commit"])
def test_a_base_that_is_asked_for_wins(base: str, tmp_path: Path):
    change = Change(tmp_path)
    told = change.fork if base == "commit" else base
    ran = dry_run(change.checkout(change.merged, depth=1), BASE=told)

    assert ran.code == 0, ran.err
    assert plan(ran)["base"]["commit"] == (change.fork if base == "commit" else change.target)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("base", ["v1", "origin/change", "short"])
def test_a_base_may_be_whatever_names_a_commit(base: str, depth: int, tmp_path: Path):
    change = Change(tmp_path)
    change.upstream.git("tag", "v1", change.fork)
    there = depth == 0 or base == "v1"
    told = change.fork[:10] if base == "short" else base
    ran = dry_run(change.checkout(change.merged, depth=depth), BASE=told)

    assert ran.code == (0 if there else 2), ran.err
    if there:
        meant = change.head if base == "origin/change" else change.fork
        assert plan(ran)["base"]["commit"] == meant


def test_a_base_that_nobody_knows_is_said_and_not_replaced(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.merged), BASE="nosuch")

    assert (ran.code, outputs(ran)) == (2, {})
    assert "the base is neither in this clone nor at its origin" in ran.err


# ---------------------------------------------------------------------- offline, and hostile


def test_without_any_network_a_full_clone_is_enough(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged)
    change.gone()
    ran = dry_run(folder)

    assert (ran.code, added(ran)) == (0, ["web/new"]), ran.err


def test_without_any_network_a_shallow_clone_ends_with_what_to_do(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged, depth=1)
    change.gone()
    ran = dry_run(folder)

    assert (ran.code, outputs(ran)) == (2, {"exit-code": "2"})
    assert "going on with what is there" in ran.err
    assert "gitsource: error:" in ran.err


def test_a_hostile_name_is_a_name_and_nothing_else(tmp_path: Path):
    """As the base, as the branch of the pull request, as the default branch."""
    change = Change(tmp_path)
    folder = change.checkout(change.merged, depth=1)
    for at, text in enumerate(HOSTILE):
        everywhere = {"GITHUB_HEAD_REF": text, "GITHUB_BASE_REF": text, "GITHUB_REF": text}
        ran = dry_run(folder, **everywhere | {("BASE", "BEFORE", "DEFAULT_BRANCH")[at % 3]: text})

        assert ran.code in {0, 2}, (text, ran.err)
        assert unharmed(folder)
        assert not re.search(r"^::error::forged", ran.out + ran.err, re.MULTILINE)


def test_a_hostile_input_is_an_argument_and_nothing_else(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.merged)
    inputs = ("CONFIG", "FOLDER", "FAIL_ON", "AGAINST", "TOKEN_FILE")
    for at, text in enumerate(HOSTILE):
        ran = dry_run(folder, **{inputs[at % len(inputs)]: text})

        assert ran.code in {0, 2}, (text, ran.err)
        assert "Traceback" not in ran.err
        assert unharmed(folder)


# ---------------------------------------------------------------------- setting up


def test_a_gitsource_that_is_there_is_taken(tmp_path: Path):
    folder = tmp_path / "work"
    folder.mkdir()
    ran = run(SETUP["run"], folder, BASH, RUNNER_TEMP=str(tmp_path), ACTION_FOLDER="/nowhere")

    assert ran.code == 0
    assert ran.out.startswith("gitsource ")


def test_otherwise_the_action_installs_itself_in_the_versions_it_is_tested_with(tmp_path: Path):
    """Seen by a pip that only says what it was asked to install."""
    folder, tools = tmp_path / "work", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    python = tools / "python3"
    python.write_text(
        '#!/bin/sh\nif [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"\n'
        'else echo "$@"; fi\n'
    )
    python.chmod(0o755)
    path = tmp_path / "path"
    environ = {"RUNNER_TEMP": str(tmp_path), "ACTION_FOLDER": str(INTEGRATIONS / "github")}
    environ |= {"GITHUB_PATH": str(path), "PATH": f"{tools}:/usr/bin:/bin"}
    ran = run(SETUP["run"], folder, BASH, **environ)

    assert ran.code == 0, ran.err
    words = ran.out.split()
    assert words[:3] == ["-m", "pip", "install"]
    assert Path(words[words.index("--constraint") + 1]).resolve() == ROOT / "constraints.txt"
    assert Path(words[-1]).resolve() == ROOT
    assert path.read_text() == f"{tmp_path}/gitsource/bin\n"
