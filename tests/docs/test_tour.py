"""The tour in README.md, walked: its commands as they stand, by bash, with the real program."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _script(mcp: str) -> str:
    """Return the tour's commands; the sink dials *mcp*, and the dry-run has to fail."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    tour = page.partition("\n## A tour of a minute\n")[2].partition("\n## ")[0]
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", tour, re.MULTILINE | re.DOTALL))
    commands = commands.replace("127.0.0.1:9901", mcp)
    commands, found = re.subn(r"^(gitsource dry-run .*)$", r"! \1", commands, flags=re.MULTILINE)
    assert found == 1
    return f"set -e\ntrap 'kill $(jobs -p); wait' EXIT\n{commands}"


def test_the_tour_can_be_walked(tmp_path: Path) -> None:
    """Serve, sink, a change that arrives, a dry-run that refuses, a rollback and back."""
    mcp, admin = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GITSOURCE_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GITSOURCE_LISTEN_MCP": mcp,
        "GITSOURCE_LISTEN_ADMIN": admin,
        "GITSOURCE_ADMIN": admin,
        **{f"GIT_{role}_NAME": "Ada Example" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "ada@example.org" for role in ("AUTHOR", "COMMITTER")},
    }

    with (tmp_path / "told").open("w+") as output:
        walk = subprocess.Popen(
            ["bash", "-c", _script(mcp)],
            cwd=tmp_path,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            walk.wait(timeout=90)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(walk.pid, signal.SIGKILL)
        output.seek(0)
        told = output.read()

    assert walk.returncode == 0, told
    for words in ("0 errors", "web/wiki", "GS301", "would be held", "pinned"):
        assert words in told
