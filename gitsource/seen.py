"""
What `gitsource validate` saw the last time: which content each file had, and what came of it all.

Rule: losing it costs time, never correctness. A file is taken to be what it was if size, times and
inode are the same and it had been left alone for a while when it was read, as Git's index does it:
a file that is written twice within one tick of the clock looks the same. What cannot be read, or
belongs to somebody else, is not there; what cannot be written is left out in silence.

    $XDG_CACHE_HOME/gitsource/
      listings/<paths>   a checksum and a `Listing`, replaced whole; one for each set of PATHS
      results.sqlite     what became of each content (`snapshot.blobs`)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gitsource._proto.gitsource.state.v1.state_pb2 import Finding as FindingMessage
from gitsource._proto.gitsource.state.v1.state_pb2 import Listing
from gitsource.model import Finding

SETTLED = 2_000_000_000
"""Nanoseconds a file has to have been left alone: some file systems count in two seconds."""
LISTINGS = 64
"""Sets of paths that are remembered."""
LARGEST = 256 * 1024 * 1024
"""Bytes of remembered results; then they are forgotten as a whole."""


class Stat(NamedTuple):
    """What a file system says of a file's content without showing it."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, told: os.stat_result) -> Stat:
        """Return the parts of *told* that change with the content."""
        return cls(told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was when it was read last."""

    stat: Stat
    content: str
    """SHA-256 of it, in hex."""
    taken: int
    """When it was read, in nanoseconds since the epoch."""


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Return where things may be remembered; None where that is nobody's, or somebody else's."""
    home = environ.get("HOME", "")
    folder = Path(environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache"), "gitsource")
    if not folder.is_absolute():
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "listings").mkdir(mode=0o700, exist_ok=True)
        mine = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return None
    return folder if mine else None


class Seen:
    """What was seen under some paths."""

    def __init__(self, folder: Path | None, paths: Sequence[Path]) -> None:
        self._folder = folder
        told = [os.getcwd(), *map(os.fspath, paths)]  # noqa: PTH109 - bytes are what is hashed
        name = hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()
        self._file = folder / "listings" / name[:40] if folder is not None else None
        self._listing = self._read()
        self.files = _files(self._listing)

    def _read(self) -> Listing:
        if self._file is None:
            return Listing()
        try:
            raw = self._file.read_bytes()
            if hashlib.sha256(raw[32:]).digest() == raw[:32]:
                return Listing.FromString(raw[32:])
        except (OSError, ValueError):
            pass
        return Listing()

    @property
    def results(self) -> Path | None:
        """Where the results of contents are remembered; what has grown too large is thrown away."""
        if self._folder is None:
            return None
        path = self._folder / "results.sqlite"
        try:
            if path.stat().st_size > LARGEST:
                for part in ("", "-wal", "-shm"):
                    Path(f"{path}{part}").unlink(missing_ok=True)
        except OSError:
            pass
        return path

    def content(self, path: str, stat: Stat) -> str | None:
        """Return the content of the file *path* if it is what it was, as far as one can tell."""
        known = self.files.get(os.fsencode(path))
        if known is None or known.stat != stat:
            return None
        settled = max(stat.modified, stat.changed) + SETTLED < known.taken
        return known.content if settled else None

    def answer(self, question: bytes) -> tuple[Finding, ...] | None:
        """Return the findings that *question* had the last time, if that was the last question."""
        if self._listing.question != question:
            return None
        return tuple(
            Finding(
                told.file, told.line, told.column, "warning" if told.warning else "error",
                told.code, told.message, told.resource, told.suppressed,
            )
            for told in self._listing.findings
        )  # fmt: skip

    def remember(
        self, files: Mapping[str, Known], question: bytes, findings: Iterable[Finding]
    ) -> None:
        """Keep what was seen, in place of what was there."""
        if self._file is None:
            return
        rows = sorted((os.fsencode(path), known) for path, known in files.items())
        stats = [known.stat for _, known in rows]
        listing = Listing(
            paths=[path for path, _ in rows],
            sizes=[stat.size for stat in stats],
            modified=[stat.modified for stat in stats],
            changed=[stat.changed for stat in stats],
            inodes=[stat.inode for stat in stats],
            taken=[known.taken for _, known in rows],
            contents=[bytes.fromhex(known.content) for _, known in rows],
            question=question,
            findings=[_message(finding) for finding in findings],
        )
        body = listing.SerializeToString()
        beside = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        try:
            beside.write_bytes(hashlib.sha256(body).digest() + body)
            beside.replace(self._file)
            _forget_oldest(self._file.parent)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def _files(listing: Listing) -> dict[bytes, Known]:
    columns = (
        listing.paths, listing.sizes, listing.modified, listing.changed, listing.inodes,
        listing.taken, listing.contents,
    )  # fmt: skip
    if len({len(column) for column in columns}) > 1:
        return {}
    return {
        path: Known(Stat(size, modified, changed, inode), content.hex(), taken)
        for path, size, modified, changed, inode, taken, content in zip(*columns, strict=True)
    }


def _message(finding: Finding) -> FindingMessage:
    return FindingMessage(
        file=finding.file,
        line=finding.line,
        column=finding.column,
        warning=finding.severity == "warning",
        code=finding.code,
        message=finding.message,
        resource=finding.resource,
        suppressed=finding.suppressed,
    )


def _forget_oldest(folder: Path) -> None:
    names = os.listdir(folder)  # noqa: PTH208 - a thousand Path objects cost
    if len(names) > LISTINGS:
        paths = sorted((folder / name for name in names), key=lambda path: path.stat().st_mtime)
        for path in paths[:-LISTINGS]:
            path.unlink(missing_ok=True)


def now() -> int:
    """Return the time as files have it, in nanoseconds since the epoch."""
    return time.time_ns()
