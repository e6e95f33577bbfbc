"""
Istio's rules for a document: which module judges its kind, and what the schema said already.

Rule: one place, one reason. Where a rule of Istio's speaks of a value, the schema's own finding of
the same value is left out, since the rule says what to do. Each module has ``check`` (a generator
of problems of a `Subject`) and ``NULLS`` (what a null in a list or map is called, by place). One
whose rules speak of fields that exclude each other has ``ONEOFS``: what both of them are called.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

from gitsource.catalog import Kind
from gitsource.model import FieldPath, Problem
from gitsource.validate.cel import Broken
from gitsource.validate.istio import common
from gitsource.validate.istio.subject import SPEC, Subject, camel

_CEL = "GS312"
_OLD = "GS315"
SOFT = frozenset(("GS301", _CEL))
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
    # NB: a CEL rule speaks of the mapping that holds the value at fault, ours of the value.
    holding = {path[:-1] for path in better}
    spoken = {problem.path for problem in told}
    kept = (
        problem
        for problem in by_schema
        if not (problem.code == _OLD and problem.path in spoken)
        if problem.code not in SOFT
        or (
            problem.path not in better
            and not (problem.code == _CEL and problem.path in holding)
            and not _repeated(problem, told)
        )
    )
    return (*kept, *told)


def _repeated(problem: Problem, told: Iterable[Problem]) -> bool:
    """Say whether a rule that is known to say the same has spoken of that node, or inside it."""
    if not isinstance(problem, Broken) or not problem.same:
        return False
    path = tuple(camel(step) if isinstance(step, str) else step for step in problem.path)
    size = len(path)
    return any(
        each.code in problem.same
        and each.severity == "error"
        and (each.path[:size] == path or path[: len(each.path)] == each.path)
        for each in told
    )


def named(kind: Kind, value: Any, found: Iterable[Problem]) -> tuple[Problem, ...]:
    """
    Return *found* under the rules of Istio's that say the same.

    These are about nulls in lists and maps, and about fields that exclude each other: with them no
    message can be made of the document, so the rules themselves cannot be asked.
    """
    if not kind.rules:
        return tuple(found)
    module = _module(kind)
    oneofs = getattr(module, "ONEOFS", {})
    return tuple(_exclusive(_named(one, value, module.NULLS), value, oneofs) for one in found)


def _exclusive(problem: Problem, value: Any, oneofs: dict[tuple[str, ...], str]) -> Problem:
    if problem.code != "GS301" or problem.path[:1] != SPEC or len(problem.path) != 2:
        return problem
    spec = value["spec"]
    for names, code in oneofs.items():
        if problem.path[1] in names and all(spec.get(name) is not None for name in names):
            return Problem(code, problem.message, problem.path)
    return problem


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
