"""
Istio's rules for the operations that a rule of an AuthorizationPolicy is about.

Rule: one problem an entry. A path is looked at segment by segment, as Istio does, not as a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.authorization_source import empty
from gitsource.validate.istio.subject import error

LARGEST_PORT = 65535
_ONE, _REST = "{*}", "{**}"
_LITERAL = re.compile(r"[-A-Za-z0-9._~%!$&'()+,;:@=]+")
_LISTS = {
    "hosts": "hosts",
    "not_hosts": "notHosts",
    "ports": "ports",
    "not_ports": "notPorts",
    "methods": "methods",
    "not_methods": "notMethods",
    "paths": "paths",
    "not_paths": "notPaths",
}
"""Field → its name in documents."""


def check(path: FieldPath, operation: Any) -> Iterator[Problem]:
    """Yield what is wrong with an operation."""
    given = operation.ListFields()
    if not given:
        message = "the operation says nothing: name some, or leave to out to mean all of them"
        yield error("AP-31", path, message)
    for field, values in given:
        at = (*path, _LISTS[field.name])
        yield from empty("AP-33", at, values)
        if field.name in ("ports", "not_ports"):
            yield from ports("AP-32", at, values)
        elif field.name in ("paths", "not_paths"):
            yield from _paths(at, values)


def ports(code: str, path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    """Judge ports, 0 included; empty ones are judged elsewhere."""
    for index, value in enumerate(values):
        if value and not _is_port(value):
            message = f"{shown(value)} is no port: write a number from 0 to {LARGEST_PORT}"
            yield error(code, (*path, index), message)


def _is_port(text: str) -> bool:
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or len(digits) > len(str(LARGEST_PORT)):
        return False
    return int(digits or "0") <= LARGEST_PORT


def _paths(path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    for index, value in enumerate(values):
        flaw = _path_flaw(value)
        if flaw:
            yield error("AP-34", (*path, index), f"{shown(value)} cannot be matched: {flaw}")


def _path_flaw(text: str) -> str:
    if "{" not in text and "}" not in text:
        return ""
    template = _ONE in text or _REST in text
    ended = False
    for segment in text.strip("/").split("/"):
        if segment in (_ONE, _REST):
            if ended:
                return f"{_REST} has to be the last of its wildcards"
            ended = segment == _REST
        elif "{" in segment or "}" in segment:
            return f"braces in {shown(segment)}: use {_ONE} or {_REST} for a whole segment"
        elif template and not _LITERAL.fullmatch(segment):
            return f"{shown(segment)} beside {_ONE} or {_REST} has to be plain text"
    return ""
