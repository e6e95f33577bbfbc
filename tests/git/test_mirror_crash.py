"""A gitsource that is killed at any moment leaves a mirror that the next one can use."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitsource.errors import MirrorError
from gitsource.git import orphans
from gitsource.git.mirror import Mirror
from gitsource.settings import Repository
from repositories import Upstream
from servers.over_http import HttpGit, Manner

WORKER = """
import sys, time
from pathlib import Path
from gitsource.git.mirror import Mirror
from gitsource.settings import Repository
mirror = Mirror(Path(sys.argv[1]), Repository(url=sys.argv[2], ref=sys.argv[3]))
print("ready", flush=True)
mirror.open()
while True:
    mirror.fetch()
    print(mirror.head().commit, flush=True)
"""


def worker(folder: Path, url: str, ref: str = "main") -> subprocess.Popen[bytes]:
    """Start a process that opens the mirror and fetches for ever; returns it when it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), url, ref],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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


def test_a_number_that_means_someone_else_is_left_alone(tmp_path):
    """Process numbers are used again; boot, namespace and start time have to agree."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        journal = tmp_path / "running"
        orphans.note(journal, bystander.pid)
        where, pid, started = journal.read_text().rsplit(maxsplit=2)
        ended = []
        for told in (
            f"{where} {pid} {int(started) + 1}\n",
            f"{where} {pid} {int(started) - 1}\n",
            f"another-boot {pid} {started}\n",
            f"{pid}\n",
            "",
            "a b c\n",
        ):
            journal.write_text(told)
            ended.append(orphans.end(journal))
        alive = bystander.poll() is None
        orphans.note(journal, bystander.pid)
        last = orphans.end(journal)
        bystander.wait()

    assert (ended, alive, last, journal.exists()) == ([0] * 6, True, 1, False)
