"""
Judging a document by the schema of its collection.

A compiled gate (jsonschema-rs) takes microseconds and decides. Only what it refuses is read again
by the reference engine (jsonschema), a hundred times slower, for a full report. Documents and
schemas on which the reference could take long are reported from the gate's own errors.

Rule: the gate's verdict stands. A document it refuses never comes out without a problem, whatever
the reference says; a document it accepts is never looked at twice.

The schemas of Istio's kinds are those of a cluster. A document that one of them refuses is brought
into a cluster's spelling first (`normal`), and the gate asked once more. What a schema says in CEL
is asked last (`cel`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from gitsource.catalog.kinds import Kind
from gitsource.errors import ConfigurationError
from gitsource.model import Problem
from gitsource.validate import cel
from gitsource.validate.faults import Fault, from_gate, from_reference
from gitsource.validate.metadata import identify
from gitsource.validate.normal import normal

if TYPE_CHECKING:
    import jsonschema_rs

RAW_FAULTS = 1000
"""Faults of one document that are looked at; the problems told are far fewer."""
LARGE = 5000
"""Values from which on a document is reported by the gate: the reference takes 20 µs a value."""
MOST_SPELLINGS = 20
"""Spellings that a cluster would refuse that are told of one document."""
_GATE_ONLY = frozenset(("pattern", "patternProperties", "uniqueItems", "unevaluatedProperties"))
"""Keywords by which a document could make the reference slow, or of which it tells too little."""


def problems(value: Any, kind: Kind) -> tuple[Problem, ...]:
    """Return what the schema of *kind* finds wrong with the document *value*."""
    text = kind.schema_text()
    if not kind.builtin:
        return () if _fits(text, value) else _report(value, kind, text)
    if _fits(text, value):
        return tuple(cel.problems(value, _rules(text)))
    value, told = normal(value, kind, _declared(text))
    found = () if _fits(text, value) else _report(value, kind, text)
    broken = [each for each in cel.problems(value, _rules(text)) if not _inside(each, found)]
    return (*told[:MOST_SPELLINGS], *found, *broken)


def _inside(broken: Problem, found: Iterable[Problem]) -> bool:
    """Say whether something else is wrong with the value that a rule is about."""
    size = len(broken.path)
    return any(
        each.path[:size] == broken.path or broken.path[: len(each.path)] == each.path
        for each in found
    )


def _fits(text: str, value: Any) -> bool:
    try:
        return _gate(text).is_valid(value)
    except ValueError:  # a value that JSON does not have, which the report will name
        return False


def _report(value: Any, kind: Kind, text: str) -> tuple[Problem, ...]:
    """Return what is wrong with *value*, which the gate refused."""
    from gitsource.validate.explain import explain

    found: tuple[Problem, ...] = ()
    if (kind.builtin or _harmless(text)) and not _larger(value, LARGE):
        faults = list(islice(_reference_faults(value, text), RAW_FAULTS))
        if not any(fault.keyword == "falseSchema" for fault in faults):  # it loses their places
            found = explain(faults)
    if not found:
        found = explain(islice(_gate_faults(value, text), RAW_FAULTS))
    return _beyond_identity(found, value, kind) if kind.builtin else found


def _reference_faults(value: Any, text: str) -> Iterator[Fault]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    reference = Draft202012Validator(_parsed(text), registry=Registry())
    yield from map(from_reference, reference.iter_errors(value))


def _gate_faults(value: Any, text: str) -> Iterator[Fault]:
    try:
        for error in _gate(text).iter_errors(value):
            yield from_gate(error, value, _parsed(text))
    except ValueError as error:
        yield Fault((), value, "value", None, {}, str(error))


def _beyond_identity(found: tuple[Problem, ...], value: Any, kind: Kind) -> tuple[Problem, ...]:
    """Leave out what `identify` says of the same place, in better words."""
    told = {problem.path for problem in identify(value, kind, "default")[1]}
    return tuple(
        problem
        for problem in found
        if not (
            problem.path in told
            and (problem.path[:1] == ("metadata",) or problem.message.startswith("metadata is"))
        )
    )


def _larger(value: Any, limit: int) -> bool:
    """Say whether *value* holds more than *limit* values."""
    waiting, count = [value], 0
    while waiting and count <= limit:
        item = waiting.pop()
        count += 1
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return count > limit


@lru_cache(maxsize=64)
def _harmless(text: str) -> bool:
    """Say whether the reference may report on what the schema *text* refuses."""
    waiting = [_parsed(text)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if not _GATE_ONLY.isdisjoint(item):
                return False
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return True


# --------------------------------------------------------------------------- schemas


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=64)
def _rules(text: str) -> cel.Check | None:
    return cel.compiled(_parsed(text))


@lru_cache(maxsize=64)
def _declared(text: str) -> frozenset[str]:
    """Return the fields that the schema *text* takes under their declared names too."""
    return frozenset(
        f"{name}.{field}"
        for name, definition in _parsed(text)["$defs"].items()
        for field in definition.get("properties", ())
        if "_" in field
    )


@lru_cache(maxsize=64)
def _gate(text: str) -> jsonschema_rs.Draft202012Validator:
    """Return the compiled schema *text*: linear patterns, no formats, nothing fetched."""
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        _parsed(text),
        pattern_options=jsonschema_rs.RegexOptions(),
        validate_formats=False,
        offline=True,
    )


def check_schema(text: str, where: str) -> None:
    """Raise `ConfigurationError` if the schema *text* (of *where*) cannot be used, saying why."""
    hint = "correct the schema; gitsource takes JSON Schema draft 2020-12 without remote references"
    try:
        schema = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where} is not JSON: {error}", hint=hint) from error
    if not isinstance(schema, dict | bool):
        raise ConfigurationError(f"{where} is not a JSON Schema: it has to be an object", hint=hint)
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError

    from gitsource.validate.soundness import flaws

    try:
        # NB: patterns are left to `flaws`, which knows what the gate takes.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
        for flaw in flaws(schema):
            raise ConfigurationError(f"{where}: {flaw}", hint=hint)
        _gate(text)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "the schema"
        raise ConfigurationError(f"{where}: {place}: {error.message[:300]}", hint=hint) from error
    except RecursionError as error:
        raise ConfigurationError(f"{where} is nested too deep", hint=hint) from error
    except ValueError as error:
        message = str(error).partition("\n")[0][:300]
        raise ConfigurationError(f"{where}: {message}", hint=hint) from error
