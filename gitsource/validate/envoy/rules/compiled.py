"""
What a message of Envoy's asks of its fields, read once from its descriptor.

Rule: it follows protoc-gen-validate as Envoy is built with it. Members of a oneof, messages and
wrapped numbers are judged if they are given; every other value is judged always, also by its
default. What a descriptor says is read when the first such message is judged, and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import Default

from gitsource.messages import known
from gitsource.messages.opened import ANY
from gitsource.validate.envoy.rules import values
from gitsource.validate.envoy.rules.semantics import TABLE
from gitsource.validate.envoy.rules.values import Test

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

DURATION = "google.protobuf.Duration"


class Form(Enum):
    """How a value is judged."""

    PLAIN = auto()
    WRAPPED = auto()
    """A message around a number, a boolean or text."""
    MESSAGE = auto()
    """One that has rules of its own, or an Any."""


class Shape(Enum):
    """How many values a field has."""

    ONE = auto()
    LIST = auto()
    MAP = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """What is asked of one field."""

    name: str
    """As Envoy's documentation has it."""
    step: str
    """As paths have it."""
    full_name: str
    presence: bool
    """Whether it can be told from its default that it was given."""
    shape: Shape
    form: Form
    whole: tuple[Test, ...]
    """Tests of the list or map."""
    keys: tuple[Test, ...]
    each: tuple[Test, ...]
    """Tests of the value, or of each."""
    deprecated: str
    """What is said if it is given: empty, or `DEPRECATED` or `GONE`."""
    old: Mapping[int, tuple[str, str]]
    """Values of its enum that are deprecated: their names, and the same."""

    @property
    def tested(self) -> bool:
        """Whether there is any test."""
        return bool(self.whole or self.keys or self.each)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a message."""

    label: str
    packed: bool
    """Whether it is an Any."""
    related: bool
    """Whether there is more to ask of it than its rules say."""
    strict: bool
    """Whether anything is asked of it besides the values that are given."""
    fields: Mapping[int, Field]
    """By number; a field of which nothing is asked is not there."""
    missing: tuple[tuple[Field, str], ...]
    """Fields that must not be left out, and what is said if they are."""
    dated: tuple[Field, ...]
    """Fields of which some values are deprecated; their defaults may be among those."""
    choices: tuple[tuple[str, str], ...]
    """Oneofs of which a member has to be given, and what is said if none is."""


DEPRECATED = "deprecated"
GONE = "gone"
"""Deprecated, and refused by an Envoy whose runtime does not allow it again."""


@cache
def compiled(descriptor: Descriptor) -> Rules:
    """Return what is asked of messages of *descriptor*, which is one of Envoy's or its friends'."""
    fields: dict[int, Field] = {}
    missing: list[tuple[Field, str]] = []
    dated: list[Field] = []
    for field in descriptor.fields:
        rules = _rules(field)
        made = _field(field, rules)
        if _asks(made):
            fields[field.number] = made
        lack = _lack(field, rules, made)
        if lack:
            missing.append((made, lack))
        if made.old:
            dated.append(made)
    choices = tuple(_choices(descriptor))
    related = descriptor.full_name in TABLE
    return Rules(
        descriptor.name,
        descriptor.full_name == ANY,
        related,
        bool(related or missing or dated or choices),
        fields,
        tuple(missing),
        tuple(dated),
        choices,
    )


def _choices(descriptor: Descriptor) -> Iterator[tuple[str, str]]:
    required = _extension("validate.required")
    for oneof in descriptor.oneofs:
        if required is not None and oneof.GetOptions().Extensions[required]:
            names = [field.name for field in oneof.fields if not _deprecated(field)]
            told = ", ".join(names[:8]) + ", …" * (len(names) > 8)
            yield oneof.name, f"needs {'one of ' * (len(names) > 1)}{told}"


def _asks(field: Field) -> bool:
    return bool(
        field.whole or field.keys or field.each or field.deprecated or field.form is Form.MESSAGE
    )


def _field(field: FieldDescriptor, rules: Any) -> Field:
    shape = Shape.LIST if field.is_repeated else Shape.ONE
    whole: tuple[Test, ...] = ()
    keys: tuple[Test, ...] = ()
    item, value_rules = field, rules
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        shape = Shape.MAP
        item = kind.fields_by_name["value"]
        value_rules = None
        if rules is not None:
            pairs = rules.map
            whole = tuple(_counts(pairs, "min_pairs", "max_pairs", "pair"))
            keys = tuple(_tests(pairs.keys, kind.fields_by_name["key"]))
            value_rules = pairs.values
    elif shape is Shape.LIST and rules is not None:
        value_rules = rules.repeated.items
        whole = (*_counts(rules.repeated, "min_items", "max_items", "item"),)
        if rules.repeated.unique:
            whole = (*whole, _unique)
    return Field(
        field.name,
        field.json_name,
        field.full_name,
        field.has_presence,
        shape,
        _form(item, value_rules),
        whole,
        keys,
        tuple(_tests(value_rules, item)),
        _deprecated(field),
        _old(field) if shape is Shape.ONE else {},
    )


def _form(field: FieldDescriptor, rules: Any) -> Form:
    kind = field.message_type
    if kind is None or kind.full_name == DURATION:
        return Form.PLAIN
    if kind.full_name == ANY:
        return Form.MESSAGE
    if kind.full_name.startswith("google.protobuf."):
        return Form.WRAPPED if kind.full_name.endswith("Value") else Form.PLAIN
    if (rules is not None and rules.message.skip) or _inert(kind):
        return Form.PLAIN
    return Form.MESSAGE


@cache
def _inert(descriptor: Descriptor) -> bool:
    """Say whether nothing is asked of messages of *descriptor*, nor of any inside."""
    seen = {descriptor.full_name}
    waiting = [descriptor]
    while waiting:
        each = waiting.pop()
        if each.full_name in TABLE or any(_choices(each)):
            return False
        for field in each.fields:
            kind = field.message_type
            if kind is not None and kind.full_name in (ANY, DURATION):
                return False
            if _rules(field) is not None or _deprecated(field) or _old(field):
                return False
            followed = kind is not None and not kind.full_name.startswith("google.protobuf.")
            if kind is not None and followed and kind.full_name not in seen:
                seen.add(kind.full_name)
                waiting.append(kind)
    return True


def _tests(rules: Any, field: FieldDescriptor) -> Iterator[Test]:
    """Yield the tests of a value of *field*, or of one of its values."""
    if field.message_type is not None and field.message_type.full_name == DURATION:
        yield values.a_duration
    kind = rules.WhichOneof("type") if rules is not None else None
    if kind == "enum" and field.enum_type is not None:
        yield from values.enums(rules.enum, field.enum_type)
    elif kind in values.TESTS:
        yield from values.TESTS[kind](getattr(rules, kind))


def _counts(rules: Any, least: str, most: str, what: str) -> Iterator[Test]:
    high = getattr(rules, most) if rules.HasField(most) else None
    for test in values.counts(getattr(rules, least), high, what):
        yield values.unless_empty(test) if rules.ignore_empty else test


def _unique(found: Any) -> str:
    return "" if len(set(found)) == len(found) else "must not have an item twice"


def _lack(field: FieldDescriptor, rules: Any, made: Field) -> str:
    """Return what is said if *field* is left out; empty: it may be."""
    if rules is not None and (
        rules.message.required or rules.any.required or rules.duration.required
    ):
        return "is required" if field.containing_oneof is None else ""
    if made.shape is not Shape.ONE:
        empty: dict[Any, Any] = {}
        return next((told for told in (test(empty) for test in made.whole) if told), "")
    if field.has_presence:
        return ""
    return next((told for told in (test(field.default_value) for test in made.each) if told), "")


# --------------------------------------------------------------------------- reading options


def _rules(field: FieldDescriptor) -> Any:
    extension = _extension("validate.rules")
    options = field.GetOptions()
    return (
        options.Extensions[extension]
        if extension is not None and options.HasExtension(extension)
        else None
    )


def _deprecated(field: FieldDescriptor) -> str:
    options = field.GetOptions()
    return _degree(options, "envoy.annotations.disallowed_by_default")


def _old(field: FieldDescriptor) -> dict[int, tuple[str, str]]:
    degrees = (
        (value, _degree(value.GetOptions(), "envoy.annotations.disallowed_by_default_enum"))
        for value in (field.enum_type.values if field.enum_type is not None else ())
    )
    return {value.number: (value.name, degree) for value, degree in degrees if degree}


def _degree(options: Any, name: str) -> str:
    if not options.deprecated:
        return ""
    extension = _extension(name)
    return GONE if extension is not None and options.Extensions[extension] else DEPRECATED


@cache
def _extension(name: str) -> Any:
    known.load(name.rpartition(".")[0])
    try:
        return Default().FindExtensionByName(name)
    except KeyError:
        return None
