"""
Gets the browser that ``make test-full`` looks at pages in, where it is missing and root may.

Whatever fails is told in one line and is no error here: the tests that need a browser fail then,
and say what to do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import PACKAGE, found
from debian import Apt, Failed

PATIENCE = 600.0
"""Seconds that it may take: a browser is some 100 MB."""


def get(apt: Apt, user: int) -> str:
    """Return the browser's path after installing it if there was none."""
    if not found() and user != 0:
        raise Failed("only root can install one")
    if not found():
        apt.install(PACKAGE)
    program = found()
    if program is None:
        raise Failed(f"there is none in {PACKAGE}")
    return program


def main() -> int:
    """Get it, and say what came of it."""
    with TemporaryDirectory() as folder:
        try:
            told = f"pages are looked at in {get(Apt(Path(folder), PATIENCE), os.getuid())}"
        except Failed as error:
            told = f"there is none on PATH and none could be had: {error}"
    sys.stdout.write(f"browser: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
