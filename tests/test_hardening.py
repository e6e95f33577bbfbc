"""What a serving process gives up, and a state directory that was open to others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gitsource.hardening import tighten

ASKS = """
import ctypes, json, os, resource, subprocess
from gitsource.hardening import harden
harden()
libc = ctypes.CDLL(None)
open("made", "w").close()
os.mkdir("folder")
child = subprocess.run(["/bin/sh", "-c", "ulimit -c; umask"], capture_output=True, text=True)
print(json.dumps({
    "dumpable": libc.prctl(3, 0, 0, 0, 0),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "file": os.stat("made").st_mode & 0o777,
    "folder": os.stat("folder").st_mode & 0o777,
    "child": child.stdout.split(),
    "descriptors": len(os.listdir("/proc/self/fd")) > 0,
}))
"""


def test_no_core_no_attaching_and_nothing_for_others(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ASKS], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == {
        "dumpable": 0,
        "core": [0, 0],
        "file": 0o600,
        "folder": 0o700,
        "child": ["0", "0077"],
        "descriptors": True,
    }


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o770, 0o700), (0o700, 0o700)])
def test_a_state_directory_is_for_its_owner_alone(tmp_path, before, after):
    tmp_path.chmod(before)
    tighten(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == after


def test_tightening_is_told_and_what_is_private_is_not(tmp_path, caplog):
    tmp_path.chmod(0o700)
    tighten(tmp_path)
    quiet = caplog.text
    tmp_path.chmod(0o755)
    tighten(tmp_path)

    assert quiet == ""
    assert "0755" in caplog.text


def test_a_directory_that_is_not_there_is_left_to_who_makes_it(tmp_path):
    tighten(tmp_path / "state")

    assert not (tmp_path / "state").exists()


OF_ANOTHER = """
import logging, os, sys
from pathlib import Path
logging.basicConfig()
from gitsource.hardening import tighten
os.setgid(65534); os.setuid(65534)
tighten(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_directory_of_another_user_is_not_closed_and_that_is_said():
    """As on a Kubernetes volume, which belongs to root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = Path(folder, "state")
        state.mkdir(mode=0o755)
        command = [sys.executable, "-c", OF_ANOTHER, state]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert (done.returncode, state.stat().st_mode & 0o777) == (0, 0o755), done
    assert "not ours to close" in done.stderr
