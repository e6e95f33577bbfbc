"""
The words of xDS on the wire: request bytes → values, `Response` → bytes.

Rule: what many clients get is encoded once. All of a response but its nonce is joined once for each
tuple of resources that is sent (streams at the same step share the tuple), and the nonce is put
behind it: Protobuf lets fields come in any order. A resource is never decoded; its body is cut out
of the stored bytes. Of a node only what views and the status ask for is kept: Envoy's own is 60 kB.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.xds.v1 import discovery_pb2
from gitsource.errors import ExchangeError
from gitsource.messages import fields
from gitsource.model import Collection, Resource
from gitsource.publish.classic.mcp import named, node_id, refusal
from gitsource.publish.words import Node
from gitsource.publish.xds.annotations import aliases_of, ttl_of
from gitsource.publish.xds.body import body_of
from gitsource.publish.xds.stated import Stated, not_too_long
from gitsource.publish.xds.types import PREFIX, Type
from gitsource.publish.xds.words import DeltaRequest, Response, SotwRequest

FACTS = 64
"""Values of a node's metadata that are kept."""
FACT_CHARACTERS = 256
"""A longer value of a node, or a key of its metadata, is left out."""

FIELD = 4
"""Bytes about a field: its tag, and how long it is."""
BODIES = 256
"""Bodies kept besides those of whole collections that are served."""
BODY_BYTES = 32 * 1024 * 1024
"""The most they may take up together, but for one."""
MESSAGES = 256
"""Whole messages kept for clients whose nonces coincide."""
MESSAGE_BYTES = 16 * 1024 * 1024
"""The most they may take up together, but for one."""

# Tags: field number << 3 | wire type (2: with a length, 0: varint).
_VERSION, _RESOURCE, _TYPE, _NONCE = b"\x0a", b"\x12", b"\x22", b"\x2a"
"""Of DiscoveryResponse and DeltaDiscoveryResponse alike."""
_SOTW_PLANE, _DELTA_PLANE, _REMOVED = b"\x32", b"\x3a", b"\x32"
_RESOURCE_VERSION, _RESOURCE_BODY, _RESOURCE_NAME, _RESOURCE_ALIAS, _RESOURCE_TTL = (
    b"\x0a",
    b"\x12",
    b"\x1a",
    b"\x22",
    b"\x32",
)
_ABSENT = b"absent"
"""The version of a resource that there is not."""
_ANY_TYPE, _ANY_VALUE = b"\x0a", b"\x12"
_PLANE = b"\x0a\x09gitsource"
"""A serialized ControlPlane: its identifier."""
_WRAPPED = PREFIX.encode() + b"istio.mcp.v1alpha1.Resource"


SOTW_LONG = {0x1A: "names"}
DELTA_LONG = {0x1A: "subscribe", 0x22: "unsubscribe", 0x2A: "initial_versions"}
"""The fields of requests that may be many, by their tags."""

# --------------------------------------------------------------------------- from the client


def decode_sotw(data: bytes) -> SotwRequest:
    """Return what a SotW client sent; raises ExchangeError if it is no request."""
    try:
        message = discovery_pb2.DiscoveryRequest.FromString(data)
    except DecodeError as error:
        raise _unreadable("DiscoveryRequest") from error
    return SotwRequest(
        type_url=named(message.type_url),
        names=_names(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=refusal(message.error_detail) if message.HasField("error_detail") else None,
        node=_node(message.node) if message.HasField("node") else None,
    )


def decode_delta(data: bytes) -> DeltaRequest:
    """Return what a delta client sent; raises ExchangeError if it is no request."""
    try:
        message = discovery_pb2.DeltaDiscoveryRequestHeard.FromString(data)
    except DecodeError as error:
        raise _unreadable("DeltaDiscoveryRequest") from error
    return DeltaRequest(
        type_url=named(message.type_url),
        subscribe=_names(message.resource_names_subscribe),
        unsubscribe=_names(message.resource_names_unsubscribe),
        initial_versions=Stated(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=refusal(message.error_detail) if message.HasField("error_detail") else None,
        node=_node(message.node) if message.HasField("node") else None,
    )


def _unreadable(message: str) -> ExchangeError:
    return ExchangeError(
        f"the message is no envoy.service.discovery.v3.{message}",
        hint="gitsource speaks xDS, version 3, on this method",
    )


def _names(told: Iterable[str]) -> frozenset[str]:
    names = frozenset(told)
    not_too_long(names)
    return names - {""} if "" in names else names


def _node(told: discovery_pb2.Node) -> Node | None:
    """Return what is kept of a node; None if it says nothing."""
    metadata = {
        key: value.string_value
        for key, value in told.metadata.fields.items()
        if value.WhichOneof("kind") == "string_value" and _short(key) and _short(value.string_value)
    }
    for key, value in told.metadata.fields.items():
        kind = value.WhichOneof("kind")
        if kind == "bool_value" and _short(key):
            metadata[key] = "true" if value.bool_value else "false"
        elif kind == "number_value" and _short(key):
            metadata[key] = f"{value.number_value:.15g}"
    for name in ("user_agent_name", "user_agent_version"):
        if (value := getattr(told, name)) and _short(value):
            metadata.setdefault(name, value)
    locality = told.locality
    node = Node(
        id=node_id(told.id),
        cluster=node_id(told.cluster),
        metadata=dict(sorted(metadata.items())[:FACTS]),
        region=node_id(locality.region),
        zone=node_id(locality.zone),
        sub_zone=node_id(locality.sub_zone),
    )
    return None if node == _NOBODY else node


def _short(text: str) -> bool:
    return len(text) <= FACT_CHARACTERS


_NOBODY = Node()


# --------------------------------------------------------------------------- to the client

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)

_BodyKey = tuple[str, bool, str, int, tuple[str, ...], frozenset[str], bool]
"""Type URL, whether it is a delta, version, identity of the resources, removed and absent names,
whether it is a heartbeat."""


@dataclass(frozen=True, slots=True)
class _Body:
    """All of a message but its nonce."""

    put: tuple[Resource, ...] = field(repr=False)
    """Kept, so that its identity stays its own."""
    message: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.message)


class Encoder:
    """Turns responses into bytes, for all streams of a server."""

    def __init__(self) -> None:
        self._served: dict[int, Collection] = {}
        self._bodies: OrderedDict[_BodyKey, _Body] = OrderedDict()
        self._messages: OrderedDict[tuple[_BodyKey, str], bytes] = OrderedDict()

    def __repr__(self) -> str:
        size = sum(map(len, self._bodies.values()))
        return f"<Encoder bodies={len(self._bodies)} bytes={size} messages={len(self._messages)}>"

    def serve(self, collections: Iterable[Collection]) -> None:
        """Learn what is served now; bytes of anything else are let go."""
        self._served = {id(one.resources): one for one in collections}
        for key in [key for key in self._bodies if key[3] not in self._served]:
            del self._bodies[key]
        for told in [told for told in self._messages if told[0] not in self._bodies]:
            del self._messages[told]

    def size(self, response: Response) -> int:
        """Return about how many bytes `encode` comes to; nothing is made for it."""
        body = self._bodies.get(_key(response))
        if body is not None:
            return len(body)
        names = sum(len(name) + FIELD for name in response.removed)
        return names + sum(len(one.wire) + FIELD for one in response.put)

    def encode(self, response: Response) -> bytes:
        """Return *response* as a serialized DiscoveryResponse or DeltaDiscoveryResponse."""
        key = _key(response)
        message = self._messages.get((key, response.nonce))
        if message is None:
            body = self._body(key, response)
            message = b"".join((body.message, *fields.field(_NONCE, response.nonce.encode())))
            self._messages[key, response.nonce] = message
            _shrink(self._messages, MESSAGES, MESSAGE_BYTES)
        return message

    def _body(self, key: _BodyKey, response: Response) -> _Body:
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
            return body
        body = self._bodies[key] = _Body(response.put, b"".join(_parts(response)))
        # Bytes of what is served now are kept whatever they take up.
        loose = OrderedDict(
            (one, known) for one, known in self._bodies.items() if one[3] not in self._served
        )
        before = set(loose)
        _shrink(loose, BODIES, BODY_BYTES)
        for gone in before - set(loose):
            del self._bodies[gone]
        return body


def _shrink(kept: OrderedDict[K, V], most: int, most_bytes: int) -> None:
    """Drop the oldest of *kept*, but for the newest, until both bounds hold."""
    size = sum(map(len, kept.values()))
    while len(kept) > 1 and (len(kept) > most or size > most_bytes):
        size -= len(kept.popitem(last=False)[1])


def _key(response: Response) -> _BodyKey:
    return (
        response.requested,
        response.delta,
        response.version,
        id(response.put),
        response.removed,
        response.absent,
        response.heartbeat,
    )


def _parts(response: Response) -> Iterator[bytes]:
    yield from fields.field(_VERSION, response.version.encode())
    kind = response.type
    for resource in response.put:
        body = b"" if response.heartbeat else _any(resource, kind)
        if response.delta:
            body = b"".join(_named(resource, kind, body))
        yield from fields.field(_RESOURCE, body)
    yield from fields.field(_TYPE, response.requested.encode())
    if response.delta:
        for name in response.removed:
            if name in response.absent:
                yield from fields.field(_RESOURCE, b"".join(_missing(name.encode())))
            else:
                yield from fields.field(_REMOVED, name.encode())
    yield from fields.field(_DELTA_PLANE if response.delta else _SOTW_PLANE, _PLANE)


def _any(resource: Resource, kind: Type) -> bytes:
    """Return what is served of *resource*, as a serialized Any."""
    if not kind.wrapped:
        return body_of(resource.wire)
    return b"".join((*fields.field(_ANY_TYPE, _WRAPPED), *fields.field(_ANY_VALUE, resource.wire)))


def _named(resource: Resource, kind: Type, body: bytes) -> Iterator[bytes]:
    yield from fields.field(_RESOURCE_VERSION, resource.version.encode())
    if body:
        yield from fields.field(_RESOURCE_BODY, body)
    yield from fields.field(_RESOURCE_NAME, resource.name.encode())
    if kind.under:
        for alias in aliases_of(resource.wire):
            yield from fields.field(_RESOURCE_ALIAS, alias.encode())
    if kind.ttl and (duration := _duration(*ttl_of(resource.wire))):
        yield from fields.field(_RESOURCE_TTL, duration)


def _missing(name: bytes) -> Iterator[bytes]:
    """Say that there is nothing of that name: no body, and the name once more as an alias."""
    yield from fields.field(_RESOURCE_VERSION, _ABSENT)
    yield from fields.field(_RESOURCE_NAME, name)
    yield from fields.field(_RESOURCE_ALIAS, name)


def _duration(seconds: int, nanos: int) -> bytes:
    """Return a serialized google.protobuf.Duration; empty if it is none."""
    return b"".join(
        tag + fields.varint(number)
        for tag, number in ((b"\x08", seconds), (b"\x10", nanos))
        if number
    )
