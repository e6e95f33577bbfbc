"""
How many connections, streams and new streams each peer may have: counted, and said no to.

Rule: pure; time is an argument. A peer is its identity, or its address as long as nobody knows who
it is, so what one does is never taken from another's share. What is remembered of peers that have
gone is bounded.
"""

from __future__ import annotations

from collections import Counter, OrderedDict

from gitsource.observe.audit.crowd import host_of as network_of
from gitsource.security.peer import Peer
from gitsource.settings.serving import Limits

REMEMBERED = 4096
"""Peers of which is remembered how often they came of late."""


def key_of(peer: Peer) -> str:
    """Return as whom *peer* is counted."""
    return peer.identity or host_of(peer.address)


def host_of(address: str) -> str:
    """
    Return the host of an *address* as gRPC writes it (``ipv4:10.0.0.1:5000``).

    Of IPv6 it is the network (/64), as in the audit log: one host has all addresses of it.
    """
    if address.startswith("unix"):
        return "unix:"
    if address.startswith("ipv6:"):
        host = network_of(address)
        return f"ipv6:{host}" if ":" in host else f"ipv4:{host}"
    return address.rpartition(":")[0] or address


def is_local(key: str) -> bool:
    """Whether *key* is an address of this machine: it tells nobody apart, so it has no share."""
    return key.startswith(("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:"))


class Bucket:
    """So many *a second*; *burst* at once after a quiet time."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._left = self._burst = float(burst)
        self._at = 0.0

    def __repr__(self) -> str:
        return f"<Bucket {self._left:.1f} of {self._burst:.0f} left>"

    def take(self, now: float) -> bool:
        """Take one at *now*, in seconds of a clock that never goes back; False: there is none."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Admission:
    """Who is in, and who else may be."""

    def __init__(self, limits: Limits, met: Counter[str] | None = None) -> None:
        """*met* counts how often each limit (by the name of its setting) was met."""
        self._limits = limits
        self._streams: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()
        self._new: OrderedDict[str, Bucket] = OrderedDict()
        self._met: Counter[str] = Counter() if met is None else met

    def limit(self, limits: Limits) -> None:
        """Go by *limits* from now on; who is in stays in."""
        self._limits = limits
        self._new.clear()  # Each remembers how many a second it gives.

    def __repr__(self) -> str:
        return f"<Admission connections={self.connections} streams={self._streams.total()}>"

    @property
    def connections(self) -> int:
        """Open connections over TLS."""
        return self._connections.total()

    def stream(self, peer: Peer, now: float) -> str:
        """Count a new stream or call of *peer*; returns why not, and then it is not counted."""
        key, limits = key_of(peer), self._limits
        share = limits.streams_each
        if is_local(key):
            # All sinks may be here, and calls besides: that a sink is one too many says the server.
            share += limits.streams
        bucket = self._new.pop(key, None) or Bucket(limits.new_streams, share)
        self._new[key] = bucket
        if len(self._new) > REMEMBERED:
            self._new.popitem(last=False)
        if not bucket.take(now):
            most = limits.new_streams
            return self.over("new_streams", f"more than {most} new streams a second of one peer")
        if self._streams[key] >= share:
            return self.over("streams_each", f"{share} streams of one peer are open")
        self._streams[key] += 1
        return ""

    def stream_over(self, peer: Peer) -> None:
        """Count a stream less."""
        _less(self._streams, key_of(peer))

    def metadata(self, size: int) -> str:
        """Return why a call with *size* bytes of metadata is not let in; empty if it is."""
        most = self._limits.metadata_bytes
        if size <= most:
            return ""
        return self.over("metadata_bytes", f"a call has {size} bytes of metadata, more than {most}")

    def connection(self, key: str) -> str:
        """Count a new connection of *key*; returns why not, and then it is not counted."""
        limits = self._limits
        if self.connections >= limits.connections:
            return self.over("connections", f"{limits.connections} connections are open")
        share = limits.connections if is_local(key) else limits.connections_each
        if self._connections[key] >= share:
            return self.over("connections_each", f"{share} connections of one peer are open")
        self._connections[key] += 1
        return ""

    def connection_known(self, before: str, after: str) -> str:
        """Count a connection of *before* as one of *after*; returns why it is not let in."""
        self.connection_over(before)
        return self.connection(after)

    def connection_over(self, key: str) -> None:
        """Count a connection less."""
        _less(self._connections, key)

    def over(self, limit: str, text: str) -> str:
        """Count that *limit* was met; returns *text* with the name of its setting."""
        self._met[limit] += 1
        return f"{text} (limits.{limit})"


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
