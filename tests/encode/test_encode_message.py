"""Documents become the messages that protobuf's own reader makes of them."""

from types import SimpleNamespace

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generated import JSON, documents
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.catalog.kinds import Kind, body_descriptor, spellings
from gitsource.catalog.rows import BUILTIN
from gitsource.encode.message import Compiler
from gitsource.encode.resource import EncodeProblem, encode

NOBODY = SimpleNamespace(labels={}, annotations={})
KINDS = {kind.kind: kind for kind in BUILTIN}
VIRTUAL_SERVICE = KINDS["VirtualService"]
DESTINATION_RULE = KINDS["DestinationRule"]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def body(spec: object, kind: Kind) -> bytes:
    """Return the serialized body of the resource that *spec* becomes."""
    encoded = encode({"spec": spec}, NOBODY, kind)
    return Resource.FromString(encoded.body).body.value


def refusal(spec: object, kind: Kind = VIRTUAL_SERVICE) -> tuple[str, tuple[str | int, ...]]:
    with pytest.raises(EncodeProblem) as caught:
        encode({"spec": spec}, NOBODY, kind)
    return caught.value.problem.code, caught.value.problem.path


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_the_bytes_are_those_that_protobuf_makes_of_the_document(kind, data):
    descriptor = body_descriptor(kind.body)
    ours, theirs = data.draw(documents(descriptor))
    message = json_format.ParseDict(theirs, GetMessageClass(descriptor)())

    assert body(ours, kind) == message.SerializeToString(deterministic=True)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BUILTIN), JSON)
def test_any_value_encodes_or_is_refused_under_spec(kind, value):
    problem = None
    try:
        encode({"spec": value}, NOBODY, kind)
    except EncodeProblem as refused:
        problem = refused.problem

    assert problem is None or (problem.path[0] == "spec" and problem.message.isprintable())


def test_a_null_field_is_an_unset_one():
    given_null = {"hosts": ["a"], "http": None, "exportTo": None}

    assert body(given_null, VIRTUAL_SERVICE) == body({"hosts": ["a"]}, VIRTUAL_SERVICE)


def test_a_document_without_spec_has_an_empty_body():
    encoded = encode({"kind": "VirtualService"}, NOBODY, VIRTUAL_SERVICE)

    assert Resource.FromString(encoded.body).body.value == b""
    assert Resource.FromString(encoded.body).body.type_url == VIRTUAL_SERVICE.type_url


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ([], ("GS307", ("spec",))),
        ("text", ("GS307", ("spec",))),
        ({"hosts": "web"}, ("GS307", ("spec", "hosts"))),
        ({"hosts": ["web", None]}, ("GS307", ("spec", "hosts", 1))),
        ({"hosts": ["web", 5]}, ("GS307", ("spec", "hosts", 1))),
        ({"htpp": []}, ("GS310", ("spec", "htpp"))),
        ({"http": [{}, {"rout": 1}]}, ("GS310", ("spec", "http", 1, "rout"))),
        ({"http": [{"timeout": "5"}]}, ("GS307", ("spec", "http", 0, "timeout"))),
        ({"http": [{"timeout": 5}]}, ("GS307", ("spec", "http", 0, "timeout"))),
        (
            {"http": [{"route": [{"weight": True}]}]},
            ("GS307", ("spec", "http", 0, "route", 0, "weight")),
        ),
        (
            {"http": [{"route": [{"weight": 2**31}]}]},
            ("GS307", ("spec", "http", 0, "route", 0, "weight")),
        ),
        (
            {"http": [{"match": [{"ignoreUriCase": 1}]}]},
            ("GS307", ("spec", "http", 0, "match", 0, "ignoreUriCase")),
        ),
        (
            {"http": [{"match": [{"headers": {"x": None}}]}]},
            ("GS307", ("spec", "http", 0, "match", 0, "headers", "x")),
        ),
        (
            {"http": [{"match": [{"headers": {"x": {"exact": 1}}}]}]},
            ("GS307", ("spec", "http", 0, "match", 0, "headers", "x", "exact")),
        ),
        (
            {"http": [{"mirrorPercentage": {"value": float("nan")}}]},
            ("GS307", ("spec", "http", 0, "mirrorPercentage", "value")),
        ),
        (
            {"http": [{"mirrorPercentage": {"value": 2**53 + 1}}]},
            ("GS309", ("spec", "http", 0, "mirrorPercentage", "value")),
        ),
        (
            {"http": [{"corsPolicy": {"unmatchedPreflights": "forward"}}]},
            ("GS307", ("spec", "http", 0, "corsPolicy", "unmatchedPreflights")),
        ),
        (
            {"http": [{"corsPolicy": {"unmatchedPreflights": 9}}]},
            ("GS307", ("spec", "http", 0, "corsPolicy", "unmatchedPreflights")),
        ),
        (
            {"http": [{"directResponse": {"body": {"bytes": "a b"}}}]},
            ("GS307", ("spec", "http", 0, "directResponse", "body", "bytes")),
        ),
    ],
)
def test_what_cannot_be_encoded_is_refused_at_its_place(spec, expected):
    assert refusal(spec) == expected


def test_two_members_of_a_oneof_are_refused_at_the_second():
    spec = {"http": [{"match": [{"uri": {"prefix": "/a", "exact": "/b"}}]}]}

    assert refusal(spec) == ("GS307", ("spec", "http", 0, "match", 0, "uri", "exact"))


def test_a_member_of_a_oneof_that_is_null_does_not_count():
    spec = {"http": [{"match": [{"uri": {"prefix": None, "exact": "/b"}}]}]}
    plain = {"http": [{"match": [{"uri": {"exact": "/b"}}]}]}

    assert body(spec, VIRTUAL_SERVICE) == body(plain, VIRTUAL_SERVICE)


def test_a_field_in_two_spellings_is_refused_at_the_second():
    assert refusal({"exportTo": ["."], "export_to": ["*"]}) == ("GS307", ("spec", "export_to"))


def test_a_refusal_names_the_field_that_was_likely_meant():
    with pytest.raises(EncodeProblem, match="HTTPRoute has no field 'rout': did you mean route"):
        encode({"spec": {"http": [{"rout": 1}]}}, NOBODY, VIRTUAL_SERVICE)


def test_half_a_surrogate_pair_is_refused_where_it_stands():
    assert refusal({"hosts": ["a", "\ud800"]}) == ("GS307", ("spec", "hosts", 1))
    assert refusal({"subsets": [{"labels": {"\udfff": "a"}}]}, DESTINATION_RULE) == (
        "GS307",
        ("spec", "subsets", 0, "labels", "\udfff"),
    )


def test_a_document_nested_beyond_the_stack_is_refused():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    flags = Kind("acme/v1/flags", "google.protobuf.Struct", builtin=False)
    with pytest.raises(EncodeProblem) as caught:
        encode({"deep": deep}, NOBODY, flags)

    assert caught.value.problem.code == "GS307"


# --------------------------------------------------------------------------- every field


def _messages(descriptor: Descriptor, met: dict[str, Descriptor]) -> dict[str, Descriptor]:
    """Return the messages of ours that *descriptor* consists of, by name."""
    if descriptor.full_name.startswith("istio.") and descriptor.full_name not in met:
        if not descriptor.GetOptions().map_entry:
            met[descriptor.full_name] = descriptor
        for field in descriptor.fields:
            if field.message_type is not None:
                _messages(field.message_type, met)
    return met


MESSAGES: dict[str, Descriptor] = {}
for _kind in BUILTIN:
    _messages(body_descriptor(_kind.body), MESSAGES)
FIELDS = [
    (field, spelling)
    for message in MESSAGES.values()
    for field in message.fields
    for spelling in spellings(field)
]


WRITTEN: dict[str, object] = {
    "google.protobuf.Duration": "1.5s",
    "google.protobuf.Struct": {"a": [1, None, {"b": "c"}]},
}


def _sample(field: FieldDescriptor) -> object:
    """Return a value of *field* that is not its default."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key = (
            "7" if kind.fields_by_name["key"].cpp_type == FieldDescriptor.CPPTYPE_UINT32 else "key"
        )
        return {key: _one(kind.fields_by_name["value"])}
    return [_one(field)] if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> object:
    kind = field.message_type
    if kind is not None and kind.full_name in WRITTEN:
        return WRITTEN[kind.full_name]
    if kind is not None and kind.full_name.startswith("google.protobuf."):
        return _one(kind.fields_by_name["value"])
    if kind is not None:
        return {}
    if field.enum_type is not None:
        return field.enum_type.values[-1].name
    samples = {"CPPTYPE_STRING": "text", "CPPTYPE_BOOL": True, "CPPTYPE_DOUBLE": 1.5}
    names = {number: name for name, number in vars(FieldDescriptor).items() if "CPPTYPE" in name}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "aGk="
    return samples.get(names[field.cpp_type], 7)


@pytest.mark.parametrize(
    ("field", "spelling"), FIELDS, ids=[f"{f.full_name}-{spelling}" for f, spelling in FIELDS]
)
def test_every_field_in_every_spelling_is_what_protobuf_reads(field, spelling):
    message = GetMessageClass(field.containing_type)
    document = {spelling: _sample(field)}
    made = message(**Compiler().message(field.containing_type)(document))

    assert made == json_format.ParseDict(document, message())
    assert [each.name for each, _ in made.ListFields()] == [field.name]


ENUMS = {
    field.enum_type.full_name: field
    for message in MESSAGES.values()
    for field in message.fields
    if field.enum_type is not None
}


@pytest.mark.parametrize("field", ENUMS.values(), ids=ENUMS)
def test_every_value_of_every_enum_may_be_written_by_name_or_number(field):
    convert = Compiler().message(field.containing_type)
    for value in field.enum_type.values:
        assert convert({field.name: value.name}) == {field.name: value.number}
        assert convert({field.name: value.number}) == {field.name: value.number}
