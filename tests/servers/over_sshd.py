"""
A Git host over SSH by OpenSSH's own server, where this machine has one (and may start it).

The keys are those of `SshGit`, which stands in where there is none.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from repositories import clean_environment
from servers.over_ssh import SshGit
from servers.sshds import Sshd, sshd

FORCED = """\
#!/bin/sh
asked=$SSH_ORIGINAL_COMMAND
printf '%s\\n' "$asked" >> {folder}/commands
test -e {folder}/hanging && exec cat > /dev/null
case $asked in
git-upload-pack\\ *) ;;
git-receive-pack\\ *) test -e {folder}/takes-pushes || exit 126 ;;
*) exit 126 ;;
esac
export {environ}
eval "$asked"
"""
"""What runs in place of the command that a client asks for."""


class OpenSshGit(SshGit):
    """Serves the repositories under *root* to who has the key, by whoever runs the tests."""

    def __init__(
        self,
        root: Path,
        *,
        kind: str = "ssh-ed25519",
        vouched: bool = False,
        server: Sshd | None = None,
    ) -> None:
        found = server or sshd()
        assert found is not None
        self._server = found
        self._place = TemporaryDirectory(prefix="sshd")
        self._folder = Path(self._place.name)
        super().__init__(root, kind=kind, vouched=vouched)

    def __enter__(self) -> Self:
        folder = self._folder
        (folder / "commands").touch()
        self._write(folder / "host_key", bytes(self._host_key.export_private_key()))
        self._allow()
        environ = shlex.join(f"{name}={value}" for name, value in clean_environment().items())
        (folder / "forced").write_text(FORCED.format(folder=folder, environ=environ))
        (folder / "forced").chmod(0o755)
        settings = [
            *(f"HostKey {folder}/host_key", f"AuthorizedKeysFile {folder}/allowed"),
            *(f"ForceCommand {folder}/forced", "StrictModes no", "UsePAM no", "PidFile none"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no"),
            *("PermitRootLogin prohibit-password", "AcceptEnv GIT_PROTOCOL", "LogLevel ERROR"),
            *self._server.settings(),
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
        self._errors = (folder / "errors").open("wb")
        self._process = subprocess.Popen(
            [self._server.program, "-D", "-e", "-f", folder / "config"],
            stderr=self._errors,
            env=self._server.environ(folder),
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._errors.close()
        self._told = self.commands
        self._place.cleanup()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"ssh://{self._server.user}@127.0.0.1:{self.port}{self.root}"

    def new_user_key(self) -> None:
        """Let another key in from now on, and the old one no more."""
        super().new_user_key()
        self._allow()

    def take_pushes(self) -> None:
        """Run ``git-receive-pack`` as well from now on."""
        (self._folder / "takes-pushes").touch()

    def hang(self) -> None:
        """Answer nothing from now on."""
        (self._folder / "hanging").touch()

    @property
    def commands(self) -> list[str]:  # type: ignore[override]
        """Every command that a client asked for."""
        log = self._folder / "commands"
        return log.read_text().splitlines() if log.exists() else self._told

    @commands.setter
    def commands(self, told: list[str]) -> None:
        self._told = told

    def _allow(self) -> None:
        (self._folder / "allowed").write_bytes(self._user_key.export_public_key())

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    def _wait(self) -> None:
        """Wait for its first word, which comes from what it starts for each client."""
        until = time.monotonic() + 20
        waiting = threading.Event()
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as made:
                if made.recv(4) == b"SSH-":
                    return
            waiting.wait(0.02)
        raise AssertionError(f"sshd: {(self._folder / 'errors').read_text()}")


SERVERS = [SshGit, *([OpenSshGit] if sshd() else [])]
"""The one that is always there, and OpenSSH's own last, where there is one."""
