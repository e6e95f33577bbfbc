"""
TLS in front of gRPC: takes connections, has them prove who they are, and relays what they say.

Rule: gRPC hears of nobody who was not let in, and of each connection by a name that nobody else can
have: the front dials gRPC's socket, in a folder that is this user's alone, from a socket with a
random name of its own, which gRPC tells with each call ([0013](docs/adr)). Whoever is refused is
told of in the audit log with address and reason.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsource.doors.listener import split_address
from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
from gitsource.observe.neutral import neutral
from gitsource.publish.entry.admission import Admission, host_of, key_of
from gitsource.publish.entry.relay import Handshake, Relay
from gitsource.security.identity import Unproved, claims_of
from gitsource.security.papers import InForce
from gitsource.security.peer import NOBODY, Peer

log = logging.getLogger("gitsource.publish")

BACKLOG = 4096
"""Connections that may wait to be taken: all sinks may come at once."""
AT_ONCE = 64
"""Connections that are taken before others have their turn."""
PAUSE = 0.5
"""Seconds without taking connections when there are no descriptors left."""
DIALS = 100
"""Times a full gRPC is dialled again, every `DIAL_AGAIN` seconds."""
DIAL_AGAIN = 0.02
WINDOW = 10.0
"""Seconds in which the same refusal of the same host is one line that counts."""
HOSTS = 1024
"""Refusals that are counted so."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms peers are let in."""

    in_force: Callable[[], InForce]
    """Papers for the next connection."""
    judge: Callable[[Sequence[bytes], str, float], Peer]
    """Who shows a chain from an address at a time; raises `Unproved`."""
    handshake: float = 10.0
    """Seconds."""


class Private:
    """
    A socket address that this user alone can reach, in *folder*; without one, in a new folder.

    Paths of sockets are short, folders need not be: the address goes by the folder's descriptor.
    """

    def __init__(self, folder: Path | None) -> None:
        self._made = None if folder is not None else Path(tempfile.mkdtemp(prefix="gitsource-"))
        inner = (self._made or folder or Path()) / "sinks"
        inner.mkdir(mode=0o700, exist_ok=True)
        inner.chmod(0o700)
        self._inner = inner
        self._fd = os.open(inner, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        here = f"/proc/self/fd/{self._fd}" if sys.platform == "linux" else str(inner)
        self.path = f"{here}/grpc"
        self.address = f"unix:{self.path}"
        """The same, as gRPC writes it."""

    def __repr__(self) -> str:
        return f"<Private {self._inner}>"

    def close(self) -> None:
        """Take the socket away."""
        os.close(self._fd)
        shutil.rmtree(self._made or self._inner, ignore_errors=True)


@dataclass(slots=True, eq=False)
class _Connection:
    address: str
    key: str
    """As whom it is counted."""
    name: str = ""
    """As gRPC calls it; empty before it is known to gRPC."""
    peer: Peer = NOBODY
    chain: Sequence[bytes] = field(default=(), repr=False)
    papers: InForce | None = field(default=None, repr=False)
    """By which it was let in."""
    close: Callable[[], None] = field(default=lambda: None, repr=False)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What refusals have in common that are one line."""

    host: str
    why: str
    who: str
    """Who was known, and is not let in or has to go."""
    claims: tuple[tuple[str, str], ...]
    """What the certificate says, if it got as far as that."""

    def happening(self, address: str, times: int) -> Happening:
        facts: dict[str, Fact] = {"what": "connection", "times": times, **dict(self.claims)}
        return Happening("refuse", self.who, address, "refused", self.why, facts)


class Front:
    """Takes connections at *address* and relays them to gRPC's socket at *upstream*."""

    def __init__(
        self,
        address: str,
        upstream: str,
        terms: Terms,
        admission: Admission,
        *,
        record: Record = unrecorded,
    ) -> None:
        self._address = address
        self._upstream = upstream
        self._terms = terms
        self._admission = admission
        self._record = record
        self._listening: list[socket.socket] = []
        self._open: dict[_Connection, None] = {}
        self._named: dict[str, _Connection] = {}
        self._told: dict[_Refused, list[int]] = {}
        self._trusted: object = None
        """What of the papers decides about connections that are open."""
        self.ended: Callable[[Mapping[str, str]], None] = lambda _: None
        """Told why connections from addresses are ended, before they are."""
        self.refused = 0
        """Connections that were not let in."""

    def __repr__(self) -> str:
        return f"<Front {self._address} connections={len(self._open)} refused={self.refused}>"

    # ------------------------------------------------------------------ life

    async def start(self) -> int:
        """Take connections; returns the port. Raises ConfigurationError if that cannot be had."""
        host, port = split_address(self._address, "listen.mcp")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, *_, where in dict.fromkeys(found):
                at = (where[0], port)
                one = socket.create_server(
                    at,
                    family=family,
                    backlog=BACKLOG,
                    dualstack_ipv6=family == socket.AF_INET6 and host == "::",
                )
                one.setblocking(False)  # noqa: FBT003 - the socket API
                self._listening.append(one)
                port = one.getsockname()[1]
        except OSError as error:
            self.close()
            raise ConfigurationError(
                f"listen.mcp: cannot listen on {self._address}: {error.strerror}",
                hint="another process may have the port: choose another, or stop that process",
            ) from error
        now = self._terms.in_force()
        self._trusted = (now.authorities, now.revoked)
        for one in self._listening:
            loop.add_reader(one.fileno(), self._take, one)
        return port

    def refuse_new(self) -> None:
        """Take no more connections."""
        loop = asyncio.get_running_loop()
        for one in self._listening:
            loop.remove_reader(one.fileno())
            one.close()
        self._listening.clear()

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        self.refuse_new()
        for connection in tuple(self._open):
            connection.close()

    # ------------------------------------------------------------------ what others ask

    def peer(self, name: str) -> Peer | None:
        """Return who is behind the connection that gRPC calls *name*; None: it is none of ours."""
        found = self._named.get(name)
        return None if found is None else found.peer

    def hang_up(self, name: str) -> bool:
        """End the connection that gRPC calls *name*; returns whether there is one."""
        found = self._named.get(name)
        if found is not None:
            found.close()
        return found is not None

    def revise(self) -> None:
        """End the connections that could not be made any more: other papers are in force."""
        now, before = self._terms.in_force(), self._trusted
        self._trusted = (now.authorities, now.revoked)
        if self._trusted == before:
            return
        fallen = {one: why for one in self._named.values() if (why := self._fallen(one))}
        self.ended({one.address: why for one, why in fallen.items()})
        for connection, why in fallen.items():
            self._refused(connection, why)
            connection.close()

    def _fallen(self, connection: _Connection) -> str:
        """Return why *connection* could not be made now; empty if it could."""
        from cryptography import x509

        if not connection.chain:
            return ""
        leaf = x509.load_der_x509_certificate(connection.chain[0])
        if (leaf.issuer.public_bytes(), leaf.serial_number) in self._terms.in_force().revoked:
            return "certificate revoked"
        try:
            # Whether a stream ends with its certificate is a setting, and not decided here.
            self._terms.judge(connection.chain, connection.address, 0.0)
        except Unproved as error:
            return str(error)
        return ""

    # ------------------------------------------------------------------ one connection

    def _take(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, where = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors or no memory left
                log.error("no connection of a sink can be taken: %s", error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening.fileno())
                loop.call_later(PAUSE, self._take_again, listening)
                return
            self._taken(sock, where)

    def _take_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening.fileno(), self._take, listening)

    def _taken(self, sock: socket.socket, where: tuple[Any, ...]) -> None:
        address = _written(sock.family, where)
        connection = _Connection(address, host_of(address))
        if why := self._admission.connection(connection.key):
            self._refused(connection, why)
            sock.close()
            return
        self._open[connection] = None
        sock.setblocking(False)  # noqa: FBT003 - the socket API
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        terms = self._terms
        in_force = terms.in_force()

        def shaken(tls: ssl.SSLSocket | None, why: str) -> None:
            if tls is None:
                self._over(connection)
                self._refused(connection, why)
            else:
                self._known(connection, tls)

        connection.papers = in_force

        def late() -> str:
            most = f"the handshake took longer than {terms.handshake:g} s"
            return self._admission.over("handshake", most)

        handshake = Handshake(sock, in_force.context, (terms.handshake, late), shaken)
        if connection in self._open and not connection.name:
            connection.close = lambda: handshake.fail("gitsource is going away")

    def _known(self, connection: _Connection, tls: ssl.SSLSocket) -> None:
        """Find out who it is, and let it in."""
        try:
            chain = _chain(tls)
            peer = Peer(address=connection.address)
            if chain:
                connection.chain = chain
                peer = self._terms.judge(chain, connection.address, time.time())
        except Unproved as error:
            self._turn_away(connection, tls, str(error))
            return
        except Exception as fault:  # it costs this connection
            log.error("a connection ends by a fault in gitsource", exc_info=fault)
            self._turn_away(connection, tls, "a fault in gitsource; its log says more")
            return
        connection.peer = peer
        if peer.identity:
            before, connection.key = connection.key, key_of(peer)
            if why := self._admission.connection_known(before, connection.key):
                connection.key = ""
                self._turn_away(connection, tls, why)
                return
        self._dial(connection, tls, DIALS)

    def _dial(self, connection: _Connection, tls: ssl.SSLSocket, left: int) -> None:
        """Connect it to gRPC, from a name that nobody else can have."""
        # `revise` knows only of those that got here; others may have come in meanwhile.
        if self._terms.in_force() is not connection.papers and (why := self._fallen(connection)):
            self._turn_away(connection, tls, why)
            return
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        upstream.setblocking(False)  # noqa: FBT003 - the socket API
        name = f"gitsource-{secrets.token_hex(16)}"
        try:
            if sys.platform == "linux":
                upstream.bind(f"\0{name}")
                connection.name = f"unix-abstract:{name}"
            else:
                path = f"{self._upstream}-{name}"
                upstream.bind(path)
                connection.name = f"unix:{path}"
            upstream.connect(self._upstream)
        except OSError as error:
            upstream.close()
            if not left or not isinstance(error, BlockingIOError):
                self._turn_away(connection, tls, "gitsource has no room for it")
                return
            # gRPC has as many to take as may wait. A peer that goes meanwhile is noticed later.
            again = asyncio.get_running_loop().call_later(
                DIAL_AGAIN, self._dial, connection, tls, left - 1
            )

            def give_up() -> None:
                again.cancel()
                tls.close()
                self._over(connection)

            connection.close = give_up
            return
        self._named[connection.name] = connection
        relay = Relay(tls, upstream, lambda: self._over(connection))
        connection.close = relay.close
        relay.start()

    def _turn_away(self, connection: _Connection, tls: ssl.SSLSocket, why: str) -> None:
        """Tell a peer whose handshake was good that it is not let in, and hang up."""
        with suppress(OSError):
            tls.send(_goodbye(why))
        with suppress(OSError, ValueError):
            tls.unwrap()
        # A close with unread bytes would be a reset, which takes the goodbye away again.
        with suppress(OSError):
            tls.shutdown(socket.SHUT_WR)
        asyncio.get_running_loop().call_later(1.0, tls.close)
        self._over(connection)
        self._refused(connection, why)

    def _over(self, connection: _Connection) -> None:
        if self._open.pop(connection, self) is None:
            self._named.pop(connection.name, None)
            if connection.key:
                self._admission.connection_over(connection.key)

    # ------------------------------------------------------------------ telling

    def _refused(self, connection: _Connection, why: str) -> None:
        """Tell log and audit log; what comes again and again is counted for a while."""
        self.refused += 1
        why = neutral(why)
        claims = claims_of(connection.chain[0]) if connection.chain else {}
        who = connection.peer.identity
        key = _Refused(host_of(connection.address), why, who, tuple(claims.items()))
        counted = self._told.get(key)
        if counted is not None:
            counted[0] += 1
            return
        if len(self._told) < HOSTS:
            self._told[key] = [0]
            asyncio.get_running_loop().call_later(WINDOW, self._tell_rest, key)
        log.warning("connection from %s refused: %s", connection.address, why)
        self._record(key.happening(connection.address, 1))

    def _tell_rest(self, key: _Refused) -> None:
        (more,) = self._told.pop(key)
        if more:
            log.warning("%d more connections from %s refused: %s", more, key.host, key.why)
            self._record(key.happening(key.host, more))


def _chain(tls: ssl.SSLSocket) -> list[bytes]:
    """Return the chain that was verified, DER, the leaf first; empty if there is none."""
    inner: Any = getattr(tls, "_sslobj", tls)
    # NB: public from Python 3.13 on; there before, under the same name, on what is within.
    chain = (tls if hasattr(tls, "get_verified_chain") else inner).get_verified_chain() or ()
    return [one if isinstance(one, bytes) else one.public_bytes(_DER) for one in chain]


_DER = 2
"""`_ssl.ENCODING_DER`, in the versions of Python where certificates are objects there."""


def _written(family: int, where: tuple[Any, ...]) -> str:
    """Return an address as gRPC writes it."""
    host, port = where[0], where[1]
    if family == socket.AF_INET:
        return f"ipv4:{host}:{port}"
    if host.startswith("::ffff:"):
        return f"ipv4:{host.removeprefix('::ffff:')}:{port}"
    return f"ipv6:[{host}]:{port}"


def _goodbye(why: str) -> bytes:
    """Return HTTP/2's way (RFC 9113, 6.8) to say that nothing will be heard here, and why."""
    text = why.encode("ascii", "replace")[:500]
    settings = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    body = bytes(4) + (0xC).to_bytes(4, "big") + text  # INADEQUATE_SECURITY
    return settings + len(body).to_bytes(3, "big") + bytes((7, 0, 0, 0, 0, 0)) + body
