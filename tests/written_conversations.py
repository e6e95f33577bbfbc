"""Conversations as text: one command a line, and behind ``->`` what it makes the other side say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest


def conversations(folder: Path) -> Iterator[object]:
    """Yield the lines of every conversation in *folder*, each with what is sent behind it."""
    for path in sorted(folder.glob("*.txt")):
        title, lines = "", []
        for line in [*path.read_text().splitlines(), "== "]:
            text = re.sub(r"(^|\s)#.*", "", line).strip()
            if line.startswith("== "):
                if lines:
                    yield pytest.param(lines, id=f"{path.stem}: {title}")
                title, lines = line.removeprefix("== "), []
            elif text.startswith("->"):
                lines[-1] += f" {text}"
            elif text:
                lines.append(text)
