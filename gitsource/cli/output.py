"""
What every command prints in the same way: errors with their next step, JSON lines, colours.

Rule: answers go to standard output, everything else to standard error; what comes from outside is
neutralised before a terminal sees it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from gitsource.errors import GitsourceError
from gitsource.observe.neutral import neutral, neutral_lines


def colours(stream: TextIO) -> bool:
    """Tell whether *stream* may be coloured: a terminal, and nobody set NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def complain(error: GitsourceError) -> None:
    """Write *error* to standard error, a line for each thing that is wrong, then the next step."""
    for line in neutral_lines(str(error)).splitlines():
        sys.stderr.write(f"gitsource: error: {line}\n")
    if error.hint:
        sys.stderr.write(f"next: {neutral(error.hint)}\n")


def say(text: str) -> None:
    """Write a line to standard error: what happens meanwhile."""
    sys.stderr.write(f"gitsource: {neutral(text)}\n")


def json_line(value: Any) -> None:
    """Write *value* to standard output as JSON on one line, and flush: a pipe reads it now."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
    sys.stdout.flush()
