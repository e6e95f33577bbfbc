"""
How a sink and its source meet: the sink dials, or it listens and the source dials.

Rule: bytes in, bytes out. Whatever gRPC raises comes out as `Broken`, or as `NotASource` where
trying again would not help. gRPC is imported when a stream is opened: a sink is importable at no
cost.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gitsource.errors import ConfigurationError, NotASource

log = logging.getLogger("gitsource.sink")

GOODBYE = 1.0
"""Seconds the source gets to take the last answers when the sink leaves."""

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


class Broken(ConnectionError):
    """A stream is over, or could not be opened; the text says how."""


ENDED = "it ended the stream"


class Stream(Protocol):
    """One open stream."""

    async def read(self) -> bytes | None:
        """Return the next message; None when the source has ended the stream. Raises Broken."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a message. Raises Broken."""
        ...

    async def leave(self) -> None:
        """Half-close, and let the source take the last answers, for a while."""
        ...

    async def hang_up(self) -> None:
        """End it now."""
        ...


class Transport(Protocol):
    """Where streams come from."""

    @property
    def source(self) -> str:
        """What to call the other side."""
        ...

    @property
    def waits(self) -> bool:
        """Whether the source does the dialling, so that there is nothing to be patient with."""
        ...

    async def open(self, method: str, spoken: str) -> Stream:
        """Return the next stream of *method*; a server that lacks it does not speak *spoken*."""
        ...

    async def close(self) -> None:
        """Let go of what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Tls:
    """Papers of one side of a connection, as PEM."""

    ca: bytes | None = None
    """What the other side is verified with; None: the roots of the system."""
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str = ""
    """The name in the server's certificate, where that is not the host of the address."""

    @classmethod
    def of_files(
        cls, ca: Path | None, cert: Path | None, key: Path | None, server_name: str
    ) -> Tls:
        """Return what the files hold; raises ConfigurationError if they are no good."""
        # Here and not above: cryptography takes its time, and most sinks show no papers.
        from gitsource.security.papers import Memory, unasked

        if (cert is None) != (key is None):
            raise ConfigurationError("--cert and --key go together", hint="give both, or neither")
        try:
            authority, shown, secret = (
                None if path is None else path.read_bytes() for path in (ca, cert, key)
            )
            trial = ssl.create_default_context()
            # What was read and not what is there by now: gRPC aborts over what is broken.
            if authority is not None:
                trial.load_verify_locations(cadata=authority.decode("ascii"))
            if shown is not None and secret is not None:
                with Memory(shown) as chain, Memory(secret) as private:
                    trial.load_cert_chain(chain, private, password=unasked)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigurationError(
                f"--ca, --cert, --key: {error}",
                hint="name PEM files: certificates, and a key without a password",
            ) from error
        return cls(authority, shown, secret, server_name)


# --------------------------------------------------------------------------- the sink dials


class Dialled:
    """Dials the source at *address* (``host:port``); *tls* None: plaintext."""

    waits = False

    def __init__(self, address: str, tls: Tls | None = None, token: Path | None = None) -> None:
        """*token*: file with a bearer token, read again for each stream."""
        self.address = address
        self.source = f"the source at {address}"
        self._tls = tls
        self._token = token

    def __repr__(self) -> str:
        return f"<Dialled {self.address} tls={self._tls is not None}>"

    async def open(self, method: str, spoken: str) -> Stream:
        """Return a new stream, on a connection of its own."""
        import grpc

        metadata = self._metadata()
        # NB: a channel for each attempt, with subchannels of its own: a shared one would add gRPC's
        # back-off (up to two minutes) to ours. Proxies are for the web, not for a sidecar's port.
        options: list[tuple[str, int | str]] = [
            *OPTIONS,
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
        ]
        if self._tls is None:
            channel = grpc.aio.insecure_channel(self.address, options=options)
        else:
            if self._tls.server_name:
                options.append(("grpc.ssl_target_name_override", self._tls.server_name))
            papers = grpc.ssl_channel_credentials(self._tls.ca, self._tls.key, self._tls.cert)
            channel = grpc.aio.secure_channel(self.address, papers, options=options)
        # NB: no deserializer: gRPC would turn an error in it into None
        return _Call(self, channel, channel.stream_stream(method)(metadata=metadata), spoken)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes with a stream; raises Broken for a token file that is no good now."""
        if self._token is None:
            return ()
        try:
            token = self._token.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Broken(f"--token-file: {self._token} cannot be read") from error
        if not token or not token.isprintable():
            raise Broken(f"--token-file: {self._token} holds no token: one line of ASCII")
        return (("authorization", f"Bearer {token}"),)

    async def close(self) -> None:
        """Nothing is kept between streams."""


class _Call:
    """A stream that the sink opened."""

    def __init__(self, dialled: Dialled, channel: Any, call: Any, spoken: str) -> None:
        self._dialled = dialled
        self._channel = channel
        self._call = call
        self._spoken = spoken

    async def read(self) -> bytes | None:
        import grpc

        try:
            data = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise self._over(error) from error
        return None if data is grpc.aio.EOF else data

    async def write(self, data: bytes) -> None:
        import grpc

        try:
            await self._call.write(data)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise self._over(error) from error

    def _over(self, error: Any) -> Exception:
        import grpc

        if isinstance(error, asyncio.InvalidStateError):  # a write met the end of the stream
            return Broken(ENDED)
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return NotASource(
                f"the server at {self._dialled.address} does not speak {self._spoken}",
                hint="give the address of listen.mcp (127.0.0.1:9901 by default)",
            )
        if error.details() == "Internal error from Core":  # a write met the end, as above
            return Broken(ENDED)
        return Broken(f"{error.code().name}: {error.details()}")

    async def leave(self) -> None:
        with suppress(TimeoutError, Broken, NotASource, asyncio.InvalidStateError):
            async with asyncio.timeout(GOODBYE):
                await self._call.done_writing()
                while await self.read() is not None:
                    pass  # the end of a stream stands behind what was not read yet

    async def hang_up(self) -> None:
        self._call.cancel()
        await self._channel.close()


# --------------------------------------------------------------------------- the source dials


class Listening:
    """Listens at *address* for the source, and serves one stream at a time."""

    waits = True
    source = "the source that dialled"

    def __init__(self, address: str, tls: Tls | None = None) -> None:
        self.address = address
        self.port = 0
        """The port that is really bound, once a stream was waited for."""
        self._tls = tls
        self._server: Any = None
        self._dials: asyncio.Queue[_Dial] = asyncio.Queue()
        self._taken = False

    def __repr__(self) -> str:
        return f"<Listening {self.address} port={self.port}>"

    async def start(self, method: str) -> None:
        """Open the port; raises ConfigurationError if it cannot be had."""
        import grpc

        path = method.replace("ResourceSource", "ResourceSink")
        service, _, name = path.strip("/").partition("/")
        server = grpc.aio.server(options=[*OPTIONS, ("grpc.so_reuseport", 0)])
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {name: handler}),)
        )
        try:
            if self._tls is None:
                self.port = server.add_insecure_port(self.address)
            else:
                self.port = server.add_secure_port(self.address, self._papers(self._tls))
        except RuntimeError as error:
            raise ConfigurationError(
                f"--listen: cannot listen on {self.address}",
                hint="another process may have the port: choose another, or stop that process",
            ) from error
        await server.start()
        self._server = server
        host = self.address.rpartition(":")[0]
        log.info("waiting for a source at %s:%d", host, self.port)

    @staticmethod
    def _papers(tls: Tls) -> Any:
        import grpc

        if tls.key is None or tls.cert is None:
            raise ConfigurationError(
                "--listen with --ca needs --cert and --key",
                hint="whoever listens shows a certificate",
            )
        return grpc.ssl_server_credentials(
            [(tls.key, tls.cert)], tls.ca, require_client_auth=tls.ca is not None
        )

    async def open(self, method: str, _spoken: str) -> Stream:
        """Return the next stream that a source opens."""
        if self._server is None:
            await self.start(method)
        return await self._dials.get()

    async def close(self) -> None:
        """Close the port."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(GOODBYE)

    async def _serve(self, _: object, context: Any) -> None:
        import grpc

        if self._taken:
            text = "another source is being listened to"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self._taken = True
        dial = _Dial(context)
        try:
            await self._dials.put(dial)
            await dial.over.wait()
        finally:
            dial.over.set()
            self._taken = False


class _Dial:
    """A stream that the source opened; it lasts until `over`."""

    def __init__(self, context: Any) -> None:
        self.over = asyncio.Event()
        self._context = context

    async def read(self) -> bytes | None:
        import grpc

        if self.over.is_set():
            return None
        try:
            data = await self._context.read()
        except grpc.aio.BaseError as error:
            raise Broken(str(error) or ENDED) from error
        return None if data is grpc.aio.EOF else data

    async def write(self, data: bytes) -> None:
        import grpc

        if self.over.is_set():
            raise Broken(ENDED)
        try:
            await self._context.write(data)
        except grpc.aio.BaseError as error:
            raise Broken(str(error) or ENDED) from error

    async def leave(self) -> None:
        self.over.set()

    async def hang_up(self) -> None:
        self.over.set()
