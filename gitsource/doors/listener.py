"""
An HTTP listener with the bounds that keep a slow or hostile peer from hurting anybody else.

Rule: both HTTP doors (admin and webhook) are opened here, so both have them: a cap on connections,
those in a handshake among them, a deadline for the first request of a connection, no decompression
of bodies, headers that name no software version. A Unix socket is for its owner (and root) alone.
aiohttp costs a fifth of a second to import, so it is imported in a thread when a door is opened,
never at the start: the gRPC server serves first.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsource.doors.tls import Handshake, Tls
from gitsource.errors import ConfigurationError
from gitsource.settings_checks.addresses import UNIX

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("gitsource.http")

CONNECTIONS = 256
"""Open connections a door; one more is closed at once."""
IDLE = 15.0
"""Seconds a connection may take to send its (next) request."""
LINGER = 1.0
"""Seconds an unread body is drained, so that the peer reads the refusal before the end."""
GRACE = 1.0
"""Seconds requests under way get when the door closes."""


def split_address(address: str, setting: str) -> tuple[str, int]:
    """
    Return host and port of ``host:port`` (an IPv6 host in brackets).

    Raises ConfigurationError, naming *setting*, if it is none.
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    valid = colon and port.isascii() and port.isdigit() and int(port) <= 0xFFFF
    if not valid or not host or (":" in host and not bracketed):
        raise ConfigurationError(
            f"{setting}: {address!r} is no address",
            hint="write host:port, such as 127.0.0.1:9902 or [::1]:9902",
        )
    return host.strip("[]"), int(port)


async def load(module: str) -> None:
    """Import *module*, which costs time, without keeping the event loop from serving."""
    await asyncio.to_thread(importlib.import_module, module)


def _ours(record: logging.LogRecord) -> bool:
    """Whether a record of the HTTP library is about us: anybody can send broken HTTP, and often."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) or type(error).__module__.startswith("aiohttp."))


log.addFilter(_ours)


def socket_path(address: str) -> str:
    """Return the path of ``unix:/path``; empty for any other address."""
    return address.removeprefix(UNIX) if address.startswith(UNIX) else ""


class _Refused(asyncio.Protocol):
    """What a connection above the cap meets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@dataclass(frozen=True)
class Listener:
    """An open door."""

    host: str
    port: int
    """The port that is really bound."""
    _runner: web.AppRunner
    _server: asyncio.Server
    _closing: Callable[[], None] = lambda: None
    alarms: Callable[[], tuple[str, ...]] = tuple
    """What is wrong with its papers now."""

    @property
    def address(self) -> str:
        """``host:port``, the host in brackets if it is IPv6; ``unix:/path``."""
        if self.host.startswith(UNIX):
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    async def close(self) -> None:
        """Take no more connections, let requests under way end for `GRACE`, and end the rest."""
        self._closing()
        self._server.close()
        await self._runner.cleanup()


async def listen(
    app: web.Application,
    address: str,
    setting: str,
    *,
    connections: int = CONNECTIONS,
    idle: float = IDLE,
    tls: Tls | None = None,
    closing: Callable[[], None] = lambda: None,
) -> Listener:
    """
    Serve *app* at *address*; *setting* names it in errors, *closing* is called at the end.

    Raises ConfigurationError if the address cannot be bound.
    """
    from aiohttp import web  # lazily: see the module's rule

    path = socket_path(address)
    host, port = (address, 0) if path else split_address(address, setting)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=log,
        handler_cancellation=True,
        shutdown_timeout=GRACE,
        keepalive_timeout=idle,
        lingering_time=LINGER,
        auto_decompress=False,
    )
    await runner.setup()
    http = runner.server
    if http is None:
        raise AssertionError("a runner that is set up has a server")

    shaking: set[object] = set()

    def accept() -> asyncio.BaseProtocol:
        if max(len(http.connections), len(shaking)) >= connections:
            return _Refused()
        if tls is None:
            return http()
        token = object()
        shaking.add(token)
        return Handshake(http(), tls, lambda: shaking.discard(token))

    loop = asyncio.get_running_loop()
    alarms = tls.alarms if tls is not None else tuple
    try:
        if path:
            server = await _at_socket(accept, path)
            return Listener(address, 0, runner, server, closing, alarms)
        server = await loop.create_server(accept, host, port, reuse_address=True)
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(
            f"{setting}: cannot listen on {address}: {error.strerror or error}",
            hint="another process may have the port: choose another, or stop that process",
        ) from error
    port = server.sockets[0].getsockname()[1]
    return Listener(host, port, runner, server, closing, alarms)


async def _at_socket(accept: Callable[[], asyncio.BaseProtocol], path: str) -> asyncio.Server:
    """Listen at *path*; raises OSError if that cannot be, or somebody does already."""
    probe = socket.socket(socket.AF_UNIX)
    with probe, suppress(FileNotFoundError, ConnectionRefusedError):
        probe.connect(path)
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if os.path.islink(path):  # noqa: ASYNC240, PTH114 - once, before the door opens
        raise OSError(errno.EEXIST, "a symbolic link is in its place")
    before = os.umask(0o177)  # from its first moment on for nobody else
    try:
        return await asyncio.get_running_loop().create_unix_server(accept, path)
    finally:
        os.umask(before)
