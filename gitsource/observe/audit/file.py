"""
The files of the audit log: appended to, turned over, and found again after a crash.

Rule: for one thread. Bytes that are written are never changed. What a crash left half-written stays
where it is, and the line after it says so, with its digest: a verifier can tell it from tampering.
A write that failed half-way is taken back; where it cannot be, it is treated as a crash would be.
Beside the log stands its head: how far it goes and by which line, so that a cut end is seen.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitsource.observe.audit.lines import (
    LONGEST_LINE,
    NO_LINE,
    Line,
    decoded,
    digest,
    seconds_of,
)

TAIL = 4 * 1024 * 1024
"""Bytes of the end of a file in which its last line is looked for."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a log goes."""

    seq: int = 0
    """Of its last line; 0: there is none."""
    hash: str = NO_LINE
    """SHA-256 of that line."""

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def head_file(current: Path) -> Path:
    """Return where the head of the log *current* is kept."""
    return current.with_name(f"{current.name}.head")


def rotated(current: Path) -> list[Path]:
    """Return the earlier files of the log *current*, oldest first."""
    found = current.parent.glob(f"{current.stem}-*{current.suffix}")
    tails = ((each, each.stem.removeprefix(f"{current.stem}-")) for each in found)
    return sorted(each for each, tail in tails if len(tail) == 12 and tail.isdigit())


def files_of(current: Path) -> list[Path]:
    """Return all files of the log *current* that are there, oldest first."""
    return [*rotated(current), *([current] if current.exists() else [])]


def read_head(current: Path) -> Head | None:
    """Return the head kept beside *current*; None if there is none that can be read."""
    try:
        told = json.loads(head_file(current).read_bytes()[:1000])
        return Head(int(told["seq"]), str(told["hash"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


class AuditFile:
    """The open log; every method may raise OSError."""

    def __init__(self, path: Path, keep: int) -> None:
        self.path = path
        self._keep = keep
        self._handle = -1
        self._identity: tuple[int, int] = (0, 0)
        self._offset = 0
        self.head = Head()
        self.size = 0
        self.first_at = 0.0
        """When the file that is open was begun, in seconds since the epoch; 0: nobody knows."""
        self.torn = b""
        """What a crash left at the end, to be told in the next line."""

    def open(self) -> None:
        """Open the file where it ends."""
        if self._handle >= 0:
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(handle)
            self._find_end(handle, status.st_size)
        except BaseException:
            os.close(handle)
            raise
        self._handle, self._identity = handle, (status.st_dev, status.st_ino)
        self.size = status.st_size
        self.first_at = self._begun()

    def _find_end(self, handle: int, size: int) -> None:
        """Go on from where the log ends on disk, or from where we know it to, if that is later."""
        told = os.pread(handle, TAIL, max(0, size - TAIL))
        whole, feed, rest = told.rpartition(b"\n")
        self.torn = rest
        head = _last(whole) if feed else None
        if head is None:
            earlier = rotated(self.path)
            head = _last(_tail(earlier[-1]).rstrip(b"\n")) if earlier else None
        known = max(self.head, read_head(self.path) or Head(), key=lambda one: one.seq)
        # Lines that the head knows and the files do not were taken away: their numbers stay used,
        # and so the place where they are missing stays visible.
        self.head = head if head is not None and head.seq >= known.seq else known

    def moved(self) -> bool:
        """Whether the file that is open is no longer the one of that name."""
        try:
            status = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116 - once a batch
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != self._identity

    def append(self, lines: bytes, head: Head) -> None:
        """Write *lines*, after which the log ends with *head*; all of them, or none."""
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._handle, lines[written:] if written else lines)
        except OSError:
            if written:
                self._take_back()
            raise
        self.size += len(lines)
        self.head = head
        self.torn = b""

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._handle, self.size)
        except OSError:  # a file that may only grow: what stands there is told as torn
            self.close()

    def flush(self) -> None:
        """Have the disk keep what was written."""
        if self._handle >= 0:
            os.fsync(self._handle)

    def seal(self, *, durable: bool) -> None:
        """Write down how far the log goes."""
        target = head_file(self.path)
        beside = target.with_name(f"{target.name}.new")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump({"seq": self.head.seq, "hash": self.head.hash}, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(target)

    def turn(self) -> None:
        """Begin a new file; the one that ends is named after its first line."""
        first = self._first()
        number = first.seq if first is not None else self.head.seq
        while (target := _numbered(self.path, number)).exists():
            number += 1
        self.path.rename(target)
        self.close()
        for old in rotated(self.path)[: -self._keep]:
            old.unlink()
        self.open()

    def _first(self) -> Line | None:
        with suppress(ValueError):
            return decoded(os.pread(self._handle, LONGEST_LINE, 0).partition(b"\n")[0])
        return None

    def _begun(self) -> float:
        first = self._first()
        with suppress(ValueError):
            return seconds_of(first.time) if first is not None else 0.0
        return 0.0

    def close(self) -> None:
        """Let go of the file."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def _numbered(current: Path, number: int) -> Path:
    return current.with_name(f"{current.stem}-{number:012d}{current.suffix}")


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        return file.read()


def _last(whole: bytes) -> Head | None:
    """Return the head that the last line of *whole* makes; None if it is none of ours."""
    raw = whole.rpartition(b"\n")[2]
    try:
        return Head(decoded(raw).seq, digest(raw))
    except ValueError:
        return None
