"""
What is said between a source and a sink, in values that belong to no wire in particular.

Rule: a request implies a version only through its nonce; a push always tells its own. Nothing here
is bytes: `mcp` (and any other wire) translates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gitsource.model import Collection, Resource

# --------------------------------------------------------------------------- what a sink says


@dataclass(frozen=True, slots=True)
class Node:
    """Who a sink says it is, as far as views and the status ask."""

    id: str = ""
    cluster: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What is text at the top level of an xDS node's metadata; a classic sink's annotations."""
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """Why a sink refused a push."""

    code: int
    """A gRPC status code; sinks choose it freely."""
    message: str


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a sink: a subscription, an ACK or a NACK."""

    collection: str
    """By any name of the catalog; the answer uses the same name."""
    nonce: str = ""
    """Of the push that is answered; empty: a subscription."""
    error: Error | None = None
    """Present: a NACK."""
    incremental: bool = False
    """Whether the sink can take the next push as a delta."""
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    """What an incremental sink already holds: resource name to version."""
    node_id: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    """What a subscriber says it holds, on wires that tell versions."""

    @property
    def node(self) -> Node | None:
        """Who sent it, if it says so."""
        told = self.node_id or self.annotations
        return Node(self.node_id, metadata=self.annotations) if told else None


# --------------------------------------------------------------------------- what is sent


@dataclass(frozen=True, slots=True)
class Full:
    """Content: the whole collection; it replaces what the sink has."""

    collection: Collection


@dataclass(frozen=True, slots=True)
class Delta:
    """Content: what to change in what the sink has."""

    base: str | None
    """The version it starts from; None: from what this one sink said it has."""
    put: tuple[Resource, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Push:
    """One message to a sink."""

    requested: str
    """The collection, by the name the sink used."""
    collection: str
    nonce: str
    version: str
    content: Full | Delta
    goal: str = ""
    """The version it is a part of the way to; empty or `version` itself if it gets there."""
    state: Collection | None = None
    """What the sink holds when it has accepted it, if that has to be remembered for it."""
    note: str = ""
    """What an operator should know about it."""

    @property
    def incremental(self) -> bool:
        """Whether the sink has to merge it."""
        return isinstance(self.content, Delta)

    @property
    def counts(self) -> tuple[int, int]:
        """How many resources it carries, and how many names of removed ones."""
        content = self.content
        if isinstance(content, Delta):
            return len(content.put), len(content.removed)
        return len(content.collection), 0


# --------------------------------------------------------------------------- what came of a request


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A collection was asked for, for the first time or anew."""

    requested: str
    collection: str
    incremental: bool
    stated: int
    """Resources the sink says it holds."""
    version: str = ""
    """The version it says it holds, if that is what is served: nothing is owed."""


@dataclass(frozen=True, slots=True)
class Acked:
    """A push was accepted."""

    requested: str
    collection: str
    version: str
    nonce: str
    seconds: float
    """Since it was sent."""
    part: bool = False
    """Whether it was a part of the way to the version that is served."""


@dataclass(frozen=True, slots=True)
class Nacked:
    """A push was refused."""

    requested: str
    collection: str
    version: str
    nonce: str
    seconds: float
    error: Error
    target: str = ""
    """What it was a step to, if that counts as refused as well."""


@dataclass(frozen=True, slots=True)
class Stale:
    """An answer to nothing that is in flight: ignored."""

    requested: str
    nonce: str


Heard: TypeAlias = Subscribed | Acked | Nacked | Stale


# --------------------------------------------------------------------------- what a sink names

NAME = 256
"""Bytes that a name takes besides its characters, in all the sets that it may be in."""
WIDE = 4
"""Bytes that a character takes in a text that is not all ASCII."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one subscription has gitsource remember of what the sink itself said."""

    names: frozenset[str] = frozenset()
    """Names of resources that it asks for; streams that ask alike share the set."""
    every: bool = False
    """Whether it asks for all resources, whatever they are called."""
    stated: Collection | None = None
    """What it says it has, where some of that may be known to nobody else; shared likewise."""
    own: int = 0
    """Bytes of what the stream shares with nobody."""


def weight(texts: Iterable[str]) -> int:
    """Return how many bytes names (or names with versions) count as."""
    return sum(NAME + (len(one) if one.isascii() else len(one) * WIDE) for one in texts)


# --------------------------------------------------------------------------- what a sink has


@dataclass(frozen=True, slots=True)
class Holding:
    """What one subscription was sent last and has accepted, as far as contents are still kept."""

    requested: str
    collection: str
    sent: Collection | None
    accepted: Collection | None
    refused: str | None = None
    """The version it refused and has not accepted since."""
    names: tuple[str, ...] | None = None
    """The resources it asks for; None: all of the collection."""
    why: str = ""
    """What it said of what it refused, as far as its wire remembers."""
