"""
The webhook's secrets: a file, one secret a line, read again whenever it changes.

Rule: without a secret nothing is accepted, so a file without one, or with one that can be guessed,
is refused at the start; later, such a file leaves the old secrets in force and is complained about.
Secrets appear in no text, no error and no repr. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gitsource.errors import ConfigurationError

log = logging.getLogger("gitsource.triggers")

SHORTEST = 12
"""Bytes of a secret: a shorter one can be guessed from a delivery that was seen."""
LARGEST = 64 * 1024
"""Bytes; a secrets file is never larger, and what is given by mistake may be."""


class SecretsFile:
    """The secrets of one file; raises ConfigurationError if there are none in it now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _state(path)
        self._secrets = read(path)

    def __repr__(self) -> str:
        return f"<SecretsFile {self._path}, {len(self._secrets)} secrets>"

    def current(self) -> tuple[bytes, ...]:
        """Return the secrets in force, read anew if the file has changed."""
        state = _state(self._path)
        if state != self._state:
            self._state = state
            try:
                self._secrets = read(self._path)
            except ConfigurationError as error:
                log.warning("%s; the secrets read before stay in force", error)
            else:
                log.info("webhook secrets were read again", extra={"secrets": len(self._secrets)})
        return self._secrets


def read(path: Path) -> tuple[bytes, ...]:
    """
    Return the secrets in the file at *path*: its lines, stripped, without empty ones and comments.

    Raises ConfigurationError if it cannot be read, has none, or one shorter than `SHORTEST`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"webhook.secret_file: {path}: {error.strerror or 'cannot be read'}",
            hint="write the secret that the Git host has into it, one a line",
        ) from error
    lines = [line.strip() for line in content.split(b"\n")]
    secrets = tuple(line for line in lines if line and not line.startswith(b"#"))
    if not secrets or len(content) > LARGEST:
        what = "is too large" if secrets else "has no secret in it"
        raise ConfigurationError(
            f"webhook.secret_file: {path} {what}",
            hint="write the secret that the Git host has into it, one a line",
        )
    short = next((n for n, line in enumerate(lines, 1) if line in secrets and _short(line)), 0)
    if short:
        raise ConfigurationError(
            f"webhook.secret_file: {path}: line {short}: a secret is {SHORTEST} bytes or longer",
            hint="anybody could guess a shorter one: take `openssl rand -hex 32`, here and at the "
            "Git host",
        )
    return secrets


def _short(secret: bytes) -> bool:
    return len(secret) < SHORTEST


def _state(path: Path) -> tuple[int, int, int, int]:
    """Return what changes when the file does; a mounted secret is swapped as a symbolic link."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a plain stat, once a delivery
    except OSError:
        return (0, 0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
