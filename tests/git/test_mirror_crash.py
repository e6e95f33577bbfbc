"""A gitsource that is killed at any moment leaves a mirror that the next one can use."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitsource.errors import MirrorError
from gitsource.git import orphans
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
from repositories import Upstream
from servers.over_http import HttpGit, Manner

WORKER = """
import sys, time
from pathlib import Path
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
mirror = Mirror(Path(sys.argv[1]), Repository(url=sys.argv[2], ref=sys.argv[3]))
print("ready", flush=True)
mirror.open()
while True:
    mirror.fetch()
    print(mirror.head().commit, flush=True)
"""


def worker(folder: Path, url: str, ref: str = "main", **environ: str) -> subprocess.Popen[bytes]:
    """Start a process that opens the mirror and fetches for ever; returns it when it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), url, ref],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environ,
    )
    process.stdout.readline()
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill our own process only: its git goes on, as it would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def sessions(folder: Path) -> list[int]:
    """Return the processes that work on *folder*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
            state = (path.parent / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"--git-dir={folder}".encode() in line and state not in {"Z", "X"}:
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("attempts", [12, pytest.param(150, marks=pytest.mark.full)])
def test_a_kill_at_any_moment_leaves_a_usable_mirror(tmp_path, attempts):
    """While it is made, cloned into, fetched into, rebuilt or pointed elsewhere."""
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # noqa: T201  # shown if this fails
    chance = random.Random(seed)
    upstream = Upstream(tmp_path / "up")
    upstream.commit({f"{n}.yaml": os.urandom(20_000) for n in range(100)})
    upstream.branch("other")
    folder = tmp_path / "mirror.git"
    for number in range(attempts):
        if number % 4 == 3:
            upstream.commit({"new.yaml": str(number)}, parents=[upstream.tip() + "~1"]
                            if number > 8 else None)  # fmt: skip
        else:
            upstream.commit({f"{number}.yaml": os.urandom(5000)})
        ref = chance.choice(["main", "main", "other"])
        process = worker(folder, upstream.url, ref)
        time.sleep(chance.random() * 0.25)
        kill(process)
        mirror = Mirror(folder, Repository(url=upstream.url))
        mirror.open()
        try:
            mirror.head()
        except MirrorError as error:
            assert "not fetched yet" in str(error)  # noqa: PT017  # the only one it may be
        mirror.fetch()
        head = mirror.head()
        entries = mirror.objects.entries(head.tree)
        read = sum(1 for _ in mirror.objects.read([e.blob for e in entries], 1 << 20))
        mirror.close()

        assert (head.commit, read) == (upstream.tip(), len(entries))
    beside = {p.name for p in tmp_path.iterdir()} - {"up"}

    assert (beside, sessions(folder)) == ({"mirror.git"}, [])


def test_a_fetch_that_outlived_its_gitsource_is_ended(tmp_path):
    """It would hold locks, and could move the head under the next one."""
    upstream = Upstream(tmp_path / "host" / "mesh.git")
    commit = upstream.commit({"a.yaml": "1"})
    folder = tmp_path / "mirror.git"
    with HttpGit(upstream.folder.parent, manner=Manner.SILENT) as host:
        url = f"{host.url}/mesh.git"
        process = worker(folder, url)
        until = time.monotonic() + 10
        while not host.requests and time.monotonic() < until:
            time.sleep(0.01)
        kill(process)
        orphaned = sessions(folder)
        host.manner = Manner.GOOD
        mirror = Mirror(folder, Repository(url=url))
        mirror.open()
        left = sessions(folder)
        mirror.fetch()
        head = mirror.head().commit
        mirror.close()

    assert (bool(orphaned), left, head) == (True, [], commit)


def test_a_git_whose_gitsource_dies_as_it_starts_it_is_ended(tmp_path):
    """There is no moment at which it runs and nobody knows."""
    upstream = Upstream(tmp_path / "up")
    first = upstream.commit({"a.yaml": "1"})
    folder = tmp_path / "mirror.git"
    mirror = Mirror(folder, Repository(url=upstream.url))
    mirror.open()
    mirror.fetch()
    mirror.close()
    upstream.commit({"a.yaml": "2"})
    deadly = tmp_path / "bin" / "git"
    deadly.parent.mkdir()
    deadly.write_text(
        '#!/bin/sh\ncase "$*" in *--no-write-fetch-head*) kill -9 $PPID; sleep 1;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    deadly.chmod(0o755)
    process = worker(folder, upstream.url, PATH=f"{deadly.parent}:{os.environ['PATH']}")
    code = process.wait()
    process.communicate()
    orphaned = sessions(folder)
    mirror.open()
    left = set(orphaned) & set(sessions(folder))
    head = mirror.head().commit
    mirror.fetch()
    mirror.close()

    assert (-signal.SIGKILL, True, set()) == (code, bool(orphaned), left)
    assert first == head


def test_only_who_holds_the_mark_is_ended(tmp_path):
    """And what its session does; a file of the same name elsewhere means nothing."""
    mark, other = tmp_path / "running", tmp_path / "other" / "running"
    other.parent.mkdir()
    other.touch()
    waits = ["sh", "-c", "sleep 60 3<&- & wait"]
    with other.open() as file, subprocess.Popen(waits, stdin=file) as bystander:
        without_a_mark = orphans.end(mark)
        with orphans.held(mark) as number:
            holder = subprocess.Popen(waits, pass_fds=[number], start_new_session=True)
            aside = mark.with_name("aside")
            mark.rename(aside)
        aside.rename(mark)
        of_the_holder = orphans.end(mark)
        code = holder.wait()
        alive = bystander.poll() is None
        bystander.kill()

    assert (0, 2, -signal.SIGKILL, True) == (without_a_mark, of_the_holder, code, alive)
    assert not mark.exists()
