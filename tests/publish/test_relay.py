"""Bytes between a sink over TLS and a source: all of them, in order, however slow a side is."""

import asyncio
import contextlib
import random
import socket
import ssl

import pytest

from gitsource.publish.entry.relay import BLOCK, Handshake, Relay
from svids import Mesh

MESH = Mesh()
DATA = random.Random(7).randbytes(6 * 1024 * 1024)


@contextlib.asynccontextmanager
async def relaying(folder):
    """Yield the sink's end (over TLS), the source's end, and how often the relay closed."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*MESH.server().put(folder, "server"))
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)  # noqa: FBT003 - the socket API
    trusting = ssl.create_default_context(cadata=MESH.pem.decode())
    dialling = asyncio.create_task(
        asyncio.open_connection(*listening.getsockname(), ssl=trusting, server_hostname="localhost")
    )
    taken, _ = await loop.sock_accept(listening)
    shaken = loop.create_future()
    Handshake(
        taken, context, (10.0, lambda: "late"), lambda tls, why: shaken.set_result((tls, why))
    )
    tls, why = await shaken
    assert tls is not None, why
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - the socket API
    closed = []
    relay = Relay(tls, near, lambda: closed.append(1))
    relay.start()
    sink, source = await dialling, await asyncio.open_connection(sock=far)
    try:
        yield sink, source, closed
    finally:
        relay.close()
        listening.close()
        for _, writer in (sink, source):
            writer.transport.abort()


async def slowly(reader, size):
    """Read *size* bytes after a while, in bites of all sizes."""
    await asyncio.sleep(0.3)
    got = bytearray()
    while len(got) < size:
        bite = await reader.read(random.Random(len(got)).randint(1, 300_000))
        if not bite:
            break
        got += bite
    return bytes(got)


@pytest.mark.parametrize("down", [True, False], ids=["to-the-sink", "to-the-source"])
async def test_all_bytes_come_in_order_to_a_side_that_is_slow(down, tmp_path):
    async with relaying(tmp_path) as (sink, source, closed):
        (reader, _), (_, writer) = (sink, source) if down else (source, sink)
        reader._limit = 1024
        reading = asyncio.create_task(slowly(reader, len(DATA)))
        async with asyncio.timeout(60):
            writer.write(DATA)
            await writer.drain()
            got = await reading

        assert len(DATA) == len(got)
        assert got == DATA
        assert [] == closed


async def test_both_ways_at_once_do_not_wait_for_each_other(tmp_path):
    async with relaying(tmp_path) as (sink, source, _):
        for _, writer in (sink, source):
            writer.write(DATA)
        async with asyncio.timeout(60):
            got = await asyncio.gather(slowly(sink[0], len(DATA)), slowly(source[0], len(DATA)))

        assert [True, True] == [one == DATA for one in got]


async def test_a_side_that_reads_nothing_stops_the_other_and_holds_one_block(tmp_path):
    async with relaying(tmp_path) as (sink, source, _):
        sink[1].transport.pause_reading()
        writer = source[1]
        writer.transport.set_write_buffer_limits(high=1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 1 << 30:
                writer.write(bytes(BLOCK))
                sent += BLOCK
                async with asyncio.timeout(0.5):
                    await writer.drain()

        assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize("who", ["sink", "source"])
async def test_the_end_of_one_side_is_the_end_of_both_and_what_was_sent_arrives(who, tmp_path):
    async with relaying(tmp_path) as (sink, source, closed):
        (reader, _), (_, writer) = (source, sink) if who == "sink" else (sink, source)
        writer.write(b"the last words")
        writer.close()
        async with asyncio.timeout(10):
            got = await reader.read(-1)

        assert b"the last words" == got
        assert [1] == closed


async def test_what_comes_with_the_end_of_the_handshake_is_not_forgotten(tmp_path):
    async with relaying(tmp_path) as (sink, source, _):
        sink[1].write(b"first")
        async with asyncio.timeout(10):
            got = await source[0].readexactly(5)

        assert b"first" == got
