"""
A sink: the client half of the Mesh Configuration Protocol, for the CLI and for users' scripts.

    async with Sink("127.0.0.1:9901", ["acme/v1/flags"]) as sink:
        async for update in sink.updates():
            print(update.collection, sorted(sink.held(update.collection)))

Rule: one push at a time is read, applied, handed over and answered, so a slow reader slows its own
stream and nothing else. What is held survives a broken stream: the sink dials again (at once, then
with growing, jittered pauses), asks for everything anew and, if incremental, says what it holds.

A push that *judge* returns a reason against is NACKed and not applied. With ``explicit=True``
nothing is applied or answered until `Sink.ack` or `Sink.nack` is called with the update.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

from google.protobuf.message import DecodeError

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources, SinkNode
from gitsource.errors import NotASource
from gitsource.sink.bodies import message
from gitsource.sink.state import Item, Update, applied, mismatch, received

log = logging.getLogger("gitsource.sink")

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"

# gRPC codes of a NACK, as Istio's sinks use them
UNDECODABLE, REFUSED, UNASKED = 2, 3, 12

SETTLED = 5.0
"""Seconds after which a stream counts as having worked: the next attempt is immediate again."""

GOODBYE = 1.0
"""Seconds the source gets to take the last answers when the sink leaves."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as the journal keeps it."""

    collection: str
    nonce: str
    """Empty: a subscription."""
    error: str
    """Empty: an ACK."""


def failures_after(failures: int, lived: float) -> int:
    """Return how many failures in a row it is now that a stream ended that *lived* so long."""
    return 1 if lived > SETTLED else failures + 1


def pause(failures: int, luck: float) -> float:
    """
    Return the seconds to wait after so many *failures* in a row: none after the first one.

    *luck*, from 0 to 1, spreads the waiting over half to one and a half of what it would be: the
    sinks of a source that comes back must not all dial in the same instant.
    """
    if failures <= 1:
        return 0.0
    return float(min(15.0, 0.2 * 2.0 ** min(failures - 2, 10)) * (0.5 + luck))


class Sink:
    """A sink of the source at *address* (``host:port``) for *collections*."""

    def __init__(
        self,
        address: str,
        collections: Iterable[str],
        *,
        node_id: str = "",
        annotations: Mapping[str, str] | None = None,
        incremental: bool = False,
        judge: Callable[[Update], str] | None = None,
        explicit: bool = False,
    ) -> None:
        self.address = address
        self.node_id = node_id
        self.annotations = MappingProxyType(dict(annotations or {}))
        self.incremental = incremental
        self.journal: deque[Sent] = deque(maxlen=32)
        """The last requests that were sent, oldest first."""
        self._judge = judge or (lambda _update: "")
        self._explicit = explicit
        self._held: dict[str, dict[str, Item]] = {name: {} for name in collections}
        self._versions: dict[str, str] = {}
        self._open: dict[str, Update] = {}
        """Pushes of this stream that wait for `ack` or `nack`, by collection."""
        self._answering: asyncio.Task[None] | None = None
        self._closed = False
        self._call: Any = None
        self._channel: Any = None

    def __repr__(self) -> str:
        held = sum(map(len, self._held.values()))
        return f"<Sink {self.node_id!r} of {self.address}: {held} resources>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that are subscribed to, sorted."""
        return tuple(sorted(self._held))

    def held(self, collection: str) -> Mapping[str, Item]:
        """Return what is held of *collection*, by resource name."""
        return MappingProxyType(self._held[collection])

    def version(self, collection: str) -> str:
        """Return the version of what is held of *collection*; empty before its first push."""
        return self._versions.get(collection, "")

    async def updates(self) -> AsyncGenerator[Update, None]:
        """
        Yield every push, for ever: a broken stream is replaced by a new one.

        Raises NotASource when the server at the address does not know the method.
        """
        import grpc  # only here: a sink is importable at no cost

        failures = 0
        while not self._closed:
            began, trouble = time.monotonic(), "cannot reach"
            try:
                await self._dial()
                async for update in self._stream():
                    trouble = "lost"
                    yield update
                reason = "it ended the stream"
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    raise NotASource(
                        f"the server at {self.address} does not speak the Mesh Configuration "
                        "Protocol (no ResourceSource service)",
                        hint="give the address of listen.mcp (127.0.0.1:9901 by default)",
                    ) from error
                reason = f"{error.code().name}: {error.details()}"
                if error.details() == "Internal error from Core":  # a write met the end, as below
                    reason = "it ended the stream"
            except asyncio.InvalidStateError:  # a write met the end of the stream
                reason = "it ended the stream"
            except DecodeError as error:  # of which collection, or nonce, cannot be told
                reason = f"it sent what is no push: {error}"
            finally:
                self._open.clear()
                await _hang_up(*self._let_go())
            failures = failures_after(failures, time.monotonic() - began)
            wait = pause(failures, random.random())  # noqa: S311 - spreads load, keeps no secret
            log.warning(
                "%s the source at %s: %s; trying again in %.1f s",
                trouble,
                self.address,
                reason,
                wait,
            )
            await asyncio.sleep(wait)

    async def ack(self, update: Update) -> bool:
        """
        Tell the source that *update* is accepted, and apply it.

        Returns False, and does nothing, if the stream it came on is gone or it was answered before.
        """
        if not await self._answer_open(update, 0, ""):
            return False
        self._apply(update)
        return True

    async def nack(self, update: Update, reason: str) -> bool:
        """Refuse *update* for *reason*; what was held stays. Returns as `ack` does."""
        return await self._answer_open(update, REFUSED, reason)

    async def _answer_open(self, update: Update, code: int, reason: str) -> bool:
        import grpc

        if self._open.get(update.collection) is not update:
            return False
        del self._open[update.collection]
        try:
            await self._answer(self._call, update, code, reason)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            return False  # the stream ended just now; `updates` will say so
        return True

    async def close(self) -> None:
        """
        Leave: half-close, let the source take the last answers, hang up.

        Not while `updates` is being awaited elsewhere: cancel that first.
        """
        import grpc

        # NB: taken away first: a generator left at an update hangs up when it is collected.
        self._closed = True
        answering, call, channel = self._let_go()
        if call is not None:
            try:
                async with asyncio.timeout(GOODBYE):
                    if answering is not None:
                        await answering
                    await call.done_writing()
                    while await call.read() is not grpc.aio.EOF:
                        pass  # the end of a stream stands behind what was not read yet
            except (TimeoutError, asyncio.InvalidStateError, grpc.aio.AioRpcError):
                pass  # it is gone already, or too busy to say goodbye
        await _hang_up(answering, call, channel)

    # ----------------------------------------------------------------------- one stream

    async def _dial(self) -> None:
        import grpc

        # NB: a channel for each attempt, with subchannels of its own: a shared one would add gRPC's
        # back-off (up to two minutes) to ours. Proxies are for the web, not for a sidecar's port.
        self._channel = grpc.aio.insecure_channel(
            self.address,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_http_proxy", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
            ],
        )
        self._call = self._channel.stream_stream(
            METHOD,
            request_serializer=RequestResources.SerializeToString,
        )()  # NB: no deserializer: gRPC would turn an error in it into None
        for collection, held in self._held.items():
            known = {name: item.version for name, item in held.items()} if self.incremental else {}
            await self._send(
                self._call, RequestResources(collection=collection, initial_resource_versions=known)
            )

    async def _stream(self) -> AsyncGenerator[Update, None]:
        import grpc

        call = self._call
        while True:
            data = await call.read()
            if data is grpc.aio.EOF:
                return
            update = received(Resources.FromString(data), datetime.now(UTC))
            if update.collection not in self._held:
                log.warning("a push of %r, which nobody asked for, is refused", update.collection)
                reason = "not subscribed to this collection"
                await self._answer(call, update, UNASKED, reason)
                continue
            code, reason = self._verdict(update)
            if self._explicit and not code:
                self._open[update.collection] = update
                yield update
                continue
            if code:
                update = replace(update, refused=reason, code=code)
            else:
                self._apply(update)
            # Nothing is awaited between taking an update and handing it over, so that none which
            # was answered is lost to a cancellation in between.
            answer = self._answer(call, update, code, reason)
            self._answering = asyncio.create_task(answer)
            yield update
            await self._settle()

    def _verdict(self, update: Update) -> tuple[int, str]:
        for item in update.resources:
            try:
                message(item.type_url, item.body)
            except ValueError as error:
                return UNDECODABLE, f"{item.name}: {error}"
        reason = self._judge(update)
        return (REFUSED, reason) if reason else (0, "")

    def _apply(self, update: Update) -> None:
        held = self._held[update.collection] = applied(self._held[update.collection], update)
        self._versions[update.collection] = update.version
        own = mismatch(held, update.version)
        if own:
            log.warning(
                "%s: the source announced version %s, but what is held has %s (%d resources)",
                update.collection,
                update.version,
                own,
                len(held),
            )

    async def _answer(self, call: Any, update: Update, code: int, reason: str) -> None:
        request = RequestResources(collection=update.collection, response_nonce=update.nonce)
        if code:
            request.error_detail.code = code
            request.error_detail.message = reason
        await self._send(call, request)

    async def _send(self, call: Any, request: RequestResources) -> None:
        request.incremental = self.incremental
        request.sink_node.CopyFrom(SinkNode(id=self.node_id, annotations=self.annotations))
        error = request.error_detail.message
        self.journal.append(Sent(request.collection, request.response_nonce, error))
        await call.write(request)

    async def _settle(self) -> None:
        """Wait until the answer to the update that was handed over last is on its way."""
        answering, self._answering = self._answering, None
        if answering is not None:
            await answering

    def _let_go(self) -> tuple[asyncio.Task[None] | None, Any, Any]:
        """Return the stream, and the answer that is under way on it, and have none any more."""
        mine = self._answering, self._call, self._channel
        self._answering = self._call = self._channel = None
        return mine


async def _hang_up(answering: asyncio.Task[None] | None, call: Any, channel: Any) -> None:
    if answering is not None:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    if call is not None:
        call.cancel()
    if channel is not None:
        await channel.close()
