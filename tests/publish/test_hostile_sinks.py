"""Sinks that are broken or mean: each costs its own stream, and nobody else notices."""

import asyncio
import contextlib
import itertools
import logging
import socket
from pathlib import Path

import grpc
import pytest

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from raw_sink import METHOD, PATIENCE, RawSink, channel
from servers.networks import network
from serving import VS, resource, serving, snapshot

MIB = 1024 * 1024
CHANGES = itertools.count()


@contextlib.asynccontextmanager
async def with_witness(**how):
    """Yield cache, server, a connection and a good sink on it that has its first state."""
    first = how.pop("first", snapshot(resource("a")))
    async with serving(first, **how) as (cache, server), channel(server.port) as connection:
        witness = RawSink(connection, "witness")
        await witness.send(VS)
        await witness.accept()
        yield cache, server, connection, witness


async def sees_changes(cache, witness):
    """Check that *witness* gets the next version as if nothing had happened."""
    cache.set("default", snapshot(resource("a", f"change {next(CHANGES)}")))
    await witness.accept()


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# --------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 40,
        b"not protobuf",
        b"",
        mcp_pb2.RequestResources(collection="").SerializeToString(),
        mcp_pb2.RequestResources(collection="c" * 5000).SerializeToString(),
    ],
    ids=["bytes", "text", "nothing", "no collection", "endless collection"],
)
async def test_garbage_ends_that_stream_as_an_invalid_argument(data):
    async with with_witness() as (cache, _, connection, witness):
        broken = RawSink(connection)
        await broken.call.write(data)

        assert "INVALID_ARGUMENT" == (await broken.ended())[0]

        await sees_changes(cache, witness)


async def test_an_unknown_collection_is_answered_empty():
    async with with_witness() as (_, _, connection, _):
        sink = RawSink(connection)
        await sink.send("no/such/thing")
        push = await sink.accept()

        assert ("no/such/thing", [], False) == (
            push.collection,
            list(push.resources),
            push.incremental,
        )


async def test_stale_and_double_answers_change_nothing():
    async with with_witness() as (cache, _, connection, witness):
        sink = RawSink(connection)
        await sink.send(VS, response_nonce="7")
        await sink.send(VS)
        push = await sink.receive()
        await sink.send(VS, response_nonce="99")
        await sink.answer(push)
        await sink.refuse(push)
        await sink.answer(push)
        await sees_changes(cache, witness)

        assert "2" == (await sink.receive()).nonce


async def test_names_with_control_characters_come_out_harmless():
    async with with_witness() as (cache, _, connection, _):
        sink = RawSink(connection, "evil\x1b[2J\nid")
        await sink.send("col\x07lection\u202e")
        await sink.accept()
        row = cache.sinks()[-1]

        assert ("evil\\x1b[2J\\nid", ["col\\x07lection\\u202e"]) == (
            row["id"],
            list(row["collections"]),
        )


# --------------------------------------------------------------------------- too much


async def test_one_stream_too_many_is_refused():
    async with with_witness(streams=2) as (cache, _, connection, witness):
        second = RawSink(connection)
        await second.send(VS)
        await second.accept()
        third = RawSink(connection)

        assert ("RESOURCE_EXHAUSTED", "2 sink streams are open (limits.streams)") == (
            await third.ended()
        )

        await sees_changes(cache, witness)


async def test_one_collection_too_many_ends_the_stream():
    async with with_witness(subscriptions=2) as (cache, _, connection, witness):
        sink = RawSink(connection)
        for name in ("one", "two", "two", "three"):
            await sink.send(name)
        expected = "more than 2 collections on one stream (limits.subscriptions)"

        assert ("RESOURCE_EXHAUSTED", expected) == await sink.ended()

        await sees_changes(cache, witness)


async def test_a_request_that_is_too_large_ends_the_stream():
    async with with_witness(request_bytes=10_000) as (cache, _, connection, witness):
        sink = RawSink(connection)
        await sink.send(VS, initial_resource_versions={"x" * 20_000: "v0"})

        assert "RESOURCE_EXHAUSTED" == (await sink.ended())[0]

        await sees_changes(cache, witness)


async def test_huge_metadata_is_refused():
    async with with_witness() as (cache, server, _, witness):
        async with channel(server.port, ("grpc.max_metadata_size", 10 * MIB)) as connection:
            sink = RawSink(connection, metadata=(("x-padding", "y" * MIB),))

            assert "RESOURCE_EXHAUSTED" == (await sink.ended())[0]

        await sees_changes(cache, witness)


async def test_a_flood_of_requests_is_answered_with_the_newest_state_only():
    async with with_witness() as (cache, _, connection, witness):
        sink = RawSink(connection)
        for _ in range(2000):
            await sink.send(VS)
        await sees_changes(cache, witness)
        first = await sink.receive()
        while first.system_version_info != cache.get().collection(VS).version:
            first = await sink.receive()
        await sink.answer(first)

        assert int(first.nonce) < 2000


async def test_an_unknown_method_is_not_implemented():
    async with with_witness() as (_, _, connection, _):
        call = connection.stream_stream(METHOD.replace("Establish", "Demolish"))()

        assert grpc.StatusCode.UNIMPLEMENTED == await call.code()


# --------------------------------------------------------------------------- silence


async def test_sinks_that_do_not_read_cost_a_bounded_memory_and_hold_nobody_up():
    """Ten of them, thirty versions of a megabyte: unbounded queues would come to 300 MB."""
    async with with_witness(push_bytes_in_flight=2 * MIB) as (cache, server, _, witness):
        connections = [channel(server.port) for _ in range(10)]
        for number, connection in enumerate(connections):
            await RawSink(connection, f"stuck {number}").send(VS)
        await witness.answer(await sink_version(cache, witness, "warm"))
        before = resident()
        for number in range(30):
            await witness.answer(await sink_version(cache, witness, f"v{number}"))
        grown = resident() - before

        assert grown < 100 * MIB

        for connection in connections:
            await connection.close()


async def sink_version(cache, witness, version):
    cache.set("default", snapshot(resource("a", version, size=MIB)))
    return await witness.receive()


async def test_a_sink_that_takes_nothing_for_too_long_is_hung_up_on(caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    async with with_witness(stalled=0.2) as (cache, server, _, witness):
        gone = asyncio.Event()
        cache.listen(lambda report: report.event == "disconnected" and gone.set())
        async with channel(server.port) as connection:
            stuck = RawSink(connection, "stuck")
            await stuck.call.initial_metadata()
            cache.set("default", snapshot(resource("a", "large", size=8 * MIB)))
            await witness.accept()
            await stuck.send(VS)
            await asyncio.wait_for(gone.wait(), PATIENCE)
            # It still does not read, so only the end of its connection tells it.
            code = await asyncio.wait_for(stuck.call.code(), PATIENCE)

            assert grpc.StatusCode.UNAVAILABLE == code

        assert "limits.stalled" in caplog.text

        await sees_changes(cache, witness)


async def test_a_peer_that_vanishes_without_a_word_is_found_out():
    """The network swallows everything from some moment on, as when a machine loses power."""
    async with (
        with_witness(keepalive=1.0) as (cache, server, _, witness),
        network(server.port) as between,
    ):
        async with channel(between.port) as connection:
            gone = asyncio.Event()
            cache.listen(lambda report: report.event == "disconnected" and gone.set())
            sink = RawSink(connection, "vanishing")
            await sink.send(VS)
            await sink.accept()
            between.swallow()
            await asyncio.wait_for(gone.wait(), PATIENCE)

            assert ["witness"] == [row["id"] for row in cache.sinks()]

        await sees_changes(cache, witness)


async def test_connections_that_say_nothing_or_nonsense_do_no_harm():
    async with with_witness() as (cache, server, _, witness):
        silent = socket.create_connection(("127.0.0.1", server.port))
        rude = socket.create_connection(("127.0.0.1", server.port))
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100_000))
        await sees_changes(cache, witness)
        silent.close()
        rude.close()
        await sees_changes(cache, witness)


async def test_a_connection_that_is_reset_ends_its_stream():
    async with with_witness() as (cache, server, _, witness):
        gone = asyncio.Event()
        cache.listen(lambda report: report.event == "disconnected" and gone.set())
        connection = channel(server.port)
        sink = RawSink(connection)
        await sink.send(VS)
        await sink.receive()
        await connection.close()
        await asyncio.wait_for(gone.wait(), PATIENCE)
        await sees_changes(cache, witness)


async def test_pings_more_often_than_grpc_likes_are_answered():
    """By default gRPC ends such a connection with too_many_pings after the third one."""
    ping = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"12345678"
    answer = bytes((0, 0, 8, 6, 1, 0, 0, 0, 0)) + b"12345678"
    settings = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    async with with_witness() as (_, server, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        for _ in range(20):
            writer.write(ping)
            await asyncio.wait_for(reader.readuntil(answer), PATIENCE)
        writer.close()
        await writer.wait_closed()
