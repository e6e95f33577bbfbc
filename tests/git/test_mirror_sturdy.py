"""Whatever goes wrong while a mirror is in use, the next fetch finds it in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitsource.errors import GitFailed, RemoteUnreachable
from gitsource.git import mirror as mirror_module
from gitsource.git.command import Git
from gitsource.git.mirror import Mirror
from gitsource.git.process import Limits
from gitsource.settings.following import Repository
from repositories import Upstream
from servers.over_http import HttpGit, Manner


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "hosted" / "mesh.git")
    made.commit({"a.yaml": "kind: A\n"})
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirror.git"


def fetched(folder: Path, upstream: Upstream) -> Mirror:
    """Return a mirror that is in use and has fetched once."""
    made = Mirror(folder, Repository(upstream.url))
    made.open()
    made.fetch()
    return made


LOCKS = ["refs/gitsource/head.lock", "packed-refs.lock", "config.lock", "HEAD.lock"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_a_killed_git_left_is_removed_while_the_mirror_is_in_use(
    upstream, folder, lock
):
    mirror = fetched(folder, upstream)
    head = upstream.commit({"a.yaml": "kind: B\n"})
    (folder / lock).touch()

    mirror.fetch()

    assert head == mirror.head().commit


def break_config(folder: Path) -> None:
    (folder / "config").write_text("[core\n")


def lose_objects(folder: Path) -> None:
    for pack in (*folder.glob("objects/pack/*"), *folder.glob("objects/??/*")):
        pack.unlink()


def lose_the_head_file(folder: Path) -> None:
    (folder / "HEAD").unlink()


def spoil_the_pack(folder: Path) -> None:
    for pack in (*folder.glob("objects/pack/*.pack"), *folder.glob("objects/??/*")):
        pack.chmod(0o600)
        pack.write_bytes(b"spoilt" * 10)


@pytest.mark.parametrize("damage", [break_config, lose_objects, lose_the_head_file, spoil_the_pack])
def test_a_mirror_that_is_damaged_in_use_is_made_anew(upstream, folder, damage):
    mirror = fetched(folder, upstream)
    head = upstream.commit({"a.yaml": "kind: B\n"})
    damage(folder)

    for _ in range(3):  # what is wrong may be seen by the reader first
        try:
            mirror.fetch()
            found = mirror.head().commit
        except GitFailed:
            continue
        break

    assert head == found
    assert [(mirror.objects.revision(head).tree)] == [mirror.head().tree]
    assert not folder.with_name("mirror.git.new").exists()


def test_a_mirror_is_not_made_anew_for_what_the_repository_does(upstream, folder):
    """An object that git refuses is refused in every mirror."""
    mirror = fetched(folder, upstream)
    number = folder.stat().st_ino
    upstream.hostile([("100644", b"a.yaml", b"kind: A\n"), ("100644", b"a.yaml", b"kind: B\n")])

    for _ in range(2):
        with pytest.raises(GitFailed):
            mirror.fetch()

    assert number == folder.stat().st_ino


def test_a_host_that_lies_has_everything_fetched_once_and_not_at_every_look(
    upstream, folder, monkeypatch
):
    with HttpGit(upstream.folder.parent) as host:
        mirror = Mirror(folder, Repository(f"{host.url}/mesh.git"))
        mirror.open()
        mirror.fetch()
        good = mirror.head()
        upstream.commit({"a.yaml": "kind: B\n"})
        host.manner = Manner.LIES
        asked = []
        for _ in range(3):
            before = len(host.requests)
            with pytest.raises((GitFailed, RemoteUnreachable)):
                mirror.fetch()
            asked.append(len(host.requests) - before)

    assert good == mirror.head()
    assert asked[1] == asked[2] <= asked[0]


def left(folder: Path) -> list[Path]:
    """Return what an unfinished fetch leaves."""
    return [*folder.rglob("tmp_*"), *folder.rglob("incoming-*"), *folder.rglob("*.lock")]


def test_a_fetch_that_is_killed_leaves_nothing_on_the_disk(upstream, folder):
    """Else a host that never ends would fill it, a piece at every look."""
    with HttpGit(upstream.folder.parent) as host:
        mirror = Mirror(folder, Repository(f"{host.url}/mesh.git", timeout=2.0))
        mirror.open()
        mirror.fetch()
        upstream.commit({"a.yaml": "kind: B\n"})
        host.manner = Manner.ENDLESS_PACK
        with pytest.raises(RemoteUnreachable):
            mirror.fetch()

    assert [] == left(folder)


def test_a_pack_that_is_too_large_leaves_nothing_on_the_disk(upstream, folder):
    upstream.commit({"noise.bin": os.urandom(3 << 20)})
    mirror = Mirror(folder, Repository(upstream.url), Git(limits=Limits(file_bytes=1 << 20)))
    mirror.open()

    with pytest.raises(GitFailed):
        mirror.fetch()

    assert [] == left(folder)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 1 << 20


NO_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Takes from root the power to write everywhere."""

FETCH = """
import sys
from pathlib import Path
from gitsource.errors import StateError
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
mirror = Mirror(Path(sys.argv[1]), Repository(sys.argv[2]))
mirror.open()
mirror.folder.parent.chmod(0o500)
try:
    mirror.fetch()
except StateError as error:
    print(error, "|", error.hint)
"""


def test_a_state_directory_that_cannot_be_written_is_told_as_such(upstream, folder):
    fetched(folder, upstream).close()
    upstream.commit({"a.yaml": "kind: B\n"})
    words = [sys.executable, "-c", FETCH, str(folder), upstream.url]

    done = subprocess.run(
        [*(NO_POWERS if os.geteuid() == 0 else ()), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    folder.parent.chmod(0o700)

    assert "cannot be written: Permission denied | check state_dir" in done.stdout


def test_the_time_between_two_new_mirrors_is_bounded():
    assert mirror_module.ANEW_EVERY >= 60
