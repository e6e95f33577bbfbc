"""
What all streams of a server have in common, whatever their wire.

Rule: there is one of it, and nothing in it belongs to a stream.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gitsource.model import Snapshot
from gitsource.observe.happenings import Record, unrecorded
from gitsource.publish.entry.budget import Budget
from gitsource.publish.sending.gate import Gate
from gitsource.publish.sending.giveback import GiveBack
from gitsource.publish.showing.access import Access
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import DEFAULT, SnapshotCache

TOLD = 4096
"""Sinks and collections of which is remembered that something was said about them."""


@dataclass(slots=True)
class Shared:
    """What all streams of a server have in common, whatever their wire."""

    cache: SnapshotCache
    limits: Limits
    group: str = DEFAULT
    overlay: Callable[[Snapshot], Snapshot] = lambda snapshot: snapshot
    """What is put into a snapshot when it is served; nothing by default."""
    on_nack: str = "hold"
    """Whether a sink that refuses a part of a snapshot keeps the rest (``hold``), or goes back to
    the last one that it accepted (``return``)."""
    closed: Callable[[], str] = lambda: ""
    """Why no new stream or subscription is taken now; empty: they are."""
    record: Record = unrecorded
    """Where the audit log is told of what happens on its streams."""
    access: Access = field(init=False)
    """What each stream may receive, and which views take it; everything by default."""
    budget: Budget = field(init=False)
    """Bytes of what sinks name."""
    gate: Gate = field(init=False)
    memory: GiveBack = field(default_factory=GiveBack)
    met: Counter[str] = field(default_factory=Counter)
    """How often each limit (by the name of its setting) was met."""
    _told: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        self.access = Access(self.cache)
        self.budget = Budget(self.limits)
        self.gate = Gate(self.limits.push_bytes_in_flight)

    def news(self, sink: str, collection: str) -> bool:
        """Whether *sink* was never said anything about *collection*; from now on it was."""
        known = (sink, collection) in self._told
        self._told[sink, collection] = None
        if len(self._told) > TOLD:
            self._told.popitem(last=False)
        return not known

    @property
    def served(self) -> Snapshot | None:
        """What is served now, as the write half made it; None before the first snapshot."""
        return self.cache.get(self.group)

    def whole(self) -> Snapshot | None:
        """Return what is served now, to all sinks together; None before the first snapshot."""
        served = self.served
        return None if served is None else self.access.published(self.overlay(served))

    def overlaid(self, snapshot: Snapshot) -> Snapshot:
        """Return *snapshot* with what is put into it now, when it is served."""
        return self.overlay(snapshot)
