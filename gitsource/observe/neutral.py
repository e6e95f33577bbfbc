"""
Text from outside (commits, files, peers) made harmless before a person or a terminal sees it.

Rule: whatever was not written by us passes through `neutral` on its way to a log, a page or a
terminal. Control characters could move the cursor, forge a line or hide one; bidirectional
overrides could show a text in another order than it has.
"""

from __future__ import annotations

import re

# C0, DEL and C1 controls; the line and paragraph separators; bidirectional marks, embeddings,
# overrides and isolates; zero-width characters; lone surrogates, which no stream can carry.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_HTTP_USER = re.compile(r"(?i)\b(https?://)[^/\s?#]+@")
_PASSWORD = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@:\s]*:[^/\s]+@")


def neutral(text: str) -> str:
    r"""Return *text* on one line, each harmful character written as its escape (``\x1b``)."""
    if text.isascii() and text.isprintable():
        return text  # a log line is on the way of every push: looking for nothing costs too
    return _HARMFUL.sub(lambda found: _escape(found[0]), text)


def neutral_lines(text: str) -> str:
    """Return *text* neutralised, its line feeds kept."""
    return "\n".join(map(neutral, text.split("\n")))


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def without_credentials(text: str) -> str:
    """Return *text* with user names and passwords taken out of the URLs in it."""
    if "://" not in text:
        return text
    return _PASSWORD.sub(r"\1***@", _HTTP_USER.sub(r"\1***@", text))
