"""
Faults → problems: what is wrong, in words for the one who wrote the document.

Rule: one place, one problem, the one that helps most; but every missing and every unknown field is
told by itself. Alternatives (anyOf, oneOf) are told as the faults of the one that was most likely
meant. Values are quoted short and harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.faults import Fault

MOST = 50
"""Problems told of one document; one more says how many there are beyond."""

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "a string",
}
_BOUNDS = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "exclusiveMinimum": "has to be more than {}",
    "exclusiveMaximum": "has to be less than {}",
    "multipleOf": "has to be a multiple of {}",
}
_SIZES = {
    "minItems": (len, "{} values; at least {} are needed"),
    "maxItems": (len, "{} values; at most {} are allowed"),
    "minLength": (len, "{} characters; at least {} are needed"),
    "maxLength": (len, "{} characters; at most {} are allowed"),
    "minProperties": (len, "{} keys; at least {} are needed"),
    "maxProperties": (len, "{} keys; at most {} are allowed"),
}
_TELLING = ("type", "const", "enum")
"""Of several faults of one value, the first of these helps most."""


def explain(faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """Return the problems that *faults* come to, sorted by path."""
    own: dict[tuple[FieldPath, str], Problem] = {}
    ranked: dict[FieldPath, tuple[int, Problem]] = {}
    for fault in faults:
        for leaf in _leaves(fault):
            for problem in _problems(leaf):
                if leaf.keyword == "required" or problem.code != "GS301":
                    own.setdefault((problem.path, problem.message), problem)
                    continue
                telling = leaf.keyword in _TELLING
                rank = _TELLING.index(leaf.keyword) if telling else len(_TELLING)
                if problem.path not in ranked or rank < ranked[problem.path][0]:
                    ranked[problem.path] = rank, problem
    found = [*own.values(), *(problem for _, problem in ranked.values())]
    found.sort(key=lambda problem: ([_order(step) for step in problem.path], problem.message))
    if len(found) > MOST:
        rest = len(found) - MOST
        found[MOST:] = [Problem("GS301", f"{rest} more problems of this document are not told")]
    return tuple(found)


def _order(step: str | int) -> tuple[int, int, str]:
    return (0, step, "") if isinstance(step, int) else (1, 0, step)


# --------------------------------------------------------------------------- alternatives


def _leaves(fault: Fault) -> Iterator[Fault]:
    """Yield the faults that say something about a value: those inside the likeliest alternative."""
    failed = [branch for branch in fault.branches if branch]
    if not failed or len(failed) < len(fault.branches):  # no alternatives, or too many that fit
        yield fault
        return
    if len({_signature(branch) for branch in failed}) == 1 and failed[0][0].keyword == "required":
        yield from failed[0][:1]  # a required field that has several spellings
        return
    best = min(failed, key=lambda branch: _unlikeliness(fault, branch))
    if _mismatched(fault, best):
        yield fault  # not even the likeliest takes a value of this type
        return
    for inner in best:
        yield from _leaves(inner)


def _signature(branch: tuple[Fault, ...]) -> tuple[object, ...]:
    return tuple((fault.path, fault.keyword) for fault in branch)


def _mismatched(fault: Fault, branch: tuple[Fault, ...]) -> bool:
    return any(inner.path == fault.path and inner.keyword in _TELLING for inner in branch)


def _unlikeliness(fault: Fault, branch: tuple[Fault, ...]) -> tuple[bool, int, int]:
    """Order alternatives: a value of another type, a key that tells kinds apart, then fewest."""
    apart = sum(inner.keyword == "const" for inner in branch)
    return _mismatched(fault, branch), apart, len(branch)


# --------------------------------------------------------------------------- one fault


def _problems(fault: Fault) -> Iterator[Problem]:
    if fault.unexpected and fault.keyword in ("additionalProperties", "unevaluatedProperties"):
        known = [key for key in fault.schema.get("properties", {}) if isinstance(key, str)]
        for key in fault.unexpected:
            yield Problem("GS310", _unknown(key, known), (*fault.path, key))
    elif fault.keyword == "required":
        for key in _missing(fault):
            yield Problem("GS301", f"{key} is missing: it is required here", fault.path)
    else:
        clash = _clash(fault)
        if clash:
            first, second = clash
            message = f"{second} cannot stand beside {first}: only one of them may be set"
            yield Problem("GS301", message, (*fault.path, second))
        else:
            yield Problem("GS301", _sentence(fault), fault.path)


def _missing(fault: Fault) -> list[str]:
    wanted = fault.rule if isinstance(fault.rule, list) else []
    there = fault.value if isinstance(fault.value, dict) else {}
    return [str(key) for key in wanted if key not in there]


def _unknown(key: str, known: list[str]) -> str:
    camel = [name for name in known if "_" not in name] or known
    plain = {name.lower(): name for name in camel}
    near = get_close_matches(key.lower(), plain, 1)
    if near:
        return f"unknown field {shown(key)}: did you mean {plain[near[0]]}?"
    listed = ", ".join(camel[:12]) + (", …" if len(camel) > 12 else "")
    return f"unknown field {shown(key)}" + (f": the fields here are {listed}" if listed else "")


def _clash(fault: Fault) -> tuple[str, str] | None:
    """Return the two keys that may not stand together, in the order they were written in."""
    if fault.keyword != "not" or not isinstance(fault.value, dict):
        return None
    rule = fault.rule if isinstance(fault.rule, dict) else {}
    for arm in (rule, *rule.get("anyOf", ())):
        names = arm.get("required") if isinstance(arm, dict) else None
        if isinstance(names, list) and len(names) == 2 and all(n in fault.value for n in names):
            first, second = (key for key in fault.value if key in names)
            return first, second
    return None


def _sentence(fault: Fault) -> str:  # noqa: PLR0911 - one a family of keywords
    keyword, rule, value = fault.keyword, fault.rule, fault.value
    described = _described(fault)
    if described:
        return f"expected {described}, not {shown(value)}"
    if keyword == "type":
        return f"expected {_types(rule)}, not {shown(value)}"
    if keyword in ("enum", "const"):
        return _choices(rule if keyword == "enum" else [rule], value)
    if keyword in _BOUNDS:
        return f"{_BOUNDS[keyword].format(shown(rule))}, not {shown(value)}"
    if keyword in _SIZES:
        measure, sentence = _SIZES[keyword]
        text = f": {shown(value)}" if isinstance(value, str) else ""
        return sentence.format(measure(value), shown(rule)) + text
    if keyword == "pattern":
        return f"{shown(value)} does not match the pattern {shown(rule)}"
    if keyword in ("anyOf", "oneOf"):
        return _alternatives(fault)
    if keyword == "falseSchema":
        return f"nothing may stand here, but {shown(value)} does"
    return f"{shown(value)} breaks the rule {keyword}: {shown(fault.message)}"


def _described(fault: Fault) -> str:
    """Return what the schema says of a text with a pattern: that tells more than the pattern."""
    told = fault.schema.get("description")
    if fault.keyword not in ("type", "pattern", "not") or "pattern" not in fault.schema:
        return ""
    return told[:1].lower() + told[1:].rstrip(".") if isinstance(told, str) else ""


def _types(rule: Any) -> str:
    named = [_TYPES.get(name, str(name)) for name in (rule if isinstance(rule, list) else [rule])]
    return " or ".join(name for name in named if name != "null" or len(named) == 1)


def _choices(rule: list[Any], value: Any) -> str:
    texts = [choice for choice in rule if isinstance(choice, str)]
    choices = texts or rule
    listed = ", ".join(str(c) if isinstance(c, str) else shown(c) for c in choices[:20])
    near = get_close_matches(str(value).upper(), texts, 1) if isinstance(value, str) else []
    hint = f": did you mean {near[0]}?" if near else ""
    what = "one of " if len(choices) > 1 else ""
    return f"expected {what}{listed}{', …' if len(choices) > 20 else ''}, not {shown(value)}{hint}"


def _alternatives(fault: Fault) -> str:
    fitting = sum(not branch for branch in fault.branches)
    if fault.keyword == "oneOf" and fitting != 1 and not all(fault.branches):
        return f"{shown(fault.value)} fits more than one of the alternatives; it has to fit one"
    rules = [
        inner.rule
        for branch in fault.branches
        for inner in branch
        if inner.keyword == "type" and inner.path == fault.path
    ]
    if rules and len(rules) == len(fault.branches):
        return (
            f"expected {' or '.join(dict.fromkeys(map(_types, rules)))}, not {shown(fault.value)}"
        )
    return f"{shown(fault.value)} fits none of the alternatives"
