"""
The gRPC server that sinks dial: a method for each wire, health and reflection.

Rule: bytes go through untouched (no serializers); what a stream says is decided elsewhere, and here
it is only carried. A broken or hostile sink costs its own stream. A stream that is over is really
over: gRPC keeps the bytes of a write for as long as its sink does not read, so where saying goodbye
does not get through, the connection is shut down underneath it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio

from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError, OverLimit
from gitsource.observe.happenings import Happening, Record, unrecorded
from gitsource.publish.classic.legacy import Legacy
from gitsource.publish.classic.wires import Classic
from gitsource.publish.csds import CSDS, csds
from gitsource.publish.ending import GOING_AWAY, End, Ending
from gitsource.publish.entry.admission import Admission
from gitsource.publish.entry.door import EXPIRED, Door
from gitsource.publish.entry.front import Front, Private, Terms
from gitsource.publish.entry.hanging_up import hang_up
from gitsource.publish.sending.gate import HOLD, Gate
from gitsource.publish.services import Health, reflection
from gitsource.publish.session import Session
from gitsource.publish.shared import Shared
from gitsource.publish.wire import Wire
from gitsource.publish.xds.ads import Memory
from gitsource.publish.xds.served import Xds
from gitsource.security.failures import Failures
from gitsource.security.peer import Peer
from gitsource.settings.serving import Limits
from gitsource.settings.serving import Xds as XdsSettings
from gitsource.settings.units import Address
from gitsource.snapshot.cache import DEFAULT, SnapshotCache

log = logging.getLogger("gitsource.publish")

RESOURCE_SOURCE = "istio.mcp.v1alpha1.ResourceSource"
ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
AGGREGATED = "istio.mcp.v1alpha1.AggregatedMeshConfigService"

HOLD_OVER_TLS = 4
"""How many times longer a large write keeps its place at the gate over TLS: a good sink takes that
much longer on busy cores, and what runs over holds memory twice."""
FAREWELL = 1.0
"""Seconds in which the status of an ended stream has to get through to its sink."""
MARGIN = 4 * 1024 * 1024
"""Bytes over a limit, at most, that are still read: beyond them gRPC refuses, and tells nobody."""
SPARE_STREAMS = 256
"""Calls besides sink streams (health, reflection, refusals) that may be open."""

_STATUS = {
    End.PROTOCOL: grpc.StatusCode.INVALID_ARGUMENT,
    End.LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    End.STALLED: grpc.StatusCode.UNAVAILABLE,
    End.UNANSWERED: grpc.StatusCode.UNAVAILABLE,
    End.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    End.UNPROVED: grpc.StatusCode.UNAUTHENTICATED,
    End.UNRECORDED: grpc.StatusCode.UNAVAILABLE,
    End.GOING_AWAY: grpc.StatusCode.UNAVAILABLE,
    End.FAULT: grpc.StatusCode.INTERNAL,
}


KEEPALIVE = 30.0
"""Seconds of silence after which a sink is asked whether it is still there."""


def with_a_margin(most: int) -> int:
    """Return up to what gRPC takes a thing of *most* bytes, so that it is us who refuse it."""
    return most + min(most, MARGIN)


def server_options(limits: Limits, keepalive: float) -> list[tuple[str, int]]:
    """Return the gRPC channel arguments, each with its reason; *keepalive* is in seconds."""
    return [
        # Istio's clients ping every 30 s (some users' every 10 s) whether anything moves or not;
        # by default gRPC calls that too many pings and hangs up. The similarly named
        # min_recv_ping_interval_without_data_ms has no effect.
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        # Our own pings find half-open connections: a sink that vanished without a word. gRPC also
        # pings after data, by a clock of its own that defaults to a minute.
        ("grpc.keepalive_time_ms", int(keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", int(keepalive * 1000 * 2 / 3)),
        ("grpc.http2.ping_timeout_ms", int(keepalive * 1000 * 2 / 3)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_send_message_length", -1),  # see limits.push_bytes, and the session
        # Beyond the first bound gRPC refuses the call, beyond the second at random before that.
        # What it refuses nobody hears of, so it lets a little more in, which the door refuses.
        ("grpc.max_metadata_size", with_a_margin(limits.metadata_bytes)),
        ("grpc.absolute_max_metadata_size", with_a_margin(limits.metadata_bytes)),
        ("grpc.max_concurrent_streams", limits.streams_each + SPARE_STREAMS),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", int(limits.handshake * 1000)),
        ("grpc.max_receive_message_length", with_a_margin(limits.request_bytes)),
        # Calls that nobody has looked at yet: above a thousand gRPC cancels some of them at random,
        # and so many sinks may well dial in the moment in which a server comes up.
        ("grpc.server.max_pending_requests", limits.streams + SPARE_STREAMS),
        ("grpc.server.max_pending_requests_hard_limit", limits.streams + SPARE_STREAMS),
        # With it a second gitsource would share the port in silence and get half of the sinks.
        ("grpc.so_reuseport", 0),
    ]


def metadata_of(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what goes with each stream: our version, and *pairs* such as ``mesh=prod``."""
    from importlib.metadata import version

    told = (pair.partition("=") for pair in pairs)
    return (
        ("config.source.version", version("gitsource")),
        *((key, value) for key, _, value in told),
    )


Served: TypeAlias = Callable[[object, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[None]]


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc publishes no types
    """Bidirectional streams of bytes, by the full path of their method."""

    def __init__(self, methods: Mapping[str, Served]) -> None:
        self._handlers = {
            path: grpc.stream_stream_rpc_method_handler(serve) for path, serve in methods.items()
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call, if it is to one of the methods."""
        return self._handlers.get(handler_call_details.method)


def _ads(
    cache: SnapshotCache, catalog: Callable[[], Catalog], limits: Limits, settings: XdsSettings
) -> Mapping[str, Wire]:
    """Return both methods of xDS's aggregated discovery, which share what they work out."""
    memory = Memory()
    made = {
        method: Xds(
            cache,
            catalog,
            memory,
            delta=delta,
            subscriptions=limits.subscriptions,
            names=limits.names,
            timeout=settings.removal_timeout,
        )
        for method, delta in (
            ("StreamAggregatedResources", False),
            ("DeltaAggregatedResources", True),
        )
    }
    return {f"/{ADS}/{method}": wire for method, wire in made.items()}


def _services(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the full names of the services whose methods have *paths*."""
    return tuple(dict.fromkeys(path.split("/")[1] for path in paths))


@dataclass(frozen=True, slots=True)
class Entry:
    """How sinks come in."""

    terms: Terms | None = None
    """Over TLS on these terms; None: in plaintext."""
    tokens: Callable[[str, str], Peer] | None = None
    """Whose bearer token a header has, from which address; None: tokens say nothing."""
    fallen: Callable[[Peer], str] = lambda _peer: ""
    """Why such a token counts no more; empty: it does."""
    anonymous: bool = True
    """Whether whoever proves nothing is let in."""
    end_expired: bool = True
    """Whether a stream ends with the certificate or token by which it was let in."""
    folder: Path | None = None
    """Folder of this user alone, for the socket between TLS and gRPC; None: one is made."""


class McpServer:
    """Serves the snapshots of one group of *cache* at *address*."""

    def __init__(
        self,
        cache: SnapshotCache,
        catalog: Callable[[], Catalog],
        address: Address,
        limits: Limits,
        *,
        group: str = DEFAULT,
        keepalive: float = KEEPALIVE,
        metadata: Sequence[str] = (),
        xds: XdsSettings | None = None,
        on_nack: str = "hold",
        record: Record = unrecorded,
        entry: Entry | None = None,
    ) -> None:
        """*metadata*: pairs such as ``mesh=prod`` that each stream is told."""
        self.port = 0
        """The port that is really bound, once started."""
        self._shared = Shared(cache, limits, group, on_nack=on_nack, record=record)
        self.classic = Classic(cache, catalog, limits)
        """The wire of classic MCP, also for sinks that are dialled."""
        state = Legacy(cache, catalog, limits)
        increments = Legacy(cache, catalog, limits, incremental=True)
        self._wires: dict[str, Wire] = {
            f"/{RESOURCE_SOURCE}/EstablishResourceStream": self.classic,
            f"/{AGGREGATED}/StreamAggregatedResources": state,
            f"/{AGGREGATED}/IncrementalAggregatedResources": increments,
            **_ads(cache, catalog, limits, xds or XdsSettings()),
        }
        self._address = address
        self._keepalive = keepalive
        self._entry = entry or Entry()
        if self._entry.terms is not None:
            hold = HOLD * HOLD_OVER_TLS
            self._shared.gate = Gate(limits.push_bytes_in_flight, hold=hold)
        self.admission = Admission(limits, self._shared.met)
        """Who is in, and who was not let in."""
        self.door = Door(
            self.admission,
            cache,
            tokens=self._entry.tokens,
            fallen=self._entry.fallen,
            failures=Failures(lambda: self._shared.limits.failed_tokens),
            anonymous=self._entry.anonymous,
            end_expired=self._entry.end_expired,
            record=record,
        )
        self._private: Private | None = None
        self._sessions: dict[Session, asyncio.Task[Any]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._server: grpc.aio.Server | None = None
        self._health = Health(*_services(self._wires))
        self._unwatch: Callable[[], None] = lambda: None
        self._metadata = metadata_of(metadata)

    def __repr__(self) -> str:
        return f"<McpServer port={self.port} streams={len(self._sessions)} {self._shared.gate!r}>"

    @property
    def shared(self) -> Shared:
        """What all its streams have in common."""
        return self._shared

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open streams, oldest first."""
        return tuple(self._sessions)

    def limit(self, limits: Limits) -> None:
        """Go by *limits* from now on, as far as connections are not made with them."""
        self._shared.limits = self._shared.budget.limits = limits
        self.admission.limit(limits)
        for wire in self._wires.values():
            wire.limit(limits)

    # ------------------------------------------------------------------ life

    async def start(self) -> int:
        """Take sinks; returns the port. Raises ConfigurationError if the address is taken."""
        limits = self._shared.limits
        # No peer alone can fill what there is beside the streams of sinks.
        streams = limits.streams + limits.streams_each + SPARE_STREAMS
        server = grpc.aio.server(
            options=server_options(self._shared.limits, self._keepalive),
            maximum_concurrent_rpcs=streams,
        )
        server.add_generic_rpc_handlers(
            (
                _Methods({path: partial(self._serve, wire) for path, wire in self._wires.items()}),
                self.door.before(self._health, "health"),
                self.door.before(csds(lambda: self.sessions), "client status"),
                self.door.before(reflection(*_services(self._wires), CSDS), "reflection"),
                self.door.elsewhere(),
            )
        )
        terms = self._entry.terms
        if terms is None:
            self.port = _bound(server, self._address)
            await server.start()
        else:
            self._private = Private(self._entry.folder)
            server.add_insecure_port(self._private.address)
            await server.start()
            self.door.front = Front(
                self._address,
                self._private.path,
                terms,
                self.admission,
                record=self._shared.record,
            )
            self.door.front.ended = self.door.ended
            self.port = await self.door.front.start()
        self._server = server
        self._unwatch = self._shared.cache.watch(self._served, self._shared.group)
        self._served()
        return self.port

    def _served(self) -> None:
        """Take in that another snapshot (or none) is served."""
        snapshot = self._shared.whole()
        for wire in self._wires.values():
            wire.serve(snapshot.collections.values() if snapshot else ())
        self._health.show(serving=snapshot is not None and not self._draining)

    async def drain(self, seconds: float) -> None:
        """
        Refuse new streams, end the open ones as soon as nothing is half-sent, and stop.

        Sinks that have not let go after *seconds* are cut off.
        """
        if self._server is None:
            return
        self._draining = True
        self._health.show(serving=False)
        for session in tuple(self._sessions):
            session.end(Ending(End.GOING_AWAY, GOING_AWAY))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        await self.stop()

    async def stop(self) -> None:
        """End everything now."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self._draining = True
        self._unwatch()
        # Handlers have to be over first: gRPC prints a traceback for each one it finds running.
        for task in self._sessions.values():
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._empty.wait()
        await server.stop(0)
        if self.door.front is not None:
            self.door.front.close()
        if self._private is not None:
            self._private.close()

    # ------------------------------------------------------------------ one stream

    async def _serve(
        self, wire: Wire, _: object, context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, GOING_AWAY)
        who = await self.door.enter(context, wire.protocol)
        try:
            await self._let_in(wire, context, who)
        finally:
            self.door.leave(who)

    async def _let_in(
        self, wire: Wire, context: grpc.aio.ServicerContext[bytes, bytes], who: Peer
    ) -> None:
        limits, peer = self._shared.limits, who.address
        if closed := self._shared.closed():
            self._refused(who, closed)
            await context.abort(grpc.StatusCode.UNAVAILABLE, closed)
        if len(self._sessions) >= limits.streams:
            text = self.admission.over("streams", f"{limits.streams} sink streams are open")
            if self._shared.cache.turned_away(peer, wire.protocol, text):
                log.warning("%s: one more is not taken, from %s", text, peer)
            self._refused(who, text)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        reader = _reader(context, lambda: self._shared.limits.request_bytes)
        session = Session(self._shared, wire, peer, reader, _writer(context), who=who)
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("gRPC runs handlers in tasks")
        self._sessions[session] = task
        self._empty.clear()
        timer = self._until(who, session)
        over = self.door.stays(
            who, wire.protocol, lambda why: session.end(Ending(End.UNPROVED, why))
        )
        try:
            with suppress(grpc.aio.BaseError):
                await context.send_initial_metadata(self._metadata)
            ending = await session.run()
            await self._farewell(context, ending, unquote(context.peer()))
        finally:
            if timer is not None:
                timer.cancel()
            over()
            del self._sessions[session]
            if not self._sessions:
                self._empty.set()

    def _until(self, who: Peer, session: Session) -> asyncio.TimerHandle | None:
        """End *session* when the proof of who it is has run out, if that is wanted."""
        left = self.door.lasts(who)
        if left is None:
            return None
        ending = Ending(End.UNPROVED, EXPIRED)
        return asyncio.get_running_loop().call_later(left, session.end, ending)

    def _refused(self, who: Peer, why: str) -> None:
        told = Happening("refuse", who=who.identity, peer=who.address, outcome="refused", why=why)
        self._shared.record(told)

    async def _farewell(
        self, context: grpc.aio.ServicerContext[bytes, bytes], ending: Ending, peer: str
    ) -> None:
        """Tell the sink why its stream ends; if that does not get through, hang up on it."""
        status = _STATUS.get(ending.end)
        if status is None:
            return
        parting = asyncio.create_task(_abort(context, status, ending.text))
        try:
            done, _ = await asyncio.wait((parting,), timeout=FAREWELL)
            if not done and not (self.door.front is not None and self.door.front.hang_up(peer)):
                hang_up(peer)
            await parting
        finally:
            parting.cancel()


async def _abort(
    context: grpc.aio.ServicerContext[bytes, bytes], status: grpc.StatusCode, text: str
) -> None:
    with suppress(grpc.aio.InternalError):  # the connection is gone: nobody to tell
        await context.abort(status, text)


def _reader(
    context: grpc.aio.ServicerContext[bytes, bytes], most: Callable[[], int]
) -> Callable[[], Awaitable[bytes | None]]:
    async def read() -> bytes | None:
        try:
            data = await context.read()
        except grpc.aio.BaseError as error:
            raise ConnectionError(str(error)) from error
        request = None if data is grpc.aio.EOF else data
        if request is not None and len(request) > most():
            text = f"a request has {len(request)} bytes, more than {most()}"
            raise OverLimit(f"{text} (limits.request_bytes)")
        return request

    return read


def _writer(
    context: grpc.aio.ServicerContext[bytes, bytes],
) -> Callable[[bytes], Awaitable[None]]:
    async def write(message: bytes) -> None:
        try:
            await context.write(message)
        except grpc.aio.BaseError as error:
            raise ConnectionError(str(error)) from error

    return write


def _bound(server: grpc.aio.Server, address: Address) -> int:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigurationError(
            f"listen.mcp: cannot listen on {address}",
            hint="another process may have the port: choose another, or stop that process",
        ) from error
    if not port:
        raise ConfigurationError(f"listen.mcp: cannot listen on {address}")
    return int(port)
