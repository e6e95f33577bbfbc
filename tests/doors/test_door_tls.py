"""TLS in front of an HTTP door: who gets in, who does not and is told of, and what each costs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiohttp import web

from gitsource.doors.listener import listen
from gitsource.doors.papers import papers_of
from gitsource.doors.tls import address_of
from svids import Mesh

PATIENCE = 15


@pytest.fixture
def mesh(tmp_path) -> Mesh:
    """Papers of a door, in files."""
    made = Mesh()
    made.server().put(tmp_path, "door")
    return made


class Door:
    """An open door, and what the audit log was told."""

    def __init__(self) -> None:
        self.port = 0
        self.told: list = []

    @property
    def refusals(self) -> list[str]:
        return [one.why for one in self.told if one.event == "refuse"]

    async def refusal(self) -> str:
        """Return why the first one was refused, once that is known."""
        async with asyncio.timeout(PATIENCE):
            while not self.refusals:  # noqa: ASYNC110 - the door tells nobody but the log
                await asyncio.sleep(0.01)
        return self.refusals[0]


@asynccontextmanager
async def door(folder, *, connections: int = 8, patience: int | None = None, **how):
    """Open one that says hello."""

    async def hello(_request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    made = Door()
    paths = folder / "door.pem", folder / "door.key"
    tls, closing = await papers_of("webhook", *paths, record=made.told.append, **how)
    if patience is not None:
        tls = replace(tls, patience=patience)
    listener = await listen(
        app, "127.0.0.1:0", "x", tls=tls, connections=connections, closing=closing
    )
    made.port = listener.port
    yield made
    await listener.close()


def trusting(mesh: Mesh) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=mesh.pem.decode())


@asynccontextmanager
async def connected(port: int, tls: ssl.SSLContext | None):
    """Connect, with a handshake if *tls*; hangs up at the end."""
    name = {} if tls is None else {"ssl": tls, "server_hostname": "localhost"}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **name)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def hears(port: int, tls: ssl.SSLContext) -> bool:
    """Whether a request is answered."""
    with suppress(OSError, ssl.SSLError):
        async with connected(port, tls) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return (await reader.read()).endswith(b"hello")
    return False


async def eventually_hears(port: int, tls: ssl.SSLContext) -> bool:
    """Whether one is, as soon as the door has noticed who went away."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not await hears(port, tls):  # noqa: ASYNC110 - what a door notices it tells nobody
                await asyncio.sleep(0.02)
            return True
    return False


async def test_who_does_not_trust_the_door_is_told_of_with_the_reason(mesh, tmp_path):

    def shake(port: int) -> None:
        tls = trusting(Mesh())
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain, suppress(OSError):
            tls.wrap_socket(plain, server_hostname="localhost").close()

    async with door(tmp_path) as opened:
        await asyncio.to_thread(shake, opened.port)
        why = await opened.refusal()

    (happening,) = opened.told
    assert "ALERT_UNKNOWN_CA" in why
    assert happening.peer.startswith("127.0.0.1:")
    assert {"door": "webhook", "what": "connection"} == happening.facts


async def test_a_certificate_that_nobody_vouches_for_is_told_with_the_reason(mesh, tmp_path):
    (tmp_path / "ca.pem").write_bytes(mesh.pem)
    stranger = trusting(mesh)
    stranger.load_cert_chain(*Mesh().svid(common="mallory").put(tmp_path, "stranger"))
    async with door(tmp_path, ca=tmp_path / "ca.pem") as opened:
        heard = await hears(opened.port, stranger)
        why = await opened.refusal()

    assert not heard
    assert why.startswith("certificate: unable to get")


async def test_who_says_nothing_in_a_handshake_is_hung_up_on(mesh, tmp_path):
    async with (
        door(tmp_path, patience=1) as opened,
        connected(opened.port, None) as (reader, _),
    ):
        assert b"" == await asyncio.wait_for(reader.read(), PATIENCE)
        assert "TLS: the handshake took too long" == await opened.refusal()


async def test_who_hangs_up_in_a_handshake_is_told_of(mesh, tmp_path):
    async with door(tmp_path) as opened:
        async with connected(opened.port, None):
            pass

        assert "TLS: the connection ended in its handshake" == await opened.refusal()


async def test_a_handshake_counts_as_a_connection_until_it_is_over(mesh, tmp_path):
    async with door(tmp_path, connections=1) as opened:
        async with connected(opened.port, None):
            during = await hears(opened.port, trusting(mesh))
        after = await eventually_hears(opened.port, trusting(mesh))

    assert (False, True) == (during, after)


async def test_connections_that_were_good_leave_room_when_they_are_over(mesh, tmp_path):
    async with door(tmp_path, connections=2) as opened:
        heard = [await eventually_hears(opened.port, trusting(mesh)) for _ in range(4)]

    assert [True] * 4 == heard
    assert [] == opened.refusals


async def test_new_papers_are_shown_to_the_next_connection(mesh, tmp_path):
    """As when they are about to run out; nothing is restarted."""
    other = Mesh()
    async with door(tmp_path, every=0.02) as opened:
        before = await hears(opened.port, trusting(mesh)), await hears(opened.port, trusting(other))
        other.server().put(tmp_path, "door")
        after = await eventually_hears(opened.port, trusting(other))

    assert (True, False, True) == (*before, after)


async def test_papers_are_watched_as_long_as_the_door_is_open(mesh, tmp_path):
    def watching():
        return [task for task in asyncio.all_tasks() if task.get_name() == "papers of webhook"]

    async with door(tmp_path):
        during = watching()
    await asyncio.wait(during, timeout=PATIENCE)

    assert [True] == [task.cancelled() for task in during]


async def test_http_2_is_not_promised(mesh, tmp_path):
    tls = trusting(mesh)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    async with door(tmp_path) as opened, connected(opened.port, tls) as (_, writer):
        assert "http/1.1" == writer.get_extra_info("ssl_object").selected_alpn_protocol()


@pytest.mark.parametrize(("oldest", "expected"), [({}, False), ({"oldest": "1.2"}, True)])
async def test_tls_1_2_is_spoken_where_it_is_asked_for(mesh, tmp_path, oldest, expected):
    tls = trusting(mesh)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    async with door(tmp_path, **oldest) as opened:
        assert expected is await hears(opened.port, tls)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("10.0.0.1", 4711), "10.0.0.1:4711"),
        (("2001:db8::1", 4711, 0, 0), "[2001:db8::1]:4711"),
        ("", "unix:"),
        (None, "unix:"),
    ],
)
def test_who_is_there_is_told_by_address(name, expected):
    assert expected == address_of(asyncio.Transport({"peername": name}))
