"""
Reading the audit log back: whether it is whole, and the lines that somebody asks for.

Rule: files are read as a stream and never changed. The first thing that is wrong ends a
verification, with file and line. What a crash leaves is told apart from what a hand did: half a
line that the next line owns up to, or half a line at the very end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsource.observe.audit.file import Head
from gitsource.observe.audit.lines import TORN, Line, decoded, digest

LONGEST = 1024 * 1024
"""Bytes of a line that are read at most."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    file: str
    line: int
    """1-based, in that file; 0: it is about the whole of it."""
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification came to."""

    lines: int
    first: int
    """Number of the first line that is there; 0: there is none."""
    head: Head
    """The last line that is sound."""
    fault: Fault | None
    notes: tuple[str, ...]
    """What is no fault and should be known."""


def verify(files: Sequence[Path], expected: Sequence[Head] = ()) -> Verified:
    """
    Follow the chain through *files*, oldest first; *expected*: heads that it must have.

    Raises OSError for a file that cannot be read.
    """
    chain = _Chain({head.seq: head.hash for head in expected if head.seq})
    last = max(expected, key=lambda head: head.seq, default=Head())
    for file in files:
        chain.file = str(file)
        with file.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(LONGEST), b""), start=1):
                chain.take(number, raw)
                if chain.fault is not None:
                    return chain.result()
    chain.ends(last)
    return chain.result()


class _Chain:
    def __init__(self, expected: dict[int, str]) -> None:
        self.file = ""
        self.fault: Fault | None = None
        self._expected = expected
        self._head = Head()
        self._first = self._lines = 0
        self._half: tuple[str, int, bytes] | None = None
        self._whole = False
        self._why = ""
        self._notes: list[str] = []

    def take(self, number: int, raw: bytes) -> None:
        whole = raw.endswith(b"\n")
        content = raw.removesuffix(b"\n")
        try:
            line = decoded(content) if whole else None
        except ValueError as error:
            line, why = None, str(error)
        else:
            why = "it is half a line"
        if self._half is not None:
            self._owned(line)
        if self.fault is not None:
            return
        if line is None:
            if content.startswith(b"\x00"):
                why = "it holds zeros: the disk lost it"
            self._half, self._whole = (self.file, number, content), whole
            self._why = f"{why} (number {self._head.seq + 1} was to stand here)"
            return
        self._follow(number, line, content)

    def _owned(self, line: Line | None) -> None:
        """Take a broken line for a crash's if the line after it says so, else for a fault."""
        assert self._half is not None  # noqa: S101 - the caller asked
        file, number, content = self._half
        if line is not None and line.event == TORN and line.facts.get("sha256") == digest(content):
            self._notes.append(f"{file}:{number}: half a line that a crash left, and owned up to")
            self._half = None
        else:
            self.fault = Fault(file, number, self._why)

    def _follow(self, number: int, line: Line, content: bytes) -> None:
        head = self._head
        if not self._lines:
            self._first = line.seq
            if line.seq != 1:
                self._notes.append(f"it begins with line {line.seq}: earlier ones are not here")
        elif line.seq != head.seq + 1:
            missing = f"{head.seq + 1} to {line.seq - 1} are missing"
            text = f"lines {missing}" if line.seq > head.seq else "its number was there before"
            self.fault = Fault(self.file, number, f"number {line.seq}: {text}")
        elif line.prev != head.hash:
            text = f"number {line.seq}: the line before it, or its own seal, was changed"
            self.fault = Fault(self.file, number, text)
        if self.fault is not None:
            return
        self._head, self._lines = Head(line.seq, digest(content)), self._lines + 1
        if self._expected.get(line.seq, self._head.hash) != self._head.hash:
            text = f"number {line.seq} is another line than the head says: it was changed"
            self.fault = Fault(self.file, number, text)

    def ends(self, last: Head) -> None:
        if self._half is not None:
            file, number, _ = self._half
            if not self._whole:
                text = "half a line at the end: a crash, or it is being written"
                self._notes.append(f"{file}:{number}: {text}")
            else:
                self.fault = Fault(file, number, self._why)
                return
        if last.seq > self._head.seq:
            text = f"its end is cut off: it ends with line {self._head.seq}, and had {last.seq}"
            self.fault = Fault(self.file, 0, text)

    def result(self) -> Verified:
        return Verified(self._lines, self._first, self._head, self.fault, tuple(self._notes))


def read(files: Sequence[Path], wanted: Callable[[Line], bool]) -> Iterator[tuple[Line, bytes]]:
    """
    Yield the lines of *files* that are *wanted*, as values and as they stand.

    What is no line is passed over. Raises OSError for a file that cannot be read.
    """
    for file in files:
        with file.open("rb") as stream:
            for raw in iter(lambda: stream.readline(LONGEST), b""):
                try:
                    line = decoded(raw)
                except ValueError:
                    continue
                if wanted(line):
                    yield line, raw.rstrip(b"\n")
