"""Structs are the messages protobuf makes, in one order, with nothing lost."""

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct
from hypothesis import given
from hypothesis import strategies as st

from generated import JSON, KEYS
from gitsource.encode.scalars import Refused
from gitsource.encode.struct import list_bytes, struct_bytes

EXACT = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), EXACT, max_size=4))
def test_a_struct_is_the_one_that_protobuf_makes(value):
    expected = Struct()
    expected.update(value)

    assert Struct.FromString(struct_bytes(value)) == expected


@given(st.lists(EXACT, max_size=4))
def test_a_list_is_the_one_that_protobuf_makes(value):
    expected = ListValue()
    expected.extend(value)

    assert ListValue.FromString(list_bytes(value)) == expected


@given(st.dictionaries(KEYS, JSON, min_size=2, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_show(value, random):
    keys = list(value)
    random.shuffle(keys)
    try:
        expected = struct_bytes(value)
    except Refused:
        return

    assert struct_bytes({key: value[key] for key in keys}) == expected


@pytest.mark.parametrize("size", [0, 127, 128, 1023, 1024, 100_000])
def test_lengths_of_any_size_are_written(size):
    value = {"text": "x" * size}

    assert Struct.FromString(struct_bytes(value))["text"] == "x" * size


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        ({"a": 2**53 + 1}, "GS309", ("a",)),
        ({"a": [0, {"b": -(2**53) - 1}]}, "GS309", ("a", 1, "b")),
        ({"a": 10**400}, "GS309", ("a",)),
        ({"a": float("inf")}, "GS307", ("a",)),
        ({"a": [float("nan")]}, "GS307", ("a", 0)),
        ({"a": "\ud800"}, "GS307", ("a",)),
        ({"a": {"\ud800": 1}}, "GS307", ("a",)),
        ({"a": {1: 2}}, "GS307", ("a",)),
        ({"a": {1: 2, "b": 3}}, "GS307", ("a",)),
        ({"a": b"bytes"}, "GS307", ("a",)),
        ([], "GS307", ()),
    ],
)
def test_what_a_struct_cannot_carry_is_refused_at_its_place(value, code, path):
    with pytest.raises(Refused) as caught:
        struct_bytes(value)

    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize("wrap", [lambda v: {"a": v}, lambda v: [v]], ids=["mappings", "lists"])
def test_what_is_accepted_is_never_too_deep_for_a_decoder(wrap):
    value, accepted, refused = 1, 0, 0
    for _ in range(60):
        try:
            Struct.FromString(struct_bytes({"root": value}))
            accepted += 1
        except Refused:
            refused += 1
        value = wrap(value)

    assert accepted > 30
    assert refused > 0
