"""
One stream of any wire: pumps bytes between a transport and a machine, tells the cache and the log.

Rule: one reader and one writer. The reader never waits for the writer, so answers are always heard;
the writer has one write under way and asks for the newest state when it is done, so nothing queues.
A transport is two callables, so whoever dialled is not known here; how a stream ended is a value
that the transport translates.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gitsource.errors import ExchangeError, OverLimit
from gitsource.model import Snapshot
from gitsource.observe.happenings import Happening
from gitsource.publish.ending import OURS, End, Ending
from gitsource.publish.entry.admission import Bucket, key_of
from gitsource.publish.shared import Shared
from gitsource.publish.showing.sight import SHUT, Sight
from gitsource.publish.telling import Telling, shown
from gitsource.publish.wire import Machine, Wire
from gitsource.publish.words import Acked, Heard, Holding, Nacked, Node, Stale, Subscribed
from gitsource.security.authorize.rights import Rights
from gitsource.security.peer import NOBODY, Peer
from gitsource.snapshot.reports import Identity

log = logging.getLogger("gitsource.publish")

UNGATED = 256 * 1024
"""Bytes below which a push needs no place at the gate."""
BURST = 10
"""Seconds' worth of requests that may come at once: a sink that comes back asks for everything."""
_LIMIT = re.compile(r"\(limits\.([a-z_]+)\)")


class Session:
    """
    One stream that speaks *wire*.

    *read* returns the next message, None at the end of the sink's half; *write* returns when the
    transport has taken the message. Both raise ConnectionError when the stream is gone.
    """

    def __init__(
        self,
        shared: Shared,
        wire: Wire,
        peer: str,
        read: Callable[[], Awaitable[bytes | None]],
        write: Callable[[bytes], Awaitable[None]],
        *,
        who: Peer = NOBODY,
    ) -> None:
        self.stream = shared.cache.open_stream()
        self.peer = shown(peer)
        self.who = who
        """What the other end proved to be; for an address to show, see `peer`."""
        self._shared = shared
        self._read = read
        self._write = write
        self._wire = wire
        self._machine: Machine = wire.machine(self.stream)
        self._telling = Telling(
            shared.cache, shared.news, self._machine, self.stream, self.peer, wire.protocol
        )
        self._sight = Sight(shared.access, shared.overlaid, who, wire.protocol)
        self._machine.whose, self._machine.within = who.identity, self._sight.within
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._ending: Ending | None = None
        self._most = shared.limits.requests
        self._requests = Bucket(self._most, self._most * BURST)
        self._share = shared.budget.share(key_of(who))
        self._stuck_at: float | None = None
        """Since when the sink has what it may not have any more, and cannot be told so."""
        self._deadline: asyncio.Timeout | None = None
        self._gave_way = False
        self._good: Snapshot | None = None
        """The last snapshot that the sink accepted as a whole; kept if it may go back to it."""
        self._refused = ""
        """Version of the snapshot that it went back from."""

    def __repr__(self) -> str:
        return f"<Session {self.stream} {self.peer} {self._machine!r} ending={self._ending}>"

    def end(self, ending: Ending) -> None:
        """End the stream as *ending* says once the write under way, if any, is done."""
        if self._ending is None:
            self._ending = ending
        self._wake.set()

    async def run(self) -> Ending:
        """Serve the sink until the stream ends, and return how it did."""
        if (served := self._shared.served) is not None:
            self._sight.look(served, None)
        if self._sight.shut:
            turned_away, who = self._shared.cache.turned_away, self.who.identity
            news = turned_away(self.peer, self._wire.protocol, SHUT, sink=who)
            self._note_denied(news=news)
            return Ending(End.DENIED, SHUT)
        who, protocol = self.who.identity, self._wire.protocol
        self._telling.tell(
            self._telling.report("connected", who=who, protocol=protocol), "sink connected"
        )
        self.assign()
        unwatch = self._shared.cache.watch(self._wake.set, self._shared.group)
        reader = asyncio.create_task(self._listen(), name=f"read stream {self.stream}")
        ending = Ending(End.BROKEN)
        try:
            ending = await self._speak()
        except ConnectionError:
            ending = self._ending or ending
        except Exception as fault:  # noqa: BLE001 - it costs this stream, and is logged
            ending = self._fault(fault)
        finally:
            unwatch()
            reader.cancel()
            self._share.release()
            why = ending.text or ending.end.value
            ours = ending.end in OURS
            if limit := _LIMIT.search(why):
                self._shared.met[limit[1]] += 1
            report = self._telling.report("disconnected", error=shown(why), ours=ours)
            level = logging.WARNING if ours else logging.INFO
            self._telling.tell(report, f"sink disconnected: {why}", level)
        with suppress(asyncio.CancelledError):
            await reader
        return ending

    # ------------------------------------------------------------------ hearing

    async def _listen(self) -> None:
        try:
            while (data := await self._read()) is not None:
                self._heard(data)
            ending = Ending(End.CLOSED)
        except OverLimit as error:
            ending = Ending(End.LIMIT, str(error))
        except ExchangeError as error:
            ending = Ending(End.PROTOCOL, str(error))
        except ConnectionError:
            ending = Ending(End.BROKEN)
        except Exception as fault:  # noqa: BLE001 - it costs this stream, and is logged
            ending = self._fault(fault)
        self.end(ending)

    def _fault(self, fault: Exception) -> Ending:
        log.error("stream %s ends by a fault in gitsource", self.stream, exc_info=fault)
        return Ending(End.FAULT, "a fault in gitsource; its log says more")

    def _heard(self, data: bytes) -> None:
        if self._ending is not None:
            return
        self._shared.memory.moved(len(data))
        request, node = self._wire.told(data)
        snapshot, known = self._snapshot(node), self._machine.node
        heard = self._machine.receive(request, snapshot, self._loop.time())
        # Answers to pushes are as many as those.
        answer = isinstance(heard, Acked | Nacked)
        if not isinstance(heard, Stale) and not self._counted(heard) and not answer:
            return
        if not answer and not self._requests.take(self._loop.time()):
            raise OverLimit(f"more than {self._most} requests a second (limits.requests)")
        if known is None and self._machine.node is not None:
            self.assign()
        self._told(heard)
        if self._shared.on_nack == "return" and snapshot is not None:
            self._note_for_return(heard, snapshot)
        self._wake.set()

    def _counted(self, heard: Subscribed | Acked | Nacked) -> bool:
        """Count what the sink names now; ends the stream, and says so, if that may not be more."""
        named = self._machine.named(heard.requested)
        closed = self._shared.closed()
        if closed and self._share.grows(heard.requested, named):
            # Not left to wait: a client would take silence for there being nothing.
            self.end(Ending(End.UNRECORDED, closed))
            self._note_refused(closed, heard.collection)
            return False
        self._share.put(heard.requested, named)
        return True

    def _told(self, heard: Heard) -> None:
        """Tell what was *heard*, and of rights that are missing."""
        if isinstance(heard, Subscribed) and self._sight.denies(heard.collection):
            name = shown(heard.requested)
            news = self._shared.news(self._telling.label, f"no rights to {name}")
            self._note_denied(name, news=news)
        self._telling.heard(heard)

    def _note_for_return(self, heard: Heard, snapshot: Snapshot) -> None:
        """Remember what the sink accepted as a whole, and go back to it when it refuses."""
        good = self._good
        if isinstance(heard, Acked) and self._machine.settled(snapshot):
            self._good = snapshot
        elif isinstance(heard, Nacked) and good is not None and good.version != snapshot.version:
            self._refused = snapshot.version
            revision = good.revision
            report = self._telling.report(
                "returned", version=revision.commit, error=heard.error.message
            )
            self._telling.tell(report, f"sink goes back to {revision.short}", logging.WARNING)

    def _snapshot(self, node: Node | None = None) -> Snapshot | None:
        """Return what this sink is to hold: the newest, unless it refused a part of that."""
        newest = self._newest(self._machine.node or node)
        if self._refused and newest is not None:
            if newest.version == self._refused:
                # It may hold less of that by now.
                self._good = self._good and self._sight.narrowed(self._good)
                return self._good
            self._refused = ""
            self._telling.tell(self._telling.report("returned"), "sink follows again", logging.INFO)
        return newest

    def _newest(self, node: Node | None) -> Snapshot | None:
        """Return what this sink is shown now, by the policy that is in force."""
        served, sight = self._shared.served, self._sight
        if served is None:
            return None
        if sight.look(served, node):
            self._rejudged()
        return sight.of(served, node)

    def _rejudged(self) -> None:
        """Go by what may be received from now on."""
        self.assign()
        if self._sight.shut and self._ending is None:
            self._note_denied(news=True)
            self.end(Ending(End.DENIED, SHUT))

    def _note_denied(self, collection: str = "", *, news: bool) -> None:
        """Have the audit log know that nothing (of a *collection*) may be received, once."""
        if news:
            self._note_refused("no rights", collection)

    def _note_refused(self, why: str, collection: str = "") -> None:
        told = Happening(
            "refuse",
            self.who.identity,
            self.peer,
            "refused",
            why,
            {"protocol": self._wire.protocol, "sink": self._telling.label}
            | ({"collection": collection} if collection else {}),
        )
        self._shared.record(told)

    def assign(self) -> None:
        """Tell the cache which views take the sink, and so what it should have."""
        sight, cache = self._sight, self._shared.cache
        cache.assign(self.stream, views=sight.views, wanted=self._wanted, rights=sight.told)

    def _wanted(self, snapshot: Snapshot, requested: str, collection: str) -> str | None:
        """Return the version that the sink should have of what it calls *requested*, if any."""
        seen = self._sight.of(snapshot, self._machine.node)
        return self._machine.wanted(seen, requested, collection)

    def retry(self) -> None:
        """Send again what was refused on this stream."""
        self._refused = ""
        self._machine.retry()
        self._wake.set()

    def refuses(self, requested: str) -> bool:
        """Whether the sink refused, on this stream, a part of what is served to it now."""
        served = self._newest(self._machine.node)
        return served is not None and self._machine.refuses(served, requested)

    def holdings(self) -> Iterator[Holding]:
        """Yield what each subscription was sent and has accepted."""
        return self._machine.holdings()

    def may_have(self) -> Iterator[Holding]:
        """Yield the same without what the sink may not have any more."""
        self._newest(self._machine.node)
        within = self._sight.within
        for one in self._machine.holdings():
            sent, accepted = (each and within(each) for each in (one.sent, one.accepted))
            yield replace(one, sent=sent, accepted=accepted)

    @property
    def rights(self) -> Rights:
        """What the sink may receive, by the policy in force."""
        return self._sight.rights

    @property
    def judged(self) -> tuple[Rights, str]:
        """What the sink may receive, and by which snapshot what it has was judged (a version)."""
        self._newest(self._machine.node)
        served = self._shared.served
        if served is None or self._sight.rights.everything:
            return self._sight.rights, ""
        return self._sight.rights, served.version

    def is_told_to(self, asker: Peer) -> bool:
        """Whether *asker* may know of this stream: where there are rights, only of its own."""
        return self._sight.open or (asker.known and asker.identity == self.who.identity)

    @property
    def identity(self) -> Identity:
        """The sink's node ID, or the number of the stream."""
        return self._machine.identity

    @property
    def node(self) -> Node | None:
        """Who the sink says it is."""
        return self._machine.node

    @property
    def protocol(self) -> str:
        """What it speaks."""
        return self._wire.protocol

    # ------------------------------------------------------------------ speaking

    async def _speak(self) -> Ending:
        while self._ending is None:
            self._wake.clear()
            push = self._offer()
            waits = push is None or self._stuck_at is not None
            if waits and (ending := self._unanswered()):
                return ending
            if push is None:
                await self._pause()
                continue
            size = self._wire.size(push)
            if size > (most := self._shared.limits.push_bytes):
                text = f"a push of {push.requested} has {size} bytes, more than {most}"
                return Ending(End.LIMIT, f"{text} (limits.push_bytes)")
            if size < UNGATED:
                await self._send(push)
                continue
            content = push.collection, push.version, push.incremental
            place = await self._shared.gate.enter(size, self._give_way, content)
            try:
                # What is newest may have changed at the gate, or the sink may have gone.
                push = self._offer() if self._ending is None else None
                if push is not None:
                    await self._send(push)
            finally:
                self._shared.gate.leave(place)
        return self._ending

    def _offer(self) -> Any | None:
        snapshot = self._snapshot()
        return None if self._sight.shut else self._machine.offer(snapshot, self._loop.time())

    def _unanswered(self) -> Ending | None:
        """Return that the stream ends: its sink has too long had what it may not have any more."""
        if not self._stuck():
            self._stuck_at = None
            return None
        now, most = self._loop.time(), self._shared.limits.unanswered
        if self._stuck_at is None:
            self._stuck_at = now
        if now < self._stuck_at + most:
            return None
        why = f"a push was not answered in {most:g} s (limits.unanswered)"
        self._note_refused(f"it has what it may not have any more, and {why}")
        return Ending(End.UNANSWERED, why)

    def _stuck(self) -> bool:
        served, sight = self._shared.served, self._sight
        if served is None or sight.rights.everything or self._ending is not None:
            return False
        return self._machine.stuck(sight.of(served, self._machine.node))

    async def _pause(self) -> None:
        looks = [self._machine.next_look]
        if self._stuck_at is not None:
            looks.append(self._stuck_at + self._shared.limits.unanswered)
        look = min((one for one in looks if one is not None), default=None)
        timer = self._loop.call_at(look, self._wake.set) if look is not None else None
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _send(self, push: Any) -> None:
        message = self._wire.encode(push)
        self._machine.sent(push, self._loop.time())
        self._telling.sent(push, len(message))
        try:
            async with asyncio.timeout(self._shared.limits.stalled) as self._deadline:
                await self._write(message)
        except TimeoutError:
            seconds = self._shared.limits.stalled
            text = f"a push of {push.requested} was not taken in {seconds:g} s (limits.stalled)"
            if self._gave_way:
                text = f"a push of {push.requested} took too long while others waited for theirs"
            # It overrides an end that waited for this write: nothing more can be said.
            self._ending = Ending(End.STALLED, text)
        finally:
            self._deadline = None
            self._shared.memory.moved(len(message))

    def _give_way(self) -> None:
        """End the write under way: too many large ones go on for too long, and others wait."""
        if self._deadline is not None:
            self._gave_way = True
            self._deadline.reschedule(self._loop.time())
