"""
A document that each code is given for, and one that it is not given for.

Rule: these are files of the corpus that the tests judge (``tests/corpus``; in the wheel,
``gitsource/examples``), so what is shown as right or wrong is so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Example:
    """One document."""

    why: str
    """What is wrong, or right, with it."""
    line: int
    """1-based line of *text* that the finding names; 0 in a good example."""
    text: str
    """YAML, without the first line of the file."""


def wrong(code: str) -> Example | None:
    """Return a document that *code* is given for, if there is one on file."""
    return _example(code, "invalid")


def right(code: str) -> Example | None:
    """Return a document that does well what *code* is about, if there is one on file."""
    return _example(code, "valid")


def _folder() -> Path:
    package = Path(__file__).parents[1]
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "tests" / "corpus"


def _example(code: str, which: str) -> Example | None:
    found = sorted(_folder().glob(f"*/{which}/{code}.yaml"))
    if not found:
        return None
    head, _, text = found[0].read_text(encoding="utf-8").partition("\n")
    words = head.removeprefix("# ").split(" ", 2)
    if which == "valid":
        return Example(" ".join(words[1:]), 0, text)
    return Example(words[2], int(words[1].partition(":")[0]) - 1, text)
