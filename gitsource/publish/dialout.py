"""
Dials sinks that listen (`ResourceSink`) and serves each over the stream that comes of it.

Rule: the exchange is the same as with sinks that dial; only who calls whom is turned round. Each
sink has a task of its own, which dials again for as long as gitsource runs: at once, then less and
less often, with jitter. Nothing here is waited for at the start. Certificates, keys and tokens are
read again at each dial; what cannot be read or used, or has run out, leaves the last good ones in
force and raises an alarm, also while a stream is open. A dial that fails is in the audit log, once
for each reason.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Happening
from gitsource.observe.neutral import neutral
from gitsource.publish.classic.wires import TRIGGER, Classic
from gitsource.publish.ending import GOING_AWAY, End, Ending
from gitsource.publish.server import McpServer, metadata_of
from gitsource.publish.session import Session
from gitsource.publish.shared import Shared
from gitsource.security.papers import Memory, unasked
from gitsource.security.peer import Peer
from gitsource.settings.serving import DialRow, Limits
from gitsource.settings.whole import Settings

log = logging.getLogger("gitsource.publish")

METHOD = "/istio.mcp.v1alpha1.ResourceSink/EstablishResourceStream"

FIRST_DELAY = 0.5
"""Seconds before the second of several dials in a row; the first is made at once."""
LONGEST_DELAY = 60.0
"""Seconds to which that grows, doubled each time."""
STEADY = 10.0
"""Seconds after which a stream counts as a success, so that the next dial is made at once."""
CONNECT = 20.0
"""Seconds for a connection and for the sink to take the first message."""
LOOK = 5.0
"""Seconds between two looks at the papers of a sink that has an open stream."""
FAREWELL = 1.0
"""Seconds a sink has to end a stream of which it was told that no more comes."""
KEEPALIVE = 310.0
"""Seconds of silence before a sink is asked whether it is still there: servers built with gRPC hang
up on who asks more often than every five minutes."""


@dataclass(frozen=True, slots=True)
class _Papers:
    """What is shown to a sink, as the files had it."""

    credentials: grpc.ChannelCredentials | None = field(repr=False)
    """None: plaintext."""
    token: str = field(repr=False)


def dialler(server: McpServer, settings: Settings) -> Dialler:
    """Return what dials the sinks of *settings* and serves them what *server* serves."""
    return Dialler(
        server.shared,
        server.classic,
        settings.sinks.dial,
        metadata_of(settings.sinks.metadata),
        folder=Path(settings.folder),
    )


class Dialler:
    """Serves the sinks of *rows*; files in them count from *folder*."""

    def __init__(
        self,
        shared: Shared,
        wire: Classic,
        rows: Sequence[DialRow],
        metadata: Sequence[tuple[str, str]],
        *,
        folder: Path = Path(),
        first: float = FIRST_DELAY,
        longest: float = LONGEST_DELAY,
        look: float = LOOK,
    ) -> None:
        self._shared = shared
        self._wire = wire
        self._rows = rows
        self._metadata = tuple(metadata)
        self._folder = folder
        self._delays = first, longest
        self._sessions: dict[str, Session] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False
        self._look = look
        self._bad: dict[str, str] = {}
        """Row to what is wrong with its papers."""
        self._failed: dict[str, str] = {}
        """Row to why its last dial failed, as the audit log was told."""

    def __repr__(self) -> str:
        return f"<Dialler rows={len(self._rows)} streams={len(self._sessions)}>"

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open streams."""
        return tuple(self._sessions.values())

    @property
    def alarms(self) -> tuple[tuple[str, str], ...]:
        """What is wrong with papers: whose, and what."""
        return tuple((f"dial {name}", why) for name, why in self._bad.items())

    def start(self) -> None:
        """Begin to dial; returns at once."""
        for row in self._rows:
            task = asyncio.create_task(self._keep(row), name=f"dial {row.name}")
            self._tasks.append(task)

    async def drain(self, seconds: float) -> None:
        """Dial no more, finish what is half-sent, end all streams; cut off after *seconds*."""
        self._over = True
        for session in self.sessions:
            session.end(Ending(End.GOING_AWAY, GOING_AWAY))
        idle = [task for task in self._tasks if task.get_name()[5:] not in self._sessions]
        for task in idle:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # ------------------------------------------------------------------ one sink

    async def _keep(self, row: DialRow) -> None:
        """Serve *row* again and again."""
        loop = asyncio.get_running_loop()
        first, longest = self._delays
        delay, said = 0.0, ""
        papers: _Papers | None = None
        while not self._over:
            began = loop.time()
            papers = await self._papers(row) or papers
            why = ""
            if papers is not None:
                watch = asyncio.create_task(self._watch(row), name=f"papers of dial {row.name}")
                try:
                    why = await self._dial(row, papers)
                finally:
                    watch.cancel()
            if self._over:
                return
            if loop.time() - began > STEADY:
                delay, said = 0.0, ""
            if why and why != said:
                log.warning("sink %s at %s: %s; dialling again", row.name, row.address, why)
            said = why
            # Jitter: sinks that lost one gitsource should not all be met by it at one moment.
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            delay = min(max(delay * 2, first), longest)

    async def _watch(self, row: DialRow) -> None:
        """Look at the papers of *row* while it is served, so that what is wrong is told in time."""
        while row.tls != "none":
            await asyncio.sleep(self._look)
            await self._papers(row)

    async def _papers(self, row: DialRow) -> _Papers | None:
        """Return what to show *row* now; None if the files are no good, and that is told."""
        try:
            papers = await asyncio.to_thread(_read, row, self._folder)
        except ConfigurationError as error:
            why = str(error)
            if self._bad.get(row.name) != why:
                self._bad[row.name] = why
                log.error("sink %s: %s; what was good before counts, if anything", row.name, why)
                facts = {"door": f"dial {row.name}"}
                told = Happening("certificate", outcome="failed", why=why, facts=facts)
                self._shared.record(told)
            return None
        if self._bad.pop(row.name, ""):
            log.info("sink %s: its files are good again", row.name)
        return papers

    def _tell(self, row: DialRow, why: str) -> None:
        """Have it in the audit log that *row* could not be dialled, once for each reason."""
        if self._failed.get(row.name) == why:
            return
        self._failed[row.name] = why
        facts = {"what": "dial", "sink": row.name}
        told = Happening("refuse", peer=str(row.address), outcome="failed", why=why, facts=facts)
        self._shared.record(told)

    async def _dial(self, row: DialRow, papers: _Papers) -> str:
        """Serve one stream to *row*; returns why it ended, if that is worth a word."""
        channel = _channel(row, papers, self._shared.limits)
        try:
            metadata = self._metadata
            if papers.token:
                metadata += (("authorization", f"Bearer {papers.token}"),)
            call = channel.stream_stream(METHOD)(metadata=metadata)
            trigger = mcp_pb2.Resources(collection=TRIGGER).SerializeToString()
            try:
                async with asyncio.timeout(CONNECT):
                    await call.write(trigger)
            except (grpc.RpcError, asyncio.InvalidStateError, TimeoutError):
                why = await _why(call)
                self._tell(row, why)
                return why
            self._failed.pop(row.name, None)
            return await self._serve(row, call)
        finally:
            await channel.close()

    async def _serve(self, row: DialRow, call: grpc.aio.StreamStreamCall[bytes, bytes]) -> str:
        if closed := self._shared.closed():
            return closed
        peer = f"{row.name} ({row.address})"
        wire = self._wire.dialled(row.name)
        who = _who(row)
        session = Session(self._shared, wire, peer, _reader(call), _writer(call), who=who)
        self._sessions[row.name] = session
        try:
            ending = await session.run()
        finally:
            del self._sessions[row.name]
        if ending.end is End.GOING_AWAY:
            with suppress(grpc.RpcError, asyncio.InvalidStateError, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await call.done_writing()
                    await call.code()
        if ending.end is End.BROKEN:
            return await _why(call)
        return "" if ending.end is End.CLOSED else ending.text


async def _why(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> str:
    """Return how *call* came to its end, fit for a log."""
    if not call.done():
        return "no answer"
    told = f"{(await call.code()).name}: {await call.details()}"[:500]
    return told if told.isprintable() else neutral(told)


def _reader(
    call: grpc.aio.StreamStreamCall[bytes, bytes],
) -> Callable[[], Awaitable[bytes | None]]:
    async def read() -> bytes | None:
        try:
            data = await call.read()
        except grpc.RpcError as error:
            raise ConnectionError(str(error)) from error
        return None if data is grpc.aio.EOF else data

    return read


def _writer(
    call: grpc.aio.StreamStreamCall[bytes, bytes],
) -> Callable[[bytes], Awaitable[None]]:
    async def write(message: bytes) -> None:
        try:
            await call.write(message)
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise ConnectionError(str(error)) from error

    return write


# --------------------------------------------------------------------------- papers


def _who(row: DialRow) -> Peer:
    """Return what *row* has proved: over TLS, that it is the server of that name."""
    address = str(row.address)
    if row.tls == "none":
        return Peer(address=address)
    host = (row.server_name or address.rpartition(":")[0]).strip("[]")
    identity, ip = f"dial:{row.name}", _is_ip(host)
    return Peer(
        address=address,
        means="mtls",
        dns=() if ip else (host.lower(),),
        ips=(host,) if ip else (),
        identity=identity,
    )


def _is_ip(host: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def _channel(row: DialRow, papers: _Papers, limits: Limits) -> grpc.aio.Channel:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", limits.request_bytes),
        ("grpc.keepalive_time_ms", int(KEEPALIVE * 1000)),
        # A connection of its own, so that the next dial really dials, with other papers.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if row.server_name:
        options.append(("grpc.ssl_target_name_override", row.server_name))
    address = str(row.address)
    if papers.credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, papers.credentials, options=options)


def _read(row: DialRow, folder: Path) -> _Papers:
    """Return what the files of *row* say now; raises ConfigurationError if that is no good."""
    if row.tls == "none":
        return _Papers(None, "")
    ca, cert, key, token = (
        _content(row, name, folder) for name in ("ca", "cert", "key", "token_file")
    )
    try:
        _try_out(row, ca, cert, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(str(folder / path) for path in (row.ca, row.cert, row.key) if path)
        what = f"ca, cert and key ({files}) are no certificates and key that fit"
        raise _no_good(row, what) from error
    if cert and (why := _run_out(cert)):
        raise _no_good(row, f"cert ({folder / (row.cert or '')}) {why}")
    told = token.decode("utf-8", "replace").strip()
    if row.token_file and not (told and told.isascii() and told.isprintable()):
        raise _no_good(row, "token_file holds no token: one line of ASCII")
    credentials = grpc.ssl_channel_credentials(ca or None, key or None, cert or None)
    return _Papers(credentials, told)


def _try_out(row: DialRow, ca: bytes, cert: bytes, key: bytes) -> None:
    """
    Raise ValueError or OSError unless what the files of *row* held (PEM) can be used.

    It is these bytes that are tried, and not what the files hold by now: over a broken key gRPC
    aborts the process.
    """
    trial = ssl.create_default_context()
    if row.ca:
        trial.load_verify_locations(cadata=ca.decode("ascii"))
    if row.cert and row.key:
        with Memory(cert) as shown, Memory(key) as secret:
            trial.load_cert_chain(shown, secret, password=unasked)


def _content(row: DialRow, name: str, folder: Path) -> bytes:
    path: str | None = getattr(row, name)
    if path is None:
        return b""
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise _no_good(row, f"{name} cannot be read: {error.strerror} ({folder / path})") from error


def _run_out(chain: bytes) -> str:
    """Return why the first certificate of *chain* (PEM) does not count now; empty: it does."""
    from cryptography import x509

    leaf, now = x509.load_pem_x509_certificate(chain), time.time()
    if leaf.not_valid_after_utc.timestamp() < now:
        return f"has run out, at {leaf.not_valid_after_utc.isoformat()}"
    if leaf.not_valid_before_utc.timestamp() > now:
        return f"does not count before {leaf.not_valid_before_utc.isoformat()}"
    return ""


def _no_good(row: DialRow, what: str) -> ConfigurationError:
    return ConfigurationError(what, hint=f"see sinks.dial, {row.name}")
