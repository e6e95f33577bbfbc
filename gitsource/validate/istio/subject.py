"""
A document as Istio's rules see it, and how they say what is wrong with it.

Rule: the rules judge the body message, as Istio's own validator does: both spellings of a field,
names and numbers of enums, and absent and default values are one there. Only what a message cannot
tell apart (an empty map from an absent one) is asked of the document as it was written.

Paths name fields in lowerCamelCase; `written` turns them into the spelling of the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitsource.model import FieldPath, Problem

SPEC: FieldPath = ("spec",)
_DIGIT = re.compile(r"(?<=[a-z])(\d)")


@dataclass(frozen=True, slots=True)
class Subject:
    """One document that is judged."""

    spec: Any
    """The body message."""
    raw: Mapping[str, Any]
    """The spec as it was written."""
    name: str
    """``metadata.name``."""
    namespace: str
    """``metadata.namespace``, or the default one."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def converted(self) -> bool:
        """Whether it was made of a Gateway API object, on which Istio is less strict (CMN-10)."""
        return "gateway" in (
            self.annotations.get("internal.istio.io/gateway-semantics"),
            self.annotations.get("internal.istio.io/route-semantics"),
        )

    def given(self, *path: str | int) -> bool:
        """Say whether there is anything but null at *path* below the spec, as it was written."""
        value: Any = self.raw
        for step in spelled(self.raw, path):
            try:
                value = value[step]
            except (LookupError, TypeError):
                return False
        return value is not None

    def place(self, path: FieldPath) -> FieldPath:
        """Return *path* of the document if its last step is there, null or not, else its parent."""
        inside: Any = self.raw
        *steps, last = spelled(self.raw, path[1:])
        for step in steps:
            try:
                inside = inside[step]
            except (LookupError, TypeError):
                return path[:-1]
        return path if isinstance(inside, dict) and last in inside else path[:-1]

    def standing(self, path: FieldPath) -> FieldPath:
        """Return *path* of the document as far as it is there, null or not."""
        inside: Any = self.raw
        for number, step in enumerate(spelled(self.raw, path[1:]), 1):
            try:
                inside = inside[step]
            except (LookupError, TypeError):
                return path[:number]
        return path


def error(code: str, path: FieldPath, message: str, *, at_key: bool = False) -> Problem:
    """
    Return what is wrong at *path* of the document; it keeps the revision from going out.

    With *at_key*, it is the key at the end of the path that is wrong, not its value.
    """
    return Problem(code, message, path, "error", at_key)


def warning(code: str, path: FieldPath, message: str, *, at_key: bool = False) -> Problem:
    """Return what deserves a word at *path* of the document, and holds nothing up."""
    return Problem(code, message, path, "warning", at_key)


def spelled(document: Any, path: FieldPath) -> FieldPath:
    """Return *path*, whose fields are in lowerCamelCase, in the spelling of *document*."""
    out: list[str | int] = []
    value = document
    for step in path:
        found: str | int = step
        if isinstance(value, dict) and isinstance(step, str) and step not in value:
            found = next((name for name in _old_names(step) if name in value), step)
        try:
            value = value[found]
        except (LookupError, TypeError):
            value = None
        out.append(found)
    return tuple(out)


def _old_names(step: str) -> tuple[str, ...]:
    """Return how protobuf may declare *step*: consecutive5xxErrors is consecutive_5xx_errors."""
    name = snake(step)
    apart = _DIGIT.sub(r"_\1", name, count=1)
    return (name, apart) if apart != name else (name,)


def snake(name: str) -> str:
    """Return the field *name* as protobuf declares it: ``perTryTimeout`` is per_try_timeout."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def camel(name: str) -> str:
    """Return the field *name* as JSON writes it: the reverse of `snake`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
