"""
What a sink gets and holds: pushes as values, and the rules for applying and checking them.

Rule: pure. A full-state push replaces a collection, an incremental one amends it; the version of a
collection can be recomputed by anybody who holds it:

    base64(SHA-256(for each resource by name: len(name) name len(version) version))

with lengths as four big-endian bytes and text in UTF-8.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource

CONTENT_VERSION = re.compile(r"[A-Za-z0-9+/]{43}=")
"""What such a version looks like; sources that count or name their versions are not checked."""


@dataclass(frozen=True, slots=True)
class Item:
    """One resource as the source sent it."""

    name: str
    version: str
    """xDS in full state tells none: that of the push it came with, as Envoy has it."""
    create_time: str
    """RFC 3339 in UTC; empty if the source gave none or none that is a date."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    type_url: str
    body: bytes = field(repr=False)
    """The serialized message of that type; `gitsource.sink.bodies` decodes it."""


@dataclass(frozen=True, slots=True)
class Update:
    """One push."""

    time: datetime
    """When it arrived, in UTC."""
    collection: str
    version: str
    """Of the collection with this push applied, as the source says."""
    nonce: str
    incremental: bool
    """True: `resources` and `removed` amend what was held. False: `resources` is all there is."""
    resources: tuple[Item, ...]
    removed: tuple[str, ...]
    refused: str = ""
    """Why it was NACKed and not applied; empty if it was ACKed or is still to be answered."""
    code: int = 0
    """The gRPC code of the NACK."""


def item_of(resource: Resource) -> Item:
    """Return a resource of MCP's as a value."""
    told = resource.metadata
    create_time = ""
    if told.HasField("create_time"):
        try:
            create_time = told.create_time.ToJsonString()
        except ValueError:  # beyond the years 1 to 9999: Istio's sinks ignore it as well
            create_time = ""
    return Item(
        told.name,
        told.version,
        create_time,
        dict(told.labels),
        dict(told.annotations),
        resource.body.type_url,
        resource.body.value,
    )


def applied(held: Mapping[str, Item], update: Update) -> dict[str, Item]:
    """Return what is held of a collection once *update* is applied to *held*."""
    after = dict(held) if update.incremental else {}
    for name in update.removed:
        after.pop(name, None)
    after.update((item.name, item) for item in update.resources)
    return after


def version_of(held: Mapping[str, Item]) -> str:
    """Return the version that a collection with this content has."""
    digest = sha256()
    for name in sorted(held):
        for part in (name.encode(), held[name].version.encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
    return b64encode(digest.digest()).decode()


def mismatch(held: Mapping[str, Item], announced: str) -> str:
    """
    Return the version of *held* if the source *announced* another one; else nothing.

    Resources that came without versions of their own, as bare messages do, cannot be checked.
    """
    if not CONTENT_VERSION.fullmatch(announced) or not all(item.version for item in held.values()):
        return ""
    own = version_of(held)
    return "" if own == announced else own
