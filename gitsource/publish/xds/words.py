"""
What is said between an xDS client and a source, in values; `wire` makes bytes of them.

Rule: a SotW request tells all names that are wanted, a delta request what is to change in them; a
response tells what the client has once it has accepted it (`after`), so that an ACK is booked
without working anything out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gitsource.model import Collection, Resource
from gitsource.publish.words import Error, Node
from gitsource.publish.xds.types import Type

ALL = "*"
"""The name that stands for all resources of a type."""


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """One message of a client that asks for the state of the world."""

    type_url: str
    names: frozenset[str] = frozenset()
    """All that it wants; empty: see `subscription`."""
    version: str = ""
    """What it accepted last, on this stream or an earlier one."""
    nonce: str = ""
    error: Error | None = None
    """Present: a NACK."""
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """One message of a client that asks for changes."""

    type_url: str
    subscribe: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    """What it has from an earlier stream: resource name to version."""
    nonce: str = ""
    error: Error | None = None
    node: Node | None = None


Request: TypeAlias = SotwRequest | DeltaRequest


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """One message to a client."""

    type: Type
    requested: str
    """The type URL, as the client wrote it."""
    collection: str
    nonce: str
    version: str
    """The version of `after`; any client can recompute it from what it has then."""
    put: tuple[Resource, ...] = field(repr=False)
    """The same tuple for all streams that get the same, so that its bytes are shared."""
    removed: tuple[str, ...]
    """Delta only."""
    delta: bool
    """Whether it goes out as a DeltaDiscoveryResponse."""
    complete: bool
    """Whether it replaces all that the client has of the type."""
    after: Collection = field(repr=False)
    """What the client has once it has accepted this, as far as that is known."""
    target: str
    """The version on whose way this is."""
    owed: frozenset[str] = frozenset()
    """Names that are owed to the client still."""
    absent: frozenset[str] = frozenset()
    """Those of `removed` that the client only asked about, where it wants to hear that as news."""

    heartbeat: bool = False
    """Whether it says no more than that `put`, which the client has, goes on living."""
    note: str = ""
    """What an operator should know about it."""

    @property
    def incremental(self) -> bool:
        """Whether the client has to merge it."""
        return not self.complete

    @property
    def counts(self) -> tuple[int, int]:
        """How many resources it carries, and how many names of removed ones."""
        return len(self.put), len(self.removed)
