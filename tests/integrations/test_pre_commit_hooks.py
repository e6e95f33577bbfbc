"""The hooks for pre-commit: what each runs, in a repository with something staged."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ci_runs import BIN, ROOT, service
from repositories import clean_environment, run_git

HOOKS = {
    each["id"]: each
    for each in YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a clone with one good commit."""
    folder = tmp_path / "work"
    folder.mkdir()
    run_git(folder, "init", "-q", "-b", "main")
    stage(folder, "mesh/wiki.yaml", service("wiki"))
    commit(folder)
    return folder


def stage(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")
    run_git(folder, "add", "--", path)


def commit(folder: Path) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    run_git(folder, *who, "commit", "-q", "-m", "change")


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("how", [("-a",), ("mesh/wiki.yaml",), ("-i", "mesh/wiki.yaml"), ()])
def test_whatever_way_a_commit_is_made_the_hook_sees_what_it_will_have(
    repository: Path,
    tmp_path: Path,
    how: tuple[str, ...],
    linked: bool,  # noqa: FBT001 - a case of the test
) -> None:
    """Git stages into an index of its own for some of them, and names it to the hook."""
    file = repository / ".git" / "hooks" / "pre-commit"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\nexec {BIN}/gitsource dry-run --staged --cache none\n")
    file.chmod(0o755)
    folder = repository
    if linked:
        folder = tmp_path / "linked"
        run_git(repository, "worktree", "add", "-q", "-b", "side", str(folder))
    (folder / "mesh" / "wiki.yaml").write_text(service("wiki", "many"), encoding="utf-8")
    if not how:
        run_git(folder, "add", "-A")
    before = run_git(folder, "rev-parse", "HEAD")
    environ = clean_environment() | {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
    environ |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    done = subprocess.run(
        ["git", "commit", "-q", "-m", "bad", *how],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 1 == done.returncode
    assert "mesh/wiki.yaml" in done.stdout + done.stderr
    assert before == run_git(folder, "rev-parse", "HEAD")


def hook(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a hook as pre-commit does: its entry, with the staged files that it asks for."""
    told = HOOKS[name]
    staged = run_git(folder, "diff", "--cached", "--name-only", "-z").decode().split("\0")
    files = [each for each in staged if each and re.search(told.get("files", ""), each)]
    named = files if told.get("pass_filenames", True) else []
    environ = clean_environment()
    environ |= {"PATH": f"{BIN}:{environ['PATH']}", "XDG_CACHE_HOME": str(folder.parent)}
    return subprocess.run(
        [*shlex.split(told["entry"]), *named],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_hook_runs_a_command_of_the_package_it_installs() -> None:
    assert {each["language"] for each in HOOKS.values()} == {"python"}
    assert {shlex.split(each["entry"])[0] for each in HOOKS.values()} == {"gitsource"}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_what_is_good_may_be_committed(name: str, repository: Path) -> None:
    stage(repository, "mesh/docs.yaml", service("docs"))
    stage(repository, "README.md", "words")
    done = hook(repository, name)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["gitsource-validate", "gitsource-dry-run"])
def test_what_is_bad_may_not_and_its_place_is_told(name: str, repository: Path) -> None:
    stage(repository, "mesh/docs.yaml", service("docs", "many"))
    done = hook(repository, name)

    assert done.returncode == 1
    assert "mesh/docs.yaml:6:20" in done.stdout


def test_only_what_is_staged_counts(repository: Path) -> None:
    """The file in the working tree is mended, and what would be committed is not."""
    stage(repository, "mesh/docs.yaml", service("docs", "many"))
    (repository / "mesh" / "docs.yaml").write_text(service("docs"), encoding="utf-8")
    done = hook(repository, "gitsource-dry-run")

    assert done.returncode == 1


def test_a_push_is_judged_by_its_commits(repository: Path) -> None:
    stage(repository, "mesh/docs.yaml", service("docs", "many"))
    commit(repository)
    done = hook(repository, "gitsource-dry-run-push")

    assert done.returncode == 1
    assert "mesh/docs.yaml:6:20" in done.stdout


def test_a_hostile_file_name_is_a_name_and_nothing_else(repository: Path) -> None:
    for name in ("$(touch pwned).yaml", "a;touch pwned.yaml", "`touch pwned`.yaml"):
        stage(repository, f"mesh/{name}", service("docs"))
    for each in sorted(HOOKS):
        hook(repository, each)

    assert not list(repository.parent.rglob("pwned"))
