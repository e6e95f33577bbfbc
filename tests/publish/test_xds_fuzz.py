"""Arbitrary bytes, and arbitrary messages in any order, at both methods of xDS."""

import asyncio
import itertools
import tracemalloc

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.catalog.whole import Catalog
from gitsource.publish.ending import End
from gitsource.publish.session import Session
from gitsource.publish.shared import Shared
from gitsource.publish.xds.ads import Memory
from gitsource.publish.xds.served import Xds
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import SnapshotCache
from raw_xds import CDS, EDS, LDS, RDS, VHDS, served, stored

SERVED = itertools.cycle(
    [
        served({CDS: [stored(CDS, "a"), stored(CDS, "b")], EDS: [stored(EDS, "a")]}),
        served({CDS: [stored(CDS, "a", "v2")], EDS: [stored(EDS, "b")], LDS: [stored(LDS, "l")]}),
        served({VHDS: [stored(VHDS, "r/a")], RDS: [stored(RDS, "r")]}),
        served({}),
    ]
)

TYPE = st.sampled_from(
    [CDS, EDS, LDS, RDS, VHDS, "networking.istio.io/v1/VirtualService", "x" * 600, "", "\x1b[2J"]
)
NONCE = st.sampled_from(["", "", "1", "2", "3", "4", "9"])
NAMES = st.lists(st.sampled_from(["a", "b", "r", "r/a", "r/", "*", "", "x", "\x1b"]), max_size=4)
VERSIONS = st.dictionaries(st.sampled_from(["a", "b", "x", ""]), st.sampled_from(["v1", "v2", ""]))
ERROR = st.none() | st.builds(
    dict, code=st.integers(-5, 20), message=st.sampled_from(["", "a: no", "'b' is bad", "\0"])
)
VALUE = st.one_of(st.text(max_size=3), st.booleans(), st.floats(), st.none())
NODE = st.none() | st.builds(
    dict,
    id=st.sampled_from(["", "envoy", "\n"]),
    metadata=st.dictionaries(st.text(max_size=3), VALUE, max_size=2),
)

both = pytest.mark.parametrize("delta", [False, True], ids=["SotW", "delta"])


def sotw_request(url, nonce, names, _gone, versions, error, node):
    return discovery_pb2.DiscoveryRequest(
        type_url=url,
        response_nonce=nonce,
        resource_names=names,
        version_info="".join(versions),
        error_detail=error,
        node=node,
    )


def delta_request(url, nonce, names, gone, versions, error, node):
    return discovery_pb2.DeltaDiscoveryRequest(
        type_url=url,
        response_nonce=nonce,
        resource_names_subscribe=names,
        resource_names_unsubscribe=gone,
        initial_resource_versions=versions,
        error_detail=error,
        node=node,
    )


MAKES = {False: sotw_request, True: delta_request}


async def told(delta, messages, taken):
    """Say *messages* on a stream while what is served changes; return how it ended."""
    cache, limits = SnapshotCache(), Limits()
    cache.set("default", next(SERVED))
    waiting, counts = iter(messages), itertools.count()

    async def read():
        for _ in range(3):
            await asyncio.sleep(0)  # the writer has its turns
        if next(counts) % 3 == 1:
            cache.set("default", next(SERVED))
        return next(waiting, None)

    async def write(message):
        taken(message)

    wire = Xds(cache, Catalog, Memory(), delta=delta)
    session = Session(Shared(cache, limits), wire, "peer:1", read, write)
    ending = await asyncio.wait_for(session.run(), 60)

    assert 0 == cache.streams

    return ending


@both
@given(messages=st.lists(st.binary(max_size=60), max_size=4))
@settings(max_examples=200, deadline=None)
def test_bytes_end_the_stream_as_a_protocol_error_or_are_a_message(delta, messages):
    ending = asyncio.run(told(delta, messages, [].append))

    assert ending.end in {End.PROTOCOL, End.CLOSED}


@both
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_messages_in_any_order_are_answered_or_end_their_stream(delta, data):
    """Whatever is sent is well formed, and no more than was asked for or changed."""
    said = st.builds(MAKES[delta], TYPE, NONCE, NAMES, NAMES, VERSIONS, ERROR, NODE)
    messages = data.draw(st.lists(said, max_size=12))
    pushes = []
    ending = asyncio.run(told(delta, [one.SerializeToString() for one in messages], pushes.append))

    assert ending.end in {End.PROTOCOL, End.CLOSED}
    assert len(pushes) <= 3 * len(messages) + 1

    kind = discovery_pb2.DeltaDiscoveryResponse if delta else discovery_pb2.DiscoveryResponse
    responses = [kind.FromString(push) for push in pushes]

    assert len({response.nonce for response in responses}) == len(responses)

    for response in responses:
        assert response.type_url in {message.type_url for message in messages}
        if delta:
            names = [one.name for one in response.resources] + list(response.removed_resources)

            assert len(set(names)) == len(names)
            assert all(one.version for one in response.resources)
        else:
            assert response.version_info


@both
async def test_endless_talk_costs_no_memory(delta):
    """Stale answers, names that change, refusals: five thousand, with news in between."""
    make = MAKES[delta]
    node, error = {"id": "envoy"}, {"code": 13, "message": "a: no"}
    numbers = itertools.count(1)

    def rounds():
        yield make(CDS, "", [], [], {}, None, node)
        yield make(EDS, str(next(numbers)), ["a", "b"], ["x"], {}, None, None)
        yield make(LDS, "7", ["*"], [], {}, None, None)
        yield make(EDS, str(next(numbers)), ["x"], ["a"], {}, error, None)
        yield make(CDS, str(next(numbers)), [], [], {"a": "v1"}, error, None)
        yield make(RDS, "", [f"r{next(numbers)}"], [], {}, None, None)
        yield make(RDS, "", ["r"], [f"r{next(numbers) - 2}"], {}, None, None)

    sizes = []
    first, last = 1000, 5000

    def messages():
        made = itertools.chain.from_iterable(rounds() for _ in itertools.count())
        for number, one in zip(range(last + 1), made, strict=False):
            if number in {first, last}:
                sizes.append(tracemalloc.get_traced_memory()[0])
            yield one.SerializeToString()

    tracemalloc.start()
    try:
        ending = await told(delta, messages(), lambda _: None)
    finally:
        tracemalloc.stop()

    assert End.CLOSED is ending.end
    assert sizes[1] - sizes[0] < 500_000
