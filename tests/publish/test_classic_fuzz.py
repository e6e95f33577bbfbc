"""Arbitrary bytes, and arbitrary messages in any order, at every method of classic MCP."""

import asyncio
import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classic_sink import IncrementWords, ResourceWords, Sink, StateWords, connected
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.catalog.whole import Catalog
from gitsource.publish.classic.legacy import Legacy
from gitsource.publish.classic.wires import Classic
from gitsource.publish.ending import End
from gitsource.publish.session import Session
from gitsource.publish.shared import Shared
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import SnapshotCache
from serving import VS, resource, serving, snapshot

WIRES = {
    "source": lambda cache, limits: Classic(cache, Catalog, limits),
    "dialled": lambda cache, limits: Classic(cache, Catalog, limits).dialled("edge"),
    "legacy": lambda cache, limits: Legacy(cache, Catalog, limits),
    "legacy, incremental": lambda cache, limits: Legacy(cache, Catalog, limits, incremental=True),
}
every_wire = pytest.mark.parametrize("wire", WIRES)
SERVED = itertools.cycle([snapshot(resource("a")), snapshot(resource("b", "v1")), snapshot()])

COLLECTION = st.sampled_from([VS, "T0", "$triggerCollection", "x" * 600, "", "\x1b[2J"])
NONCE = st.sampled_from(["", "1", "2", "3", "9", f"1 {VS}", "2 T0"])
VERSIONS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["v0", "v1"]))
ERROR = st.none() | st.builds(dict, code=st.integers(-5, 20), message=st.text(max_size=5))
NODE = st.builds(dict, id=st.sampled_from(["", "pilot", "\n"]))


def resource_request(collection, nonce, versions, error, node, incremental):
    return mcp_pb2.RequestResources(
        collection=collection,
        response_nonce=nonce,
        initial_resource_versions=versions,
        error_detail=error,
        sink_node=node,
        incremental=incremental,
    )


def state_request(collection, nonce, versions, error, node, incremental):
    if incremental:
        client = {"id": node["id"], "metadata": {"n": 1.5, "t": "x"}}
        return mcp_pb2.ClientConfigRequest(type_url=collection, client=client)
    return mcp_pb2.MeshConfigRequest(
        type_url=collection,
        response_nonce=nonce,
        version_info="".join(versions),
        error_detail=error,
        sink_node=node,
    )


def increment_request(collection, nonce, versions, error, node, incremental):
    return mcp_pb2.IncrementalMeshConfigRequest(
        type_url=collection,
        response_nonce=nonce,
        initial_resource_versions=versions,
        error_detail=error,
        sink_node=node,
    )


MAKES = {
    "source": resource_request,
    "dialled": resource_request,
    "legacy": state_request,
    "legacy, incremental": increment_request,
}


async def told(wire, messages, limits=None):
    """Say *messages* on a stream while what is served changes; return how it ended, and pushes."""
    cache = SnapshotCache()
    cache.set("default", next(SERVED))
    limits = limits or Limits()
    waiting, pushes = iter(messages), []

    async def read():
        await asyncio.sleep(0)
        message = next(waiting, None)
        if message is not None and len(pushes) % 3 == 1:
            cache.set("default", next(SERVED))
        return message

    async def write(message):
        pushes.append(message)

    session = Session(Shared(cache, limits), WIRES[wire](cache, limits), "peer:1", read, write)
    ending = await asyncio.wait_for(session.run(), 20)

    assert 0 == cache.streams

    return ending, pushes


@every_wire
@given(messages=st.lists(st.binary(max_size=60), max_size=4))
@settings(max_examples=200, deadline=None)
def test_bytes_end_the_stream_as_a_protocol_error_or_are_a_message(wire, messages):
    ending, _ = asyncio.run(told(wire, messages))

    assert ending.end in {End.PROTOCOL, End.CLOSED}


@every_wire
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_messages_in_any_order_are_answered_or_end_their_stream(wire, data):
    said = st.builds(MAKES[wire], COLLECTION, NONCE, VERSIONS, ERROR, NODE, st.booleans())
    messages = data.draw(st.lists(said, max_size=12))
    ending, pushes = asyncio.run(told(wire, [one.SerializeToString() for one in messages]))

    assert ending.end in {End.PROTOCOL, End.CLOSED}
    assert len(pushes) <= len(messages) + 1


@every_wire
async def test_a_hundred_thousand_subscriptions_end_the_stream_at_the_limit(wire):
    fields = ("", {}, None, {"id": ""}, 0)
    messages = (MAKES[wire](f"c{number}", *fields).SerializeToString() for number in range(100_000))
    ending, _ = await told(wire, messages)

    assert End.LIMIT is ending.end
    assert "limits.subscriptions" in ending.text
    assert 100_000 - 1025 == sum(1 for _ in messages)


@every_wire
async def test_endless_talk_costs_no_memory(wire):
    """Stale answers, repeated subscriptions, refusals: twenty thousand, with news in between."""
    make = MAKES[wire]
    kinds = [
        make(VS, "", {}, None, {"id": "pilot"}, incremental=False),
        make(VS, "7", {}, None, {"id": ""}, incremental=True),
        make("T0", "1", {}, {"code": 3, "message": "no"}, {"id": ""}, incremental=True),
        make(VS, "1", {"a": "v0"}, {"code": 3, "message": "no"}, {"id": ""}, incremental=True),
    ]
    rounds = [one.SerializeToString() for one in kinds]
    first = len(rounds) * 500
    sizes = []

    def messages():
        for number, one in zip(range(first * 5), itertools.cycle(rounds), strict=False):
            if number in {first, first * 5 - 1}:
                sizes.append(tracemalloc.get_traced_memory()[0])
            yield one

    tracemalloc.start()
    try:
        ending, _ = await told_dropping(wire, messages())
    finally:
        tracemalloc.stop()

    assert End.CLOSED is ending.end
    assert sizes[1] - sizes[0] < 500_000


async def told_dropping(wire, messages):
    """Do as `told`, keeping no push."""
    cache = SnapshotCache()
    cache.set("default", next(SERVED))

    async def read():
        await asyncio.sleep(0)
        return next(messages, None)

    async def write(_):
        cache.set("default", next(SERVED))

    wired = WIRES[wire](cache, Limits())
    session = Session(Shared(cache, Limits()), wired, "peer:1", read, write)
    return await asyncio.wait_for(session.run(), 60), None


# --------------------------------------------------------------------------- over gRPC


@pytest.mark.parametrize("words", [ResourceWords, StateWords, IncrementWords])
async def test_a_sink_that_answers_everything_twice_gets_nothing_twice(words):
    sink = Sink([VS])

    async def talk(words, read, write):
        async def doubled(message):
            await write(message)
            if asked:
                await write(message)
            asked.append(message)

        asked = []
        await Sink.talk(sink, words, read, doubled)

    async with serving(snapshot(resource("a"))) as (cache, server):
        sink.talk = talk
        async with connected(sink, server.port, words()):
            for number in range(5):
                served = snapshot(resource(f"a{number}"))
                cache.set("default", served)
                wanted = served.collection(VS).version
                await sink.until(lambda one, wanted=wanted: wanted == one.versions.get(VS))

        assert len({push.version for push in sink.got}) == len(sink.got)


@pytest.mark.parametrize("words", [ResourceWords, StateWords, IncrementWords])
async def test_garbage_at_a_method_ends_that_stream_only(words):
    good, bad = Sink([VS]), Sink([VS])
    ends = []

    async def garbage(_, read, write):
        await write(b"\xff" * 40)
        try:
            await read()
        except Exception as error:
            ends.append(error.code().name)
            raise

    bad.talk = garbage
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        connected(good, server.port, words()),
        connected(bad, server.port, words()),
    ):
        await good.until(lambda one: one.versions)
        await good.until(lambda _: ends)
        served = snapshot(resource("b"))
        cache.set("default", served)
        await good.until(lambda one: served.collection(VS).version == one.versions.get(VS))

        assert ("INVALID_ARGUMENT", 1) == (ends[0], good.streams)


async def test_five_hundred_sinks_that_come_back_at_once_get_nothing_twice():
    """They hold everything: what they are sent is a word."""
    served = snapshot(*(resource(f"r{number}", size=1000) for number in range(200)))
    async with serving(served) as (_, server):
        first = Sink([VS], incremental=True)
        async with connected(first, server.port):
            await first.until(lambda one: one.versions)
        sinks = [
            Sink([VS], f"sink {number}", incremental=True, held=dict(first.held))
            for number in range(500)
        ]
        ways = [connected(sink, server.port) for sink in sinks]
        await asyncio.gather(*(way.__aenter__() for way in ways))
        try:
            await asyncio.gather(*(sink.until(lambda one: one.versions) for sink in sinks))
        finally:
            await asyncio.gather(*(way.__aexit__(None, None, None) for way in ways))

        assert max(push.size for sink in sinks for push in sink.got) < 200
        assert {len(sink.got) for sink in sinks} == {1}
