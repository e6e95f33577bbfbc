"""Noticing that a local repository moved, with real git and real file events."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from watchdog.observers.polling import PollingObserver

from gitsource.triggers.places import git_folder, links, local_folder, without_events
from gitsource.triggers.watch import concerns, watch
from repositories import Upstream, clone, run_git


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/mesh.git", "/srv/mesh.git"),
        ("FILE:///srv/mesh", "/srv/mesh"),
        ("file://localhost/srv/mesh", "/srv/mesh"),
        ("file:///srv/a%20b", "/srv/a b"),
        ("https://git.example/mesh.git", None),
        ("git@git.example:mesh.git", None),
        ("file://other.example/srv/mesh", None),
    ],
)
def test_only_file_urls_of_this_machine_have_a_folder(url, expected):
    assert local_folder(url) == (Path(expected) if expected else None)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("refs/heads/team/main", True),
        ("packed-refs", True),
        ("HEAD", True),
        ("refs/heads/team", True),
        ("reftable/0x01.ref", True),
        ("refs/heads/team/main.lock", False),
        ("refs/heads/other", False),
        ("refs/heads/team/main/deeper", False),
        ("packed-refs.lock", False),
        ("FETCH_HEAD", False),
        ("index", False),
    ],
)
def test_only_what_may_have_moved_the_ref_concerns_it(path, expected):
    assert concerns("refs/heads/team/main", path) is expected


def test_every_branch_concerns_who_follows_the_head():
    assert concerns("HEAD", "refs/heads/any") is True
    assert concerns("HEAD", "refs/heads/any.lock") is False


@pytest.fixture
def upstream(tmp_path):
    made = Upstream(tmp_path / "upstream.git")
    made.commit({"a.yaml": "a: 1\n"})
    return made


def test_the_refs_of_a_bare_repository_a_clone_and_a_work_tree_are_found(upstream, tmp_path):
    copy = clone(upstream, tmp_path / "clone")
    run_git(copy, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))

    assert git_folder(upstream.folder) == upstream.folder
    assert git_folder(copy) == copy / ".git"
    assert git_folder(tmp_path / "tree") == copy / ".git"
    assert git_folder(tmp_path) is None


class Pokes:
    """Counts pokes and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._event = asyncio.Event()

    def poke(self, reason: str) -> None:
        self.reasons.append(reason)
        self._event.set()

    async def next(self) -> None:
        await asyncio.wait_for(self._event.wait(), 20)
        self._event.clear()


@asynccontextmanager
async def watching(folder: Path, caplog, ref: str = "main", **how):
    """Watch *folder*; yields once the observer says that it watches."""
    caplog.set_level("INFO", "gitsource")
    pokes = Pokes()
    task = asyncio.create_task(watch(folder, ref, pokes.poke, **how))
    await until(lambda: "watching" in caplog.messages)
    try:
        yield pokes
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(true) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the log cannot be awaited
            await asyncio.sleep(0.005)


async def test_a_commit_on_the_followed_branch_is_noticed(upstream, caplog):
    async with watching(upstream.folder, caplog) as pokes:
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await pokes.next()

    assert set(pokes.reasons) == {"watch"}


async def test_a_commit_on_another_branch_is_not(upstream, caplog):
    async with watching(upstream.folder, caplog) as pokes:
        await asyncio.to_thread(upstream.branch, "other")
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await pokes.next()  # events come in order: what the first one caused is here too

    assert pokes.reasons == ["watch"]


async def test_a_branch_in_a_folder_that_did_not_exist_is_noticed(upstream, caplog):
    async with watching(upstream.folder, caplog, ref="team/main") as pokes:
        await asyncio.to_thread(upstream.branch, "team/main")
        await pokes.next()


async def test_packing_refs_and_deleting_the_branch_are_noticed(upstream, caplog):
    async with watching(upstream.folder, caplog) as pokes:
        await asyncio.to_thread(upstream.git, "pack-refs", "--all")
        await pokes.next()
        await asyncio.to_thread(upstream.delete_branch)
        await pokes.next()


async def test_a_push_into_a_clone_with_a_work_tree_is_noticed(upstream, tmp_path, caplog):
    copy = clone(upstream, tmp_path / "clone")
    async with watching(copy, caplog) as pokes:
        await asyncio.to_thread(
            run_git, copy, "fetch", "-q", "--update-head-ok", ".", "+HEAD:refs/heads/spare"
        )
        tip = await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await asyncio.to_thread(run_git, copy, "fetch", "-q", "origin")
        await asyncio.to_thread(run_git, copy, "update-ref", "refs/heads/main", tip)
        await pokes.next()


async def test_a_git_sync_style_soft_reset_is_noticed(upstream, tmp_path, caplog):
    """git-sync keeps its own branch and moves it by `reset --soft`; work trees hang off it."""
    copy = clone(upstream, tmp_path / "clone", "--no-checkout")
    await asyncio.to_thread(run_git, copy, "checkout", "-q", "-b", "git-sync")
    async with watching(copy, caplog, ref="git-sync") as pokes:
        tip = await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await asyncio.to_thread(run_git, copy, "fetch", "-q", "origin")
        await asyncio.to_thread(run_git, copy, "reset", "-q", "--soft", tip)
        await pokes.next()


async def test_where_the_kernel_gives_no_events_the_folders_are_looked_at(upstream, caplog):
    def no_watches_left():
        raise OSError(28, "inotify watch limit reached")

    def observers():
        return no_watches_left, lambda: PollingObserver(timeout=0.05)

    async with watching(upstream.folder, caplog, observers=observers) as pokes:
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await pokes.next()

    assert "no file events from one observer, trying the next" in caplog.messages


async def test_where_nothing_watches_that_is_said_and_the_task_lives(upstream, caplog):
    def no_watches_left():
        raise OSError(28, "inotify watch limit reached")

    pokes = Pokes()
    task = asyncio.create_task(
        watch(upstream.folder, "main", pokes.poke, observers=lambda: [no_watches_left])
    )
    await until(lambda: "no file events at all, polling" in caplog.messages)

    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_repository_that_comes_later_is_watched_then(upstream, tmp_path, caplog):
    later = tmp_path / "later.git"
    caplog.set_level("INFO", "gitsource")
    pokes = Pokes()
    task = asyncio.create_task(watch(later, "main", pokes.poke, recheck=0.01))
    await until(lambda: "nothing to watch yet, polling" in caplog.messages)
    await asyncio.to_thread(shutil.copytree, upstream.folder, later)
    await pokes.next()
    task.cancel()
    await asyncio.wait([task])

    assert caplog.messages.count("nothing to watch yet, polling") == 1


async def test_a_repository_that_is_replaced_is_watched_anew(upstream, tmp_path, caplog):
    copy = tmp_path / "copy.git"
    await asyncio.to_thread(shutil.copytree, upstream.folder, copy)
    async with watching(upstream.folder, caplog, recheck=0.02) as pokes:
        await asyncio.to_thread(upstream.folder.rename, tmp_path / "old.git")
        await asyncio.to_thread(copy.rename, upstream.folder)
        await until(lambda: caplog.messages.count("watching") >= 2)
        seen = len(pokes.reasons)
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await until(lambda: len(pokes.reasons) > seen)

    assert "the watched repository was replaced" in caplog.messages


# ---------------------------------------------------------------------- links, as git-sync has them


def git_sync(upstream: Upstream, root: Path) -> Path:
    """Return a link to a work tree of a shared clone, as git-sync leaves it."""
    clone(upstream, root)
    flip(root, upstream.tip())
    return root / "current"


def flip(root: Path, commit: str) -> None:
    """Point the link to a new work tree at *commit*, by renaming a new link over it."""
    run_git(root, "fetch", "-q", "origin")
    tree = root / ".worktrees" / commit
    run_git(root, "worktree", "add", "-q", "--detach", str(tree), commit)
    (root / "tmp-link").symlink_to(Path(".worktrees") / commit)
    (root / "tmp-link").rename(root / "current")


async def test_a_link_that_git_sync_swaps_is_noticed_each_time(upstream, tmp_path, caplog):
    link = await asyncio.to_thread(git_sync, upstream, tmp_path / "git")
    async with watching(link, caplog, "HEAD") as pokes:
        for content in ("a: 2\n", "a: 3\n"):
            commit = await asyncio.to_thread(upstream.commit, {"a.yaml": content})
            seen = caplog.messages.count("watching")
            await asyncio.to_thread(flip, tmp_path / "git", commit)
            await pokes.next()
            await until(lambda seen=seen: caplog.messages.count("watching") > seen)

    assert set(pokes.reasons) == {"watch"}


async def test_the_head_of_a_linked_work_tree_is_its_own(upstream, tmp_path, caplog):
    link = await asyncio.to_thread(git_sync, upstream, tmp_path / "git")
    async with watching(link, caplog, "HEAD") as pokes:
        commit = await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        await asyncio.to_thread(run_git, link, "fetch", "-q", "origin")
        await asyncio.to_thread(run_git, link, "checkout", "-q", "--detach", commit)
        await pokes.next()

    assert pokes.reasons


async def test_a_list_of_reftables_that_is_renamed_is_noticed(upstream, caplog):
    """Git since 2.45 keeps refs so when told to; each change renames the list of its tables."""
    (upstream.folder / "reftable").mkdir()
    async with watching(upstream.folder, caplog) as pokes:
        (upstream.folder / "reftable" / "tables.list.lock").write_text("0x01.ref\n")
        (upstream.folder / "reftable" / "tables.list.lock").rename(
            upstream.folder / "reftable" / "tables.list"
        )
        await pokes.next()

    assert pokes.reasons


def test_who_follows_a_range_of_tags_is_concerned_by_each_tag():
    assert concerns("refs/tags/", "refs/tags/v1.2.3") is True
    assert concerns("refs/tags/", "refs/tags/v1.2.3.lock") is False
    assert concerns("refs/tags/", "refs/heads/main") is False


def test_the_links_on_a_way_are_found_in_their_order(tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "real")
    (tmp_path / "loop").symlink_to("loop")

    assert links(tmp_path / "one" / "deep") == (tmp_path / "one", tmp_path / "two")
    assert links(tmp_path / "real" / "deep") == ()
    assert links(tmp_path / "loop") == (tmp_path / "loop",)
    assert links(tmp_path / "missing") == ()


MOUNTS = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 22 0:40 / /srv rw - nfs4 files:/srv rw",
    "31 30 0:41 / /srv/local rw - xfs /dev/sdb rw",
    "32 22 0:42 / /mnt/a\\040b rw - fuse.sshfs host:/ rw",
    "33 22 0:43 / /twice rw - ext4 /dev/sdc rw",
    "34 22 0:44 / /twice rw - cifs //host/share rw",
    "broken line",
]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/mesh.git", ""),
        ("/srv/mesh.git", "nfs4"),
        ("/srv2/mesh.git", ""),
        ("/srv/local/mesh.git", ""),
        ("/mnt/a b/mesh.git", "fuse.sshfs"),
        ("/twice", "cifs"),
    ],
)
def test_file_systems_of_others_are_known_to_give_no_events(folder, expected):
    assert without_events(Path(folder), MOUNTS) == expected


async def test_where_events_turn_out_not_to_arrive_the_folders_are_looked_at(upstream, caplog):
    """An observer that never sees anything, as on a file system that others write to."""
    found_by_poll: list[str] = []
    async with watching(
        upstream.folder,
        caplog,
        recheck=0.05,
        blind=lambda: bool(found_by_poll),
        observers=lambda: [lambda: PollingObserver(timeout=3600)],
    ) as pokes:
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 2\n"})
        found_by_poll.append("a: 2")
        await until(lambda: caplog.messages.count("watching") == 2)
        await pokes.next()  # for what came between the two
        await asyncio.to_thread(upstream.commit, {"a.yaml": "a: 3\n"})
        await pokes.next()

    assert "looking each second" in caplog.text
