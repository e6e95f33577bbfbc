"""The GitLab template: its script runs under every shell that an image may have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_runs import HOSTILE, Change, Ran, read, run, unharmed

TEMPLATE = read("gitlab/gitsource.gitlab-ci.yml")
JOB = TEMPLATE["gitsource-dry-run"]
(SCRIPT,) = JOB["script"]
SHELLS = [("bash", "-eu", "-o", "pipefail"), ("dash", "-eu")]
both = pytest.mark.parametrize("shell", SHELLS, ids=["bash", "dash"])


def dry_run(folder: Path, shell: tuple[str, ...] = SHELLS[0], **environ: str) -> Ran:
    """Run the script with the template's variables; what GitLab does not know is not set."""
    told = {name: str(value) for name, value in TEMPLATE["variables"].items()}
    return run(SCRIPT, folder, shell, **told | {"CI": "true", "GITLAB_CI": "true"} | environ)


def quality(folder: Path) -> list[dict]:
    return json.loads((folder / "gitsource-reports" / "codequality.json").read_text())


@both
@pytest.mark.parametrize("depth", [0, 1])
def test_a_merge_request_is_compared_with_where_it_left_off(
    depth: int, shell: tuple[str, ...], tmp_path: Path
):
    change = Change(tmp_path)
    folder = change.checkout(change.head, depth=depth)
    ran = dry_run(folder, shell, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)

    assert ran.code == 0, ran.err
    assert "+ web/new" in ran.out
    assert f"base  {change.fork[:12]}" in ran.out
    assert ("fetching 50 commits" in ran.err) == bool(depth)


def test_a_merged_result_is_compared_with_what_it_is_merged_into(tmp_path: Path):
    change = Change(tmp_path)
    ran = dry_run(
        change.checkout(change.merged, depth=1),
        CI_MERGE_REQUEST_TARGET_BRANCH_SHA=change.target,
        CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork,
    )

    assert ran.code == 0, ran.err
    assert f"base  {change.target[:12]}" in ran.out


def test_a_new_branch_has_no_commit_before(tmp_path: Path):
    """GitLab says so in zeros; gitsource finds where it left the followed branch."""
    change = Change(tmp_path)
    ran = dry_run(change.checkout(change.head), CI_COMMIT_BEFORE_SHA="0" * 40)

    assert ran.code == 0, ran.err
    assert f"base  {change.fork[:12]}" in ran.out


def test_reports_lie_where_the_job_says_they_do(tmp_path: Path):
    change = Change(tmp_path, port="many")
    folder = change.checkout(change.head)
    ran = dry_run(folder, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)

    assert ran.code == 1, ran.err
    assert [(each["check_name"], each["location"]["path"]) for each in quality(folder)] == [
        ("GS301", "mesh/new.yaml")
    ]
    assert all((folder / path).exists() for path in JOB["artifacts"]["reports"].values())


def test_a_guard_does_not_fail_the_pipeline_but_is_seen(tmp_path: Path):
    change = Change(tmp_path)
    config = tmp_path / "gitsource.yaml"
    config.write_text("guard: {removals: {count: 1, share: 1%}}\n")
    gone = change.upstream.commit(
        {f"mesh/s{number}.yaml": None for number in range(3)}, branch="gone", parents=[change.fork]
    )
    ran = dry_run(
        change.checkout(gone),
        CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork,
        DRY_RUN_CONFIG=str(config),
    )

    assert ran.code in JOB["allow_failure"]["exit_codes"], ran.out + ran.err


def test_a_link_in_place_of_the_reports_is_not_followed(tmp_path: Path):
    """A merge request may hold anything, under any name."""
    change = Change(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    linked = change.upstream.commit(
        {}, branch="linked", parents=[change.head], symlinks={"gitsource-reports": str(elsewhere)}
    )
    folder = change.checkout(linked)
    ran = dry_run(folder, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)

    assert [path.name for path in elsewhere.iterdir()] == ["precious"], ran.err
    assert quality(folder) is not None


@both
def test_without_any_network_a_full_clone_is_enough(shell: tuple[str, ...], tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head)
    change.gone()
    ran = dry_run(folder, shell, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)

    assert ran.code == 0, ran.err


def test_without_any_network_a_shallow_clone_ends_with_what_to_do(tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head, depth=1)
    change.gone()
    ran = dry_run(folder, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)

    assert ran.code == 2
    assert "going on with what is there" in ran.err
    assert "gitsource: error:" in ran.err


@both
def test_a_hostile_name_is_a_name_and_nothing_else(shell: tuple[str, ...], tmp_path: Path):
    change = Change(tmp_path)
    folder = change.checkout(change.head)
    about = ("CI_COMMIT_REF_NAME", "CI_MERGE_REQUEST_TITLE", "CI_COMMIT_MESSAGE")
    base = ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BEFORE_SHA")
    for texts in zip(HOSTILE[::3], HOSTILE[1::3], HOSTILE[2::3], strict=False):
        told = dict(zip(about, texts, strict=True))
        ran = dry_run(folder, shell, **told, CI_MERGE_REQUEST_DIFF_BASE_SHA=change.fork)
        assert ran.code == 0, (texts, ran.err)
    for at, text in enumerate(HOSTILE):
        ran = dry_run(folder, shell, **{base[at % 2]: text})
        assert (ran.code, "the base is no commit" in ran.err) == (2, True), (text, ran.err)
    assert unharmed(folder)


def test_its_variables_are_not_taken_for_settings_of_gitsource():
    assert [name for name in TEMPLATE["variables"] if name.startswith("GITSOURCE")] == []


def test_who_includes_it_can_set_its_variables():
    """A pipeline's variables override those of what it includes, but not those of a job."""
    assert "variables" not in JOB
    assert "$DRY_RUN_IMAGE" == JOB["image"]["name"]
    assert "DRY_RUN_IMAGE" in TEMPLATE["variables"]
