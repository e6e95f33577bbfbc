"""
What a schema engine finds, in one form for both engines.

The gate (jsonschema-rs) decides; the reference (jsonschema) reports. Where the reference may not be
let near a document the gate's own errors are reported, so both are brought into the form that
`gitsource.validate.explain` puts into words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitsource.model import FieldPath

if TYPE_CHECKING:
    import jsonschema
    import jsonschema_rs


@dataclass(frozen=True, slots=True)
class Fault:
    """One keyword of a schema that one value does not satisfy."""

    path: FieldPath
    """Where the value stands in the document."""
    value: Any = field(repr=False)
    keyword: str
    """``falseSchema`` where no value is allowed at all."""
    rule: Any = field(repr=False)
    """What the schema says under the keyword."""
    schema: Mapping[str, Any] = field(repr=False)
    """The schema object in which the keyword stands."""
    message: str = field(default="", repr=False)
    """The engine's own words."""
    branches: tuple[tuple[Fault, ...], ...] = field(default=(), repr=False)
    """For anyOf and oneOf: what is wrong with each alternative; an empty one fits."""
    unexpected: tuple[str, ...] = ()
    """For keys that are not allowed: which they are."""


def from_reference(error: jsonschema.ValidationError) -> Fault:
    """Return an error of jsonschema as a fault."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    keyword = str(error.validator) if isinstance(error.validator, str) else "falseSchema"
    branches: tuple[tuple[Fault, ...], ...] = ()
    if keyword in ("anyOf", "oneOf") and isinstance(error.validator_value, list):
        found: list[list[Fault]] = [[] for _ in error.validator_value]
        for inner in error.context or []:
            found[int(inner.schema_path[0])].append(from_reference(inner))
        branches = tuple(map(tuple, found))
    unexpected: tuple[str, ...] = ()
    if keyword in ("additionalProperties", "unevaluatedProperties") and isinstance(
        error.instance, dict
    ):
        known = schema.get("properties", {})
        unexpected = tuple(key for key in error.instance if key not in known)
    return Fault(
        tuple(error.absolute_path),
        error.instance,
        keyword,
        error.validator_value,
        schema,
        error.message,
        branches,
        unexpected,
    )


def from_gate(error: jsonschema_rs.ValidationError, document: Any, schema: Any) -> Fault:
    """Return an error of jsonschema-rs as a fault; *document* and *schema* are the roots."""
    path = tuple(error.instance_path)
    where = list(error.schema_path)
    keyword = error.kind.name
    parent = _at(schema, where if keyword == "falseSchema" else where[:-1])
    context = getattr(error.kind, "context", ())
    return Fault(
        path,
        _at(document, path),
        keyword,
        _at(schema, where),
        parent if isinstance(parent, dict) else {},
        error.message,
        tuple(tuple(from_gate(inner, document, schema) for inner in each) for each in context),
        tuple(map(str, getattr(error.kind, "unexpected", ()))),
    )


def _at(value: Any, path: Iterable[str | int]) -> Any:
    """Return what stands at *path*, None if nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
