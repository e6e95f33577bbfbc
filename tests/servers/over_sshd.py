"""
A Git host over SSH by OpenSSH's own server, where this machine has one (and may start it).

The keys are those of `SshGit`, which stands in where there is none; a root without the user `sshd`
cannot start one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from servers.over_ssh import SshGit

PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


def sshd() -> str | None:
    """Return the path of an sshd that can be started; None if there is none."""
    found = shutil.which("sshd", path=PLACES)
    if found is None or os.getuid() != 0:
        return found
    with suppress(KeyError):
        pwd.getpwnam("sshd")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        return found
    return None


class OpenSshGit(SshGit):
    """Serves the repositories under *root* to who has the key, by whoever runs the tests."""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory()
        folder = Path(self._folder.name)
        self._log = folder / "commands"
        self._log.touch()
        self._write(folder / "host_key", bytes(self._host_key.export_private_key()))
        self._allow()
        forced = folder / "forced"
        forced.write_text(
            f'#!/bin/sh\nasked=$SSH_ORIGINAL_COMMAND\nprintf "%s\\n" "$asked" >> {self._log}\n'
            'case "$asked" in git-upload-pack*) eval "$asked";; esac\n'
        )
        forced.chmod(0o755)
        settings = [
            *(f"HostKey {folder}/host_key", f"AuthorizedKeysFile {folder}/allowed"),
            *(f"ForceCommand {forced}", "StrictModes no", "UsePAM no", "PidFile none"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no"),
            *("PermitRootLogin prohibit-password", "AcceptEnv GIT_PROTOCOL", "LogLevel ERROR"),
        ]
        if self._authority is not None:
            made = self._authority.generate_host_certificate(
                self._host_key, "host", principals=["127.0.0.1"]
            )
            (folder / "host_key-cert.pub").write_bytes(made.export_certificate())
            settings.append(f"HostCertificate {folder}/host_key-cert.pub")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings += [f"ListenAddress 127.0.0.1:{self.port}"]
        (folder / "config").write_text("\n".join(settings) + "\n")
        program = sshd()
        assert program is not None
        self._errors = (folder / "errors").open("wb")
        self._process = subprocess.Popen(
            [program, "-D", "-e", "-f", folder / "config"], stderr=self._errors
        )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._errors.close()
        self.commands = self._log.read_text().splitlines()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """The base URL."""
        user = pwd.getpwuid(os.getuid()).pw_name
        return f"ssh://{user}@127.0.0.1:{self.port}{self.root}"

    def new_user_key(self) -> None:
        """Let another key in from now on, and the old one no more."""
        super().new_user_key()
        self._allow()

    @property
    def commands(self) -> list[str]:  # type: ignore[override]
        """Every command that a client asked for."""
        return self._log.read_text().splitlines() if self._log.exists() else self._told

    @commands.setter
    def commands(self, told: list[str]) -> None:
        self._told = told

    def _allow(self) -> None:
        allowed = Path(self._folder.name) / "allowed"
        allowed.write_bytes(self._user_key.export_public_key())

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    def _wait(self) -> None:
        until = time.monotonic() + 20
        waiting = threading.Event()
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            waiting.wait(0.02)
        raise AssertionError(f"sshd: {(Path(self._folder.name) / 'errors').read_text()}")
