"""
Text from outside (commits, files, peers) made harmless before a person or a terminal sees it.

Rule: whatever was not written by us passes through `neutral` on its way to a log, a page or a
terminal. Control characters could move the cursor, forge a line or hide one; bidirectional
overrides could show a text in another order than it has.
"""

from __future__ import annotations

import re

_HTTP_USER = re.compile(r"(?i)\b(https?://)[^/\s?#]+@")
_PASSWORD = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@:\s]*:[^/\s]+@")


def neutral(text: str) -> str:
    r"""Return *text* on one line, each harmful character written as its escape (``\x1b``)."""
    # Not printable: controls, separators but the space, what reorders text (bidirectional marks,
    # overrides), what nobody sees (zero width, tags, soft hyphens), and lone surrogates.
    if text.isprintable():
        return text  # a log line is on the way of every push: looking for nothing costs too
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def neutral_lines(text: str) -> str:
    """Return *text* neutralised, its line feeds kept."""
    return "\n".join(map(neutral, text.split("\n")))


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def without_credentials(text: str) -> str:
    """Return *text* with user names and passwords taken out of the URLs in it."""
    if "://" not in text:
        return text
    return _PASSWORD.sub(r"\1***@", _HTTP_USER.sub(r"\1***@", text))
