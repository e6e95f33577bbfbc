"""
The language of ``git cat-file --batch-command --buffer``: one function a question.

Rule: sizes are asked before contents, and questions run ahead of answers, but never by more than
two chunks. Whoever breaks a question off must not use the process again: answers are still coming.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gitsource.errors import ConfigurationError, GitFailed
from gitsource.git import verbs
from gitsource.git.process import Process

CHUNK = 400
"""Objects asked for at a time: asking and waiting for one by one takes three times as long."""
COMMIT_BYTES = 1 << 20
"""Commits with a longer message or more headers are not read."""


class LostObjectError(Exception):
    """An object is not there, no blob, or not what its id says; the id is the message."""


class Answer(NamedTuple):
    """The head line of an answer; a tuple, since a cold start makes one for each file, twice."""

    oid: str
    kind: str
    """``blob``, ``tree``, ``commit``, ``tag``; ``missing`` or ``ambiguous`` if there is no one."""
    size: int

    @property
    def found(self) -> bool:
        """Whether there is one such object."""
        return self.kind not in {"missing", "ambiguous"}


def info(process: Process, name: str) -> Answer:
    """Return what *name* (an id, a ref, ``tree:path``) is."""
    _ask(process, "info", [name])
    return _head_line(process)


def content(process: Process, name: str) -> tuple[Answer, bytes | None]:
    """Return what *name* is, and its content unless there is none or it is above COMMIT_BYTES."""
    found = info(process, name)
    if not found.found or found.size > COMMIT_BYTES:
        return found, None
    _ask(process, "contents", [found.oid])
    return found, _body(process)[1]


def missing(process: Process, oids: Sequence[str]) -> list[str]:
    """Return which of *oids* are not there."""
    found: list[str] = []
    chunks = [
        [verbs.oid(oid) for oid in oids[at : at + CHUNK]] for at in range(0, len(oids), CHUNK)
    ]
    for chunk in chunks[:1]:
        _ask(process, "info", chunk)
    for chunk, after in zip(chunks, [*chunks[1:], []], strict=True):
        _ask(process, "info", after)
        found += [oid for oid in chunk if not _head_line(process).found]
    return found


def contents(
    process: Process, blobs: Sequence[str], limit: int
) -> Iterator[tuple[str, bytes | None]]:
    """
    Yield the blobs' contents in turn, None for those above *limit* bytes, which are not asked for.

    The questions go out as sizes 0, sizes 1, contents 0, sizes 2, contents 1, sizes 3, ..., so git
    reads a chunk while we take the one before. Raises LostObjectError.
    """
    chunks = [[verbs.oid(b) for b in blobs[at : at + CHUNK]] for at in range(0, len(blobs), CHUNK)]
    for chunk in chunks[:2]:
        _ask(process, "info", chunk)
    coming: list[Answer] = []
    for at in range(-1, len(chunks)):
        told = coming
        if at + 1 < len(chunks):
            coming = _sizes(process, len(chunks[at + 1]))
            _ask(process, "contents", [a.oid for a in coming if a.size <= limit])
            _ask(process, "info", chunks[at + 3] if at + 3 < len(chunks) else ())
        for answer in told:
            yield _body(process) if answer.size <= limit else (answer.oid, None)


def _ask(process: Process, verb: str, names: Sequence[str]) -> None:
    if any("\n" in name for name in names):
        raise ConfigurationError("a name cannot have a line end in it")
    if names:
        lines = "".join(f"{verb} {name}\n" for name in names)
        process.send(lines.encode("utf-8", "surrogateescape") + b"flush\n")


def _sizes(process: Process, count: int) -> list[Answer]:
    told = [_head_line(process) for _ in range(count)]
    for answer in told:
        if answer.kind != "blob":
            raise LostObjectError(answer.oid)
    return told


def _head_line(process: Process) -> Answer:
    words = process.line().decode("utf-8", "replace").rsplit(" ", 2)
    if words[-1] in {"missing", "ambiguous"}:
        return Answer(" ".join(words[:-1]), words[-1], 0)
    if len(words) != 3 or not words[2].isdigit():
        raise GitFailed(f"cat-file: not an answer: {' '.join(words)[:100]!r}")
    return Answer(words[0], words[1], int(words[2]))


def _body(process: Process) -> tuple[str, bytes]:
    found = _head_line(process)
    if not found.found:
        raise LostObjectError(found.oid)
    data = process.exactly(found.size + 1)[:-1]
    # git does not compare; a disk that forgets must not become configuration.
    name = "sha1" if len(found.oid) == 40 else "sha256"
    told = hashlib.new(name, b"%s %d\0" % (found.kind.encode(), found.size), usedforsecurity=False)
    told.update(data)
    if told.hexdigest() != found.oid:
        raise LostObjectError(found.oid)
    return found.oid, data
