"""
What Istio takes for a value: times, ports, percentages, patterns, headers.

Rule: each check yields nothing, or the one problem of that value under the code it is given; a
message quotes the value and says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import label_key_flaw, label_value_flaw
from gitsource.validate.istio.subject import error

PROTOCOLS = frozenset(
    (
        *("tcp", "udp", "grpc", "grpc-web", "http", "http_proxy"),
        *("http2", "https", "tls", "mongo", "redis", "mysql"),
    )
)
HTTP_CLASS = frozenset(("http", "http2", "http_proxy", "grpc", "grpc-web"))
TLS_CLASS = frozenset(("https", "tls"))
TCP_CLASS = frozenset(("tcp", "https", "tls", "mongo", "redis", "mysql"))

LONGEST_PATTERN = 1024
"""Bytes."""
_TOKEN = re.compile(r"[!#$%&'*+,\-.^_`|~0-9A-Za-z]+")
_MILLISECOND = 10**6
_LONGEST = 2**63 - 1
"""Nanoseconds that Istio can count, some 292 years: what is longer becomes just that much."""


def duration(code: str, path: FieldPath, value: Any) -> Iterator[Problem]:
    """Judge a Duration that has to be whole milliseconds, at least one."""
    nanos = value.seconds * 10**9 + value.nanos
    if nanos < _MILLISECOND:
        yield error(code, path, f"{written(value)} is too short: at least 1ms is needed")
    elif nanos > _LONGEST:
        yield error(code, path, f"{written(value)} is too long: use less than 292 years")
    elif nanos % _MILLISECOND:
        message = f"{written(value)} is too exact: write whole milliseconds, such as 1500ms"
        yield error(code, path, message)


def written(value: Any) -> str:
    """Return a Duration as people write it."""
    return str(value.ToJsonString())


def unfit(text: str, what: str) -> str:
    """Return the words for *text* where *what* is needed: that it is none, or is missing."""
    return f"{shown(text)} is no {what}" if text else f"the {what} is missing"


def port(code: str, path: FieldPath, number: int) -> Iterator[Problem]:
    """Judge a port number."""
    if not 1 <= number <= 65535:
        yield error(code, path, f"{number} is no port: use a number from 1 to 65535")


def percent(code: str, path: FieldPath, number: int) -> Iterator[Problem]:
    """Judge a whole number from 0 to 100."""
    if not 0 <= number <= 100:
        yield error(code, path, f"{number} is no percentage: use a whole number from 0 to 100")


def labels(code: str, path: FieldPath, pairs: Mapping[str, str]) -> Iterator[Problem]:
    """Judge labels: each key and value that Kubernetes would refuse."""
    for key in sorted(pairs):
        at = (*path, key)
        if flaw := label_key_flaw(key):
            yield error(code, at, f"{shown(key)} is no name of a label: {flaw}", at_key=True)
        if flaw := label_value_flaw(pairs[key]):
            yield error(code, at, f"{shown(pairs[key])} is no value of a label: {flaw}")


def regex(code: str, path: FieldPath, text: str) -> Iterator[Problem]:
    """Judge an RE2 expression of 1 to 1024 bytes."""
    if not text:
        yield error(code, path, "the regular expression is empty: write one, or use prefix")
        return
    size = len(text.encode())
    if size > LONGEST_PATTERN:
        message = f"the regular expression has {size} bytes: shorten it to {LONGEST_PATTERN}"
        yield error(code, path, message)
    elif flaw := pattern_flaw(text):
        yield error(code, path, f"{shown(text)} is not an RE2 regular expression: {flaw}")


def pattern_flaw(text: str) -> str:
    """Say why *text* (which is not long) is no RE2 expression; empty if it is one."""
    return "" if _PLAIN.fullmatch(text) else _pattern_flaw(text)


_PLAIN = re.compile(r"\^?(?:[-\w/ ,:;=@%&~!<>#\"']|\.[*+?]?|\\[-./dswDSW][*+?]?)+\$?", re.ASCII)
"""Patterns that need no second look: plain characters, and what most people do with dots."""


@lru_cache(maxsize=4096)
def _pattern_flaw(text: str) -> str:
    plain = _CLASSES.sub(_stand_in, text) if "\\p" in text or "\\P" in text else text
    return _refused_by_go(text) if _is_read(plain) else _refusal(plain)


def _is_read(text: str) -> bool:
    """
    Say whether RE2 reads *text*.

    A set of patterns reads what is added to it and compiles it later: what takes memory and time,
    such as ``((a{1,30}){1,30})``, is never compiled. Go, in which Istio is written, has no limit of
    memory that a pattern could exceed.
    """
    import re2

    try:
        re2.Set.SearchSet(_quiet()).Add(text)
    except re2.error:
        return False
    return True


def _refusal(text: str) -> str:
    """Say why RE2 does not read *text*."""
    import re2

    try:
        re2.compile(text, _quiet())
    except re2.error as failed:
        told = failed.args[0] if failed.args else ""
        return shown(told.decode("utf-8", "replace") if isinstance(told, bytes) else told)[1:-1]
    return "RE2 does not read it"


@cache
def _quiet() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return options


def _stand_in(part: re.Match[str]) -> str:
    """Return what stands for a class of Unicode: RE2 takes a millisecond for each, every time."""
    return r"\d" if part["unicode"] and _is_unicode(part[0]) else part[0]


@lru_cache(maxsize=1024)
def _is_unicode(name: str) -> bool:
    return _is_read(name)


_QUOTED = r"\\Q .*? (?:\\E|\Z)"
_CLASSES = re.compile(
    rf"{_QUOTED} | (?P<unicode> \\[pP] (?: \{{[^}}]*\}} | [^{{] ) ) | \\ .", re.VERBOSE | re.DOTALL
)
_GROUPS = re.compile(
    rf"""
    {_QUOTED}
  | \\ (?P<escape> .)
  | \[ \^? \]? (?: \[:\^?\w+:\] | \\. | [^]\\] )* \]
  | \(\?P?< (?P<name> [^>]*) >
    """,
    re.VERBOSE | re.DOTALL,
)


def _refused_by_go(text: str) -> str:
    """Say what Go's reader of RE2 refuses in *text*, which the C++ one takes."""
    names: set[str] = set()
    for part in _GROUPS.finditer(text):
        if part["escape"] == "C":
            return "invalid escape sequence: \\C"
        name = part["name"]
        if name is None:
            continue
        if not name.isascii():
            return f"invalid named capture group: {shown(name)}"
        if name in names:
            return f"duplicate named capture group: {shown(name)}"
        names.add(name)
    return ""


def string_match(code: str, path: FieldPath, match: Any) -> Iterator[Problem]:
    """Judge a StringMatch: a prefix is not empty, and a regex is one. An empty exact is taken."""
    chosen = match.WhichOneof("match_type")
    if chosen == "prefix" and not match.prefix:
        yield error(code, (*path, "prefix"), "the prefix is empty: write one, or leave it out")
    elif chosen == "regex":
        yield from regex(code, (*path, "regex"), match.regex)


def is_token(text: str) -> bool:
    """
    Say whether *text* can be the name of a header: a token of RFC 7230.

    Istio takes a comma too (its pattern has a range where a hyphen was meant), and so do we.
    """
    return _TOKEN.fullmatch(text) is not None
