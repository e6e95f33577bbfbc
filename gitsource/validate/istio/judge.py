"""
Istio's rules for a document: which module judges its kind, and what the schema said already.

Rule: one place, one reason. Where a rule of Istio's speaks of a value, the schema's own finding of
the same value is left out, since the rule says what to do. Each module has ``check`` (a generator
of problems of a `Subject`) and ``NULLS`` (what a null in a list or map is called, by place).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

from gitsource.catalog import Kind
from gitsource.model import FieldPath, Problem
from gitsource.validate.istio import common
from gitsource.validate.istio.subject import Subject, camel

SOFT = frozenset(("GS301", "GS312"))
"""What the schema and its CEL rules say: a rule of Istio's says it better."""


@cache
def _module(kind: Kind) -> Any:
    return import_module(f"gitsource.validate.istio.{kind.rules}")


def problems(kind: Kind, subject: Subject) -> tuple[Problem, ...]:
    """Return what Istio's rules for *kind* find wrong with *subject*."""
    own = _module(kind).check(subject) if kind.rules else ()
    return (*common.check(kind, subject), *own)


def merged(by_schema: Iterable[Problem], by_rules: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return all of these, without what the schema says of a value that a rule speaks of."""
    told = tuple(by_rules)
    better = {problem.path for problem in told if problem.severity == "error"}
    kept = (p for p in by_schema if p.code not in SOFT or p.path not in better)
    return (*kept, *told)


def named(kind: Kind, value: Any, found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return *found* with each null in a list or map under the rule of Istio's that refuses it."""
    if not kind.rules:
        return tuple(found)
    nulls = _module(kind).NULLS
    return tuple(_named(problem, value, nulls) for problem in found)


def _named(problem: Problem, value: Any, nulls: dict[str, str]) -> Problem:
    if problem.code != "GS301" or not problem.path:
        return problem
    item = value
    for step in problem.path:
        try:
            item = item[step]
        except (LookupError, TypeError):
            return problem
    code = nulls.get(_pattern(problem.path)) if item is None else None
    return Problem(code, problem.message, problem.path) if code else problem


def _pattern(path: FieldPath) -> str:
    """Return *path*, which ends in a list or map, below the spec: ``http.*.match.*.headers.*``."""
    steps = ("*" if isinstance(step, int) else camel(step) for step in path[1:-1])
    return ".".join((*steps, "*"))
