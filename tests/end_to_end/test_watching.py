"""What others do to a repository on this machine is noticed at once, however they do it."""

from __future__ import annotations

from pathlib import Path

from repositories import Upstream, clone, run_git
from running import Gitsource, eventually, route

QUIET = "poll: {interval: 1h}\n"


def flip(root: Path, commit: str) -> None:
    """Do as git-sync does: a work tree for the commit, and a new link renamed over the old one."""
    run_git(root, "fetch", "-q", "origin")
    run_git(root, "worktree", "add", "-q", "--detach", str(root / ".worktrees" / commit), commit)
    (root / "new-link").symlink_to(Path(".worktrees") / commit)
    (root / "new-link").rename(root / "current")


def test_the_link_of_git_sync_is_followed_from_work_tree_to_work_tree(
    tmp_path: Path, upstream: Upstream
) -> None:
    root = tmp_path / "git"
    clone(upstream, root)
    flip(root, upstream.tip())
    made = Gitsource(tmp_path / "gitsource", f"file://{root}/current", QUIET)
    made.config.write_text(made.config.read_text().replace("ref: main", "ref: HEAD"))
    with made as server:
        eventually(lambda: server.status()["revision"] == upstream.tip(), "the first work tree")
        eventually(lambda: "watching" in server.log.read_text(), "a watch")
        for host in ("web-v2", "web-v3"):
            seen = server.log.read_text().count('"watching"')
            commit = upstream.commit({"mesh/web.yaml": route("web", host)})
            flip(root, commit)
            now = eventually(
                lambda commit=commit: (told := server.status())["revision"] == commit and told,
                "the next work tree",
            )
            eventually(
                lambda seen=seen: server.log.read_text().count('"watching"') > seen,
                "a watch on the next work tree",
            )

            assert now["published"]["triggers"] == ["watch"]


def test_refs_that_are_packed_are_noticed(tmp_path: Path, upstream: Upstream) -> None:
    with Gitsource(tmp_path / "gitsource", upstream.url, QUIET) as server:
        eventually(lambda: server.status()["revision"] == upstream.tip(), "the first commit")
        eventually(lambda: "watching" in server.log.read_text(), "a watch")
        upstream.git("pack-refs", "--all")
        commit = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        upstream.git("pack-refs", "--all")
        eventually(lambda: server.status()["revision"] == commit, "the packed commit")

        assert server.status()["published"]["triggers"] == ["watch"]
