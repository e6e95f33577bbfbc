"""`make demo` shows the main job, and notices when it is not done."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = ROOT / "fixtures" / "repos" / "demo"


def demo(steps: Path, work: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "demo" / "run.py", "--steps", steps, "--work", work],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_the_demo_comes_to_what_it_expects(tmp_path: Path) -> None:
    done = demo(STEPS, tmp_path / "work")

    assert 0 == done.returncode, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert "demo: 6 revisions published, 2 held, 16 pushes accepted" == last


def test_the_demo_fails_when_the_broken_commit_is_let_through(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    shutil.copytree(STEPS, steps)
    (bad,) = steps.glob("*-broken/")
    (good,) = steps.glob("*-fix/")
    shutil.rmtree(bad)
    shutil.copytree(good, bad)

    done = demo(steps, tmp_path / "work")

    assert 1 == done.returncode, done.stdout
    assert "demo: failed" in done.stdout
