"""
What Istio takes for a value: times, ports, percentages, patterns, headers.

Rule: each check yields nothing, or the one problem of that value under the code it is given; a
message quotes the value and says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import label_flaw
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
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def duration(code: str, path: FieldPath, value: Any) -> Iterator[Problem]:
    """Judge a Duration that has to be whole milliseconds, at least one."""
    if value.seconds <= 0 and (value.seconds < 0 or value.nanos < 1_000_000):
        yield error(code, path, f"{written(value)} is too short: at least 1ms is needed")
    elif value.nanos % 1_000_000:
        yield error(code, path, f"{written(value)} is not a whole number of milliseconds")


def written(value: Any) -> str:
    """Return a Duration as people write it."""
    text = value.ToJsonString()
    return str(text)


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
        flaw = label_flaw(key, pairs[key])
        if flaw:
            yield error(code, (*path, key), f"this is no label: {flaw}")


@lru_cache(maxsize=4096)
def pattern_flaw(text: str) -> str:
    """Say why *text* is no RE2 expression; empty if it is one."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as failed:
        told = failed.args[0] if failed.args else failed
        return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return ""


def regex(code: str, path: FieldPath, text: str) -> Iterator[Problem]:
    """Judge an RE2 expression of 1 to 1024 bytes."""
    if not text:
        yield error(code, path, "the regular expression is empty: write one, or use prefix: /")
    elif len(text.encode()) > LONGEST_PATTERN:
        size = len(text.encode())
        yield error(code, path, f"the regular expression has {size} bytes; 1024 are allowed")
    elif flaw := pattern_flaw(text):
        yield error(code, path, f"{shown(text)} is not an RE2 regular expression: {flaw}")


def string_match(code: str, path: FieldPath, match: Any) -> Iterator[Problem]:
    """Judge a StringMatch: a prefix is not empty, and a regex is one. An empty exact is taken."""
    chosen = match.WhichOneof("match_type")
    if chosen == "prefix" and not match.prefix:
        yield error(code, (*path, "prefix"), "the prefix is empty: write one, or leave it out")
    elif chosen == "regex":
        yield from regex(code, (*path, "regex"), match.regex)


def is_token(text: str) -> bool:
    """Say whether *text* is a token of RFC 7230, such as a header name."""
    return bool(_TOKEN.fullmatch(text))
