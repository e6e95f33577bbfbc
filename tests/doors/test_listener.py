"""The HTTP doors' common bounds."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from gitsource.doors.listener import listen, split_address
from gitsource.errors import ConfigurationError
from gitsource.settings_checks.addresses import is_loopback


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9902", ("127.0.0.1", 9902)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(address, expected):
    assert split_address(address, "listen.admin") == expected


@pytest.mark.parametrize(
    "address", ["", "9902", ":9902", "host:", "host:http", "host:65536", "::1:80", "host:-1", "h:٣"]
)
def test_what_is_no_address_is_refused_with_the_name_of_the_setting(address):
    with pytest.raises(ConfigurationError, match=r"listen\.admin: .* is no address"):
        split_address(address, "listen.admin")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),  # noqa: S104 - judged, not bound
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_loopback(host, expected):
    assert is_loopback(host) is expected


async def app_that_says_hello():
    async def hello(_request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def get(port: int) -> bytes:
    """Return what a request is answered; nothing if the connection is closed instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_connection_above_the_cap_is_closed_and_room_is_made_again():
    listener = await listen(await app_that_says_hello(), "127.0.0.1:0", "x", connections=2)
    idlers = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
    refused = await get(listener.port)
    for _, writer in idlers:
        writer.close()
        await writer.wait_closed()
    # The server sees the ends a moment later than we do.
    answered = b""
    for _ in range(100):
        answered = answered or await get(listener.port)
    await listener.close()

    assert refused == b""
    assert answered.endswith(b"hello")


async def test_a_connection_that_sends_no_request_is_closed():
    """A peer that dribbles headers holds a connection for the idle time, not for ever."""
    listener = await listen(await app_that_says_hello(), "127.0.0.1:0", "x", idle=0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await listener.close()

    assert answer == b""


async def test_an_address_that_is_taken_is_an_error_of_the_operator():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(ConfigurationError, match=r"listen\.admin: cannot listen on") as caught:
            await listen(await app_that_says_hello(), address, "listen.admin")
    assert caught.value.hint


async def test_a_closed_door_takes_no_more_connections():
    listener = await listen(await app_that_says_hello(), "127.0.0.1:0", "x")
    before = await get(listener.port)
    await listener.close()

    assert before.endswith(b"hello")
    with pytest.raises(ConnectionRefusedError):
        await get(listener.port)


async def test_the_address_of_an_ipv6_door_can_be_used_as_it_is():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = await listen(await app_that_says_hello(), "[::1]:0", "x")
    except ConfigurationError:
        pytest.skip("this machine has no IPv6 loopback")
    await listener.close()

    assert listener.address == f"[::1]:{listener.port}"


async def test_a_link_in_the_place_of_a_unix_socket_is_not_followed(tmp_path):
    """Whoever may write there could have another file taken for an old socket of ours."""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "stale"))
    stale.close()
    (tmp_path / "admin").symlink_to(tmp_path / "stale")

    with pytest.raises(ConfigurationError, match="a symbolic link is in its place"):
        await listen(await app_that_says_hello(), f"unix:{tmp_path}/admin", "listen.admin")
    assert (tmp_path / "admin").is_symlink()
