"""Single values: what they are taken as, and what is refused."""

import pytest
from google.protobuf import (
    any_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from gitsource.encode.message import Compiler
from gitsource.encode.scalars import (
    Refused,
    duration,
    nanoseconds,
    number,
    octets,
    single,
    switch,
    text,
    whole_number,
)

SECOND = 10**9


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0", 0),
        ("0s", 0),
        ("5m", 300 * SECOND),
        ("24h", 86400 * SECOND),
        ("30ms", 30 * 10**6),
        ("1h30m", 5400 * SECOND),
        ("1h2m3s4ms5us6ns", 3723 * SECOND + 4_005_006),
        ("1.5h", 5400 * SECOND),
        (".5s", SECOND // 2),
        ("1.s", SECOND),
        ("+5s", 5 * SECOND),
        ("-1.5s", -3 * SECOND // 2),
        ("7\u00b5s", 7000),
        ("7\u03bcs", 7000),
        ("1.0000000019s", SECOND + 1),
    ],
)
def test_durations_are_read_as_go_reads_them(written, expected):
    assert nanoseconds(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5",
        "s",
        ".s",
        "5 s",
        "5s ",
        "5s\n",
        "5d",
        "5S",
        "1e3s",
        "--5s",
        "5s-1s",
        "\u0665s",
        "5s0",
    ],
)
def test_what_go_does_not_read_is_no_duration(written):
    assert nanoseconds(written) is None


def test_a_duration_keeps_its_sign_in_both_fields():
    assert duration("-1.25s") == {"seconds": -1, "nanos": -250_000_000}


@pytest.mark.parametrize("value", ["400000000000s", "-400000000000s", "9" * 30 + "s", 5, None])
def test_a_duration_beyond_ten_thousand_years_is_refused(value):
    with pytest.raises(Refused, match="expected a duration such as"):
        duration(value)


@pytest.mark.parametrize("value", [80, 80.0, "80"])
def test_a_whole_number_may_be_written_in_three_ways(value):
    assert whole_number(0, 100)(value) == 80


@pytest.mark.parametrize(
    "value", [80.5, "80.0", " 80", "8_0", "\u0668", "", True, None, [80], 101, -1, "101", 1e300]
)
def test_what_is_no_whole_number_within_bounds_is_refused(value):
    with pytest.raises(Refused, match="expected a whole number from 0 to 100"):
        whole_number(0, 100)(value)


def test_sixty_four_bit_numbers_may_be_strings():
    assert whole_number(0, 2**64 - 1)("18446744073709551615") == 2**64 - 1


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1.0), (0.5, 0.5), ("1e3", 1000.0), ("-2", -2.0)]
)
def test_a_number_may_be_written_in_three_ways(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize("value", [float("inf"), "1e999", "NaN", "inf", True, None, "", "0x10"])
def test_a_number_has_to_be_finite(value):
    with pytest.raises(Refused):
        number(value)


@pytest.mark.parametrize("value", [2**53 + 1, 10**400])
def test_a_number_that_a_double_cannot_carry_is_a_loss(value):
    with pytest.raises(Refused) as caught:
        number(value)

    assert caught.value.code == "GS309"


def test_a_thirty_two_bit_float_has_a_smaller_range():
    with pytest.raises(Refused):
        single(1e39)

    assert single(1e38) == 1e38


@pytest.mark.parametrize("value", [0, 1, "true", "yes", None])
def test_only_true_and_false_are_switches(value):
    with pytest.raises(Refused, match="expected true or false"):
        switch(value)


@pytest.mark.parametrize("value", [5, True, None, 1.5])
def test_a_string_is_not_made_of_anything_else(value):
    with pytest.raises(Refused, match="expected a string"):
        text(value)


@pytest.mark.parametrize("value", ["+/8=", "-_8=", "-_8", "+/8"])
def test_bytes_come_in_either_alphabet_with_or_without_padding(value):
    assert octets(value) == b"\xfb\xff"


@pytest.mark.parametrize("value", ["a", "a b", "\u00e9", 5, "a\n", "YQ=a"])
def test_what_is_no_base64_is_refused(value):
    with pytest.raises(Refused, match="expected bytes in base64"):
        octets(value)


# --------------------------------------------------------------------------- other messages


def _zoo() -> type:
    """Return a message with a field of every kind that the built-in bodies do not have."""
    file = FileDescriptorProto(name="zoo.proto", package="zoo", syntax="proto3")
    for name in ("any", "field_mask", "struct", "timestamp", "wrappers"):
        file.dependency.append(f"google/protobuf/{name}.proto")
    message = file.message_type.add(name="Zoo")
    kinds = ["Any", "FieldMask", "Struct", "Value", "ListValue", "Timestamp", "StringValue"]
    for index, kind in enumerate(kinds, 1):
        message.field.add(
            name=kind.lower(),
            number=index,
            type=FieldDescriptorProto.TYPE_MESSAGE,
            type_name=f".google.protobuf.{kind}",
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
    entry = message.nested_type.add(name="FlagsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=8, label=1)
    entry.field.add(name="value", number=2, type=3, label=1)
    message.field.add(name="flags", number=20, type=11, type_name=".zoo.Zoo.FlagsEntry", label=3)
    message.field.add(
        name="values", number=21, type=11, type_name=".google.protobuf.Value", label=3
    )
    message.field.add(name="inner", number=22, type=11, type_name=".zoo.Zoo", label=1)
    pool = DescriptorPool()
    for module in (any_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("zoo.Zoo"))


def test_the_messages_with_a_json_form_of_their_own_are_read_from_it():
    zoo = _zoo()
    document = {
        "timestamp": "2024-05-01T10:00:00.5Z",
        "fieldmask": "a.b,cD",
        "struct": {"a": [1, {"b": None}]},
        "value": None,
        "listvalue": [True, "x"],
        "stringvalue": "s",
        "flags": {"true": 5, "false": "7"},
        "values": [None, 1],
        "inner": {"inner": {}},
    }

    made = zoo(**Compiler().message(zoo.DESCRIPTOR)(document))
    read = json_format.ParseDict(document, zoo())

    assert made == read


def test_a_message_may_hold_itself():
    convert = Compiler().message(DescriptorProto.DESCRIPTOR)

    made = DescriptorProto(**convert({"name": "A", "nestedType": [{"name": "B"}]}))

    assert made.nested_type[0].name == "B"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"timestamp": "yesterday"}, ["timestamp"]),
        ({"timestamp": 5}, ["timestamp"]),
        ({"fieldmask": 5}, ["fieldmask"]),
        ({"struct": {"a": 2**60 + 1}}, ["struct", "a"]),
        ({"any": {"@type": "type.googleapis.com/nobody.Knows"}}, ["any", "@type"]),
        ({"any": 5}, ["any"]),
        ({"flags": {"yes": 5}}, ["flags", "yes"]),
        ({"inner": {"stringvalue": 5}}, ["inner", "stringvalue"]),
    ],
)
def test_a_value_that_its_message_does_not_take_is_refused_at_its_place(document, path):
    convert = Compiler().message(_zoo().DESCRIPTOR)
    with pytest.raises(Refused) as caught:
        convert(document)

    assert list(caught.value.path) == path
