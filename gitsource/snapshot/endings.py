"""
Streams that gitsource ended or did not take, and why: what a limit cost whom.

Rule: bounded, whatever peers do. The same reason for the same sink is one row that counts; the rows
that were added to last stay. Text that a sink chose is harmless before it gets here.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

ROWS = 50
"""Rows that are kept."""


class Endings:
    """The rows, by sink and reason."""

    def __init__(self, most: int = ROWS) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str, str], dict[str, Any]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Endings {len(self._known)}>"

    def note(self, at: float, sink: str, peer: str, protocol: str, why: str) -> bool:
        """
        Note that a stream of *sink* (its node ID, if it said one) was ended because of *why*.

        *at* is in seconds since the epoch, *peer* its address. Returns whether that is news.
        """
        key = (sink or peer.rpartition(":")[0], protocol, why)
        before = self._known.pop(key, None)
        told = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        self._known[key] = {
            "at": told.replace("+00:00", "Z"),
            "count": 1 + (before["count"] if before else 0),
            "sink": sink,
            "peer": peer,
            "protocol": protocol,
            "why": why,
        }
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return before is None

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the status, the newest first."""
        return [dict(row) for row in reversed(self._known.values())]
