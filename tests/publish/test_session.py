"""One stream between a transport in memory and a real cache: what is said, logged and ended."""

import asyncio
import contextlib
import logging
from dataclasses import replace

import pytest

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.catalog.whole import Catalog
from gitsource.publish.classic.wires import Classic
from gitsource.publish.ending import End
from gitsource.publish.sending.gate import Gate
from gitsource.publish.session import UNGATED, Session
from gitsource.publish.shared import Shared
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import SnapshotCache
from serving import VS, resource, snapshot

PATIENCE = 20


class Wire:
    """A transport in memory; its sink reads while *reads* is set."""

    def __init__(self):
        self.requests = asyncio.Queue()
        self.pushes = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.writing = asyncio.Event()

    async def read(self):
        request = await self.requests.get()
        if isinstance(request, Exception):
            raise request
        return request

    async def write(self, message):
        self.writing.set()
        await self.reads.wait()
        self.pushes.put_nowait(mcp_pb2.Resources.FromString(message))

    def say(self, collection=VS, **fields):
        request = mcp_pb2.RequestResources(collection=collection, **fields)
        self.requests.put_nowait(request.SerializeToString())

    async def push(self):
        return await asyncio.wait_for(self.pushes.get(), PATIENCE)


@contextlib.asynccontextmanager
async def session(cache, shared=None, wire=None, catalog=Catalog):
    """Yield transport and task of a running session."""
    wire = wire or Wire()
    shared = shared or Shared(cache, Limits())
    classic = Classic(cache, catalog, shared.limits)
    one = Session(shared, classic, "ipv4:10.0.0.1:5", wire.read, wire.write)
    task = asyncio.create_task(one.run())
    try:
        yield wire, task
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def cache():
    cache = SnapshotCache()
    cache.set("default", snapshot(resource("a")))
    return cache


async def ended(task):
    return await asyncio.wait_for(task, PATIENCE)


async def test_each_step_leaves_a_line_in_the_log(cache, caplog):
    """Pushes at debug only: the ACK says the same."""
    caplog.set_level(logging.DEBUG, "gitsource.publish")
    async with session(cache) as (wire, task):
        wire.say(sink_node={"id": "pilot"})
        first = await wire.push()
        wire.say(response_nonce=first.nonce)
        wire.requests.put_nowait(None)
        await ended(task)
    lines = [(record.event, record.getMessage()) for record in caplog.records]

    assert [
        ("connected", "sink connected"),
        ("subscribed", f"sink subscribed to {VS}, full state"),
        ("sent", f"push of {VS}, full state"),
        ("acked", f"ACK of {VS}"),
        ("disconnected", "sink disconnected: closed by the sink"),
    ] == lines

    acked = caplog.records[3]

    assert ("pilot", "ipv4:10.0.0.1:5", VS, first.system_version_info, "1") == (
        acked.sink,
        acked.peer,
        acked.collection,
        acked.version,
        acked.nonce,
    )


async def test_a_nack_is_a_warning_with_the_sinks_words_on_one_line(cache, caplog):
    async with session(cache) as (wire, task):
        wire.say()
        first = await wire.push()
        detail = {"code": 3, "message": "bad\r\nroute" + "!" * 5000}
        wire.say(response_nonce=first.nonce, error_detail=detail)
        wire.requests.put_nowait(None)
        await ended(task)
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)

    assert ("nacked", 3) == (record.event, record.code)
    assert record.getMessage().startswith(f"NACK of {VS}: bad\\r\\nroute!!!")
    assert len(record.getMessage()) < 1000


async def test_a_stale_answer_is_no_news(cache, caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    async with session(cache) as (wire, task):
        wire.say(response_nonce="7")
        wire.requests.put_nowait(None)
        await ended(task)

    assert ["connected", "disconnected"] == [record.event for record in caplog.records]


async def test_while_a_write_goes_on_only_the_newest_state_waits(cache):
    async with session(cache) as (wire, _):
        wire.reads.clear()
        wire.say()
        await asyncio.wait_for(wire.writing.wait(), PATIENCE)
        for number in range(5):
            cache.set("default", snapshot(resource("a", f"v{number}")))
        wire.reads.set()
        first = await wire.push()
        wire.say(response_nonce=first.nonce)
        second = await wire.push()

        assert ["v0", "v4"] == [push.resources[0].metadata.version for push in (first, second)]


async def test_what_is_sent_after_waiting_at_the_gate_is_the_newest(cache):
    shared = Shared(cache, Limits())
    shared.gate = Gate(budget=1, hold=60)
    cache.set("default", snapshot(resource("a", "old", size=UNGATED)))
    async with session(cache, shared) as (inside, _), session(cache, shared) as (waiting, _):
        inside.reads.clear()
        inside.say()
        await asyncio.wait_for(inside.writing.wait(), PATIENCE)
        waiting.say()
        for _ in range(PATIENCE * 1000):
            if "waiting=1" in repr(shared.gate):
                break
            await asyncio.sleep(0.001)
        cache.set("default", snapshot(resource("a", "new", size=UNGATED)))
        inside.reads.set()
        push = await waiting.push()

        assert ("1", "new") == (push.nonce, push.resources[0].metadata.version)


async def test_a_stream_that_is_over_watches_nothing(cache):
    async with session(cache) as (wire, task):
        wire.requests.put_nowait(None)
        await ended(task)

    assert ({}, 0) == (cache._watches["default"], cache.streams)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (None, End.CLOSED),
        (b"\xff", End.PROTOCOL),
        (ConnectionResetError("gone"), End.BROKEN),
    ],
)
async def test_how_the_sinks_half_ends_is_how_the_stream_ends(cache, said, end):
    async with session(cache) as (wire, task):
        wire.requests.put_nowait(said)

        assert end is (await ended(task)).end


async def test_a_write_that_fails_ends_the_stream(cache):
    class Broken(Wire):
        async def write(self, _):
            raise ConnectionResetError

    async with session(cache, wire=Broken()) as (wire, task):
        wire.say()

        assert End.BROKEN is (await ended(task)).end


async def test_a_write_that_is_not_taken_ends_the_stream(cache):
    shared = Shared(cache, replace(Limits(), stalled=0.01))
    async with session(cache, shared) as (wire, task):
        wire.reads.clear()
        wire.say()
        ending = await ended(task)

        assert (End.STALLED, f"a push of {VS} was not taken in 0.01 s (limits.stalled)") == (
            ending.end,
            ending.text,
        )


async def test_a_write_that_has_to_give_way_says_so(cache):
    shared = Shared(cache, Limits())
    shared.gate = Gate(budget=1, hold=0.001, chance=0)
    cache.set("default", snapshot(resource("a", size=UNGATED)))
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(session(cache, shared)) for _ in range(3)]
        for wire, _ in sessions:
            wire.reads.clear()
            wire.say()
            await asyncio.sleep(0.01)
        done, _ = await asyncio.wait(
            [task for _, task in sessions], timeout=PATIENCE, return_when="FIRST_COMPLETED"
        )
        expected = f"a push of {VS} took too long while others waited for theirs"

        assert {(End.STALLED, expected)} == {(one.result().end, one.result().text) for one in done}


async def test_a_fault_of_ours_ends_the_stream_and_is_logged(cache, caplog):
    async with session(cache, catalog=lambda: {}["no catalog"]) as (wire, task):
        wire.say()

        assert End.FAULT is (await ended(task)).end

    assert "KeyError" in caplog.text


async def test_a_fault_while_sending_is_no_different(cache, caplog):
    class Odd(Wire):
        async def write(self, _):
            raise ZeroDivisionError

    async with session(cache, wire=Odd()) as (wire, task):
        wire.say()

        assert End.FAULT is (await ended(task)).end

    assert "ZeroDivisionError" in caplog.text


# --------------------------------------------------------------------------- after a NACK


DR = "istio/networking/v1alpha3/destinationrules"


async def test_a_sink_that_refuses_a_part_may_go_back_to_what_it_accepted_as_a_whole(cache):
    cache.set("default", snapshot(resource("a"), **{DR: [resource("d")]}))
    shared = Shared(cache, Limits(), on_nack="return")
    async with session(cache, shared) as (wire, _):
        for name in (VS, DR):
            wire.say(name)
            push = await wire.push()
            wire.say(name, response_nonce=push.nonce)
        first = push.system_version_info
        cache.set("default", snapshot(resource("a", "v1"), **{DR: [resource("d", "v1")]}))
        accepted = await wire.push()
        wire.say(DR, response_nonce=accepted.nonce)
        refused = await wire.push()
        wire.say(VS, response_nonce=refused.nonce, error_detail={"code": 3, "message": "no"})
        back = await wire.push()
        wire.say(DR, response_nonce=back.nonce)
        cache.set("default", snapshot(resource("a", "v2"), **{DR: [resource("d", "v1")]}))
        again = await wire.push()

    assert [DR, VS, DR] == [accepted.collection, refused.collection, back.collection]
    assert (first, accepted.system_version_info) == (
        back.system_version_info,
        again.system_version_info,
    )


async def test_by_default_it_keeps_the_rest(cache):
    cache.set("default", snapshot(resource("a"), **{DR: [resource("d")]}))
    async with session(cache) as (wire, _):
        for name in (VS, DR):
            wire.say(name)
            push = await wire.push()
            wire.say(name, response_nonce=push.nonce)
        cache.set("default", snapshot(resource("a", "v1"), **{DR: [resource("d", "v1")]}))
        accepted = await wire.push()
        wire.say(DR, response_nonce=accepted.nonce)
        refused = await wire.push()
        wire.say(VS, response_nonce=refused.nonce, error_detail={"code": 3, "message": "no"})
        cache.set("default", snapshot(resource("a", "v2"), **{DR: [resource("d", "v1")]}))
        later = await wire.push()

    assert (VS, "v2") == (later.collection, later.resources[0].metadata.version)
