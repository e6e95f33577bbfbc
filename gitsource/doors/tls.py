"""
TLS for an HTTP door: each connection by the papers that are in force when it comes.

Rule: who cannot finish a handshake in time, or at all, never reaches HTTP, and is told of. What the
certificate of a peer says is judged once, by `security.identity`.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

HANDSHAKE = 10
"""Seconds that a handshake may take."""

Refused = Callable[[str, str], None]
"""Told the address of a peer whose handshake failed, and why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections of a door are made."""

    context: Callable[[], ssl.SSLContext]
    """What is in force for the next one."""
    refused: Refused
    fallen: Callable[[Sequence[bytes]], str] = lambda _chain: ""
    """Why a chain that was good when its connection was made is so no longer; empty: it is."""
    patience: int = HANDSHAKE
    """Seconds that a handshake may take."""
    alarms: Callable[[], tuple[str, ...]] = tuple
    """What is wrong with the papers now."""


class Handshake(SSLProtocol):
    """One connection: TLS, and behind it *inner*."""

    def __init__(
        self,
        inner: asyncio.BaseProtocol,
        tls: Tls,
        over: Callable[[], None],
    ) -> None:
        """*over* is called when the connection is gone, whether its handshake was good or not."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        super().__init__(
            loop,
            inner,
            tls.context(),
            waiter,
            server_side=True,
            ssl_handshake_timeout=tls.patience,
        )
        self._refused = tls.refused
        self._over = over
        self._from = ""
        waiter.add_done_callback(self._shaken)

    def connection_made(self, transport: Any) -> None:
        """Begin the handshake."""
        self._from = address_of(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take in that it is over."""
        self._over()
        super().connection_lost(exc)

    def _shaken(self, waiter: asyncio.Future[None]) -> None:
        error = None if waiter.cancelled() else waiter.exception()
        if error is not None or waiter.cancelled():
            self._refused(self._from, _why(error))


def _why(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {str(error.reason or error)[:200]}"
    if isinstance(error, ConnectionAbortedError):  # asyncio's own, when the time is up
        return "TLS: the handshake took too long"
    return "TLS: the connection ended in its handshake"


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return where the other end of *transport* is: ``host:port``, or ``unix:``."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "unix:"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def chain_of(transport: asyncio.BaseTransport) -> list[bytes]:
    """Return the chain that the peer showed and that was verified, DER, the leaf first."""
    shown: Any = transport.get_extra_info("ssl_object")
    if shown is None:
        return []
    # NB: public from Python 3.13 on; there before, under the same name, on what is within.
    asked = shown if hasattr(shown, "get_verified_chain") else getattr(shown, "_sslobj", None)
    chain = asked.get_verified_chain() if asked is not None else None
    return [one if isinstance(one, bytes) else one.public_bytes(_DER) for one in chain or ()]


_DER = 2
"""`_ssl.ENCODING_DER`, in the versions of Python where certificates are objects there."""
