"""
A sink: the client half of every wire, for the CLI and for users' scripts.

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
from typing import Self

from google.protobuf.message import DecodeError

from gitsource.sink.bodies import message
from gitsource.sink.state import Item, Update, applied, mismatch
from gitsource.sink.transport import ENDED, GOODBYE, Broken, Dialled, Stream, Transport
from gitsource.sink.wire import REFUSED, UNASKED, UNDECODABLE, Held, Node, Wire
from gitsource.sink.wires.classic import Classic

log = logging.getLogger("gitsource.sink")

TRIGGER = "$triggerCollection"
"""What a source that dials sends first, to get bytes flowing: refused, and no news."""

SETTLED = 5.0
"""Seconds after which a stream counts as having worked: the next attempt is immediate again."""


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
    """
    A sink of the source at *address* (``host:port``) for *collections*.

    It speaks *wire* (classic MCP, if none is given) over *transport* (it dials *address*).
    """

    def __init__(
        self,
        address: str,
        collections: Iterable[str],
        *,
        node_id: str = "",
        annotations: Mapping[str, str] | None = None,
        incremental: bool = False,
        wire: Wire | None = None,
        transport: Transport | None = None,
        judge: Callable[[Update], str] | None = None,
        explicit: bool = False,
    ) -> None:
        """*node_id*, *annotations* and *incremental* are those of classic MCP, not of *wire*."""
        self.address = address
        self.node_id = node_id
        self.annotations = MappingProxyType(dict(annotations or {}))
        self.wire: Wire = wire or Classic(Node(node_id, "", self.annotations), incremental)
        self.journal: deque[Sent] = deque(maxlen=32)
        """The last requests that were sent, oldest first."""
        self._transport: Transport = transport or Dialled(address)
        self._judge = judge or (lambda _update: "")
        self._explicit = explicit
        self._held: dict[str, dict[str, Item]] = {name: {} for name in collections}
        self._versions: dict[str, str] = {}
        self._refused: set[str] = set()
        """Collections of which a push was refused on this stream."""
        self._open: dict[str, Update] = {}
        """Pushes of this stream that wait for `ack` or `nack`, by collection."""
        self._answering: asyncio.Task[None] | None = None
        self._closed = False
        self._stream: Stream | None = None

    def __repr__(self) -> str:
        held = sum(map(len, self._held.values()))
        return f"<Sink {self.node_id!r} of {self.address}: {held} resources>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def dials(self) -> bool:
        """Whether it dials the source, rather than the source it."""
        return not self._transport.waits

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
        failures = 0
        while not self._closed:
            began, trouble = time.monotonic(), "cannot reach"
            try:
                stream = await self._opened()
                async for update in self._pushes(stream):
                    trouble = "lost"
                    yield update
                reason = ENDED
            except Broken as error:
                reason = str(error)
            except DecodeError as error:  # of which collection, or nonce, cannot be told
                reason = f"it sent what is no push: {error}"
            finally:
                self._open.clear()
                await _hang_up(*self._let_go())
            if self._transport.waits:
                log.warning("lost %s: %s; waiting for it", self._transport.source, reason)
                continue
            failures = failures_after(failures, time.monotonic() - began)
            wait = pause(failures, random.random())  # noqa: S311 - spreads load, keeps no secret
            log.warning(
                "%s %s: %s; trying again in %.1f s", trouble, self._transport.source, reason, wait
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
        if self._open.get(update.collection) is not update or self._stream is None:
            return False
        del self._open[update.collection]
        if code:
            self._refused.add(update.collection)
        try:
            await self._answer(self._stream, update, code, reason, self.version(update.collection))
        except Broken:
            return False  # the stream ended just now; `updates` will say so
        return True

    async def close(self) -> None:
        """
        Leave: half-close, let the source take the last answers, hang up.

        Not while `updates` is being awaited elsewhere: cancel that first.
        """
        # NB: taken away first: a generator left at an update hangs up when it is collected.
        self._closed = True
        answering, stream = self._let_go()
        if stream is not None:
            if answering is not None:
                try:
                    async with asyncio.timeout(GOODBYE):
                        await answering
                except (TimeoutError, Broken):
                    pass  # it is gone already, or too busy to say goodbye
            await stream.leave()
        await _hang_up(answering, stream)
        await self._transport.close()

    # ----------------------------------------------------------------------- one stream

    async def _opened(self) -> Stream:
        """Open a stream and ask for everything."""
        stream = await self._transport.open(self.wire.method, self.wire.spoken)
        self._stream = stream
        self._refused.clear()
        holdings = [Held(name, self.version(name), held) for name, held in self._held.items()]
        for collection, request in self.wire.opening(holdings):
            self.journal.append(Sent(collection, "", ""))
            await stream.write(request)
        return stream

    async def _pushes(self, stream: Stream) -> AsyncGenerator[Update, None]:
        while (data := await stream.read()) is not None:
            update = self.wire.read(data, datetime.now(UTC))
            if update.collection not in self._held:
                if update.collection != TRIGGER:
                    told = "a push of %r, which nobody asked for, is refused"
                    log.warning(told, update.collection)
                reason = "not subscribed to this collection"
                await self._answer(stream, update, UNASKED, reason)
                continue
            code, reason = self._verdict(update)
            if self._explicit and not code:
                self._open[update.collection] = update
                yield update
                continue
            version = self.version(update.collection)
            if code:
                update = replace(update, refused=reason, code=code)
                self._refused.add(update.collection)
            else:
                self._apply(update)
            # Nothing is awaited between taking an update and handing it over, so that none which
            # was answered is lost to a cancellation in between.
            answer = self._answer(stream, update, code, reason, version)
            self._answering = asyncio.create_task(answer)
            yield update
            await self._settle()

    def _verdict(self, update: Update) -> tuple[int, str]:
        if update.code:
            return update.code, update.refused
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
        refused = update.collection in self._refused
        if not self.wire.verifiable(update.collection, refused=refused):
            return
        own = mismatch(held, update.version)
        if own:
            log.warning(
                "%s: the source announced version %s, but what is held has %s (%d resources)",
                update.collection,
                update.version,
                own,
                len(held),
            )

    async def _answer(
        self, stream: Stream, update: Update, code: int, reason: str, version: str = ""
    ) -> None:
        self.journal.append(Sent(update.collection, update.nonce, reason))
        await stream.write(self.wire.answer(update, code, reason, version))

    async def _settle(self) -> None:
        """Wait until the answer to the update that was handed over last is on its way."""
        answering, self._answering = self._answering, None
        if answering is not None:
            await answering

    def _let_go(self) -> tuple[asyncio.Task[None] | None, Stream | None]:
        """Return the stream, and the answer that is under way on it, and have none any more."""
        mine = self._answering, self._stream
        self._answering = self._stream = None
        return mine


async def _hang_up(answering: asyncio.Task[None] | None, stream: Stream | None) -> None:
    if answering is not None:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    if stream is not None:
        await stream.hang_up()
