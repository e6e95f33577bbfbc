"""Requests that say the same are read as anything else, and what they say is shared."""

import pytest
from ads_transcript import URLS
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.errors import ExchangeError
from gitsource.publish.xds.repeats import LONG, RUN_BYTES, RUNS, Repeats
from gitsource.publish.xds.wire import DELTA_LONG, SOTW_LONG, decode_delta, decode_sotw

EDS = URLS["EDS"]
NAMES = [f"outbound/service-{number:04d}" for number in range(400)]


def sotw(names, **more):
    return discovery_pb2.DiscoveryRequest(
        type_url=EDS, resource_names=names, **more
    ).SerializeToString()


def delta(versions, names=(), **more):
    return discovery_pb2.DeltaDiscoveryRequest(
        type_url=EDS,
        resource_names_subscribe=names,
        initial_resource_versions=versions,
        **more,
    ).SerializeToString(deterministic=True)


def reader():
    return Repeats(decode_sotw, SOTW_LONG)


def test_the_third_of_equal_lists_shares_what_the_second_was_read_as():
    told = reader()
    first, second, third = (told.read(sotw(NAMES, response_nonce=nonce)) for nonce in "123")

    assert frozenset(NAMES) == first.names == second.names
    assert second.names is third.names
    assert ["1", "2", "3"] == [first.nonce, second.nonce, third.nonce]


def test_the_rest_around_a_shared_list_is_each_clients_own():
    told = reader()
    for _ in range(2):
        told.read(sotw(NAMES))
    own = discovery_pb2.DiscoveryRequest(version_info="v9", response_nonce="7")
    own.error_detail.message = "no"
    own.node.id = "edge-9"
    data = own.SerializeToString() + sotw(NAMES) + own.SerializeToString()

    assert decode_sotw(data) == told.read(data)


def test_names_and_versions_of_a_delta_request_are_shared_together():
    told = Repeats(decode_delta, DELTA_LONG)
    versions = dict.fromkeys(NAMES, "v1")
    data = [delta(versions, NAMES, response_nonce=nonce) for nonce in "123"]
    requests = [told.read(one) for one in data]

    assert [decode_delta(one) for one in data] == requests
    assert requests[1].initial_versions is requests[2].initial_versions


@pytest.mark.parametrize(
    "other",
    [
        sotw([*NAMES, "one-more"]),
        sotw(NAMES[:-1]),
        sotw(NAMES) + sotw(["one-more"]),
        sotw(["one-more"]) + sotw(NAMES),
        sotw([*NAMES[:-1], "outbound/service-9999"]),
    ],
    ids=["longer", "shorter", "in two runs", "behind another", "of the same length"],
)
def test_a_list_that_only_begins_alike_is_read_for_itself(other):
    told = reader()
    for _ in range(3):
        told.read(sotw(NAMES))

    assert [decode_sotw(other)] * 3 == [told.read(other) for _ in range(3)]
    assert frozenset(NAMES) == told.read(sotw(NAMES)).names


def test_what_is_no_request_is_refused_however_often_it_comes():
    told = reader()
    for _ in range(3):
        told.read(sotw(NAMES))
        for broken in (sotw(NAMES)[:-1], sotw(NAMES) + b"\xff", sotw(["x" * 2 * LONG])):
            with pytest.raises(ExchangeError):
                told.read(broken)


def test_what_is_kept_is_bounded_in_number_and_in_bytes():
    told, large = reader(), reader()
    for number in range(2 * RUNS):
        for _ in range(2):
            told.read(sotw([f"{number}/{name}" for name in NAMES]))
    for letter in "abcdef":
        for _ in range(2):
            large.read(sotw([letter * 1900 + str(number) for number in range(1000)]))

    assert f"runs={RUNS} " in repr(told)
    assert RUN_BYTES // 2 < int(repr(large).partition("bytes=")[2].rstrip(">")) <= RUN_BYTES


chunks = st.sampled_from(
    [
        sotw(NAMES[:200]),
        sotw(NAMES[200:]),
        sotw(["a" * 100]),
        discovery_pb2.DiscoveryRequest(response_nonce="7").SerializeToString(),
        discovery_pb2.DiscoveryRequest(version_info="v").SerializeToString(),
        b"\x9a\x06\x01a",
        b"\x30\x01",
        b"\x1a",
        b"\xff\xff",
    ]
)


@given(st.lists(st.lists(chunks, max_size=5).map(b"".join), max_size=8))
@settings(max_examples=200, deadline=None)
def test_requests_in_any_order_are_read_as_one_by_one(requests):
    told = reader()
    for data in [one for one in requests for _ in range(3)]:
        assert outcome(decode_sotw, data) == outcome(told.read, data)


def outcome(read, data):
    try:
        return read(data)
    except ExchangeError as error:
        return str(error)
