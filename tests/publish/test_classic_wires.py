"""
Every generation of classic MCP over real gRPC, as sinks of Istio's kind meet it.

The sinks are those of tests/classic_sink.py: they check the version of each push themselves.
"""

import asyncio
import contextlib
import logging

import grpc
import pytest

from classic_sink import (
    IncrementWords,
    Listening,
    ResourceWords,
    Sink,
    StateWords,
    channel,
    connected,
    keep,
    reader,
    recomputed,
)
from gitsource.publish.dialout import Dialler
from gitsource.publish.server import metadata_of
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from serving import VS, resource, serving, snapshot

GW = "istio/networking/v1alpha3/gateways"
URL = "type.googleapis.com/istio.networking.v1alpha3.VirtualService"

WAYS = {
    "source, full state": ("mcp", ResourceWords, False),
    "source, incremental": ("mcp", ResourceWords, True),
    "legacy, full state": ("mcp-legacy", StateWords, False),
    "legacy, incremental": ("mcp-legacy", IncrementWords, True),
    "dialled, full state": ("mcp-dial", None, False),
    "dialled, incremental": ("mcp-dial", None, True),
}
every_way = pytest.mark.parametrize("way", WAYS)


@contextlib.asynccontextmanager
async def met(way, sink, server):
    """Let *sink* and *server* meet in one of the `WAYS` while the block runs."""
    _, words, sink.incremental = WAYS[way]
    if words is not None:
        async with connected(sink, server.port, words()):
            yield
        return
    async with Listening(sink) as listening:
        row = DialRow("edge", Address(f"127.0.0.1:{listening.port}"))
        dialler = Dialler(server.shared, server.classic, [row], metadata_of(()), first=0.05)
        dialler.start()
        try:
            yield
        finally:
            await dialler.drain(5)


def holding(cache, *collections):
    """Return whether a sink holds what is served of *collections*."""

    def true(sink):
        served = {name: cache.get().collection(name).version for name in collections}
        return served == {name: sink.versions.get(name) for name in collections}

    return true


def row_of(cache):
    (row,) = cache.sinks()
    return row


# --------------------------------------------------------------------------- the common exchange


@every_way
async def test_a_sink_follows_what_is_served(way):
    """S1, S3, S4, S7, I1 to I5, V5: from before the first snapshot to the last deletion."""
    sink = Sink([VS, GW], "pilot", {"foo": "bar"})
    async with serving() as (cache, server), met(way, sink, server):
        for served in (
            snapshot(resource("a")),
            snapshot(resource("a"), resource("b"), **{GW: [resource("g")]}),
            snapshot(resource("b", "v1"), **{GW: [resource("g")]}),
            snapshot(),
        ):
            cache.set("default", served)
            await sink.until(holding(cache, VS, GW))
        await sink.until(lambda _: cache.accepted(cache.get()).complete)
        told = row_of(cache)

        assert WAYS[way][0] == told["protocol"]
        assert {VS: {}, GW: {}} == sink.held
        assert sink.versions == {
            name: status["acked"] for name, status in told["collections"].items()
        }
        assert ("pilot", {"foo": "bar"}, sorted([VS, GW])) == sink.described()


@every_way
async def test_a_refused_version_is_not_sent_again_and_the_next_one_is(way):
    """S2, I2, K3: no loop of refusals on any wire."""
    sink = Sink([VS], "pilot")
    async with serving(snapshot(resource("a"))) as (cache, server), met(way, sink, server):
        await sink.until(holding(cache, VS))
        sink.refuse = lambda push: (
            "no" if any(r.metadata.version == "bad" for r in push.put) else ""
        )
        cache.set("default", snapshot(resource("a", "bad"), resource("b")))
        await sink.until(lambda _: row_of(cache)["collections"][VS]["nacked"])
        refused = len(sink.got)
        cache.set("default", snapshot(resource("a", "bad"), resource("b")))
        await asyncio.sleep(0.1)

        assert refused == len(sink.got)
        assert "no" == row_of(cache)["collections"][VS]["error"]

        cache.set("default", snapshot(resource("a", "good"), resource("b")))
        await sink.until(holding(cache, VS))

        assert (VS, sink.got[-2].nonce, 3) in sink.journal
        assert refused + 1 == len(sink.got)


@every_way
async def test_an_undecodable_body_and_an_unknown_collection_are_answered_and_cost_nothing(way):
    """K3: what the sink cannot read, and what this source does not have."""
    broken = resource("a", "v1")
    wire = broken.wire + b"\x12\x08\x0a\x06broken"
    sink = Sink([VS, "no/such/thing"])
    async with serving(snapshot(resource("a"))) as (cache, server), met(way, sink, server):
        await sink.until(holding(cache, VS, "no/such/thing"))
        cache.set("default", snapshot(type(broken)("a", "v1", wire, broken.origin)))
        await sink.until(lambda _: row_of(cache)["collections"][VS]["nacked"])
        cache.set("default", snapshot(resource("a", "v2")))
        await sink.until(holding(cache, VS))

        assert 2 in {code for _, _, code in sink.journal}


@every_way
async def test_a_sink_that_reconnects_loses_no_deletion(way, caplog):
    """K4, C4: and an incremental one gets nothing twice."""
    caplog.set_level(logging.INFO, "gitsource.publish")
    first = snapshot(resource("a"), resource("b"), resource("c"))
    sink = Sink([VS], "pilot")
    async with serving(first) as (cache, server):
        async with met(way, sink, server):
            await sink.until(holding(cache, VS))
        cache.set("default", snapshot(resource("a"), resource("c", "v1")))
        async with met(way, sink, server):
            await sink.until(holding(cache, VS))
        last = sink.got[-1]

        assert ["a", "c"] == sorted(sink.held[VS])
        if sink.incremental:
            assert (["c"], ["b"]) == ([one.metadata.name for one in last.put], last.removed)


@pytest.mark.parametrize("words", [StateWords, IncrementWords])
async def test_a_legacy_sink_may_ask_by_the_type_of_messages(words):
    sink = Sink([URL, VS, "type.googleapis.com/no.such.Message"])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        connected(sink, server.port, words()),
    ):
        await sink.until(lambda one: 3 == len(one.versions))
        served = cache.get().collection(VS).version

        assert (served, served) == (sink.versions[URL], sink.versions[VS])
        assert VS == cache._sinks[1].collections[URL].collection


async def test_a_legacy_sink_that_comes_back_with_what_is_served_gets_nothing():
    """Section 2.9: its version is what it says it holds; it counts as accepted."""
    sink = Sink([VS], "pilot")
    async with serving(snapshot(resource("a"))) as (cache, server):
        async with connected(sink, server.port, StateWords()):
            await sink.until(holding(cache, VS))
        got = len(sink.got)
        async with connected(sink, server.port, StateWords()):
            await sink.until(lambda _: cache.accepted(cache.get()).accepted)

            assert got == len(sink.got)

            cache.set("default", snapshot(resource("a", "v1")))
            await sink.until(holding(cache, VS))


async def test_three_collections_get_one_answer_each():
    """S6, S14."""
    names = [VS, GW, "acme/v1/flags"]
    sink = Sink(names)
    async with serving(snapshot(resource("a"))) as (_, server), connected(sink, server.port):
        await sink.until(lambda one: 3 == len(one.got))

        assert sorted(names) == sorted(push.collection for push in sink.got)
        assert ["1", "2", "3"] == [push.nonce for push in sink.got]


async def test_each_stream_is_told_the_version_and_the_operators_pairs():
    """Section 2.1: as headers, before anything is asked."""
    async with serving(metadata=("mesh=prod",)) as (_, server), channel(server.port) as wire:
        for words in (ResourceWords, StateWords, IncrementWords):
            call = wire.stream_stream(words.method)()
            headers = dict(await asyncio.wait_for(call.initial_metadata(), 20))

            assert "prod" == headers["mesh"]
            assert headers["config.source.version"]


# --------------------------------------------------------------------------- what is too large


async def test_an_incremental_sink_gets_a_large_collection_in_pushes_that_fit():
    """15 MB for a sink that takes 4 MiB: each part has the version of what it leads to."""
    large = snapshot(*(resource(f"r{n:05}", size=3000) for n in range(5000)))
    changed = snapshot(*(resource(f"r{n:05}", "v1", size=3000) for n in range(1000, 5000)))
    sink = Sink([VS], incremental=True)
    async with serving(large) as (cache, server), connected(sink, server.port):
        await sink.until(holding(cache, VS))
        first = len(sink.got)
        cache.set("default", changed)
        await sink.until(holding(cache, VS))

        assert [False] + [True] * (len(sink.got) - 1) == [p.incremental for p in sink.got]
        assert (4, 1) == (first, sink.streams)
        assert max(push.size for push in sink.got) <= 4092 * 1024
        assert 4000 == len(sink.held[VS])
        assert row_of(cache)["collections"][VS]["note"] is None


async def test_a_legacy_incremental_sink_gets_parts_as_well():
    large = snapshot(*(resource(f"r{n}", size=100) for n in range(100)))
    sink = Sink([VS])
    async with (
        serving(large, message_bytes=5000) as (cache, server),
        connected(sink, server.port, IncrementWords()),
    ):
        await sink.until(holding(cache, VS))
        cache.set("default", snapshot(*(resource(f"r{n}", "v1", 100) for n in range(50))))
        await sink.until(holding(cache, VS))

        assert max(push.size for push in sink.got) <= 5000


async def test_a_sink_that_reconnects_halfway_goes_on_from_there():
    """The stream breaks after the second part; nothing is sent twice."""
    large = snapshot(*(resource(f"r{n:03}", size=100) for n in range(100)))
    sink = Sink([VS], incremental=True)
    async with serving(large, message_bytes=5000) as (cache, server):
        async with channel(server.port) as connection:
            call = connection.stream_stream(ResourceWords.method)()
            words, read = ResourceWords(), reader(call)
            await sink.say(words, call.write, VS)
            for _ in range(2):
                push = words.parse(await read())
                await sink.say(words, call.write, VS, push.nonce, sink.take(push))
            call.cancel()
        held = len(sink.held[VS])
        async with connected(sink, server.port):
            await sink.until(holding(cache, VS))
        sent = [one.metadata.name for push in sink.got for one in push.put]

        assert 0 < held < 100
        assert sorted(set(sent)) == sorted(sent)


async def test_a_full_state_sink_that_cannot_take_it_is_told_of_once(caplog):
    """It comes back again and again; the status says what to do each time, the log once."""
    large = snapshot(*(resource(f"r{n}", size=1000) for n in range(100)))
    sink = Sink([VS], largest=50_000)
    async with serving(large, message_bytes=50_000) as (cache, server):
        notes = set()
        cache.listen(lambda report: report.event == "sent" and notes.add(report.note))
        async with connected(sink, server.port):
            await sink.until(lambda one: one.streams > 3)
        said = [
            record for record in caplog.records if "limits.message_bytes" in record.getMessage()
        ]
        (note,) = notes

        assert [] == sink.got
        assert 1 == len(said)
        assert "--mcpMaxMsgSize" in note


async def test_a_full_state_sink_with_a_higher_limit_takes_it_all_the_same():
    large = snapshot(*(resource(f"r{n}", size=1000) for n in range(100)))
    sink = Sink([VS])
    async with (
        serving(large, message_bytes=50_000) as (cache, server),
        connected(sink, server.port),
    ):
        await sink.until(holding(cache, VS))

        assert "sent all the same" in row_of(cache)["collections"][VS]["note"]

        cache.set("default", snapshot(resource("a")))
        await sink.until(holding(cache, VS))

        assert row_of(cache)["collections"][VS]["note"] is None


async def test_one_resource_that_is_too_large_is_named(caplog):
    served = snapshot(resource("a"), resource("huge", size=60_000), resource("z"))
    sink = Sink([VS], incremental=True)
    async with (
        serving(served, message_bytes=50_000) as (cache, server),
        connected(sink, server.port),
    ):
        await sink.until(holding(cache, VS))

        assert [["a"], ["huge"], ["z"]] == [
            [one.metadata.name for one in push.put] for push in sink.got
        ]
        assert "huge alone is more than 50000 bytes" in caplog.text


async def test_a_refused_part_refuses_the_version_it_leads_to():
    """And a sink that is halfway goes back to what it accepted as a whole."""
    before = snapshot(resource("old"))
    after = snapshot(*(resource(f"r{n:03}", size=100) for n in range(100)))
    sink = Sink([VS], "pilot", incremental=True, says_incremental_in_nacks=True)
    async with serving(before, message_bytes=5000) as (cache, server):
        async with connected(sink, server.port):
            await sink.until(holding(cache, VS))
            sink.refuse = lambda push: (
                "no r050" if "r050" in {one.metadata.name for one in push.put} else ""
            )
            cache.set("default", after)
            await sink.until(lambda one: len(one.got) > 3 and ["old"] == list(one.held[VS]))
            await sink.until(
                lambda _: row_of(cache)["collections"][VS]["acked"] == before.collection(VS).version
            )
            got = len(sink.got)
            cache.set("default", after)
            await asyncio.sleep(0.1)

            assert got == len(sink.got)
            assert cache.refused("pilot", VS, after.collection(VS).version)

        sink.refuse = None
        cache.set("default", snapshot(resource("new"), resource("old")))
        async with connected(sink, server.port):
            await sink.until(holding(cache, VS))


# --------------------------------------------------------------------------- the sink itself


def test_the_emulator_notices_a_push_that_does_not_come_to_its_version():
    """Else all the above would prove nothing."""
    push = ResourceWords().parse(b"\x0a\x01x\x12\x02T0\x2a\x011")
    sink = Sink(["T0"])
    sink.take(push)

    assert [push] == sink.mismatches
    assert recomputed({}) != push.version


async def test_a_source_that_turns_a_sink_away_is_dialled_again():
    """K5, V1: one stream too many."""
    first, second = Sink([VS]), Sink([VS])
    async with serving(snapshot(resource("a")), streams=1) as (cache, server):
        async with connected(first, server.port):
            await first.until(holding(cache, VS))
            late = asyncio.create_task(keep(second, server.port, ResourceWords()))
            await second.until(lambda one: one.streams > 1)

            assert [] == second.got

        await second.until(holding(cache, VS))
        late.cancel()
        await asyncio.wait([late])


def test_the_statuses_used_here_are_grpcs():
    assert (2, 3, 12) == tuple(
        code.value[0]
        for code in (
            grpc.StatusCode.UNKNOWN,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.UNIMPLEMENTED,
        )
    )
