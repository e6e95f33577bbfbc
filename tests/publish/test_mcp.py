"""The words of classic MCP, checked against the generated messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2, resource_pb2
from gitsource.errors import ExchangeError
from gitsource.model import Collection, Origin, Resource
from gitsource.publish.classic.mcp import (
    BODIES,
    BODY_BYTES,
    COLLECTION_BYTES,
    ERROR_CHARACTERS,
    MESSAGES,
    NODE_ID_CHARACTERS,
    RUN,
    Encoder,
    decode,
)
from gitsource.publish.words import Delta, Error, Full, Push, Request

NAME = "istio/networking/v1alpha3/virtualservices"


def resource(name, version="v0", padding=""):
    message = resource_pb2.Resource()
    message.metadata.name, message.metadata.version = name, version
    message.metadata.labels["padding"] = padding
    return Resource(name, version, message.SerializeToString(), Origin("a.yaml", 1))


def full(names="ab", nonce="1", requested=NAME, version=None, padding=""):
    collection = Collection.of(NAME, [resource(name, padding=padding) for name in names])
    return Push(requested, NAME, nonce, version or collection.version, Full(collection))


def delta(base="v0", version="v1", put="c", removed=("a",), nonce="2"):
    content = Delta(base, tuple(map(resource, put)), removed)
    return Push(NAME, NAME, nonce, version, content)


# --------------------------------------------------------------------------- from the sink


def test_a_request_is_read_field_by_field():
    message = mcp_pb2.RequestResources(
        sink_node={"id": "pilot", "annotations": {"foo": "bar"}},
        collection=NAME,
        initial_resource_versions={"a/b": "v0"},
        response_nonce="7",
        error_detail={"code": 3, "message": "no good"},
        incremental=True,
    )
    expected = Request(
        collection=NAME,
        nonce="7",
        error=Error(3, "no good"),
        incremental=True,
        initial_versions={"a/b": "v0"},
        node_id="pilot",
        annotations={"foo": "bar"},
    )

    assert expected == decode(message.SerializeToString())


def test_a_request_without_error_detail_is_no_nack():
    assert decode(mcp_pb2.RequestResources(collection=NAME).SerializeToString()).error is None


def test_an_empty_error_detail_is_a_nack():
    message = mcp_pb2.RequestResources(collection=NAME, error_detail={})

    assert Error(0, "") == decode(message.SerializeToString()).error


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"garbage",
        b"",
        b"\x12\x02\xff\xfe",  # a collection that is not UTF-8
        mcp_pb2.RequestResources(sink_node={"id": "x"}).SerializeToString(),
        mcp_pb2.RequestResources(collection="c" * (COLLECTION_BYTES + 1)).SerializeToString(),
    ],
)
def test_what_is_no_request_is_the_sinks_fault(data):
    with pytest.raises(ExchangeError) as caught:
        decode(data)

    assert caught.value.fault == "sink"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    try:
        decode(data)
    except ExchangeError:
        return


def test_a_sinks_words_are_cut_to_a_bearable_length():
    message = mcp_pb2.RequestResources(
        collection=NAME, sink_node={"id": "n" * 10_000}, error_detail={"message": "m" * 100_000}
    )
    request = decode(message.SerializeToString())

    assert (NODE_ID_CHARACTERS, ERROR_CHARACTERS) == (
        len(request.node_id),
        len(request.error.message),
    )


# --------------------------------------------------------------------------- to the sink


def test_a_full_push_is_read_back_by_protobuf():
    push = full("ab", nonce="12")
    expected = mcp_pb2.Resources(
        system_version_info=push.version,
        collection=NAME,
        resources=[resource_pb2.Resource.FromString(resource(name).wire) for name in "ab"],
        nonce="12",
    )

    assert expected == mcp_pb2.Resources.FromString(Encoder().encode(push))


def test_a_delta_is_read_back_by_protobuf():
    expected = mcp_pb2.Resources(
        system_version_info="v1",
        collection=NAME,
        resources=[resource_pb2.Resource.FromString(resource("c").wire)],
        removed_resources=["a", "ü/b"],
        nonce="2",
        incremental=True,
    )

    assert expected == mcp_pb2.Resources.FromString(Encoder().encode(delta(removed=("a", "ü/b"))))


@given(st.integers(0, 70_000))
def test_resources_of_any_size_are_framed_as_protobuf_frames_them(size):
    push = full("a", padding="x" * size)
    told = mcp_pb2.Resources.FromString(Encoder().encode(push))

    assert [resource("a", padding="x" * size).wire] == [
        one.SerializeToString() for one in told.resources
    ]


def test_sinks_whose_nonces_coincide_share_the_very_bytes():
    encoder = Encoder()

    assert encoder.encode(full(nonce="1")) is encoder.encode(full(nonce="1"))
    assert encoder.encode(full(nonce="2")) is encoder.encode(full(nonce="2"))
    assert encoder.encode(delta()) is encoder.encode(delta())


def test_the_same_body_serves_every_nonce_and_name():
    encoder = Encoder()
    first = mcp_pb2.Resources.FromString(encoder.encode(full()))
    second = mcp_pb2.Resources.FromString(encoder.encode(full(nonce="22", requested="alias")))

    assert ("22", "alias") == (second.nonce, second.collection)
    assert list(first.resources) == list(second.resources)


def test_a_delta_against_what_one_sink_said_is_not_shared():
    encoder = Encoder()
    one = encoder.encode(delta(base=None, put="c"))
    other = encoder.encode(delta(base=None, put="d"))

    assert one != other


@pytest.mark.parametrize("push", [full(), delta(), delta(base=None), full("")])
def test_the_size_is_known_beforehand(push):
    encoder = Encoder()

    assert encoder.size(push) <= len(encoder.encode(push)) <= encoder.size(push) + 200


def part_of(whole, shown):
    resources = [one for one, kept in zip(whole, shown, strict=True) if kept]
    return Collection.of(NAME, resources)


@given(st.data())
def test_a_part_is_told_byte_for_byte_as_if_nothing_were_shared(data):
    """Whatever is left out of it, and whether what is served has changed since it was made."""
    number = data.draw(st.integers(0, 3 * RUN))
    gone = data.draw(st.sets(st.integers(0, number), max_size=4))
    changed = data.draw(st.sets(st.integers(0, number), max_size=2))
    whole = Collection.of(NAME, [resource(f"{at:03}") for at in range(number)])
    encoder = Encoder()
    encoder.serve([whole])
    for wanted in (set(), changed):
        made = [resource(f"{at:03}", "v1") if at in wanted else one for at, one in enumerate(whole)]
        part = part_of(made, [at not in gone for at in range(number)])
        push = Push(NAME, NAME, "1", part.version, Full(part))

        assert Encoder().encode(push) == encoder.encode(push)


def test_what_a_part_leaves_out_is_in_none_of_its_bytes():
    whole = Collection.of(NAME, [resource(f"name-{at:03}-") for at in range(2 * RUN)])
    encoder = Encoder()
    encoder.serve([whole])
    told = {}
    for left_out in (0, RUN - 1, RUN, 2 * RUN - 1):
        part = part_of(whole, [at != left_out for at in range(2 * RUN)])
        message = encoder.encode(Push(NAME, NAME, "1", part.version, Full(part)))
        told[left_out] = [at for at in range(2 * RUN) if f"name-{at:03}-".encode() not in message]

    assert {0: [0], RUN - 1: [RUN - 1], RUN: [RUN], 2 * RUN - 1: [2 * RUN - 1]} == told


def test_bytes_of_versions_no_longer_served_are_let_go():
    encoder = Encoder()
    old, new = full("ab"), full("abc")
    encoder.serve([old.content.collection])
    for push in (old, full("ab", nonce="2")):
        encoder.encode(push)
    encoder.serve([new.content.collection])

    assert "<Encoder bodies=0 bytes=0 messages=0>" == repr(encoder)


def test_the_same_version_with_other_create_times_is_encoded_anew():
    """create_time is no part of a version: it changes nothing for who has the resource."""
    encoder = Encoder()
    old, new = full("a"), full("a", padding="x")
    encoder.serve([old.content.collection])
    before = encoder.encode(old)
    encoder.serve([new.content.collection])
    after = encoder.encode(new)

    assert old.version == new.version
    assert before != after


def test_bytes_of_what_is_served_stay():
    encoder = Encoder()
    push = full("ab")
    encoder.serve([push.content.collection])
    message = encoder.encode(push)
    encoder.serve([push.content.collection])
    for number in range(2 * BODIES):
        encoder.encode(delta(base=f"v{number}"))

    assert message is encoder.encode(push)


def test_what_is_kept_beside_what_is_served_is_bounded_in_number():
    encoder = Encoder()
    for number in range(2 * BODIES):
        encoder.encode(delta(base=f"v{number}"))

    assert repr(encoder).startswith(f"<Encoder bodies={BODIES} ")


def test_what_is_kept_beside_what_is_served_is_bounded_in_bytes():
    encoder = Encoder()
    for number in range(5):
        encoder.encode(full("a", version=f"v{number}", padding="x" * (BODY_BYTES // 2 - 1000)))

    assert repr(encoder).startswith("<Encoder bodies=2 ")


def test_whole_messages_are_bounded_too():
    encoder = Encoder()
    for number in range(2 * MESSAGES):
        encoder.encode(full(nonce=str(number)))

    assert repr(encoder).endswith(f" messages={MESSAGES}>")
