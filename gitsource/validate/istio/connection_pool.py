"""
Bounds on connections and requests, as DestinationRule and Sidecar set them.

Rule: the codes are those of DestinationRule (DR-30 to DR-37), whichever kind the pool stands in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem
from gitsource.validate.istio.subject import error
from gitsource.validate.istio.values import duration

_UPGRADE = 2
_HTTP_COUNTS = (
    ("http1_max_pending_requests", "http1MaxPendingRequests"),
    ("http2_max_requests", "http2MaxRequests"),
    ("max_requests_per_connection", "maxRequestsPerConnection"),
    ("max_retries", "maxRetries"),
    ("max_concurrent_streams", "maxConcurrentStreams"),
)


def connection_pool(path: FieldPath, settings: Any) -> Iterator[Problem]:
    """Judge ConnectionPoolSettings: that there are any, and those for HTTP and for TCP."""
    http, tcp = settings.HasField("http"), settings.HasField("tcp")
    if not http and not tcp:
        yield error("DR-30", path, "the connection pool bounds nothing: set http or tcp")
    if http:
        yield from _http((*path, "http"), settings.http)
    if tcp:
        yield from _tcp((*path, "tcp"), settings.tcp)


def _http(path: FieldPath, http: Any) -> Iterator[Problem]:
    for field, name in _HTTP_COUNTS:
        yield from _count("DR-31", (*path, name), getattr(http, field))
    if http.HasField("idle_timeout"):
        yield from duration("DR-32", (*path, "idleTimeout"), http.idle_timeout)
    if http.h2_upgrade_policy == _UPGRADE and http.use_client_protocol:
        yield error(
            "DR-33",
            (*path, "useClientProtocol"),
            "useClientProtocol keeps the client's protocol, h2UpgradePolicy UPGRADE changes it: "
            "remove one of them",
        )
    if http.HasField("http2_keep_alive"):
        yield from _pings((*path, "http2KeepAlive"), http.http2_keep_alive)


def _pings(path: FieldPath, pings: Any) -> Iterator[Problem]:
    for name in ("interval", "timeout"):
        if pings.HasField(name):
            yield from duration("DR-34", (*path, name), getattr(pings, name))
        else:
            yield error("DR-34", path, f"http2KeepAlive has no {name}: set interval and timeout")


def _tcp(path: FieldPath, tcp: Any) -> Iterator[Problem]:
    yield from _count("DR-35", (*path, "maxConnections"), tcp.max_connections)
    if tcp.HasField("connect_timeout"):
        yield from duration("DR-36", (*path, "connectTimeout"), tcp.connect_timeout)
    if tcp.HasField("max_connection_duration"):
        at = (*path, "maxConnectionDuration")
        yield from duration("DR-36", at, tcp.max_connection_duration)
    if tcp.HasField("tcp_keepalive"):
        for name in ("time", "interval"):
            if tcp.tcp_keepalive.HasField(name):
                at = (*path, "tcpKeepalive", name)
                yield from duration("DR-36", at, getattr(tcp.tcp_keepalive, name))
    idle = tcp.idle_timeout
    if idle.seconds or abs(idle.nanos) >= 1_000_000:  # 0 milliseconds turn the timeout off
        yield from duration("DR-37", (*path, "idleTimeout"), idle)


def _count(code: str, path: FieldPath, number: int) -> Iterator[Problem]:
    if number < 0:
        yield error(code, path, f"{number} is below 0: use 0 (no bound of its own) or more")
