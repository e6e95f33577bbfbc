"""
Warnings that a document asks to be let alone: ``gitsource.dev/suppress: "VS-54, GS113"``.

Rule: only warnings can be suppressed, one code at a time and for one resource; they are still told,
apart from the others. What suppresses nothing that exists is itself a warning, since somebody
believes in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gitsource.codes.table import CODES
from gitsource.model import Problem, shown

ANNOTATION = "gitsource.dev/suppress"
_PATH = ("metadata", "annotations", ANNOTATION)
_BETWEEN = re.compile(r"[\s,]+")
MOST = 50
"""Codes that one annotation may name."""


def suppressed(annotations: Mapping[str, str]) -> frozenset[str]:
    """Return the codes of the warnings that *annotations* ask to be let alone."""
    return frozenset(_named(annotations)) if ANNOTATION in annotations else frozenset()


def lets_alone(value: Any, problem: Problem) -> bool:
    """Say whether the document *value*, of no known kind, asks to be let alone with *problem*."""
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    told = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if problem.severity != "warning" or not isinstance(told, str):
        return False
    return problem.code in suppressed({ANNOTATION: told})


def _named(annotations: Mapping[str, str]) -> list[str]:
    text = annotations.get(ANNOTATION, "")
    return [code for code in _BETWEEN.split(text, MOST)[:MOST] if code]


def problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each code of the annotation that can suppress nothing."""
    if ANNOTATION not in annotations:
        return
    named = _named(annotations)
    if not named:
        message = "the annotation names no code: write one, such as VS-54, or remove it"
        yield Problem("GS330", message, _PATH, "warning")
    for code in named:
        row = CODES.get(code)
        if row is None:
            message = f"there is no finding {shown(code)}: `gitsource explain rule` lists all"
            yield Problem("GS330", message, _PATH, "warning")
