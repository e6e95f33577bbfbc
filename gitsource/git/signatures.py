"""
Checking signatures: gpg and ssh-keygen, run over the raw object, fenced as git is.

Rule: what was signed is taken from the object whose id we checked (`signed`), not from what git
shows; each program gets an environment from scratch, a private folder with the configured keys and
nothing else, a deadline, and a session that is killed as a whole. What counts is gpg's status
channel (`openpgp`) and ssh-keygen's exit code; text for people decides nothing. No agent, no key
server and no trust database is asked: a key that is configured is trusted.

Not for more than one thread.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gitsource.errors import ConfigurationError, StateError
from gitsource.git import openpgp
from gitsource.git.command import absolute_only
from gitsource.git.process import Limits, Process
from gitsource.git.signed import MalformedError, Signed, ssh_fingerprint
from gitsource.git.verbs import Command
from gitsource.model import Signature
from gitsource.settings.following import Trust

NAMESPACE = "git"
"""What git has SSH keys sign for: a signature for anything else is none."""
LARGEST_FILE = 16 << 20
"""Bytes of a file with keys."""
MOST_PRINCIPALS = 20
"""Names of one SSH key that are tried."""

_GPG = (
    *("--no-options", "--batch", "--no-tty", "--no-greeting", "--no-autostart", "--quiet"),
    *("--disable-dirmngr", "--no-auto-key-retrieve", "--no-auto-check-trustdb"),
    *("--trust-model", "always", "--display-charset", "utf-8", "--exit-on-status-write-error"),
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The contents of the files that `Trust` names, read at one moment."""

    openpgp: tuple[bytes, ...] = field(repr=False)
    allowed: bytes | None = field(repr=False)
    revoked: bytes | None = field(repr=False)

    @property
    def digest(self) -> str:
        """Tells one set of contents from another."""
        told = hashlib.sha256()
        for part in (*self.openpgp, b"", self.allowed or b"", self.revoked or b""):
            told.update(b"%d\0" % len(part) + part)
        return told.hexdigest()


def keys_of(trust: Trust) -> Keys:
    """Read the files that *trust* names; raises ConfigurationError for one that cannot be used."""
    armored = tuple(_file(path, "trust.gpg_keys") for path in trust.gpg_keys)
    for path, content in zip(trust.gpg_keys, armored, strict=True):
        if b"PRIVATE KEY BLOCK" in content or b"PUBLIC KEY BLOCK" not in content:
            raise ConfigurationError(
                f"trust.gpg_keys: {path} does not hold armored public keys alone",
                hint="write it by `gpg --armor --export FINGERPRINT`",
            )
    allowed = trust.allowed_signers and _file(trust.allowed_signers, "trust.allowed_signers")
    revoked = trust.revoked_keys and _file(trust.revoked_keys, "trust.revoked_keys")
    return Keys(armored, allowed or None, revoked or None)


def _file(path: str, key: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{key}: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise ConfigurationError(f"{key}: {path} is larger than {LARGEST_FILE} bytes")
    return content


class Verifier:
    """Checks signatures by one set of keys, in a private folder that goes with `close`."""

    def __init__(self, keys: Keys, *, timeout: float = 30.0, limits: Limits | None = None) -> None:
        self.keys = keys
        self._timeout = timeout
        self._limits = limits or Limits(file_bytes=64 << 20, memory_bytes=1 << 30)
        self._known: dict[str, openpgp.Key] = {}
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="gitsource-keys-"))
        except OSError as error:
            raise StateError(f"no private folder for keys can be made: {error}") from error
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self) -> None:
        for name, content in (("allowed", self.keys.allowed), ("revoked", self.keys.revoked)):
            if content is not None:
                (self._folder / name).write_bytes(content)
        if not self.keys.openpgp:
            return
        (self._folder / "home").mkdir(mode=0o700)
        for content in self.keys.openpgp:
            self._gpg("import", ("--import",), content)
        listing = self._gpg("list-keys", ("--with-colons", "--fixed-list-mode", "--list-keys"))[1]
        self._known = openpgp.keys(listing)
        if not self._known:
            raise ConfigurationError(
                "trust.gpg_keys: there is no OpenPGP key in these files that gpg can use",
                hint="write them by `gpg --armor --export FINGERPRINT`",
            )

    # ------------------------------------------------------------------ checking

    def check(self, signed: Signed | None) -> Signature:
        """
        Return what is to be thought of what *signed* a commit or tag; None: nothing did.

        Raises ConfigurationError if the program is not installed, GitFailed if it does not end.
        """
        if signed is None:
            return Signature("none", reason="it is not signed")
        (self._folder / "signature").write_bytes(signed.signature)
        return self._ssh(signed) if signed.kind == "ssh" else self._openpgp(signed)

    def _openpgp(self, signed: Signed) -> Signature:
        if not self._known:
            return Signature(
                "bad", reason="it has an OpenPGP signature, and trust.gpg_keys is empty"
            )
        told = self._gpg("verify", ("--verify", "--", "signature", "-"), signed.payload)[1]
        return openpgp.verdict(told.split("\n"), self._known)

    def _ssh(self, signed: Signed) -> Signature:
        try:
            key = ssh_fingerprint(signed.signature)
        except MalformedError as error:
            return Signature("bad", reason=str(error))
        if self.keys.allowed is None:
            reason = "it has an SSH signature, and trust.allowed_signers is not set"
            return Signature("bad", key, reason=reason)
        at = ("-s", "signature", f"-Overify-time={_timestamp(signed.when)}")
        for_git = ("-n", NAMESPACE)
        code, told = self._keygen("find-principals", (*at, "-f", "allowed"), b"")
        names = () if code else tuple(_principals(told))
        revoked = ("-r", "revoked") if self.keys.revoked is not None else ()
        good = frozenset(
            name
            for name in names[:MOST_PRINCIPALS]
            if not self._keygen(
                "verify", (*for_git, *at, "-f", "allowed", f"-I{name}", *revoked), signed.payload
            )[0]
        )
        if good:
            return Signature("good", key, good | {key})
        if self._keygen("check-novalidate", (*for_git, *at), signed.payload)[0]:
            reason = "its signature is over something else, not made for git, or damaged"
        elif names:
            reason = "the key is revoked, or not allowed to sign for git"
        else:
            reason = (
                "the key is not in trust.allowed_signers, or was not valid at the time of the "
                "commit"
            )
        return Signature("bad", key, reason=reason)

    # ------------------------------------------------------------------ running

    def _gpg(self, step: str, args: Sequence[str], data: bytes = b"") -> tuple[int, str]:
        home = ("--homedir", str(self._folder / "home"), "--status-fd", "1")
        return self._run(Command(step, (*_GPG, *home, *args), program="gpg"), data)

    def _keygen(self, step: str, args: Sequence[str], data: bytes) -> tuple[int, str]:
        return self._run(Command(step, ("-Y", step, *args), program="ssh-keygen"), data)

    def _run(self, command: Command, data: bytes) -> tuple[int, str]:
        with self._process(command) as process:
            process.send(data)
            process.end_input()
            out = process.read_all(1 << 24)
            return process.finish(), out.decode("utf-8", "replace")

    @contextmanager
    def _process(self, command: Command) -> Iterator[Process]:
        program = find(command.program)
        environment = {
            "PATH": absolute_only(os.environ.get("PATH", os.defpath)) or os.defpath,
            "HOME": str(self._folder),
            "GNUPGHOME": str(self._folder / "home"),
            "LC_ALL": "C",
            "LANGUAGE": "C",
            "TZ": "UTC",
        }

        def start(stdin: int | None) -> Any:
            running = subprocess.Popen(
                [program, *command.args],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
            return SimpleNamespace(proc=running)

        process = Process(start, command, self._timeout, self._limits, talks=True)
        try:
            yield process
        finally:
            process.close()


def find(program: str) -> str:
    """Return the absolute path of *program*; raises ConfigurationError if it is not installed."""
    path = absolute_only(os.environ.get("PATH", os.defpath))
    found = shutil.which(program, path=path or os.devnull)
    if found is None:
        package = "gnupg" if program == "gpg" else "openssh-client"
        raise ConfigurationError(
            f"{program} is not installed, or not in PATH: signatures cannot be checked",
            hint=f"install {package}, or set trust.mode to none",
        )
    return found


def _timestamp(when: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(when, UTC).strftime("%Y%m%d%H%M%S")


def _principals(told: str) -> Iterator[str]:
    """Yield the names in what find-principals printed: a line each entry, a list each line."""
    for line in told.split("\n"):
        for name in line.strip().split(","):
            if name and name.isprintable():
                yield name
