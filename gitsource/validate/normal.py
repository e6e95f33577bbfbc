"""
A document as a cluster would take it, of one that Istio takes: one spelling of each value.

Istio's reader is wider than its custom resource definitions: it takes fields as they are declared
(``mirror_percentage``), enums by number, and numbers in quotes. The schemas are those of the
definitions. What only the reader takes is rewritten here before the schema judges it, and told as a
warning, since the document cannot be applied to a cluster as it is written.

Rule: a rewritten value is the one that would be encoded, or it is left as it was. Nothing is said
of nulls: an unset field is left out by a cluster too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gitsource.catalog.kinds import Kind, body_descriptor
from gitsource.encode.scalars import Refused, number, whole_number
from gitsource.model import FieldPath, Problem, shown

Told: TypeAlias = list[Problem]
Change: TypeAlias = Callable[[Any, FieldPath, Told], Any]
"""Returns the normal form of a value that stands at a path, and tells what it changed."""

WHOLE = frozenset(
    (
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    )
)
BROKEN = frozenset((FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT))


def normal(value: Any, kind: Kind, accepted: frozenset[str]) -> tuple[Any, tuple[Problem, ...]]:
    """
    Return the document *value* in normal form, and what is to be said of how it is written.

    *accepted*: full names of fields that the schema takes as they are declared too.
    """
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return value, ()
    told: Told = []
    change = _message(kind.body, accepted)
    return {**value, "spec": change(spec, ("spec",), told)}, tuple(told)


@cache
def _message(body: str, accepted: frozenset[str]) -> Change:
    return _Compiler(accepted).message(body_descriptor(body))


class _Compiler:
    def __init__(self, accepted: frozenset[str]) -> None:
        self._accepted = accepted
        self._known: dict[str, Change] = {}

    def message(self, descriptor: Descriptor) -> Change:
        name = descriptor.full_name
        if name in self._known:
            return self._known[name]
        table: dict[str, tuple[str, Change | None]] = {}
        self._known[name] = change = _fields(table)
        for field in descriptor.fields:
            inner = self._field(field)
            table[field.json_name] = (field.json_name, inner)
            taken = field.full_name in self._accepted
            table.setdefault(field.name, (field.name if taken else field.json_name, inner))
        return change

    def _field(self, field: FieldDescriptor) -> Change | None:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            inner = self._single(kind.fields_by_name["value"])
            return inner and _mapping(inner)
        inner = self._single(field)
        return inner and (_sequence(inner) if field.is_repeated else inner)

    def _single(self, field: FieldDescriptor) -> Change | None:
        kind = field.message_type
        if kind is None:
            return _scalar(field)
        if kind.full_name.startswith("google.protobuf."):
            wrapped = kind.name.endswith("Value") and "value" in kind.fields_by_name
            return _scalar(kind.fields_by_name["value"]) if wrapped else None
        return self.message(kind)


def _fields(table: dict[str, tuple[str, Change | None]]) -> Change:
    def change(value: Any, path: FieldPath, told: Told) -> Any:
        if type(value) is not dict:
            return value
        out: dict[str, Any] = {}
        first: dict[str, str] = {}
        for key, item in value.items():
            name, inner = table.get(key, (key, None))
            if item is None and key in table:
                continue
            if name in first:
                message = f"{shown(key)} cannot stand beside {first[name]}: they are one field"
                told.append(Problem("GS301", message, (*path, key), at_key=True))
                continue
            first[name] = key
            if name != key:
                told.append(_misspelt(key, name, path))
            out[name] = item if inner is None else inner(item, (*path, key), told)
        return out

    return change


def _misspelt(key: str, name: str, path: FieldPath) -> Problem:
    message = f"a cluster does not know {key}, though Istio reads it: write {name}"
    return Problem("GS313", message, (*path, key), "warning", at_key=True)


def _sequence(inner: Change) -> Change:
    def change(value: Any, path: FieldPath, told: Told) -> Any:
        if type(value) is not list:
            return value
        return [inner(item, (*path, index), told) for index, item in enumerate(value)]

    return change


def _mapping(inner: Change) -> Change:
    def change(value: Any, path: FieldPath, told: Told) -> Any:
        if type(value) is not dict:
            return value
        return {key: inner(item, (*path, key), told) for key, item in value.items()}

    return change


def _scalar(field: FieldDescriptor) -> Change | None:
    if field.enum_type is not None:
        names = {each.number: each.name for each in reversed(field.enum_type.values)}
        return _rewritten((int, float), lambda value: names.get(value, value))
    if field.cpp_type in WHOLE:
        return _rewritten((str,), whole_number(-(2**63), 2**64 - 1))
    return _rewritten((str,), number) if field.cpp_type in BROKEN else None


def _rewritten(types: tuple[type, ...], read: Callable[[Any], Any]) -> Change:
    """Return what rewrites values of *types* as *read* reads them."""

    def change(value: Any, path: FieldPath, told: Told) -> Any:
        if type(value) not in types:
            return value
        try:
            found = read(value)
        except Refused:
            return value
        if type(found) is not type(value):
            message = f"a cluster refuses {shown(value)} here, though Istio reads it: write {found}"
            told.append(Problem("GS314", message, path, "warning"))
        return found

    return change
