"""
The words of classic MCP on the wire: request bytes → `Request`, `Push` → bytes.

Rule: what many sinks get is encoded once. A message is a short head (version, collection, nonce)
and a body (resources, removed names), and Protobuf lets fields come in any order: so the body is
joined once for each version of a collection, or each step between two, and shared by every stream;
a whole message is shared by all sinks whose nonces coincide. The larger part of a collection, as
views and rights make it, is put together from runs of the whole that all such parts share. Bytes
nobody needs any more are let go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Hashable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.errors import ExchangeError
from gitsource.messages import fields
from gitsource.model import Collection, Resource
from gitsource.observe.neutral import neutral
from gitsource.publish.words import Delta, Error, Full, Push, Request

COLLECTION_BYTES = 512
"""A longer collection name is refused: it is kept for each subscription and echoed in each push."""
NODE_ID_CHARACTERS = 256
"""A longer node ID is cut: it is who the sink is, in memory, in status and in the log."""
ERROR_CHARACTERS = 2000
"""A longer error text is cut."""

FIELD = 4
"""Bytes about a field: its tag, and how long it is."""
SIZES = 4096
"""Bodies of which the size is remembered."""
RUN = 64
"""Resources of a collection that are joined once for all parts which have them all."""
BODIES = 128
"""Bodies kept besides those of whole collections that are served."""
BODY_BYTES = 8 * 1024 * 1024
"""The most they may take up together, but for one."""
MESSAGES = 256
"""Whole messages kept for sinks whose nonces coincide."""
MESSAGE_BYTES = 4 * 1024 * 1024
"""The most they may take up together, but for one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The tags of a message to a sink: field number << 3 | wire type (2: with a length)."""

    version: bytes
    resource: bytes
    nonce: bytes
    collection: bytes = b""
    """Empty: there is no such field, so the nonce tells the collection, after a space."""
    removed: bytes = b""
    incremental: bytes = b""
    """The whole field, as it is set in a delta."""


RESOURCES = Layout(b"\x0a", b"\x1a", b"\x2a", b"\x12", b"\x22", b"\x30\x01")
"""`istio.mcp.v1alpha1.Resources`."""


# --------------------------------------------------------------------------- from the sink


def decode(data: bytes) -> Request:
    """Return what a sink sent; raises ExchangeError if it is no request."""
    try:
        message = mcp_pb2.RequestResources.FromString(data)
    except DecodeError as error:
        raise ExchangeError(
            "the message is no istio.mcp.v1alpha1.RequestResources",
            hint="gitsource speaks Istio's Mesh Configuration Protocol on this method",
        ) from error
    return Request(
        collection=named(message.collection),
        nonce=message.response_nonce,
        error=refusal(message.error_detail) if message.HasField("error_detail") else None,
        incremental=message.incremental,
        initial_versions=dict(message.initial_resource_versions),
        node_id=node_id(message.sink_node.id),
        annotations=dict(message.sink_node.annotations),
    )


def named(collection: str) -> str:
    """Return the name of a collection that a sink asks for; raises ExchangeError if it is none."""
    if not collection:
        raise ExchangeError("a request names no collection")
    if len(collection.encode()) > COLLECTION_BYTES:
        raise ExchangeError(f"a collection's name is longer than {COLLECTION_BYTES} bytes")
    return collection


def refusal(detail: status_pb2.Status) -> Error:
    """Return why a sink refused, bounded."""
    return Error(detail.code, detail.message[:ERROR_CHARACTERS])


def node_id(told: str) -> str:
    """Return the node ID that a sink *told*, bounded and harmless."""
    cut = told[:NODE_ID_CHARACTERS]
    return cut if cut.isprintable() else neutral(cut)


# --------------------------------------------------------------------------- to the sink

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)

_BodyKey: TypeAlias = tuple[str, str | None, str]
"""Collection, version it starts from (None: the whole collection), version it leads to."""


_Told: TypeAlias = tuple[_BodyKey, str, str]
"""A whole message: its body, nonce and requested name."""


@dataclass(frozen=True, slots=True)
class _Body:
    """A body inside the first message that carried it, so that those bytes serve twice."""

    told: _Told
    message: bytes = field(repr=False)
    start: int

    def __len__(self) -> int:
        return len(self.message) - self.start


class _Runs:
    """The bytes of a *whole* collection, run by run, for parts of it; made when one has them."""

    def __init__(self, whole: Collection, tag: bytes) -> None:
        self.whole = whole
        self._tag = tag
        self._joined: dict[int, bytes] = {}

    def parts(self, part: Collection) -> list[bytes] | None:
        """Return the fields of *part*, to be joined; None if it is no large part of the whole."""
        ours, theirs = self.whole.resources, part.resources
        if 2 * len(theirs) < len(ours):
            return None
        found: list[bytes] = []
        at = 0
        for start in range(0, len(ours), RUN):
            run = ours[start : start + RUN]
            if theirs[at : at + len(run)] == run:
                found.append(self._joined.get(start) or self._join(start, run))
                at += len(run)
                continue
            begun = at
            for one in run:
                if at < len(theirs) and theirs[at] is one:
                    at += 1
            found += fields.repeated(self._tag, _wires(theirs[begun:at]))
        return found if at == len(theirs) else None

    def _join(self, start: int, run: tuple[Resource, ...]) -> bytes:
        made = self._joined[start] = b"".join(fields.repeated(self._tag, _wires(run)))
        return made


def _wires(resources: Iterable[Resource]) -> list[bytes]:
    return [one.wire for one in resources]


class Encoder:
    """Turns pushes into bytes, for all streams of a server."""

    def __init__(self, layout: Layout = RESOURCES) -> None:
        self._layout = layout
        self._served: dict[_BodyKey, Collection] = {}
        self._bodies: OrderedDict[_BodyKey, _Body] = OrderedDict()
        self._messages: OrderedDict[_Told, bytes] = OrderedDict()
        self._runs: dict[str, _Runs] = {}
        self._sizes: OrderedDict[_BodyKey, int] = OrderedDict()

    def __repr__(self) -> str:
        size = sum(map(len, self._bodies.values()))
        return f"<Encoder bodies={len(self._bodies)} bytes={size} messages={len(self._messages)}>"

    def serve(self, collections: Iterable[Collection]) -> None:
        """Learn what is served now; bytes that lead to anything else are let go."""
        before = self._served
        self._served = {(one.name, None, one.version): one for one in collections}
        for key in list(self._bodies):
            whole = (key[0], None, key[2])
            # The same version may be another object: create_time is no part of a version.
            if whole not in self._served or before.get(whole) is not self._served[whole]:
                del self._bodies[key]
        self._sizes.clear()
        known, tag = self._runs, self._layout.resource
        self._runs = {
            one.name: kept
            if (kept := known.get(one.name)) and kept.whole is one
            else _Runs(one, tag)
            for one in self._served.values()
        }
        for told in [told for told in self._messages if told[0] not in self._bodies]:
            del self._messages[told]

    def size(self, push: Push) -> int:
        """Return about how many bytes `encode` comes to; nothing is made for it."""
        key = _key(push)
        if key is None:
            return _size(push)
        body = self._bodies.get(key)
        size = len(body) if body is not None else self._sizes.get(key)
        if size is None:
            size = self._sizes[key] = _size(push)
            if len(self._sizes) > SIZES:
                self._sizes.popitem(last=False)
        return size

    def encode(self, push: Push) -> bytes:
        """Return *push* as a message of the layout."""
        key = _key(push)
        if key is None:
            return b"".join((self._head(push), *self._parts(push)))
        told = (key, push.nonce, push.requested)
        body = self._bodies.get(key)
        if body is None:
            return self._first(push, told)
        self._bodies.move_to_end(key)
        if body.told == told:
            return body.message
        message = self._messages.get(told)
        if message is None:
            message = b"".join((self._head(push), memoryview(body.message)[body.start :]))
            self._messages[told] = message
            _shrink(self._messages, MESSAGES, MESSAGE_BYTES)
        return message

    def _first(self, push: Push, told: _Told) -> bytes:
        head = self._head(push)
        message = b"".join((head, *self._parts(push)))
        self._bodies[told[0]] = _Body(told, message, len(head))
        _shrink(self._bodies, BODIES, BODY_BYTES, keep=self._served)
        return message

    def _head(self, push: Push) -> bytes:
        layout = self._layout
        requested = push.requested.encode()
        nonce = push.nonce.encode()
        parts = (
            *fields.field(layout.version, push.version.encode()),
            *(fields.field(layout.collection, requested) if layout.collection else ()),
            *fields.field(layout.nonce, nonce if layout.collection else nonce + b" " + requested),
            layout.incremental if push.incremental else b"",
        )
        return b"".join(parts)

    def _parts(self, push: Push) -> Iterator[bytes]:
        content, tag = push.content, self._layout.resource
        if isinstance(content, Delta):
            yield from fields.repeated(tag, _wires(content.put))
            for name in content.removed:
                yield from fields.field(self._layout.removed, name.encode())
        else:
            yield from self._all(content.collection)

    def _all(self, collection: Collection) -> Iterable[bytes]:
        """Return the fields of *collection*, in runs where it is a part of what is served."""
        runs = self._runs.get(collection.name)
        if runs is not None and runs.whole.version != collection.version:
            parts = runs.parts(collection)
            if parts is not None:
                return parts
        return fields.repeated(self._layout.resource, _wires(collection.resources))


def _shrink(
    kept: OrderedDict[K, V], most: int, most_bytes: int, keep: Container[K] = frozenset()
) -> None:
    """Drop the oldest of *kept*, but for those to *keep* and the newest, until both bounds hold."""
    loose = [key for key in kept if key not in keep]
    size = sum(len(kept[key]) for key in loose)
    for number, key in enumerate(loose[:-1]):
        if len(loose) - number <= most and size <= most_bytes:
            return
        size -= len(kept.pop(key))


def _size(push: Push) -> int:
    """Return about how many bytes the resources and names of *push* are."""
    content = push.content
    if isinstance(content, Delta):
        names = sum(len(name) + FIELD for name in content.removed)
        return names + sum(len(one.wire) + FIELD for one in content.put)
    return sum(len(one.wire) + FIELD for one in content.collection.resources)


def _key(push: Push) -> _BodyKey | None:
    """Return what the body is shared under; None for what only this sink gets."""
    if isinstance(push.content, Full):
        return push.collection, None, push.version
    if push.content.base is None:
        return None
    return push.collection, push.content.base, push.version
