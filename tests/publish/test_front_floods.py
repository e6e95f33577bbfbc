"""Raw bytes against the sinks' door: floods and oddities that no library would send."""

import asyncio
import contextlib
import socket
import ssl
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from doors import METHOD, eventually, open_door, outcome, secured
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.settings.serving import Limits
from serving import VS, resource, snapshot
from svids import Mesh, spiffe

MESH = Mesh()
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
HEADERS, CONTINUATION, RESET, PING, SETTINGS = 1, 9, 3, 6, 4


def frame(kind, flags, stream, payload=b""):
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def opened_and_reset(stream):
    return frame(HEADERS, 4, stream, b"\x82") + frame(RESET, 0, stream, bytes(4))


def memory():
    """Resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@contextlib.asynccontextmanager
async def raw(door, folder, name="evil"):
    """Open a TLS connection and say HTTP/2's first words; yields reader and writer."""
    context = ssl.create_default_context(cadata=MESH.pem.decode())
    context.load_cert_chain(*MESH.svid(spiffe(name)).put(folder, name))
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", door.server.port, ssl=context, server_hostname="127.0.0.1"
    )
    writer.write(PREFACE)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def sent(writer, pieces):
    """Send *pieces* until the other side hangs up; returns how many bytes went out."""
    count = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                count += len(piece)
                if count % (1 << 20) < len(piece):
                    await asyncio.sleep(0)
    return count


async def test_endless_metadata_is_cut_off_and_no_memory_goes_to_it(tmp_path):
    """A gigabyte of headers is on offer: a call's worth of them is enough to be hung up on."""
    async with open_door(secured(tmp_path, MESH)) as door:
        before = memory()
        async with raw(door, tmp_path) as (_, writer):
            block = b"\x00\x01x\x7f\x80\x7e" + b"y" * 16_253
            first = frame(HEADERS, 0, 1, block[:16_000])
            pieces = [first, *[frame(CONTINUATION, 0, 1, block[:16_000])] * (1 << 16)]
            count = await sent(writer, pieces)
            told = await outcome(door.address, MESH, MESH.svid(spiffe("good")))

        assert "let in" == told
        assert count < 1 << 30
        assert memory() - before < 100 * 1024 * 1024
        assert spiffe("evil") not in {one.who.identity for one in door.server.sessions}


@pytest.mark.parametrize(
    ("flood", "count"),
    [
        (lambda _: frame(PING, 0, 0, bytes(8)), 200_000),
        (lambda at: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535 + at % 2)), 200_000),
        (lambda at: opened_and_reset(2 * at + 1), 50_000),
        (lambda at: bytes((at % 256,)) * 4096, 2_000),
    ],
    ids=["pings", "settings", "streams-that-are-reset", "noise"],
)
async def test_floods_of_frames_are_felt_by_nobody_else(flood, count, tmp_path):
    async with open_door(secured(tmp_path, MESH)) as door:
        before = memory()
        async with raw(door, tmp_path) as (reader, writer):
            reading = asyncio.create_task(reader.read(1 << 30))
            flooding = asyncio.create_task(sent(writer, (flood(at) for at in range(count))))
            told = [
                await outcome(door.address, MESH, MESH.svid(spiffe(f"good-{at}")))
                for at in range(3)
            ]
            await flooding
            reading.cancel()

        assert ["let in"] * 3 == told
        assert memory() - before < 200 * 1024 * 1024


async def test_who_hangs_up_in_any_state_leaves_nothing_behind(tmp_path):
    limits = replace(Limits(), handshake=0.5)
    async with open_door(secured(tmp_path, MESH, limits=limits)) as door:
        for size in (0, 1, 5, 200):
            for _ in range(10):
                sock = socket.create_connection(("127.0.0.1", door.server.port))
                sock.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:size].ljust(size, b"x"))
                # With a reset, as a peer does that crashed.
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                sock.close()
        for _ in range(10):
            async with raw(door, tmp_path, "gone"):
                pass
        front = door.server.door.front
        await eventually(lambda: not front._open)

        assert {} == front._named
        assert 0 == door.server.admission.connections
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe()))


async def test_descriptors_are_given_back(tmp_path):
    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    async with open_door(secured(tmp_path, MESH)) as door:
        papers = MESH.svid(spiffe())
        for _ in range(3):
            await outcome(door.address, MESH, papers)
        await eventually(lambda: not door.server.door.front._open)
        before = count()
        for _ in range(10):
            await outcome(door.address, MESH, papers)
            await outcome(door.address, MESH, MESH.svid(spiffe(domain="other.org")))
        await eventually(lambda: not door.server.door.front._open)
        await eventually(lambda: count() <= before + 2)

        assert 0 == door.server.admission.connections


async def test_a_sink_that_does_not_read_is_ended_and_hung_up_on(tmp_path):
    limits = replace(Limits(), stalled=0.5)
    large = snapshot(*(resource(f"a/{at}", size=1_000_000) for at in range(64)))
    async with open_door(secured(tmp_path, MESH, limits=limits), large) as door:
        async with raw(door, tmp_path, "deaf") as (reader, writer):
            window = frame(8, 0, 0, struct.pack(">I", 1 << 30))
            settings = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, (1 << 31) - 1))
            head = b"".join(
                b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value
                for name, value in (
                    (b":method", b"POST"),
                    (b":scheme", b"https"),
                    (b":path", METHOD.encode()),
                    (b":authority", b"localhost"),
                    (b"te", b"trailers"),
                    (b"content-type", b"application/grpc"),
                )
            )
            asked = mcp_pb2.RequestResources(collection=VS).SerializeToString()
            body = struct.pack(">BI", 0, len(asked)) + asked
            writer.write(settings + window + frame(HEADERS, 4, 1, head) + frame(0, 0, 1, body))
            reader._transport.pause_reading()
            await eventually(lambda: door.server.sessions)
            await eventually(lambda: not door.server.sessions)
            await eventually(lambda: not door.server.door.front._open)

        (ended,) = door.cache.endings.rows()
        assert "limits.stalled" in ended["why"]
        assert ended["peer"].startswith("ipv4:127.0.0.1:")
