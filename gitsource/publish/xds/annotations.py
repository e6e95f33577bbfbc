"""
What annotations say of how a resource is served over delta: how long it lives, and its other names.

Rule: validation has refused what is malformed; what is so all the same says nothing. The metadata
is decoded only if one of the annotations stands in the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitsource._proto.istio.mcp.v1alpha1 import metadata_pb2
from gitsource.model import Resource
from gitsource.publish.xds.body import field_of

TTL = "gitsource.dev/ttl"
"""The annotation by which a resource runs out: seconds, such as ``30s`` or ``1.5s``."""
ALIASES = "gitsource.dev/aliases"
"""The annotation with further names by which a client may ask for it, separated by spaces."""

_SECONDS = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?s?")


def annotated(resources: Iterable[Resource], key: str) -> list[Resource]:
    """Return those of *resources* that may have the annotation *key*; a quick look at many."""
    raw = key.encode()
    return [one for one in resources if raw in one.wire]


def ttl_of(wire: bytes) -> tuple[int, int]:
    """Return after how many seconds and nanoseconds the resource *wire* runs out; 0, 0: never."""
    found = _SECONDS.fullmatch(_annotation(wire, TTL))
    if found is None:
        return 0, 0
    return int(found[1]), int((found[2] or "0").ljust(9, "0"))


def aliases_of(wire: bytes) -> tuple[str, ...]:
    """Return the other names of the resource *wire*."""
    return tuple(_annotation(wire, ALIASES).split())


def _annotation(wire: bytes, key: str) -> str:
    if key.encode() not in wire:
        return ""
    metadata = metadata_pb2.Metadata.FromString(field_of(wire, 1))
    return str(metadata.annotations.get(key, ""))
