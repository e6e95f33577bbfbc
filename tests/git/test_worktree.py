"""What lies in a working tree, or is staged, read as if it were a commit; and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError
from gitsource.git.local import LocalRepository
from gitsource.git.worktree import What
from repositories import Upstream, clone, run_git

LIMIT = 1000


@pytest.fixture(params=["sha1", "sha256"])
def work(tmp_path, request) -> Path:
    upstream = Upstream(tmp_path / "up", object_format=request.param)
    upstream.commit({"mesh/a.yaml": "a", "mesh/b.yaml": "b", "c.yaml": "c", "readme": "r"})
    return clone(upstream, tmp_path / "work")


def told(work: Path, what: What, limit: int = LIMIT) -> dict[str, bytes | str | None]:
    """Return what differs from HEAD: contents by path; ``gone`` and other modes by their names."""
    with LocalRepository(work) as local:
        head = local.revision("HEAD")
        tree = local.working(what, limit)
        found: dict[str, bytes | str | None] = {}
        for change in tree.changes(head.tree, tree.now.tree):
            if change.entry is None:
                found[change.path] = "gone"
            elif change.entry.mode.startswith("100"):
                ((_, found[change.path]),) = tree.read([change.entry.blob], limit)
            else:
                found[change.path] = change.entry.mode
        tree.close()
    return found


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of everything in *folder*."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }


def test_a_clean_working_tree_is_its_commit(work):
    assert ({}, {}) == (told(work, "worktree"), told(work, "staged"))


def test_changed_new_and_deleted_files_are_there_and_ignored_ones_are_not(work):
    (work / "mesh/a.yaml").write_text("new a")
    (work / "mesh/new.yaml").write_text("new")
    (work / "c.yaml").unlink()
    (work / ".gitignore").write_text("secret*\n")
    (work / "secret.yaml").write_text("s")
    (work / "notes.txt").write_text("n")

    assert told(work, "worktree") == {
        "mesh/a.yaml": b"new a",
        "mesh/new.yaml": b"new",
        "c.yaml": "gone",
    }
    assert {} == told(work, "staged")


def test_what_is_staged_is_read_from_the_index_whatever_lies_there(work):
    (work / "mesh/a.yaml").write_text("staged")
    run_git(work, "add", "mesh/a.yaml")
    run_git(work, "rm", "-q", "c.yaml")
    (work / "mesh/a.yaml").write_text("later")
    (work / "mesh/new.yaml").write_text("new")

    assert {"mesh/a.yaml": b"staged", "c.yaml": "gone"} == told(work, "staged")
    assert b"later" == told(work, "worktree")["mesh/a.yaml"]


def test_what_is_only_intended_to_be_added_is_staged_as_nothing(work):
    (work / "new.yaml").write_text("new")
    run_git(work, "add", "-N", "new.yaml")

    assert {"new.yaml": b""} == told(work, "staged")
    assert {"new.yaml": b"new"} == told(work, "worktree")


def test_what_a_sparse_checkout_leaves_out_is_not_gone(work):
    run_git(work, "sparse-checkout", "set", "--no-cone", "/mesh/")

    assert not (work / "c.yaml").exists()
    assert {} == told(work, "worktree")


def test_reading_writes_nothing_into_the_repository(work):
    (work / "mesh/a.yaml").write_text("new a")
    before = state(work)

    told(work, "worktree")
    told(work, "staged")

    assert before == state(work)


def test_a_link_is_named_and_never_followed(work, tmp_path):
    (tmp_path / "outside.yaml").write_text("outside")
    (work / "mesh/a.yaml").unlink()
    (work / "mesh/a.yaml").symlink_to(tmp_path / "outside.yaml")
    (work / "mesh/new.yaml").symlink_to("/etc/passwd")

    assert {"mesh/a.yaml": "120000", "mesh/new.yaml": "120000"} == told(work, "worktree")


def test_a_folder_that_became_a_link_has_no_files(work, tmp_path):
    (work / "mesh").rename(tmp_path / "elsewhere")
    (work / "mesh").symlink_to(tmp_path / "elsewhere")

    assert {"mesh/a.yaml": "gone", "mesh/b.yaml": "gone"} == told(work, "worktree")


def test_what_is_no_file_is_not_opened(work):
    (work / "c.yaml").unlink()
    os.mkfifo(work / "c.yaml")
    (work / "mesh/b.yaml").unlink()
    (work / "mesh/b.yaml").mkdir()

    assert {"c.yaml": "gone", "mesh/b.yaml": "gone"} == told(work, "worktree")


def test_a_file_above_the_limit_is_not_read(work):
    (work / "c.yaml").write_text("c" * (LIMIT + 1))

    assert {"c.yaml": None} == told(work, "worktree")


def test_where_the_configuration_says_the_working_tree_is_does_not_count(work, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret.yaml").write_text("secret")
    run_git(work, "config", "core.worktree", str(tmp_path / "elsewhere"))
    (work / "new.yaml").write_text("new")

    assert {"new.yaml": b"new"} == told(work, "worktree")


def test_names_of_any_bytes_are_listed(work):
    (work / os.fsdecode(b"mesh/\xff\x1b[31m.yaml")).write_bytes(b"x")

    assert {os.fsdecode(b"mesh/\xff\x1b[31m.yaml"): b"x"} == told(work, "worktree")


def test_a_merge_that_is_not_finished_is_no_tree(work):
    run_git(work, "update-index", "--force-remove", "c.yaml")
    oid = run_git(work, "rev-parse", "HEAD:readme").decode().strip()
    stages = "".join(f"100644 {oid} {stage}\tc.yaml\n" for stage in (1, 2, 3))
    run_git(work, "update-index", "--index-info", stdin=stages.encode())

    with pytest.raises(ConfigurationError, match=r"c\.yaml is in conflict"):
        told(work, "staged")


def test_a_bare_repository_has_no_working_tree(tmp_path):
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"a.yaml": "a"})

    with (
        LocalRepository(upstream.folder) as local,
        pytest.raises(ConfigurationError, match="no working tree"),
    ):
        local.working("worktree", LIMIT)


def test_before_the_first_commit_everything_is_new(tmp_path):
    run_git(tmp_path, "init", "-q", "new")
    (tmp_path / "new/a.yaml").write_text("a")
    with LocalRepository(tmp_path / "new") as local:
        tree = local.working("worktree", LIMIT)
        found = [entry.path for entry in tree.entries(tree.now.tree)]
        births = tree.births("", found)
        tree.close()

    assert (["a.yaml"], {}) == (found, births)
