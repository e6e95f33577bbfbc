"""
A document's mapping → the keyword arguments of a message's constructor, by a table per message.

Each message descriptor is compiled into a closure over ``{spelling: (field, conversion)}`` when the
first document writes a field of it; a document then costs one dictionary look-up a key. Beside the
plain ones stand the messages that protobuf's JSON form writes in their own way (durations,
wrappers, Struct and so on). What an Any holds is converted as the message that its @type names.

Rule: nothing is lost in silence. An unknown field, a field given in both spellings, two members of
one oneof and a null where a value has to stand are refused; a null field is an unset one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import EncodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from gitsource.catalog.kinds import spellings
from gitsource.encode.scalars import Change, Refused, duration, expected, scalar, text
from gitsource.encode.struct import list_bytes, struct_bytes, value_bytes
from gitsource.messages import known
from gitsource.model import shown

Entry = tuple[str, Change, str | None, bool]
"""A field's name, the conversion of its value, its oneof, and whether null is a value of it."""

_TEXTS = frozenset((str,))

Find: TypeAlias = Callable[[str], Descriptor | None]
"""Returns the message of a full name; None if it is not known."""


class Compiler:
    """Compiles conversions; keeps one for each message it has met."""

    def __init__(self, find: Find = known.find) -> None:
        """*find* knows what may stand in an Any."""
        self.find = find
        self._known: dict[str, Change] = {}

    def message(self, descriptor: Descriptor) -> Change:
        """Return the conversion from a mapping to the fields of *descriptor*."""
        name = descriptor.full_name
        if name == "google.protobuf.Any":
            return self._any
        special = _SPECIAL.get(name)
        if special is not None:
            return special(descriptor)
        if name not in self._known:
            self._known[name] = _fields(descriptor.name, _Table(partial(self._table, descriptor)))
        return self._known[name]

    def _table(self, descriptor: Descriptor) -> dict[str, Entry]:
        table: dict[str, Entry] = {}
        for field in descriptor.fields:
            entry = self._entry(field)
            for spelling in spellings(field):
                table[spelling] = entry
        return table

    def _any(self, value: Any) -> dict[str, Any]:
        """Return the fields of the Any that *value* is: those of a message, beside its @type."""
        if type(value) is not dict:
            raise expected("a mapping with @type (Any)", value)
        if not value:
            return {}
        url = value.get("@type")
        if type(url) is not str:
            wrong = Refused("an Any needs @type: type.googleapis.com/ and the name of a message")
            raise wrong.under("@type") if "@type" in value else wrong
        descriptor = self.find(url.rpartition("/")[2])
        if descriptor is None:
            unknown = Refused(f"{shown(url)} names no message that is known here", "GS320")
            raise unknown.under("@type")
        return {"type_url": url, "value": self._held(value, descriptor)}

    def _held(self, value: dict[str, Any], descriptor: Descriptor) -> bytes:
        convert = self.message(descriptor)
        if not apart(descriptor, value):
            return wire(descriptor, convert({k: v for k, v in value.items() if k != "@type"}))
        for key in value:
            if key not in ("@type", "value"):
                raise _unknown("this Any", key, {"value": None}).under(key)
        try:
            return wire(descriptor, convert(value.get("value", {})))
        except Refused as refused:
            raise refused.under("value") from None

    def _entry(self, field: FieldDescriptor) -> Entry:
        kind = field.message_type
        oneof = field.containing_oneof
        group = oneof.name if oneof is not None and len(oneof.fields) > 1 else None
        if kind is not None and kind.GetOptions().map_entry:
            members = kind.fields_by_name
            item = self._single(members["value"])
            return field.name, _mapping(_map_key(members["key"]), item), group, False
        change = self._single(field)
        if field.is_repeated:
            return field.name, _sequence(change), group, False
        return field.name, change, group, _takes_null(field)

    def _single(self, field: FieldDescriptor) -> Change:
        return scalar(field) if field.message_type is None else self.message(field.message_type)


def apart(descriptor: Descriptor, value: Mapping[str, Any]) -> bool:
    """Say whether the Any *value* holds its message under ``value``: JSON writes it its own way."""
    name = descriptor.full_name
    if name == "google.protobuf.Empty":
        return "value" in value
    return name in _SPECIAL or name == "google.protobuf.Any"


def wire(descriptor: Descriptor, fields: Any) -> bytes:
    """Return the bytes of the message that *fields*, a conversion's result, make."""
    kind = GetMessageClass(descriptor)
    message = fields if isinstance(fields, kind) else kind(**fields)
    try:
        return bytes(message.SerializeToString(deterministic=True))
    except EncodeError:
        raise unset(message) from None


def unset(message: Any) -> Refused:
    """Return the refusal of a proto2 message whose required fields are not all set."""
    missing = ", ".join(message.FindInitializationErrors()[:5])
    return Refused(f"required fields are not set: {missing}")


class _Table(dict[str, Entry]):
    """The fields of a message by spelling; compiled when the first of them is looked for."""

    def __init__(self, compiled: Callable[[], dict[str, Entry]]) -> None:
        super().__init__()
        self._compiled: Callable[[], dict[str, Entry]] | None = compiled

    def __missing__(self, spelling: str) -> Entry:
        compiled, self._compiled = self._compiled, None
        if compiled is None:
            raise KeyError(spelling)
        self.update(compiled())
        return self[spelling]


def _fields(name: str, table: _Table) -> Change:
    def change(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise expected(f"a mapping ({name})", value)
        out: dict[str, Any] = {}
        exclusive = False
        key: Any = None
        try:
            for key, item in value.items():
                field, convert, oneof, null = table[key]
                if convert is text and type(item) is str:
                    out[field] = item
                elif item is not None or null:
                    out[field] = convert(item)
                if oneof is not None:
                    exclusive = True
        except KeyError:
            raise _unknown(name, key, table).under(key) from None
        except Refused as refused:
            raise refused.under(key) from None
        if len(out) != len(value) or (exclusive and len(out) > 1):
            _refuse_clashes(value, table)
        return out

    return change


def _refuse_clashes(value: dict[str, Any], table: dict[str, Entry]) -> None:
    """Refuse a mapping that gives one field twice, or two members of a oneof."""
    taken: dict[str, str] = {}
    for key, item in value.items():
        field, _, oneof, null = table[key]
        if item is None and not null:
            continue
        for claim in (f"field {field}", f"oneof {oneof}" if oneof else f"field {field}"):
            other = taken.setdefault(claim, key)
            if other != key:
                both = "are one field" if claim == f"field {field}" else "exclude each other"
                raise Refused(f"{key} cannot stand beside {other}: they {both}").under(key)


def _unknown(name: str, key: Any, table: Mapping[str, Any]) -> Refused:
    near = get_close_matches(str(key), [known for known in table if "_" not in known], 1)
    hint = f": did you mean {near[0]}?" if near else ""
    return Refused(f"{name} has no field {shown(key)}{hint}", "GS310")


def _takes_null(field: FieldDescriptor) -> bool:
    kind, enum = field.message_type, field.enum_type
    return (kind is not None and kind.full_name == "google.protobuf.Value") or (
        enum is not None and enum.full_name == "google.protobuf.NullValue"
    )


def _sequence(change: Change) -> Change:
    def convert(value: Any) -> list[Any]:
        if type(value) is not list:
            raise expected("a list", value)
        if change is text and _TEXTS.issuperset(map(type, value)):
            return value
        out: list[Any] = []
        try:
            for item in value:
                out.append(change(item))  # noqa: PERF401 - counted
        except Refused as refused:
            raise refused.under(len(out)) from None
        return out

    return convert


def _mapping(of_key: Change, of_value: Change) -> Change:
    def convert(value: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            raise expected("a mapping", value)
        if of_value is text and of_key is text:
            told = (*value, *value.values())
            if _TEXTS.issuperset(map(type, told)):
                return value
        out: dict[Any, Any] = {}
        key: Any = None
        try:
            for key, item in value.items():
                out[of_key(key)] = of_value(item)
        except Refused as refused:
            raise refused.under(key) from None
        return out

    return convert


def _map_key(field: FieldDescriptor) -> Change:
    change = scalar(field)
    if field.type != FieldDescriptor.TYPE_BOOL:
        return change

    def switch(key: Any) -> bool:
        if key in ("true", "false"):
            return bool(key == "true")
        return bool(change(key))

    return switch


# --------------------------------------------------------------------------- written otherwise


def _wrapper(descriptor: Descriptor) -> Change:
    change = scalar(descriptor.fields_by_name["value"])
    return lambda value: {"value": change(value)}


def _time(value: Any) -> dict[str, int]:
    moment = Timestamp()
    try:
        moment.FromJsonString(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise expected("a time such as 2024-05-01T10:00:00Z", value) from None
    return {"seconds": moment.seconds, "nanos": moment.nanos}


def _field_mask(value: Any) -> dict[str, list[str]]:
    mask = FieldMask()
    try:
        mask.FromJsonString(value)
    except (ValueError, TypeError, AttributeError):
        raise expected("field paths joined by commas", value) from None
    return {"paths": list(mask.paths)}


def _wired(write: Callable[[Any], bytes]) -> Callable[[Descriptor], Change]:
    """Return what makes a message of the bytes that *write* makes of a value."""

    def compiled(descriptor: Descriptor) -> Change:
        kind = GetMessageClass(descriptor)
        return lambda value: kind.FromString(write(value))

    return compiled


_SPECIAL: dict[str, Callable[[Descriptor], Change]] = {
    **{
        f"google.protobuf.{name}Value": _wrapper
        for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32")
    },
    "google.protobuf.UInt64Value": _wrapper,
    "google.protobuf.Duration": lambda _: duration,
    "google.protobuf.Timestamp": lambda _: _time,
    "google.protobuf.FieldMask": lambda _: _field_mask,
    "google.protobuf.Struct": _wired(struct_bytes),
    "google.protobuf.ListValue": _wired(list_bytes),
    "google.protobuf.Value": _wired(value_bytes),
}
