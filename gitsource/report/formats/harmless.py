r"""
Text from commits, files and peers made harmless for every report.

Rule: what was not written by us passes through `harmless` before a format escapes it in its own
way. It comes out on one line and visible: a character that cannot be seen is written as its escape
(``\x1b``, ``\u202e``), and what a CI's log would take for a command is broken in two.
"""

from __future__ import annotations

import re

from gitsource.model import Finding

_UNSEEN = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# `##[error]` (GitHub's first form), `##vso[` (Azure) and `##teamcity[` are commands wherever in a
# line they stand.
_COMMAND = re.compile(r"#(?=#(\[|vso\[|teamcity\[))", re.IGNORECASE)


def harmless(text: str, most: int = 0) -> str:
    """Return *text* on one line, as anybody may print it; cut to *most* characters, if given."""
    if most:
        text = text[: most + 1]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escape(c) for c in text)
    if "##" in text:
        text = _COMMAND.sub(r"\\x23", text)
    return text if not most or len(text) <= most else f"{text[: most - 1]}…"


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return _UNSEEN.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def path(text: str, most: int = 0) -> str:
    """
    Return the path *text* so that a line may begin with it.

    A log line that begins with ``::`` is a command to GitHub's runner, blanks before it or not.
    """
    told = harmless(text, most)
    return told if not told or told[0].isalnum() or told[0] in "._-/" else f"./{told}"


def place(found: Finding, most: int = 0) -> str:
    """Return where *found* is, as ``file:line:column``; the whole revision has no file."""
    if not found.file:
        return "the revision"
    told = path(found.file, most)
    return f"{told}:{found.line}:{found.column}" if found.line else told
