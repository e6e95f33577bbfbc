"""
Istio's rules for TLS and TCP routes.

Rule: the hosts of a TLS route's SNI lie inside those of its VirtualService.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import (
    Hosts,
    is_gateway_domain,
    is_ip,
    is_subnet,
    is_wildcard_domain,
)
from gitsource.validate.istio.routing import destinations, source
from gitsource.validate.istio.subject import error, warning

NOWHERE = "the route sends nowhere: give it route with a destination"


def tls(
    path: FieldPath, route: Any, hosts: Hosts, *, bound: bool, converted: bool
) -> Iterator[Problem]:
    """Judge *route*, a TLSRoute at *path* of a VirtualService of *hosts*."""
    if not route.match:
        message = "a TLS route matches by SNI: give it match with sniHosts"
        yield error("VS-110", (*path, "match"), message)
    for index, match in enumerate(route.match):
        at = (*path, "match", index)
        if not match.sni_hosts:
            yield error(
                "VS-112", (*at, "sniHosts"), "the match names no sniHosts: name one at least"
            )
        for place, host in enumerate(match.sni_hosts):
            yield from _sni((*at, "sniHosts", place), host, hosts, bound=bound)
        yield from _subnets("VS-116", at, match)
        yield from source(("VS-117", "VS-118"), at, match)
    if not route.route:
        yield error("VS-120", (*path, "route"), NOWHERE)
    yield from destinations((*path, "route"), route.route, converted=converted)


def _sni(path: FieldPath, host: str, hosts: Hosts, *, bound: bool) -> Iterator[Problem]:
    fits = is_gateway_domain(host, sni=True) if bound else is_wildcard_domain(host)
    if not fits and is_ip(host):
        message = f"{shown(host)} is an address, which clients do not send as SNI: use a name"
        yield warning("VS-114", path, message)
    elif not fits:
        yield error("VS-113", path, f"{shown(host)} is no host name: write one, or *.domain")
    elif not hosts.covering(host):
        message = f"{shown(host)} is outside of the hosts of this VirtualService: add it to them"
        yield error("VS-115", path, message)


def tcp(path: FieldPath, route: Any, *, converted: bool) -> Iterator[Problem]:
    """Judge *route*, a TCPRoute at *path*."""
    for index, match in enumerate(route.match):
        at = (*path, "match", index)
        yield from _subnets("VS-126", at, match)
        yield from source(("VS-127", "VS-128"), at, match)
    if not route.route:
        yield error("VS-130", (*path, "route"), NOWHERE)
    yield from destinations((*path, "route"), route.route, converted=converted)


def _subnets(code: str, path: FieldPath, match: Any) -> Iterator[Problem]:
    for index, subnet in enumerate(match.destination_subnets):
        if not is_subnet(subnet):
            message = f"{shown(subnet)} is no subnet: write an address, or one with /bits"
            yield error(code, (*path, "destinationSubnets", index), message)
