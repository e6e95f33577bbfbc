"""
Failed proofs of who somebody is: each address has so many a minute, and then no more is looked at.

Rule: pure; time is an argument. Only failures count, so who is good is never slowed down by being
often there; what is remembered of addresses is bounded. Of IPv6 an address is its network: one host
has all 2⁶⁴ of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gitsource.observe.audit.crowd import host_of

REMEMBERED = 4096
"""Addresses of which is remembered how often they failed of late."""
MINUTE = 60.0
"""Seconds in which what was used up is there again."""


class Failures:
    """So many a minute as *most* says when it is asked; 0: without end."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address to how many of its failures count, and when that was so."""

    def __repr__(self) -> str:
        return f"<Failures of {len(self._used)} addresses, {self._most()} a minute each>"

    def blocked(self, peer: str, now: float) -> bool:
        """Whether nothing of *peer* (an address with or without a port) is looked at *now*."""
        most = self._most()
        return bool(most) and self._counting(host_of(peer), now) > most - 1

    def failed(self, peer: str, now: float) -> None:
        """Count that a proof of *peer* was no good."""
        if not self._most():
            return
        host = host_of(peer)
        self._used[host] = (self._counting(host, now) + 1, now)
        self._used.move_to_end(host)
        if len(self._used) > REMEMBERED:
            self._used.popitem(last=False)

    def _counting(self, host: str, now: float) -> float:
        """Return how many failures of *host* count still."""
        used, at = self._used.get(host, (0.0, now))
        return max(0.0, used - max(0.0, now - at) * self._most() / MINUTE)
