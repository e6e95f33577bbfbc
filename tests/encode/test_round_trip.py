"""
Field by field: YAML → resource → bytes → message, for every field of every message of every kind.

A message that is not a body itself is reached from a body by the shortest way of fields; what a
document says along it has to arrive, and nothing else. The counts are restated here, so that a
message lost from proto/ is noticed.
"""

import base64
from types import SimpleNamespace

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.catalog.kinds import body_descriptor, spellings
from gitsource.catalog.rows import BUILTIN
from gitsource.encode.resource import encode, frame
from gitsource.parse import parse

NOBODY = SimpleNamespace(labels={}, annotations={})
COUNTS = {"messages": 135, "fields": 530, "oneofs": 13, "enums": 29, "values": 124}


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def held(field):
    """Return the field that says what one value of *field* is: of a map, its values."""
    return field.message_type.fields_by_name["value"] if is_map(field) else field


def ways():
    """Return, for each message of ours, a kind and the fields that lead to it from the body."""
    found = {}
    for kind in BUILTIN:
        waiting = [(body_descriptor(kind.body), ())]
        while waiting:
            descriptor, way = waiting.pop(0)
            if descriptor.full_name in found or not descriptor.full_name.startswith("istio."):
                continue
            found[descriptor.full_name] = (kind, descriptor, way)
            waiting += [
                (held(field).message_type, (*way, field))
                for field in descriptor.fields
                if held(field).message_type is not None
            ]
    return found


WAYS = ways()
FIELDS = [(name, field) for name, (_, message, _) in WAYS.items() for field in message.fields]
ENUMS = {
    held(field).enum_type.full_name: (name, field)
    for name, field in FIELDS
    if held(field).enum_type is not None
}


def key_of(field):
    kind = field.message_type.fields_by_name["key"]
    return "key: ä" if kind.type == FieldDescriptor.TYPE_STRING else "8080"


def wrapped(field, value):
    """Return *value*, one value of *field*, as the whole value of the field."""
    if is_map(field):
        return {key_of(field): value}
    return [value] if field.is_repeated else value


def document(name, content, spell=0):
    """Return a spec in which the message *name* is *content*; *spell*: which names lead there."""
    for field in reversed(WAYS[name][2]):
        content = {spellings(field)[-spell]: wrapped(field, content)}
    return content


def arrived(name, content, spell=0):
    """Return what has become of the message *name* when a sink has it."""
    kind, _, way = WAYS[name]
    text = json_format.json.dumps({"spec": document(name, content, spell)}, ensure_ascii=False)
    (parsed,) = parse(text.encode()).documents
    encoded = encode(parsed.value, NOBODY, kind)
    wire = Resource.FromString(frame("a/b", 0, encoded.metadata, encoded.body))
    message = GetMessageClass(body_descriptor(kind.body)).FromString(wire.body.value)

    assert wire.body.type_url == f"type.googleapis.com/{kind.body}"
    for field in way:
        assert [each.name for each, _ in message.ListFields()] == [field.name]
        message = getattr(message, field.name)
        if is_map(field):
            (message,) = message.values()
        elif field.is_repeated:
            (message,) = message
    return message


SPECIAL = {
    "google.protobuf.Duration": ["1h0m0.000000001s", "3600.000000001s"],
    "google.protobuf.Struct": [{"a": [1.5, None, True, {"b": "c"}], "": {}}] * 2,
}
SCALARS = {
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_BYTES: base64.b64encode(b"\xff\x00hi").decode(),
    FieldDescriptor.TYPE_INT32: -(2**31),
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_INT64: -(2**63),
    FieldDescriptor.TYPE_UINT64: 2**64 - 1,
    FieldDescriptor.TYPE_DOUBLE: 0.1,
    FieldDescriptor.TYPE_FLOAT: 0.5,
}


def sample(field):
    """Return a value of *field* that is not its default: as people write it, and for protobuf."""
    kind = field.message_type
    if kind is not None and kind.full_name in SPECIAL:
        return SPECIAL[kind.full_name]
    if kind is not None and kind.full_name.startswith("google.protobuf."):
        return sample(kind.fields_by_name["value"])
    if kind is not None:
        return [{}, {}]
    if field.enum_type is not None:
        return [field.enum_type.values[-1].name] * 2
    return [SCALARS.get(field.type, "Text: ä €")] * 2


def test_every_message_field_oneof_and_enum_is_there():
    oneofs = [one for _, message, _ in WAYS.values() for one in message.oneofs]
    found = {
        "messages": len(WAYS),
        "fields": len(FIELDS),
        "oneofs": sum(len(one.fields) > 1 for one in oneofs),
        "enums": len(ENUMS),
        "values": sum(len(held(field).enum_type.values) for _, field in ENUMS.values()),
    }

    assert found == COUNTS


@pytest.mark.parametrize("spell", [0, 1], ids=["camel", "snake"])
@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[field.full_name for _, field in FIELDS])
def test_a_field_arrives_in_either_spelling(name, field, spell):
    """Each arm of a oneof too: it is given alone."""
    ours, theirs = (wrapped(field, value) for value in sample(held(field)))
    message = arrived(name, {spellings(field)[-spell]: ours}, spell)
    expected = json_format.ParseDict({field.name: theirs}, type(message)())

    assert [each.name for each, _ in message.ListFields()] == [field.name]
    assert message == expected


@pytest.mark.parametrize(("name", "field"), ENUMS.values(), ids=ENUMS)
def test_every_value_of_an_enum_arrives_by_name_and_by_number(name, field):
    values = held(field).enum_type.values
    for value in values:
        for written in (value.name, value.number, float(value.number)):
            message = arrived(name, {field.json_name: wrapped(field, written)})
            found = getattr(message, field.name)
            if field.is_repeated:
                (found,) = found.values() if is_map(field) else found

            assert found == value.number


WRAPPED = [
    (name, field)
    for name, field in FIELDS
    if held(field).message_type is not None and held(field).message_type.name.endswith("Value")
]


@pytest.mark.parametrize(("name", "field"), WRAPPED, ids=[field.full_name for _, field in WRAPPED])
def test_a_wrapped_zero_is_told_from_none(name, field):
    inner = field.message_type.fields_by_name["value"]
    zero = arrived(name, {field.json_name: inner.default_value})
    null = arrived(name, {field.json_name: None})

    assert zero.HasField(field.name)
    assert not null.HasField(field.name)


@pytest.mark.parametrize("name", WAYS)
def test_the_arms_of_a_oneof_exclude_each_other_and_the_rest_stands_together(name):
    message = WAYS[name][1]
    taken = {}
    for field in message.fields:
        one = field.containing_oneof
        taken[one.name if one is not None else field.name] = field
    both = [(field, sample(held(field))) for field in taken.values()]
    made = arrived(name, {field.json_name: wrapped(field, ours) for field, (ours, _) in both})
    told = {field.name: wrapped(field, theirs) for field, (_, theirs) in both}

    assert made == json_format.ParseDict(told, type(made)())
