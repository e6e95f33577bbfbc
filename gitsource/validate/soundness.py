"""
Whether a schema that a user gave may be let near documents.

Rule: judging fetches nothing, always ends, and both engines understand every word. So references
stay inside the schema, lead somewhere, never back to where they started, and do not multiply
without end; and patterns are of the kind that a linear engine takes (no look-around, no
back-references), and that other engines finish with, too (`patterns`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from gitsource.model import shown
from gitsource.validate.patterns import slow

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEEPEST = 200
_STEPS = 10_000
_ONE = (  # keywords whose value is a schema
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
    *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_IN_PLACE = frozenset(("if", "then", "else", "not", "allOf", "anyOf", "oneOf", "dependentSchemas"))
"""Keywords whose schemas judge the same value again."""


def flaws(schema: Any) -> Iterator[str]:
    """Yield what speaks against *schema*, which is a valid JSON Schema in form."""
    if isinstance(schema, dict) and schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
        yield f"$schema is {shown(schema['$schema'])}: only draft 2020-12 is taken ({DIALECT})"
        return
    places = {id(place.schema): place for place in _places(schema)}
    anchors = {place.schema["$anchor"]: place.schema for place in places.values() if place.anchor}
    edges: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for node, place in places.items():
        yield from _refused_words(place)
        edges[node] = place.inside
        below[node] = place.below
        if "$ref" in place.schema:
            target = _target(schema, place.schema["$ref"], anchors)
            if isinstance(target, str):
                yield f"{place.path}/$ref: {target}"
            elif isinstance(target, dict) and id(target) not in places:
                yield f"{place.path}/$ref: leads to what is no schema: put schemas under $defs"
            else:
                edges[node] = [*place.inside, id(target)]
    node, told = _unbounded(edges, below)
    if told:
        yield f"{places[node].path or '#'}: {told}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A schema object inside a schema."""

    path: str
    """JSON pointer."""
    schema: dict[str, Any]
    inside: list[int]
    """The objects in it that judge the same value again, by id."""
    below: list[int]
    """Those that judge a value inside it."""

    @property
    def anchor(self) -> bool:
        return isinstance(self.schema.get("$anchor"), str)


def _places(root: Any) -> Iterator[_Place]:
    waiting: list[tuple[str, Any, int]] = [("", root, 0)]
    while waiting:
        path, schema, depth = waiting.pop()
        if depth > _DEEPEST:
            raise RecursionError
        if not isinstance(schema, dict):
            continue
        inside: list[int] = []
        below: list[int] = []
        for keyword, value in schema.items():
            parts: list[tuple[str, Any]] = []
            if keyword in _ONE:
                parts = [("", value)]
            elif keyword in _MANY and isinstance(value, list):
                parts = [(f"/{index}", part) for index, part in enumerate(value)]
            elif keyword in _NAMED and isinstance(value, dict):
                parts = [(f"/{name}", part) for name, part in value.items()]
            objects = [id(part) for _, part in parts if isinstance(part, dict)]
            if keyword in _IN_PLACE:
                inside += objects
            elif keyword not in ("$defs", "definitions"):
                below += objects
            waiting += [(f"{path}/{keyword}{step}", part, depth + 1) for step, part in parts]
        yield _Place(path, schema, inside, below)


def _refused_words(place: _Place) -> Iterator[str]:
    if "$dynamicRef" in place.schema:
        yield f"{place.path}/$dynamicRef: dynamic references are not taken: use $ref"
    if "$id" in place.schema and place.path:
        yield f"{place.path}/$id: only the whole schema may have an $id: use $defs and $anchor"
    for pattern in _patterns(place.schema):
        told = _unreadable(pattern)
        if told:
            yield f"{place.path}: the pattern {shown(pattern)} is not taken: {told}"


def _target(root: Any, reference: Any, anchors: dict[str, Any]) -> Any:
    """Return the schema that *reference* names, or a sentence on why there is none."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return (
            f"{shown(reference)} leads out of the schema: nothing is fetched, so put what it names "
            "under $defs and refer to it by #/$defs/…"
        )
    name = unquote(reference[1:])
    target: Any = root
    if name and not name.startswith("/"):
        target = anchors.get(name)
    else:
        for step in name.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
                target = target[int(key)]
            else:
                target = target.get(key) if isinstance(target, dict) else None
    if isinstance(target, dict | bool):
        return target
    return f"{shown(reference)} leads nowhere in the schema"


def _patterns(schema: dict[str, Any]) -> Iterator[str]:
    if isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    if isinstance(schema.get("patternProperties"), dict):
        yield from schema["patternProperties"]


def _unreadable(pattern: str) -> str:
    """Say why *pattern* is not taken, or nothing."""
    import jsonschema_rs

    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    try:
        jsonschema_rs.Draft202012Validator(
            {"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except ValueError:
        return "look-around, back-references and huge repeats cannot be matched in linear time"
    return slow(pattern)


def _unbounded(edges: dict[int, list[int]], below: dict[int, list[int]]) -> tuple[int, str]:
    """
    Return a node from which judging may never end, or takes too many steps, and why.

    *edges* lead to what judges the same value, *below* to what judges a value inside it.
    """
    try:
        order = list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return error.args[1][0], "the reference leads back to itself, so judging never ends"
    try:
        TopologicalSorter({node: [*edges[node], *below[node]] for node in edges}).prepare()
    except CycleError as error:
        told = (
            "the schema refers to itself, so documents decide how long judging takes: write out as "
            "many levels as they have"
        )
        return error.args[1][0], told
    steps: dict[int, int] = {}
    for node in order:
        steps[node] = 1 + sum(steps[following] for following in edges.get(node, ()))
        if steps[node] > _STEPS:
            return node, f"judging one value takes more than {_STEPS} schemas"
    return 0, ""
