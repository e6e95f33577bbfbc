"""
Fetches OpenSSH's server for the tests where the machine has none: ``make sshd``.

Nothing of the system changes: its packages are unpacked beside the tests' Python, by whoever runs
this, and count once the server has said a first word to a client. In a CI where that does not do,
root installs it. Whatever fails is told in one line and is no error: asyncssh serves then.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from debian import Apt, Failed
from servers.over_sshd import OpenSshGit
from servers.sshds import FETCHED, Sshd, installed, unpacked

PATIENCE = 90.0
"""Seconds that all of it may take."""
PACKAGE = "openssh-server"
WRAPPER = "libnss-wrapper"


def tried(found: Sshd | None) -> Sshd:
    """Return *found* after it has said its first word to a client."""
    if found is None:
        raise Failed("there is none in the packages that this user may start")
    try:
        with OpenSshGit(Path("/"), server=found):
            return found
    except (AssertionError, OSError) as error:
        raise Failed(" ".join(str(error).split())) from None


def fetched(apt: Apt, folder: Path) -> None:
    """Unpack a server that works to *folder*."""
    apt.unpack(folder, PACKAGE, WRAPPER)
    tried(unpacked(folder))


def get() -> Sshd:
    """Return a server that works, from wherever it can be had."""
    if known := installed():
        return known
    with suppress(Failed):
        return tried(unpacked())
    with TemporaryDirectory(prefix=".sshd", dir=FETCHED.parent) as name:
        apt = Apt(Path(name), PATIENCE)
        try:
            fetched(apt, Path(name) / "root")
        except Failed:
            if os.getuid() != 0 or not os.environ.get("CI"):
                raise
            apt.install(PACKAGE)
            return tried(installed())
        shutil.rmtree(FETCHED, ignore_errors=True)
        (Path(name) / "root").rename(FETCHED)
    return tried(unpacked())


def main() -> int:
    """Fetch it, and say what came of it."""
    try:
        told = f"OpenSSH's server for the tests is {get().program}"
    except (Failed, OSError) as error:
        told = f"asyncssh alone serves the tests, OpenSSH's server could not be had: {error}"
    sys.stdout.write(f"ssh: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
