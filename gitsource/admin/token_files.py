"""
The tokens of the operators' door: files, one token a line, read again whenever one changes.

Rule: a file that is missing or holds no token is refused at the start; later it takes its tokens
with it: nobody is let in by a file that is gone. A token that is too short to be one is no token.
Tokens appear in no text, no error and no repr; in memory there are digests.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from gitsource.admin.access import Token, digest_of
from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
from gitsource.settings.doors import AdminToken

log = logging.getLogger("gitsource.admin")

LARGEST = 64 * 1024
"""Bytes of one file."""
SHORTEST = 16
"""Characters of a token: fewer can be guessed."""

State = tuple[int, ...]


class TokenFiles:
    """The tokens of *rows*, whose files lie beside *folder*."""

    def __init__(
        self, rows: Sequence[AdminToken], folder: Path, record: Record = unrecorded
    ) -> None:
        """Read them all; raises ConfigurationError for one that has none."""
        self._rows = [(row, folder / str(row.file)) for row in rows]
        self._record = record
        self._states = [_state(path) for _, path in self._rows]
        self._tokens = [_read(row, path) for row, path in self._rows]

    def __repr__(self) -> str:
        return f"<TokenFiles {[row.name for row, _ in self._rows]}>"

    def current(self) -> tuple[Token, ...]:
        """Return the tokens that count now."""
        for index, (row, path) in enumerate(self._rows):
            state = _state(path)
            if state == self._states[index]:
                continue
            self._states[index] = state
            why = ""
            try:
                self._tokens[index] = _read(row, path)
                log.info("the tokens of %s were read again", row.name)
            except ConfigurationError as error:
                self._tokens[index] = ()
                why = str(error)
                log.error("%s; until then nobody is let in as %s", error, row.name)
            count = len(self._tokens[index])
            facts: dict[str, Fact] = {"what": "admin tokens", "name": row.name, "count": count}
            told = Happening("policy", "", "", "failed" if why else "ok", why, facts)
            self._record(told)
        return tuple(token for tokens in self._tokens for token in tokens)


def _read(row: AdminToken, path: Path) -> tuple[Token, ...]:
    hint = f"write a token of at least {SHORTEST} characters into it: `openssl rand -hex 32`"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        why = f"admin.tokens: {path} cannot be read: {error.strerror}"
        raise ConfigurationError(why, hint=hint) from error
    lines = tuple(filter(None, (line.strip() for line in content.split(b"\n"))))
    if len(content) > LARGEST or not lines:
        what = "is too large" if lines else "has no token in it"
        raise ConfigurationError(f"admin.tokens: {path} {what}", hint=hint)
    if any(len(line) < SHORTEST or not line.isascii() or b" " in line for line in lines):
        why = f"admin.tokens: {path} has a line that is no token"
        raise ConfigurationError(why, hint=hint)
    return tuple(Token(row.name, row.role, digest_of(line)) for line in lines)


def _state(path: Path) -> State:
    """Return what changes when the file does; a mounted secret is swapped as a symbolic link."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a plain stat, once a request
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
