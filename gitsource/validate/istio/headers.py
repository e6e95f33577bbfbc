"""
Istio's rules for headers: which names may be matched and changed, and what they may be changed to.

Rule: names are judged where they stand as keys. A value is read as Envoy reads it: ``%`` opens an
expression that has to be closed, or is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import re2

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import error
from gitsource.validate.istio.values import is_token

PSEUDO = frozenset((":method", ":scheme", ":authority", ":path", ":status"))
_CLAIM = re.compile(r"@request\.auth\.claims(?:\..+|\[.+\])", re.IGNORECASE | re.ASCII | re.DOTALL)
_HOST = re.compile("host", re.IGNORECASE)
_AUTHORITY = re.compile(":authority|host", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TEXT = r'(?:\\.|[^\\)"])*'
_OPENS = r'%[^%(]*\( *(?:\[ *"|[^ \[])'  # %NAME( and then text, or ["text
_MORE = rf'(?:" *, *"{_TEXT})*'  # ", "text
_CLOSES = r'(?:\)|" *\] *\)) *%'  # )%, or "])%
_VALUE = re2.compile(rf"(?s)(?:[^%]|%%|%[^%(]+%|{_OPENS}{_TEXT}{_MORE}{_CLOSES})*")
"""By RE2, so that it takes no longer than the text is long."""


def is_jwt_claim(name: str) -> bool:
    """Say whether *name* stands for a claim of the request's token, not for a header."""
    return name.startswith("@") and _CLAIM.fullmatch(name) is not None


def match_name_flaw(name: str) -> str:
    """Say why *name* is no header that a request can be matched by; empty if it is one."""
    if is_token(name) or name in PSEUDO or is_jwt_claim(name):
        return ""
    return (
        f"{shown(name)} is no name of a header: use letters, digits and hyphens, a pseudo-header "
        "such as :path, or @request.auth.claims.<claim>"
    )


def value_flaw(text: str) -> str:
    """Say why *text* is nothing a header can be set to; empty if it is."""
    if _CONTROL.search(text):
        return f"{shown(text)} holds a control character: remove it"
    if "%" in text and not _VALUE.fullmatch(text):
        return (
            f"{shown(text)} has a % that opens no closed expression such as %REQ(x-id)%: "
            "write %% for a percent sign"
        )
    return ""


def operations(code: str, path: FieldPath, headers: Any) -> Iterator[Problem]:
    """Judge what *headers* (a Headers message at *path*) changes of a request and its answer."""
    if headers.HasField("request"):
        at = (*path, "request")
        yield from _written(code, at, headers.request, _of_request)
        yield from _removed(code, at, headers.request)
    if headers.HasField("response"):
        at = (*path, "response")
        yield from _written(code, at, headers.response, _of_answer)
        yield from _removed(code, at, headers.response)


def _written(code: str, path: FieldPath, changes: Any, name_flaw: Any) -> Iterator[Problem]:
    for verb, pairs in (("set", changes.set), ("add", changes.add)):
        for name in sorted(pairs):
            at = (*path, verb, name)
            if flaw := name_flaw(name):
                yield error(code, at, flaw, at_key=True)
            if flaw := value_flaw(pairs[name]):
                yield error(code, at, flaw)


def _removed(code: str, path: FieldPath, changes: Any) -> Iterator[Problem]:
    for index, name in enumerate(changes.remove):
        if flaw := _of_answer(name):
            yield error(code, (*path, "remove", index), flaw)


def _of_request(name: str) -> str:
    """Say why *name* cannot be set on a request; the authority can, under both its names."""
    if name.startswith(":") and not _AUTHORITY.fullmatch(name):
        return f"{shown(name)} is a pseudo-header: only :authority can be changed"
    return "" if name else "the header has no name: name it, or remove the entry"


def _of_answer(name: str) -> str:
    """Say why *name* cannot be removed from a request, or changed in an answer."""
    if _HOST.fullmatch(name):
        return f"{shown(name)} cannot be changed here: remove it"
    if name.startswith(":"):
        return f"{shown(name)} is a pseudo-header and cannot be changed here: remove it"
    return "" if name else "the header has no name: name it, or remove the entry"


def authority(code: str, path: FieldPath, route: Any) -> Iterator[Problem]:
    """Judge that *route* (an HTTPRoute at *path*) writes the authority in one place only."""
    taken = "rewrite.authority" if route.HasField("rewrite") and route.rewrite.authority else ""
    request = route.headers.request
    for verb, pairs in (("set", request.set), ("add", request.add)):
        # An empty text does not count as set, so the others of the same map come first.
        for name in sorted(filter(_AUTHORITY.fullmatch, pairs), key=lambda name: not pairs[name]):
            if taken:
                message = f"{shown(name)} writes the authority, as {taken} does: keep one of them"
                yield error(code, (*path, "headers", "request", verb, name), message)
                return
            taken = f"headers.request.{verb}.{name}" if pairs[name] else ""
