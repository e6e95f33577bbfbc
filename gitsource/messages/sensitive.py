"""
Where key material stands in plain in a message: what must be in no repository, and on no screen.

Rule: secret is what Envoy's own messages mark as sensitive, and a few fields beside. Only places
are told, never what stands there. A DataSource that names a file or a variable holds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import Default

from gitsource.messages import known
from gitsource.messages.opened import content, opened, within
from gitsource.model import FieldPath

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

DATA = "envoy.config.core.v3.DataSource"

_PRIVATE = b"PRIVATE KEY-----"
_GRPC = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials"
_BESIDE = frozenset(
    (
        f"{_GRPC}.access_token",
        f"{_GRPC}.google_refresh_token",
        f"{_GRPC}.ServiceAccountJWTAccessCredentials.json_key",
        "envoy.extensions.filters.http.api_key_auth.v3.Credential.key",
    )
)
"""Secret fields that Envoy's messages do not mark."""
_PUBLIC = re.compile(r".*[._](username|context_extensions|credentials)")
"""Marked fields that hold no secret, or messages of which one field is looked at by itself."""


def exposed(message: Any) -> Iterator[FieldPath]:
    """Yield the place of each value in *message* that is key material in plain, each once."""
    told: set[FieldPath] = set()
    for path, inner in opened(message):
        for place in exposed_in(path, inner):
            if place not in told:
                told.add(place)
                yield place


def holds_key(wire: bytes) -> bool:
    """Whether the serialized `istio.mcp.v1alpha1.Resource` *wire* holds key material in plain."""
    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource

    if _PRIVATE in wire:
        return True
    if b"envoy." not in wire:
        return False
    message = content(Resource.FromString(wire).body)
    return message is not None and next(exposed(message), None) is not None


def exposed_in(path: FieldPath, message: Any) -> Iterator[FieldPath]:
    """Yield such places in the sensitive fields of *message* itself, which stands at *path*."""
    for field in _sensitive(message.DESCRIPTOR.full_name):
        yield from _plain(path, message, field)


def _plain(path: FieldPath, message: Any, field: FieldDescriptor) -> Iterator[FieldPath]:
    if field.message_type is None:
        if getattr(message, field.name):
            yield (*path, field.json_name)
        return
    for there, value in within(path, message, field):
        for below, inner in opened(value):
            if inner.DESCRIPTOR.full_name == DATA:
                given = inner.WhichOneof("specifier") or ""
                if given.startswith("inline_"):
                    step = inner.DESCRIPTOR.fields_by_name[given].json_name
                    yield (*there, *below, step)


@cache
def _sensitive(name: str) -> tuple[FieldDescriptor, ...]:
    """Return the fields of the message *name* that hold secrets."""
    descriptor = known.find(name)
    if descriptor is None or known.find("udpa.annotations.StatusAnnotation") is None:
        return ()
    sensitive: Any = Default().FindExtensionByName("udpa.annotations.sensitive")
    return tuple(
        field
        for field in descriptor.fields
        if not _PUBLIC.fullmatch(field.full_name)
        if field.full_name in _BESIDE or field.GetOptions().Extensions[sensitive]
    )
