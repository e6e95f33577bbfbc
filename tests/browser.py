"""A real browser without a window: what it makes of a page, and what it complains of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGE = "chromium"
"""Debian's, by which it can be installed."""

_CONSOLE = re.compile(r":CONSOLE[:(].*")


@dataclass(frozen=True)
class Seen:
    """A page as the browser has it once everything is loaded."""

    dom: str
    console: list[str]
    """What the browser complained of, and what scripts said."""


def found() -> str | None:
    """Return the program; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def browser() -> str:
    """Return the program; fails if there is none, with what to do."""
    program = found()
    assert program, (
        "these tests look at pages in a real browser, and there is none on PATH: "
        f"install Debian's (apt-get install {PACKAGE}), or put one on PATH as chromium"
    )
    return program


def look(url: str) -> Seen:
    """Return what the browser makes of *url*; it reaches nothing beyond this machine."""
    with tempfile.TemporaryDirectory(prefix="browser") as profile:
        done = subprocess.run(
            [
                browser(),
                "--headless=new",
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--enable-logging=stderr",
                f"--user-data-dir={profile}",
                "--virtual-time-budget=2000",
                "--dump-dom",
                url,
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=100,
            check=True,
        )
    return Seen(done.stdout, _CONSOLE.findall(done.stderr))
