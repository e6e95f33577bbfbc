"""
The door of the gRPC server: every call, to whichever service, comes in here or not at all.

Rule: who it is comes first (the connection's certificate, or the call's token), then the limits of
that peer; only then does the call meet anything else. Health, reflection and client status are
behind the same door. What is refused is told to the peer in its status, and to the audit log.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio

from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
from gitsource.publish.entry.admission import Admission
from gitsource.publish.entry.front import Front
from gitsource.publish.services import ASKING
from gitsource.security.failures import Failures
from gitsource.security.identity import Unproved
from gitsource.security.peer import Peer
from gitsource.snapshot.cache import SnapshotCache

log = logging.getLogger("gitsource.publish")

LONGEST = 20 * 86400.0
"""Seconds after which a call whose proof lasts longer comes back all the same."""
KNOWN = 4096
"""Tokens that were good of which that is remembered."""
EXPIRED = "the certificate or token of this stream has expired: come back with a new one"

NO_METHOD = "there is no such method"

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class TooManyFailures(Unproved):
    """So many tokens of an address were no good that none is looked at for a while."""


class Door:
    """Lets calls in."""

    def __init__(
        self,
        admission: Admission,
        cache: SnapshotCache,
        *,
        tokens: Callable[[str, str], Peer] | None = None,
        fallen: Callable[[Peer], str] = lambda _peer: "",
        failures: Failures | None = None,
        anonymous: bool = True,
        end_expired: bool = True,
        record: Record = unrecorded,
    ) -> None:
        """
        *tokens* says whose token a header has, from which address, or raises `Unproved`; *fallen*
        says why the token of somebody who is in counts no more, *failures* how often an address
        may send one that is no good.

        *anonymous*: whoever proves nothing is let in. *end_expired*: calls end with the proof.
        """
        self.front: Front | None = None
        """Through which connections come; None: gRPC takes them itself."""
        self._admission = admission
        self._cache = cache
        self._tokens = tokens
        self._fallen = fallen
        self._failures = failures or Failures(lambda: 0)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        """Digests of tokens that were good: they are looked at even where others fail."""
        self._in: dict[object, tuple[Peer, str, Callable[[str], None]]] = {}
        """Who is in by a token or a certificate, and how that is ended."""
        self._anonymous = anonymous
        self._end_expired = end_expired
        self._record = record

    def __repr__(self) -> str:
        return f"<Door {self._admission!r} front={self.front!r}>"

    async def enter(self, context: grpc.aio.ServicerContext[Any, Any], what: str) -> Peer:
        """Return who calls; the call (of *what*, for the status) is ended if it is not let in."""
        address = unquote(context.peer())
        try:
            peer = self._who(context, address)
        except TooManyFailures as error:
            why = self._admission.over("failed_tokens", str(error))
            self._tell(self._from(address), what, why, "")
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
        except Unproved as error:
            self._tell(self._from(address), what, str(error), "")
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        why = self._admission.metadata(_size(context))
        if why := why or self._admission.stream(peer, time.monotonic()):
            self._tell(peer.address, what, why, peer.identity)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
        return peer

    async def nothing_there(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Say that there is no *method*, to whoever may come in."""
        what = "unknown method"
        peer = await self.enter(context, what)
        try:
            self._tell(peer.address, what, NO_METHOD, peer.identity, method=method[:200])
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, NO_METHOD)
        finally:
            self.leave(peer)

    def leave(self, peer: Peer) -> None:
        """Say that a call which was let in is over."""
        self._admission.stream_over(peer)

    def lasts(self, peer: Peer) -> float | None:
        """Return for how many seconds a call of *peer* may last; None: no end is known."""
        if not peer.expires or not self._end_expired:
            return None
        # NB: a timer of the loop takes no more than some weeks on every system.
        return min(max(0.0, peer.expires - time.time()), LONGEST)

    def stays(self, peer: Peer, what: str, end: Callable[[str], None]) -> Callable[[], None]:
        """
        Have *end* called, with a reason, when the proof of who *peer* is does not count any more.

        Returns how to say that the call (of *what*) is over.
        """
        if not peer.key and peer.means != "mtls":
            return lambda: None
        token = object()
        self._in[token] = (peer, what, end)
        return lambda: self._in.pop(token, None) and None

    def revise(self) -> None:
        """End the calls of those who could not come in any more: other keys are in force."""
        for peer, what, end in tuple(self._in.values()):
            if peer.key and (why := self._fallen(peer)):
                self._tell(peer.address, what, why, peer.identity)
                end(why)

    def ended(self, why: Mapping[str, str]) -> None:
        """End the calls that came from an address by a certificate, for the reason it has."""
        for peer, _, end in tuple(self._in.values()):
            if not peer.key and (reason := why.get(peer.address)):
                end(reason)

    def _who(self, context: grpc.aio.ServicerContext[Any, Any], name: str) -> Peer:
        peer: Peer | None = Peer(address=name)
        if self.front is not None:
            peer = self.front.peer(name)
            if peer is None:  # gone meanwhile, or it found gRPC's socket without coming in
                raise Unproved("the connection is none of ours")
        assert peer is not None  # noqa: S101 - for the type checker
        if not peer.known and self._tokens is not None:
            header = _authorization(context)
            if header:
                return self._by_token(self._tokens, header, peer.address)
        if not peer.known and not self._anonymous:
            raise Unproved("a certificate or a bearer token is needed")
        return peer

    def _by_token(self, tokens: Callable[[str, str], Peer], header: str, address: str) -> Peer:
        """Return whose token *header* has, unless too many from there were no good."""
        now, digest = time.monotonic(), hashlib.sha256(header.encode()).digest()
        if self._failures.blocked(address, now) and digest not in self._known:
            raise TooManyFailures("too many tokens from this address were no good: come back later")
        try:
            peer = tokens(header, address)
        except Unproved:
            self._known.pop(digest, None)
            self._failures.failed(address, now)
            raise
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return peer

    def _from(self, name: str) -> str:
        """Return the address of what gRPC calls *name*: over TLS that says nothing to anybody."""
        known = self.front.peer(name) if self.front is not None else None
        return known.address if known is not None else name

    def _tell(self, address: str, what: str, why: str, who: str, **more: Fact) -> None:
        if self._cache.turned_away(address, what, why):
            log.warning("%s: not let in, from %s: %s", what, who or address, why)
        facts: dict[str, Fact] = {"what": what, **more}
        self._record(
            Happening("refuse", who=who, peer=address, outcome="refused", why=why, facts=facts)
        )

    # ------------------------------------------------------------------ other services

    def before(self, handlers: grpc.GenericRpcHandler, what: str) -> grpc.GenericRpcHandler:
        """Return *handlers* with the door before each of their methods."""
        return _Behind(self, handlers, what)

    def elsewhere(self) -> grpc.GenericRpcHandler:
        """Return what takes the calls that nobody before it took."""
        return _Elsewhere(self)


def _authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the only ``authorization`` of a call; of several nobody knows which counts."""
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(found) > 1:
        raise Unproved("authorization stands there more than once")
    return str(found[0]) if found else ""


def _size(context: grpc.aio.ServicerContext[Any, Any]) -> int:
    """Return the bytes of a call's metadata as HTTP/2 counts them (RFC 9113, 6.5.2)."""
    return sum(len(key) + len(value) + 32 for key, value in context.invocation_metadata() or ())


class _Elsewhere(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc publishes no types
    """Any method at all: last among the handlers of a server, it gets the unknown ones."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        method = str(handler_call_details.method)

        async def call(_: Any, context: Any) -> None:
            await self._door.nothing_there(method, context)

        return grpc.stream_stream_rpc_method_handler(call)


class _Behind(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc publishes no types
    def __init__(self, door: Door, handlers: grpc.GenericRpcHandler, what: str) -> None:
        self._door = door
        self._handlers = handlers
        self._what = what

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        handler = self._handlers.service(handler_call_details)
        if handler is None:
            return None
        kind = next(kind for kind in _KINDS if getattr(handler, kind) is not None)
        # NB: gRPC reads the message of a unary call before it calls a handler, so whoever never
        # sends one would be in without having come through the door. On the wire all are alike.
        return grpc.stream_stream_rpc_method_handler(
            self._behind(kind, getattr(handler, kind)),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _behind(self, kind: str, serve: Callable[..., Any]) -> Callable[..., Any]:
        door, what = self._door, self._what
        one_request, one_answer = kind.startswith("unary_"), kind.endswith("_unary")
        yields = inspect.isasyncgenfunction(serve)

        async def served(requests: Any, context: Any) -> None:
            request = await context.read() if one_request else requests
            if request is grpc.aio.EOF:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is missing")
            if yields:
                async with aclosing(serve(request, context)) as answers:
                    async for one in answers:
                        await context.write(one)
                return
            answer = await serve(request, context)
            if one_answer:
                await context.write(answer)

        async def call(requests: Any, context: Any) -> None:
            peer = await door.enter(context, what)
            ASKING.set(peer)
            proof = asyncio.timeout(door.lasts(peer))
            ended = [EXPIRED]

            def end(why: str) -> None:
                ended[:] = [why]
                proof.reschedule(0)

            over = door.stays(peer, what, end)
            try:
                try:
                    async with proof:
                        await served(requests, context)
                finally:
                    over()  # before anything is waited for: a timeout that is over takes no orders
            except TimeoutError:
                if not proof.expired():
                    raise
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, ended[0])
            finally:
                door.leave(peer)

        return call
