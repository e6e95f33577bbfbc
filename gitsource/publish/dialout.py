"""
Dials sinks that listen (`ResourceSink`) and serves each over the stream that comes of it.

Rule: the exchange is the same as with sinks that dial; only who calls whom is turned round. Each
sink has a task of its own, which dials again for as long as gitsource runs: at once, then less and
less often, with jitter. Nothing here is waited for at the start. Certificates, keys and tokens are
read again at each dial; what cannot be read or used leaves the last good ones in force.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.errors import ConfigurationError
from gitsource.observe.neutral import neutral
from gitsource.publish.classic import TRIGGER, Classic
from gitsource.publish.server import McpServer, metadata_of
from gitsource.publish.session import GOING_AWAY, End, Ending, Session, Shared
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

    def __repr__(self) -> str:
        return f"<Dialler rows={len(self._rows)} streams={len(self._sessions)}>"

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open streams."""
        return tuple(self._sessions.values())

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
            papers, why = await self._papers(row, papers)
            if papers is not None:
                why = await self._dial(row, papers) or why
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

    async def _papers(self, row: DialRow, last: _Papers | None) -> tuple[_Papers | None, str]:
        """Return what to show *row* now, the *last* ones if the files are no good, and why."""
        try:
            return await asyncio.to_thread(_read, row, self._folder), ""
        except ConfigurationError as error:
            return last, str(error)

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
                return await _why(call)
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
        trial = ssl.create_default_context()
        if ca:
            trial.load_verify_locations(cadata=ca.decode("ascii"))
        if row.cert and row.key:
            trial.load_cert_chain(folder / row.cert, folder / row.key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _no_good(row, "ca, cert and key are no certificates and key that fit") from error
    told = token.decode("utf-8", "replace").strip()
    if row.token_file and not (told and told.isascii() and told.isprintable()):
        raise _no_good(row, "token_file holds no token: one line of ASCII")
    credentials = grpc.ssl_channel_credentials(ca or None, key or None, cert or None)
    return _Papers(credentials, told)


def _content(row: DialRow, name: str, folder: Path) -> bytes:
    path: str | None = getattr(row, name)
    if path is None:
        return b""
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise _no_good(row, f"{name} cannot be read: {error.strerror}") from error


def _no_good(row: DialRow, what: str) -> ConfigurationError:
    return ConfigurationError(what, hint=f"see sinks.dial, {row.name}")
