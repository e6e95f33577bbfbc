"""
A Git host over SSH on loopback, for the real ssh client: it runs ``git-upload-pack`` and no more.

The client's side (key, known hosts) is written into a home folder that the test chooses.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import shlex
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncssh

from repositories import clean_environment


class SshGit:
    """Serves the repositories under *root* at ``ssh://git@<host:port>/<path>``."""

    def __init__(self, root: Path, *, kind: str = "ssh-ed25519", vouched: bool = False) -> None:
        self.root = root
        self._host_key = asyncssh.generate_private_key(kind)
        self._authority = asyncssh.generate_private_key("ssh-ed25519") if vouched else None
        self._user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.commands: list[str] = []
        """Every command that a client asked for."""
        self._runs = {"git-upload-pack"}
        self._hanging = threading.Event()
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"ssh://git@127.0.0.1:{self.port}{self.root}"

    @property
    def name(self) -> str:
        """How known_hosts names this host."""
        return f"[127.0.0.1]:{self.port}"

    @property
    def fingerprint(self) -> str:
        """The host key's, as ssh shows it."""
        return str(self._host_key.get_fingerprint())

    def authority_line(self) -> str:
        """Return the line by which a client knows who vouches for this host."""
        assert self._authority is not None
        return f"@cert-authority {self.name} {self._authority.export_public_key().decode()}"

    def hashed_line(self) -> str:
        """Return the line of `known_hosts_line` with the host's name hashed."""
        salt = os.urandom(20)
        told = hmac.digest(salt, self.name.encode(), "sha1")
        parts = [base64.b64encode(part).decode() for part in (salt, told)]
        return f"|1|{parts[0]}|{parts[1]} {self.known_hosts_line().split(' ', 1)[1]}"

    def private_key(self, passphrase: str | None = None) -> bytes:
        """Return the key of the user who may come in."""
        return bytes(self._user_key.export_private_key(passphrase=passphrase))

    def new_user_key(self) -> None:
        """Let another key in from now on, and the old one no more."""
        self._user_key = asyncssh.generate_private_key("ssh-ed25519")

    def take_pushes(self) -> None:
        """Run ``git-receive-pack`` as well from now on."""
        self._runs = {"git-upload-pack", "git-receive-pack"}

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._hanging.set()

    def known_hosts_line(self, *, wrong: bool = False) -> str:
        """Return the line by which a client knows this host (or, *wrong*, another key for it)."""
        key = asyncssh.generate_private_key("ssh-ed25519") if wrong else self._host_key
        return f"[127.0.0.1]:{self.port} {key.export_public_key().decode()}"

    def write_home(self, home: Path, *, known: str | None = None, key: bool = True) -> None:
        """Write a user's ``.ssh`` folder with a key and known hosts."""
        folder = home / ".ssh"
        folder.mkdir(mode=0o700, parents=True)
        (folder / "known_hosts").write_text(self.known_hosts_line() if known is None else known)
        if key:
            private = folder / "id_ed25519"
            private.touch(mode=0o600)
            private.write_bytes(self._user_key.export_private_key())

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        host = self

        class Server(asyncssh.SSHServer):
            async def begin_auth(self, _user: str) -> bool:
                if host._hanging.is_set():
                    await asyncio.sleep(60)
                return True

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, _user: str, key: asyncssh.SSHKey) -> bool:
                mine = host._user_key.export_public_key()
                return bool(key.export_public_key().split()[:2] == mine.split()[:2])

        certificates = []
        if self._authority is not None:
            made = self._authority.generate_host_certificate(
                self._host_key, "host", principals=["127.0.0.1"]
            )
            certificates.append(made)
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Server,
            server_host_keys=[self._host_key],
            server_host_certs=certificates,
            process_factory=self._upload_pack,
            encoding=None,
            allow_scp=False,
        )
        self.port = server.get_port()
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _upload_pack(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        words = shlex.split(process.command or "")
        if len(words) != 2 or words[0] not in self._runs:
            process.exit(126)
            return
        env = clean_environment()
        if "GIT_PROTOCOL" in process.env:
            env["GIT_PROTOCOL"] = str(process.env["GIT_PROTOCOL"])
        git = await asyncio.create_subprocess_exec(
            *("git", words[0].removeprefix("git-"), words[1]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
        )
        asking = asyncio.create_task(_pump(process.stdin, git.stdin))
        await asyncio.gather(_pump(git.stdout, process.stdout), _pump(git.stderr, process.stderr))
        code = await git.wait()
        asking.cancel()
        process.exit(code)


async def _pump(source: Any, target: Any) -> None:
    """Copy until the end; whoever has gone away is not missed."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    if isinstance(target, asyncio.StreamWriter):
        target.close()
