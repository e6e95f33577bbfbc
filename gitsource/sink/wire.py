"""
What a sink asks of a wire: requests as bytes, and pushes as values.

Rule: a wire knows words and no state of a stream; what is held is told to it when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gitsource.sink.state import Item, Update

# gRPC codes of a NACK, as Istio's sinks use them
UNDECODABLE, REFUSED, UNASKED = 2, 3, 12


@dataclass(frozen=True, slots=True)
class Node:
    """Who a sink says it is."""

    id: str = ""
    cluster: str = ""
    """xDS only."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """In classic MCP: annotations."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one collection, in the order in which collections are asked for."""

    collection: str
    version: str
    """Empty before the first push."""
    items: Mapping[str, Item]


class Wire(Protocol):
    """One protocol between source and sink."""

    @property
    def protocol(self) -> str:
        """What ``--protocol`` calls it."""
        ...

    @property
    def method(self) -> str:
        """The full path of the gRPC method that a sink calls."""
        ...

    @property
    def spoken(self) -> str:
        """What a server lacks that does not know the method."""
        ...

    @property
    def incremental(self) -> bool:
        """Whether changes are asked for."""
        ...

    def opening(self, holdings: list[Held]) -> Iterator[tuple[str, bytes]]:
        """Yield the first request for each collection of a new stream."""
        ...

    def read(self, data: bytes, time: datetime) -> Update:
        """
        Return a push that arrived at *time*; it is refused already if it breaks the rules.

        Raises DecodeError if it is none.
        """
        ...

    def answer(self, update: Update, code: int, reason: str, version: str) -> bytes:
        """Return the ACK of *update* (*code* 0), or the NACK; *version* is what was held before."""
        ...

    def verifiable(self, collection: str, *, refused: bool) -> bool:
        """
        Whether the version of *collection* can be worked out from what is held of it.

        *refused*: whether a push of it was, on this stream.
        """
        ...
