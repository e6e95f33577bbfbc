"""
An HTTP listener with the bounds that keep a slow or hostile peer from hurting anybody else.

Rule: both HTTP doors (admin and webhook) are opened here, so both have them: a cap on connections,
a deadline for the first request of a connection, no decompression of bodies, headers that name no
software version. aiohttp costs a fifth of a second to import, so it is imported in a thread when a
door is opened, never at the start: the gRPC server serves first.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError

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


def is_loopback(host: str) -> bool:
    """Whether *host*, as written in an address or a Host header, can only be this machine."""
    import ipaddress  # lazily: only HTTP needs it

    if host.rstrip(".").lower() == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


async def load(module: str) -> None:
    """Import *module*, which costs time, without keeping the event loop from serving."""
    await asyncio.to_thread(importlib.import_module, module)


def _ours(record: logging.LogRecord) -> bool:
    """Whether a record of the HTTP library is about us: anybody can send broken HTTP, and often."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) or type(error).__module__.startswith("aiohttp."))


log.addFilter(_ours)


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

    @property
    def address(self) -> str:
        """``host:port``, the host in brackets if it is IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    async def close(self) -> None:
        """Take no more connections, let requests under way end for `GRACE`, and end the rest."""
        self._server.close()
        await self._runner.cleanup()


async def listen(
    app: web.Application,
    address: str,
    setting: str,
    *,
    connections: int = CONNECTIONS,
    idle: float = IDLE,
) -> Listener:
    """
    Serve *app* at *address*; *setting* names it in errors.

    Raises ConfigurationError if the address cannot be bound.
    """
    from aiohttp import web  # lazily: see the module's rule

    host, port = split_address(address, setting)
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

    def accept() -> asyncio.BaseProtocol:
        return http() if len(http.connections) < connections else _Refused()

    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(accept, host, port, reuse_address=True)
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(
            f"{setting}: cannot listen on {address}: {error.strerror or error}",
            hint="another process may have the port: choose another, or stop that process",
        ) from error
    return Listener(host, server.sockets[0].getsockname()[1], runner, server)
