"""
Files that only we have written: private, sealed with a key, replaced whole.

Rule: what does not carry its seal is not there. The seal is HMAC-SHA-256 under the key of
``GITSOURCE_CACHE_KEY``: whoever does not have it cannot write a file that is believed, so a folder
that a pull request could fill decides nothing where the key is kept from pull requests. Without a
key it only tells damage, and what is in the folder is as good as who may write there. So in CI
(the variable ``CI``), where folders are passed from job to job, nothing is remembered without one.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitsource.errors import ConfigurationError

KEY = "GITSOURCE_CACHE_KEY"
SEAL_BYTES = 32
LARGEST = 1 << 30
"""Bytes of a file that is read."""
KEY_CHARACTERS = 16
"""A shorter key could be guessed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A folder, and what its files are sealed with."""

    folder: Path
    key: bytes = field(repr=False)

    def read(self, name: str) -> memoryview | None:
        """Return what was written under *name*; None if that is not there, or not ours."""
        try:
            with open(self.folder / name, "rb", buffering=0, opener=_plainly) as file:
                size = os.fstat(file.fileno()).st_size
                raw = file.read(size + 1) if size < LARGEST else b""
        except OSError:
            return None
        seal, body = raw[:SEAL_BYTES], memoryview(raw)[SEAL_BYTES:]  # no copy: it may be large
        if not hmac.compare_digest(seal, self._seal(name, [body])):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder / name)  # what is used is forgotten last
        return body

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Put *parts* under *name*, in place of what was there; what cannot be written is not."""
        beside = self.folder / f"{name}.{os.getpid()}.tmp"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
                file.seek(SEAL_BYTES)
                seal = self._begun(name)
                for part in parts:
                    seal.update(part)
                    file.write(part)
                file.seek(0)
                file.write(seal.digest())
            beside.replace(self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def _begun(self, name: str) -> hmac.HMAC:
        return hmac.new(self.key, f"{name}\0".encode(), hashlib.sha256)

    def _seal(self, name: str, parts: Iterable[bytes | memoryview]) -> bytes:
        seal = self._begun(name)
        for part in parts:
            seal.update(part)
        return seal.digest()

    def of(self, *parts: bytes) -> bytes:
        """Return the seal of a value that is kept elsewhere."""
        told = (len(part).to_bytes(8, "big") + part for part in parts)
        return self._seal("\0value", told)[:SEAL_BYTES]


def _plainly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def key_of(environ: Mapping[str, str]) -> bytes | None:
    """
    Return what seals are made with; None where nothing may be remembered.

    Raises ConfigurationError for a key that could be guessed.
    """
    told = environ.get(KEY, "")
    if told and len(told) < KEY_CHARACTERS:
        raise ConfigurationError(
            f"{KEY} is shorter than {KEY_CHARACTERS} characters",
            hint="make one with `openssl rand -hex 32`, and keep it from pull requests",
        )
    if told:
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).digest()
    return b"" if environ.get("CI", "").lower() in {"", "0", "false", "no"} else None


def private(folder: Path) -> bool:
    """Make *folder* if it is not there; tell whether it is ours alone to write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.stat()
    except OSError:
        return False
    mine = told.st_uid == os.getuid() and not told.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return mine and os.access(folder, os.W_OK | os.X_OK)
