"""
Which OpenSSH server there is on this machine, and how it is started by whoever runs the tests.

The system's own comes first. The other is the one that `get_sshd.py` unpacked beside the tests'
Python: it finds its libraries and programs there, and its users in a file of ours. For a root that
starts an sshd needs a user `sshd`, which not every system has, nor a name for who runs the tests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
FETCHED = Path(sys.prefix) / "sshd"
"""Where an unpacked one is kept."""
EMPTY = Path("/run/sshd")
"""What a root's sshd locks its half without rights into; compiled in."""


@dataclass(frozen=True)
class Sshd:
    """A server that can be started."""

    program: Path
    unpacked: Path | None = None
    """The root of the packages it came in; None for the system's."""

    @property
    def wrapper(self) -> Path | None:
        """The library that lets users stand in a file of ours, where it came along."""
        return self._library("libnss_wrapper.so")

    @property
    def user(self) -> str:
        """Who signs in: by another name or not, it is whoever runs the tests."""
        return "git" if self.wrapper else pwd.getpwuid(os.getuid()).pw_name

    def settings(self) -> list[str]:
        """Return where the programs are that this one starts: later releases come in three."""
        if self.unpacked is None:
            return []
        parts = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
        places = {name: self.unpacked / "usr/lib/openssh" / part for name, part in parts.items()}
        return [f"{name} {place}" for name, place in places.items() if place.exists()]

    def environ(self, folder: Path) -> dict[str, str]:
        """Return what it is started with; the files that this takes are written to *folder*."""
        environ = {"PATH": os.environ.get("PATH", os.defpath)}
        if self.unpacked is not None:
            environ["LD_LIBRARY_PATH"] = ":".join(map(str, self._libraries()))
        if self.wrapper:
            (folder / "passwd").write_text(
                f"git:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n"
                "sshd:x:65534:65534::/:/usr/sbin/nologin\n"
            )
            (folder / "group").write_text(f"git:x:{os.getgid()}:\nsshd:x:65534:\n")
            environ |= {
                "LD_PRELOAD": str(self.wrapper),
                "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
                "NSS_WRAPPER_GROUP": str(folder / "group"),
            }
        return environ

    def startable(self) -> bool:
        """Whether this user may start it; for root, makes the empty folder that it wants."""
        if os.getuid() != 0:
            return True
        with suppress(KeyError, OSError):
            if not self.wrapper:
                pwd.getpwnam("sshd")
            EMPTY.mkdir(mode=0o755, exist_ok=True)
            return True
        return False

    def _library(self, name: str) -> Path | None:
        return next((at / name for at in self._libraries() if (at / name).exists()), None)

    def _libraries(self) -> list[Path]:
        if self.unpacked is None:
            return []
        return sorted([*self.unpacked.glob("usr/lib/*-*-*"), *self.unpacked.glob("lib/*-*-*")])


def installed() -> Sshd | None:
    """Return the system's, if this user may start it."""
    program = shutil.which("sshd", path=PLACES)
    found = Sshd(Path(program)) if program else None
    return found if found and found.startable() else None


def unpacked(folder: Path = FETCHED) -> Sshd | None:
    """Return the one that was unpacked to *folder*, if this user may start it."""
    found = Sshd(folder / "usr/sbin/sshd", folder)
    return found if found.program.exists() and found.startable() else None


def sshd() -> Sshd | None:
    """Return one that can be started; None if there is none."""
    return installed() or unpacked()
