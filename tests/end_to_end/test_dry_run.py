"""What would this commit push? The answer is the server's own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from repositories import Upstream, run_git
from running import BIN, SE, VS, broken, cli, route


@pytest.fixture
def repository(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "repo.git")
    made.commit({"mesh/web.yaml": route("web", "v1"), "mesh/old.yaml": route("old", "v1")})
    return made


def dry_run(repository: Upstream, *args: str):
    return cli("dry-run", "--repo", str(repository.folder), "--output", "json", *args)


def test_it_names_what_each_collection_gains_changes_and_loses(repository: Upstream) -> None:
    base = repository.tip()
    repository.commit(
        {
            "mesh/web.yaml": route("web", "v2"),
            "mesh/new.yaml": route("new", "v1"),
            "mesh/old.yaml": None,
        }
    )

    done = dry_run(repository, "--base", base)

    told = json.loads(done.stdout)
    assert 0 == done.returncode, done.stderr
    assert {VS} == set(told["collections"])
    plan = told["collections"][VS]
    assert ["shop/new"] == plan["added"]
    assert ["shop/web"] == plan["changed"]
    assert ["shop/old"] == plan["removed"]
    assert plan["version_before"] != plan["version_after"]
    assert SE not in told["collections"]


def test_versions_are_those_that_the_server_would_publish(
    repository: Upstream, tmp_path: Path
) -> None:
    from running import Gitsource, eventually

    base = repository.tip()
    repository.commit({"mesh/web.yaml": route("web", "v2")})
    told = json.loads(dry_run(repository, "--base", base).stdout)

    with Gitsource(tmp_path / "gitsource", repository.url) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        assert server.status()["version"] == told["version_after"]


def test_a_commit_that_would_be_held_exits_1_with_its_findings(repository: Upstream) -> None:
    base = repository.tip()
    repository.commit({"mesh/bad.yaml": broken("bad")})

    done = dry_run(repository, "--base", base)

    told = json.loads(done.stdout)
    assert 1 == done.returncode
    assert told["held"]
    assert [("mesh/bad.yaml", 9, 15)] == [
        (each["file"], each["line"], each["column"]) for each in told["findings"]
    ]


def test_a_commit_without_effect_says_so(repository: Upstream) -> None:
    base = repository.tip()
    repository.commit({"README.md": "words"})

    done = cli("dry-run", "--repo", str(repository.folder), "--base", base)

    assert 0 == done.returncode
    assert "nothing would be pushed" in done.stdout


def test_a_base_that_does_not_validate_is_still_compared_with(repository: Upstream) -> None:
    base = repository.commit({"mesh/bad.yaml": broken("bad")})
    repository.commit({"mesh/bad.yaml": route("bad", "v1")})

    done = dry_run(repository, "--base", base)

    assert 0 == done.returncode, done.stdout
    assert ["shop/bad"] == json.loads(done.stdout)["collections"][VS]["added"]


def test_an_error_that_the_base_has_already_still_holds_the_head(repository: Upstream) -> None:
    base = repository.commit({"mesh/bad.yaml": broken("bad")})
    repository.commit({"mesh/web.yaml": route("web", "v2")})

    done = dry_run(repository, "--base", base)

    told = json.loads(done.stdout)
    assert 1 == done.returncode
    assert ["mesh/bad.yaml"] == [each["file"] for each in told["findings"]]
    assert ["shop/web"] == told["collections"][VS]["changed"]


def test_what_a_broken_file_defines_is_not_called_removed(repository: Upstream) -> None:
    base = repository.tip()
    repository.commit({"mesh/web.yaml": broken("web"), "mesh/new.yaml": route("new", "v1")})

    done = dry_run(repository, "--base", base)

    told = json.loads(done.stdout)["collections"][VS]
    assert ([], ["shop/new"]) == (told["removed"], told["added"])


@pytest.mark.parametrize("args", [["--base", "nowhere"], ["--head", "nowhere"]])
def test_a_revision_that_does_not_exist_is_a_usage_error(
    repository: Upstream, args: list[str]
) -> None:
    done = dry_run(repository, *args)

    assert 2 == done.returncode
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_repository_is_a_usage_error(tmp_path: Path) -> None:
    done = cli("dry-run", "--repo", str(tmp_path))

    assert 2 == done.returncode
    assert "Traceback" not in done.stderr


def test_a_shallow_clone_without_the_base_is_an_error_and_not_a_wrong_plan(
    repository: Upstream, tmp_path: Path
) -> None:
    run_git(tmp_path, "clone", "-q", "--depth", "1", repository.url, "clone")

    done = cli("dry-run", "--repo", str(tmp_path / "clone"))

    assert 2 == done.returncode
    assert "shallow" in done.stderr


def test_runs_at_the_same_time_share_what_is_remembered(
    repository: Upstream, tmp_path: Path
) -> None:
    base = repository.tip()
    head = repository.commit({"mesh/web.yaml": route("web", "v2")})
    command = [
        *(BIN / "gitsource", "dry-run", "--repo", repository.folder, "--base", base),
        *("--head", head, "--cache", tmp_path / "cache", "--output", "json"),
    ]

    for _ in range(2):
        running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
        told = {process.communicate(timeout=120)[0] for process in running}

        assert [0, 0, 0] == [process.returncode for process in running]
        assert 1 == len(told)
