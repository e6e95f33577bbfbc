"""
Messages about a document, without the secrets of the document that they quote.

Rule: a message that would tell a part of a secret tells the rule and the place, and stands so
wherever it is shown: what makes findings of problems passes them through here. Whatever somebody
quotes by `gitsource.model.shown` has lost what is a secret by its form already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from gitsource.secrecy.names import called_secret
from gitsource.secrecy.texts import LOOKED_AT, REDACTED, redacted
from gitsource.secrecy.values import DEEPEST, Hidden, hidden, inside

Place: TypeAlias = tuple[str | int, ...]

GRAM = 6
"""So many characters of a secret in a row are not told in quotes."""
PLAIN_GRAM = 12
"""So many outside of quotes: what we say ourselves may have a few words in common with one."""

_QUOTE = re.compile(r"'.*'", re.DOTALL)
_KEY = re.compile(r"([\w.-]+)[\"']?\s*:(?:\s|$)")
_NAME_BESIDE = re.compile(r"^[\s-]*[\"']?(?:name|key|header)[\"']?\s*:\s*[\"']?([\w.\[\]-]+)")
NOT_SHOWN = "the value is not shown, since it may be secret"


class Quoting:
    """Takes the secrets of one document out of what is said of it."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._secrets: list[tuple[Place, str]] | None = None

    def told(self, message: str, path: Sequence[str | int], otherwise: str) -> str:
        """
        Return *message*, about what stands at *path*, without secrets.

        *otherwise* is what may be said if it cannot be told apart from one.
        """
        if self._secrets is None:
            self._secrets = _secrets(self._document)
        told, at, leaks = message, tuple(path), False
        for place, secret in self._secrets:
            near = place[: len(at)] == at or at[: len(place)] == place
            if near or len(secret) >= GRAM:
                told = _out_of(told, secret, near=near)
        for place, secret in self._secrets:
            leaks = leaks or (place[: len(at)] == at and _leaks(told, secret))
        return f"{otherwise} ({NOT_SHOWN})" if leaks else told


def told_of_line(message: str, line: str, before: str = "", after: str = "") -> str:
    """
    Return *message*, about a value in *line* of a file, without the value if that may be secret.

    The lines *before* and *after* may have the name of what stands in it.
    """
    found = _KEY.search(line)
    if found is None or "'" not in message:
        return message
    name = found[1]
    secret = called_secret(name) and f"'{name}'" not in message
    if not secret and name == "value":
        named = (_NAME_BESIDE.match(each) for each in (before, after))
        secret = any(each is not None and called_secret(each[1]) for each in named)
    return _QUOTE.sub(REDACTED, message) if secret else message


def _secrets(document: Any) -> list[tuple[Place, str]]:
    """Return every secret of *document*, with its place; longer ones first."""
    try:
        found = {*_apart(document, hidden(document), (), DEEPEST)}
    except RecursionError:
        return []
    return sorted(found, key=lambda each: (-len(each[1]), each[1], str(each[0])))


def _apart(value: Any, without: Any, place: Place, depth: int) -> Iterator[tuple[Place, str]]:
    """Yield what of *value* is hidden in *without*."""
    if isinstance(without, Hidden):
        if not isinstance(value, str):
            yield place, str(value)
        elif without.told == REDACTED:
            yield place, value
        else:
            yield from _parts(value, place, depth)
    elif isinstance(without, dict):
        for key, inner in without.items():
            yield from _apart(value[key], inner, (*place, key), depth)
    elif isinstance(without, list):
        for index, inner in enumerate(without):
            yield from _apart(value[index], inner, (*place, index), depth)


def _parts(text: str, place: Place, depth: int) -> Iterator[tuple[Place, str]]:
    """Yield the secrets inside *text*: those of its JSON, or what is taken out of it."""
    held = inside(text) if depth else None
    if held is not None:
        for _, secret in _apart(held, hidden(held), (), depth - 1):
            yield place, secret
        return
    at = 0
    head = text[:LOOKED_AT]
    kept = redacted(head).split(REDACTED)
    for piece, following in zip(kept, [*kept[1:], ""], strict=True):
        at = head.find(piece, at) + len(piece)
        end = head.find(following, at) if following else len(head)
        if head[at:end]:
            yield place, head[at:end]


def _out_of(message: str, secret: str, *, near: bool) -> str:
    """Return *message* without *secret*, as it was written or as messages quote it."""
    cut = secret[:79]
    quoted = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
    for text in dict.fromkeys((secret, repr(secret)[1:-1], quoted, cut)):
        if not text:
            continue
        if len(text) >= GRAM:
            message = message.replace(f"'{text}…'", REDACTED).replace(f"'{text}'", REDACTED)
            message = message.replace(text, REDACTED)
        elif near:
            # So short a text may be part of a word of the message.
            whole = rf"'{re.escape(text)}'|(?<![\w'.]){re.escape(text)}(?![\w'.])"
            message = re.sub(whole, REDACTED, message)
    return message


def _leaks(message: str, secret: str) -> bool:
    """Tell whether *message* still has a part of *secret* in it."""
    rest = message.replace(REDACTED, "")
    quotes = " ".join(_QUOTE.findall(rest))
    return _has(quotes, secret, GRAM) or _has(rest, secret, PLAIN_GRAM)


def _has(text: str, secret: str, length: int) -> bool:
    """Tell whether *text* has as many characters of *secret* in a row."""
    ends = range(min(len(secret), 400) - length + 1)
    return any(secret[at : at + length] in text for at in ends)
