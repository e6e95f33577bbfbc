"""Whatever a repository is or holds: a clear outcome, a stable code, nothing run or fetched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gitsource.cli.main import main
from repositories import Upstream, clone, commit_step, run_git, steps
from running import VS, broken, cli, route

HOSTILE = Path(__file__).parent / "dry_run_hostile"


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "up.git")
    made.commit({"mesh/web.yaml": route("web", "v1")})
    made.commit({"mesh/web.yaml": route("web", "v2")})
    return made


def dry_run(
    capsys: pytest.CaptureFixture[str], repo: Path, *args: str
) -> tuple[int, dict[str, object] | None, str]:
    """Return exit code, plan and what went to standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(
            main(["dry-run", "--repo", str(repo), "--cache", "none", "--output", "json", *args])
        )
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), json.loads(out) if out else None, err


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file in *folder* with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


# --------------------------------------------------------------------------- no base, no repository


def test_without_a_repository_it_says_so(tmp_path: Path, capsys) -> None:
    code, _, err = dry_run(capsys, tmp_path)

    assert 2 == code
    assert "is not in a Git repository" in err


def test_without_a_commit_it_says_so(tmp_path: Path, capsys) -> None:
    run_git(tmp_path, "init", "-q", "new")

    code, _, err = dry_run(capsys, tmp_path / "new")

    assert (2, True) == (code, "nothing is committed yet" in err)
    assert "--worktree" in err


def test_an_address_in_place_of_a_folder_is_called_one(capsys) -> None:
    code, _, err = dry_run(capsys, Path("https://git.example.com/mesh"))

    assert 2 == code
    assert "this is an address" in err
    assert "git clone" in err


def test_a_folder_that_neither_side_has_is_a_wrong_usage(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    """A plan of nothing would be green for ever; one that only a side has is a change."""
    settings = tmp_path / "gs.yaml"
    settings.write_text("repository: {path: nosuch}\n")
    given = dry_run(capsys, upstream.folder, "--path", "nosuch")
    set_ = dry_run(capsys, upstream.folder, "--config", str(settings))
    a_file = dry_run(capsys, upstream.folder, "--path", "mesh/web.yaml")
    there = dry_run(capsys, upstream.folder, "--path", "mesh")
    upstream.commit({"new/one.yaml": route("one", "v1")})
    added = dry_run(capsys, upstream.folder, "--path", "new")
    alone = dry_run(capsys, upstream.folder, "--head", "HEAD~2", "--path", "nosuch")

    assert (2, 2, 2, 2) == (given[0], set_[0], a_file[0], alone[0])
    assert "--path: neither the base nor the head has a folder 'nosuch'" in given[2]
    assert "repository.path: neither the base nor the head has" in set_[2]
    assert "--path: neither the head nor anything before it has" in alone[2]
    assert (0, 0) == (there[0], added[0])


def test_a_shallow_clone_says_what_of_its_history_is_missing(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = tmp_path / "shallow"
    run_git(tmp_path, "clone", "-q", "--depth=1", f"file://{upstream.folder}", str(work))
    before = dry_run(capsys, work)
    named = dry_run(capsys, work, "--base", "HEAD^")

    assert (2, 2) == (before[0], named[0])
    assert "does not have the commit before" in before[2]
    assert ("--deepen" in named[2], "origin REF" in named[2]) == (True, False)


def test_signatures_are_spoken_of_only_where_they_are_asked_for(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work")
    _, plan, _ = dry_run(capsys, work, "--worktree")

    assert plan is not None
    assert [] == plan["notes"]


def test_the_working_tree_of_a_repository_without_a_commit_is_all_new(
    tmp_path: Path, capsys
) -> None:
    run_git(tmp_path, "init", "-q", "new")
    (tmp_path / "new/web.yaml").write_text(route("web", "v1"))

    code, plan, _ = dry_run(capsys, tmp_path / "new", "--worktree")

    assert plan is not None
    assert (0, ["shop/web"]) == (code, plan["collections"][VS]["added"])


def test_a_detached_head_is_compared_with_where_it_left_the_branch(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work")
    run_git(work, "checkout", "-q", "--detach", "HEAD~1")

    code, plan, _ = dry_run(capsys, work)

    assert plan is not None
    assert (0, "") == (code, plan["base"]["commit"])


def test_a_base_that_is_not_there_is_asked_for_by_name(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    code, _, err = dry_run(capsys, upstream.folder, "--base", "origin/nowhere")

    assert 2 == code
    assert "origin/nowhere" in err
    assert "git fetch" in err


def test_histories_without_a_common_commit_need_a_base_by_name(upstream: Upstream, capsys) -> None:
    upstream.commit({"mesh/x.yaml": route("x", "v1")}, branch="stranger", parents=[])

    code, _, err = dry_run(capsys, upstream.folder, "--head", "stranger")
    named, plan, _ = dry_run(capsys, upstream.folder, "--head", "stranger", "--base", "main")

    assert 2 == code
    assert "no history in common" in err
    assert 0 == named
    assert plan is not None
    assert (["shop/x"], ["shop/web"]) == (
        plan["collections"][VS]["added"],
        plan["collections"][VS]["removed"],
    )


def test_a_shallow_clone_is_enough_where_it_has_the_base(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work", "--depth", "2")

    code, plan, _ = dry_run(capsys, work)

    assert plan is not None
    assert (0, ["shop/web"]) == (code, plan["collections"][VS]["changed"])


def test_a_shallow_clone_without_the_base_is_told_how_to_get_it(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work", "--depth", "1")
    before = files_of(work / ".git")

    code, _, err = dry_run(capsys, work)

    assert 2 == code
    assert "git fetch --deepen" in err
    assert before == files_of(work / ".git")


def test_a_partial_clone_says_what_it_lacks_and_fetches_nothing(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    upstream.git("config", "uploadpack.allowFilter", "true")
    work = clone(upstream, tmp_path / "work", "--filter=blob:none", "--no-checkout")
    run_git(work, "config", "remote.origin.uploadpack", f"touch {tmp_path}/pwned;")

    code, _, err = dry_run(capsys, work)

    assert 2 == code
    assert "--filter" in err
    assert not (tmp_path / "pwned").exists()


def test_a_base_that_does_not_validate_is_told_and_compared_with(
    upstream: Upstream, capsys
) -> None:
    upstream.commit({"mesh/bad.yaml": broken("bad")})
    upstream.commit({"mesh/bad.yaml": route("bad", "v1")})

    code, plan, _ = dry_run(capsys, upstream.folder)

    assert plan is not None
    assert 0 == code
    assert ["mesh/bad.yaml"] == [each["file"] for each in plan["fixed"]]
    assert "does not validate" in " ".join(plan["notes"])
    assert ["shop/bad"] == plan["collections"][VS]["added"]


def test_what_sinks_have_is_of_the_last_revision_that_validates(upstream: Upstream, capsys) -> None:
    """A broken base was never sent: what is removed after it is removed from them nevertheless."""
    last = upstream.commit({f"mesh/{n}.yaml": route(f"r{n}", "v1") for n in range(30)})
    upstream.commit({f"mesh/{n}.yaml": "a: [" for n in range(28)})
    upstream.commit(dict.fromkeys((f"mesh/{n}.yaml" for n in range(28)), None))

    code, plan, _ = dry_run(capsys, upstream.folder, "--base", "HEAD^")

    assert plan is not None
    assert (3, 28) == (code, len(plan["collections"][VS]["removed"]))
    assert last[:12] in " ".join(plan["notes"])


def test_where_nothing_before_the_base_validates_everything_counts_as_new(
    tmp_path: Path, capsys
) -> None:
    made = Upstream(tmp_path / "new.git")
    made.commit({"mesh/web.yaml": broken("web")})
    made.commit({"mesh/web.yaml": route("web", "v1")})

    code, plan, _ = dry_run(capsys, made.folder)

    assert plan is not None
    assert (0, ["shop/web"]) == (code, plan["collections"][VS]["added"])
    assert "everything counts as new" in " ".join(plan["notes"])


@pytest.mark.parametrize("now", ["nope: 1\n", None])
def test_settings_that_a_checked_out_head_breaks_or_removes_are_a_finding(
    tmp_path: Path, capsys, now: str | None
) -> None:
    """As in every CI, which checks out what it judges."""
    folder = tmp_path / "work"
    made = Upstream(tmp_path / "up.git")
    made.commit({"gs.yaml": "poll: {interval: 1m}\n", "mesh/web.yaml": route("web", "v1")})
    made.commit({"gs.yaml": now})
    made.commit({"mesh/more.yaml": route("more", "v1")})
    clone(made, folder)

    config = ("--config", str(folder / "gs.yaml"))
    code, plan, _ = dry_run(capsys, folder, "--base", "HEAD~2", *config)

    assert plan is not None
    assert (1, ["GS311"]) == (code, [each["code"] for each in plan["findings"]])


# --------------------------------------------------------------------------- hostile content


@pytest.mark.parametrize("folder", sorted(HOSTILE.iterdir()), ids=lambda folder: folder.name)
def test_hostile_content_is_judged_and_nothing_else(folder: Path, tmp_path: Path, capsys) -> None:
    """Each folder is a base and a head, and what is expected of them."""
    upstream = Upstream(tmp_path / "up")
    for step in steps(folder):
        commit_step(upstream, step)
    expected = json.loads((folder / "expected.json").read_text())

    code, plan, err = dry_run(capsys, upstream.folder)

    assert plan is not None, err
    assert expected["exit"] == code
    assert expected["codes"] == sorted({each["code"] for each in plan["findings"]})


def test_names_that_no_system_takes_are_findings(upstream: Upstream, capsys) -> None:
    """With escapes for a terminal, commands for CI, and names that mean .git elsewhere."""
    names = [
        b"\x1b[31m.yaml",
        b"::error::x.yaml",
        b".GIT\xe2\x80\x8c.yaml",
        b"\xff.yaml",
        b"a\nb.yaml",
    ]
    upstream.hostile([("100644", name, route("x", "v1").encode()) for name in names])

    done = cli("dry-run", "--repo", upstream.folder, "--cache", "none")

    assert 1 == done.returncode
    assert "GS204" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_submodule_that_changes_is_not_fetched(upstream: Upstream, capsys) -> None:
    upstream.submodule("vendor/mesh")
    upstream.submodule("vendor/other.yaml", "2" * 40)

    code, plan, _ = dry_run(capsys, upstream.folder)

    assert plan is not None
    assert 0 == code
    assert [("GS202", "vendor/mesh", "old"), ("GS202", "vendor/other.yaml", "new")] == sorted(
        (each["code"], each["file"], each["state"]) for each in plan["findings"]
    )


def test_twenty_thousand_changed_files_are_a_plan(upstream: Upstream, capsys) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    upstream.commit(
        {f"k8s/{n // 500}/{n}.yaml": f"{text}data: {{n: '{n}'}}\n" for n in range(20_000)}
    )

    code, plan, _ = dry_run(capsys, upstream.folder)

    assert plan is not None
    assert (0, {}) == (code, plan["collections"])


def test_an_ending_of_what_reads_the_plan_is_no_error(upstream: Upstream) -> None:
    done = cli(
        "dry-run", "--repo", upstream.folder, "--cache", "none", "--output", "json=/dev/full"
    )

    assert 2 == done.returncode
    assert "cannot be written" in done.stderr


# --------------------------------------------------------------------------- the working tree


def test_what_is_not_committed_is_compared_with_the_commit(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work")
    (work / "mesh/web.yaml").write_text(route("web", "v3"))
    (work / "mesh/new.yaml").write_text(route("new", "v1"))
    run_git(work, "add", "mesh/web.yaml")
    before = files_of(work)

    code, plan, _ = dry_run(capsys, work, "--worktree")
    _, staged, _ = dry_run(capsys, work, "--staged")

    assert plan is not None
    assert staged is not None
    assert (0, "") == (code, plan["head"]["commit"])
    told = plan["collections"][VS]
    assert (["shop/new"], ["shop/web"]) == (told["added"], told["changed"])
    assert ([], ["shop/web"]) == (
        staged["collections"][VS]["added"],
        staged["collections"][VS]["changed"],
    )
    assert before == files_of(work)


def test_filters_and_hooks_of_a_working_tree_are_not_run(
    upstream: Upstream, tmp_path: Path, capsys
) -> None:
    work = clone(upstream, tmp_path / "work")
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\ncat\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.external"):
        run_git(work, "config", key, str(script))
    run_git(work, "config", "core.hooksPath", str(tmp_path))
    (work / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (work / "mesh/web.yaml").write_text(route("web", "v3"))
    os.utime(work / "mesh/web.yaml", (1, 1))

    code, plan, _ = dry_run(capsys, work, "--worktree")

    assert plan is not None
    assert (0, ["shop/web"]) == (code, plan["collections"][VS]["changed"])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["--worktree", "--staged"],
        ["--worktree", "--head", "HEAD"],
        ["--fail-on", "anything"],
        ["--output", "pdf"],
        ["--output", "json"],
        ["--worktree"],
        ["--head", "-x"],
        ["--base", "a..b"],
        ["--config", "nowhere.yaml"],
        ["--cache", "/dev/null"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(
    upstream: Upstream, capsys, monkeypatch, args
) -> None:
    """Of a bare repository there is no working tree; two reports cannot go to one place."""
    monkeypatch.delenv("CI", raising=False)  # where nothing is remembered without a key
    code, _, err = dry_run(capsys, upstream.folder, *args)

    assert 2 == code
    assert err
