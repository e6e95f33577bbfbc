"""
Rules that stand in the repository: documents of the kind SinkPolicy.

Rule: a document says what an entry of `authorization.policy` says, in the same words, and its
schema is made of the declarations of the settings, so that the two cannot differ. The collection
they are in travels with the snapshot and is never sent to a sink. One that cannot be read any more
allows nothing. No I/O.

    apiVersion: gitsource.dev/v1
    kind: SinkPolicy
    metadata: {name: shop}
    spec:
      rules:
      - to: {spiffe: ["spiffe://prod/ns/shop/sa/*"]}
        resources: {namespaces: [shop]}
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from gitsource.catalog.kinds import STRUCT, Kind
from gitsource.model import Collection, Problem, Resource
from gitsource.security.authorize.rules import Book, Rules, book, faults, listed
from gitsource.settings.rights import Authorization, Rule
from gitsource.settings.units import Globs, Words
from gitsource.settings.views import ViewRow

COLLECTION = "gitsource/v1/sinkpolicies"
"""The collection that no sink is ever sent."""
API_VERSION = "gitsource.dev/v1"
KIND = "SinkPolicy"
CODE = "GS318"
"""Of what is wrong with a rule beyond its form."""
MOST_TOGETHER = 4000
"""
Names, patterns and labels in the rules of all documents together: what they come to is worked out
where sinks are served, so whoever may push must not make that take long.
"""

_TOO_MANY = (
    f"with it the rules of all documents have more than {MOST_TOGETHER} names, patterns and labels "
    "together: join rules, use wider patterns, or put some into the settings"
)

T = TypeVar("T")


def kind(path: str) -> Kind:
    """Return the row of the catalog for the documents of the files that *path* matches."""
    return Kind(
        collection=COLLECTION,
        body=STRUCT,
        kind=KIND,
        path=path,
        namespaced=False,
        rank=0,
        builtin=False,
        schema=json.dumps(schema()),
    )


# --------------------------------------------------------------------------- from documents


def rules_of(spec: Any) -> tuple[Rule, ...]:
    """Return the rules of the *spec* of a document; raises ValueError if they are none."""
    told = spec.get("rules") if isinstance(spec, Mapping) else None
    if not isinstance(told, list):
        raise ValueError("a SinkPolicy has a list of rules")  # noqa: TRY004 - one for all forms
    return tuple(_made(Rule, one) for one in told)


def _made(of: type[T], told: Any) -> T:
    if not isinstance(told, Mapping):
        raise ValueError(f"expected a mapping, found {told!r:.80}")  # noqa: TRY004 - see above
    hints: Mapping[str, Any] = _hints(of)  # type: ignore[arg-type] # mypy takes T for unhashable
    if strange := told.keys() - hints.keys():
        raise ValueError(f"unknown key {min(strange)!r:.80}")
    return of(**{name: _value(hints[name], value) for name, value in told.items()})


def _value(hint: Any, told: Any) -> Any:
    if is_dataclass(hint):
        return _made(typing.cast("type[Any]", hint), told)
    if hint is Words and isinstance(told, list) and all(isinstance(one, str) for one in told):
        return Words(tuple(told))
    texts = told.values() if isinstance(told, Mapping) else ()
    if hint is Globs and texts and all(isinstance(one, str) for one in texts):
        return Globs(tuple(sorted(typing.cast("Mapping[str, str]", told).items())))
    if told in (get_args(hint) if get_origin(hint) is Literal else ()):
        return told
    if hint is str and isinstance(told, str):
        return told
    raise ValueError(f"cannot be {told!r:.80}")


@lru_cache
def _hints(of: type[Any]) -> Mapping[str, Any]:
    return typing.get_type_hints(of)


def problems(value: Any, of: Kind) -> tuple[Problem, ...]:
    """Return what is wrong with the rules of a document of the kind *of*, beyond its schema."""
    if of.collection != COLLECTION or not isinstance(value, dict):
        return ()
    try:
        rules = rules_of(value.get("spec"))
    except ValueError:
        return ()  # the schema says so, and where
    return tuple(
        Problem(CODE, text, ("spec", "rules", *path)) for path, text in faults(rules, None)
    )


# --------------------------------------------------------------------------- from snapshots


def in_force(policies: Collection, views: Sequence[ViewRow]) -> tuple[Rules, ...]:
    """
    Return the rules of the collection *policies*, a list for each document.

    Raises ValueError for what can no longer be read, and then none of them is to count.
    """
    found = []
    together = 0
    for resource in policies:
        spec = _spec(resource)
        rules = rules_of(spec)
        together += _words(spec)
        if together > MOST_TOGETHER:
            raise ValueError(f"{resource.name}: {_TOO_MANY}")
        for _, text in faults(rules, None):
            raise ValueError(f"{resource.name}: {text}")
        # What a rule grants goes with its view; what it takes from others must not come back so.
        for name in _taken(rules) - {view.name for view in views}:
            raise ValueError(f"{resource.name}: there is no view {name}, of which a rule takes")
        found.append(listed(rules, views, resource.name))
    return tuple(found)


def crowd(policies: Collection) -> Iterator[tuple[Resource, str]]:
    """Yield the document with which the rules of *policies* become too many, and what is wrong."""
    together = 0
    for resource in policies:
        before, together = together, together + _words(_spec(resource))
        if before <= MOST_TOGETHER < together:
            yield resource, _TOO_MANY


def _words(told: Any) -> int:
    """Return how many texts there are in *told*, at any depth."""
    if isinstance(told, Mapping):
        return sum(map(_words, told.values()))
    return sum(map(_words, told)) if isinstance(told, list) else 1


def _taken(rules: Sequence[Rule]) -> set[str]:
    """Return the views of which *rules* take what they show from somebody."""
    return {name for one in rules if one.effect != "allow" for name in one.resources.views}


def standing(
    settings: Authorization, views: Sequence[ViewRow], collections: Mapping[str, Collection]
) -> Book | None:
    """
    Return the rules in force where *settings* and *views* are, and *collections* are served.

    None if there are none, and everybody may receive everything (unless all have to prove who they
    are, which is not looked at here). Raises ValueError if those in the repository cannot be read.
    """
    if not (settings.policy or settings.repository_file):
        return None
    policies = collections.get(COLLECTION) if settings.repository_file else None
    return book(settings, views, in_force(policies, views) if policies is not None else ())


def _spec(resource: Resource) -> Any:
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.struct_pb2 import Struct

    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope

    body = Struct()
    if not Envelope.FromString(resource.wire).body.Unpack(body):
        raise ValueError(f"{resource.name} is no SinkPolicy")
    return MessageToDict(body)


# --------------------------------------------------------------------------- the schema


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a whole document."""
    metadata = {"type": "object"}
    spec = _object({"rules": {"type": "array", "items": _schema(Rule)}}, ("rules",))
    told = {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": KIND},
        "metadata": metadata,
        "spec": spec,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "Which sinks may receive what, within the ceiling of the settings.",
        **_object(told, ("apiVersion", "kind", "spec")),
    }


def _object(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    form: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    form["additionalProperties"] = False
    return form | ({"required": list(required)} if required else {})


def _schema(of: type) -> dict[str, Any]:
    hints = _hints(of)
    needs = ("to", "resources") if of is Rule else ()
    form = _object({name: _form(hints[name]) for name in _names(of)}, needs)
    return form if of is Rule else form | {"minProperties": 1}


def _names(of: type) -> Iterator[str]:
    return (one.name for one in fields(of))


def _form(hint: Any) -> dict[str, Any]:
    if is_dataclass(hint):
        return _schema(typing.cast("type", hint))
    if hint is Words:
        return {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
    if hint is Globs:
        text = {"type": "string", "minLength": 1}
        return {"type": "object", "additionalProperties": text, "minProperties": 1}
    if get_origin(hint) is Literal:
        return {"enum": [one for one in get_args(hint) if one is not NoneType]}
    return {"type": "string"}
