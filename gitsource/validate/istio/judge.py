"""
Istio's rules for a document: which module judges its kind, and what the schema said already.

Rule: one place, one reason. Where a rule of Istio's speaks of a value, the schema's own finding of
the same value is left out, since the rule says what to do. Each module has ``check`` (a generator
of problems of a `Subject`) and ``NULLS`` (what a null in a list or map is called, by place). One
whose rules speak of fields that exclude each other has ``ONEOFS``: what both of them are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from gitsource.catalog.kinds import Kind
from gitsource.model import FieldPath, Problem
from gitsource.validate.cel import Broken
from gitsource.validate.istio import every_kind
from gitsource.validate.istio.subject import SPEC, Subject, camel

_OLD = "GS315"
SOFT = frozenset(("GS301", "GS312"))
"""What the schema and its CEL rules say: a rule of Istio's says it better."""
MOST = 100
"""Errors that are told of one document, and as many warnings: each is looked up in the text."""


@cache
def _module(rules: str) -> Any:
    return import_module(f"gitsource.validate.istio.{rules}")


def problems(kind: Kind, subject: Subject) -> tuple[Problem, ...]:
    """Return what Istio's rules for *kind* find wrong with *subject*."""
    own = _module(kind.rules).check(subject) if kind.rules else ()
    placed = (_standing(subject, problem) for problem in _first(own))
    return (*every_kind.check(kind, subject), *placed)


def _standing(subject: Subject, problem: Problem) -> Problem:
    """Return *problem* at what lacks the field, if it is about one that was left out."""
    if problem.at_key or problem.path[:1] != SPEC or len(problem.path) == 1:
        return problem
    path = subject.standing(problem.path)
    return problem if path is problem.path else replace(problem, path=path)


def _first(found: Iterable[Problem]) -> Iterator[Problem]:
    """Yield *found* up to `MOST` errors, and as many warnings: the author reads no more at once."""
    errors = warnings = 0
    for problem in found:
        if problem.severity == "error":
            yield problem
            errors += 1
            if errors == MOST:
                return
        elif warnings < MOST:
            yield problem
            warnings += 1


def merged(by_schema: Iterable[Problem], by_rules: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return all of these, without what the schema says of a value that a rule speaks of."""
    told = tuple(by_rules)
    by_schema = tuple(by_schema)
    if not by_schema:
        return told
    better = {problem.path for problem in told if problem.severity == "error"}
    spoken = {problem.path for problem in told}
    kept = (
        problem
        for problem in by_schema
        if not (problem.code == _OLD and problem.path in spoken)
        if problem.code not in SOFT or (problem.path not in better and not _repeated(problem, told))
    )
    return (*kept, *told)


def _repeated(problem: Problem, told: Iterable[Problem]) -> bool:
    """
    Say whether a rule of ours says what a rule of the schema says: the same of that node or inside.

    One whose twin is not known is taken to be of the error right below its node, if there is one.
    """
    if not isinstance(problem, Broken):
        return False
    path = _camel(problem.path)
    size = len(path)
    ours = ((each.code, _camel(each.path)) for each in told if each.severity == "error")
    if not problem.same:
        return any(at[:-1] == path for _, at in ours)
    return any(
        code in problem.same and (at[:size] == path or path[: len(at)] == at) for code, at in ours
    )


def _camel(path: FieldPath) -> FieldPath:
    return tuple(camel(step) if isinstance(step, str) else step for step in path)


def named(kind: Kind, value: Any, found: Iterable[Problem]) -> tuple[Problem, ...]:
    """
    Return *found* under the rules of Istio's that say the same.

    These are about nulls in lists and maps, and about fields that exclude each other: with them no
    message can be made of the document, so the rules themselves cannot be asked.
    """
    found = tuple(found)
    if not found or not kind.rules:
        return found
    module = _module(kind.rules)
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
