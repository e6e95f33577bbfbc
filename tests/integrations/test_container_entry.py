"""What the image starts is enough for CI: no home, no network, a clone of somebody else."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from ci_runs import BIN, ROOT, Change

(ENTRY,) = re.findall(r"^ENTRYPOINT (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_a_dry_run_needs_nothing_but_the_clone(tmp_path: Path) -> None:
    """As `docker run --network none --volume CLONE:/mesh:ro IMAGE dry-run` has it."""
    change = Change(tmp_path)
    folder = change.checkout(change.merged)
    change.gone()
    if os.getuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 4321, 4321, follow_symlinks=False)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    program = json.loads(ENTRY)
    done = subprocess.run(
        [*program[program.index("--") + 1 :], "dry-run", "--base", change.target],
        cwd=folder,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/dev/null/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert "+ web/new" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_page_starts_the_image_with_a_command_that_there_is() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^docker run (.*)$", page, re.MULTILINE)

    assert line.split()[-1] == "dry-run"
    assert "--network none" in line
