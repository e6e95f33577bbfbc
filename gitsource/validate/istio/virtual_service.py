"""
Istio's rules for VirtualService: its hosts, what it holds for, and which routes it may have.

Rule: without hosts it is a delegate, which others hand requests to. It is bound to gateways only if
it names some and ``mesh`` is not among them; hosts, SNI and JWT claims are judged by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import Problem, shown
from gitsource.validate.istio import connection_route, http_route, unreachable
from gitsource.validate.istio.names import (
    Hosts,
    is_gateway_domain,
    is_ip,
    is_wildcard_domain,
    overlaps,
)
from gitsource.validate.istio.policies import export_to
from gitsource.validate.istio.routing import gateways
from gitsource.validate.istio.subject import SPEC, Subject, error

NULLS = {
    "http.*": "VS-11",
    "http.*.match.*.headers.*": "VS-35",
    "http.*.route.*": "VS-45",
    "tls.*.route.*": "VS-45",
    "tcp.*.route.*": "VS-45",
    "http.*.mirrors.*": "VS-56",
    "tls.*.match.*": "VS-111",
    "tcp.*.match.*": "VS-125",
}

_CONVERTED = "internal.istio.io/route-semantics"
"""The annotation of routes that were made of Gateway API routes (CMN-10)."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio's rules for VirtualService find wrong with *subject*."""
    spec = subject.spec
    bound = bool(spec.gateways) and "mesh" not in spec.gateways
    converted = subject.annotations.get(_CONVERTED) == "gateway"
    if not spec.hosts:
        yield from _delegate(spec)
    if spec.gateways:
        yield from gateways((*SPEC, "gateways"), spec.gateways, converted=converted)
    yield from _hosts(spec, bound=bound)
    if spec.http:
        yield from _http(subject, bound=bound, converted=converted)
    elif not (spec.tls or spec.tcp):
        yield error("VS-01", SPEC, "the VirtualService has no routes: give it http, tls or tcp")
    if spec.tls:
        yield from _tls(spec, bound=bound, converted=converted)
    if spec.tcp:
        yield from _tcp(spec, converted=converted)
    if spec.export_to:
        yield from export_to("VS-10", subject, (*SPEC, "exportTo"))


def _http(subject: Subject, *, bound: bool, converted: bool) -> Iterator[Problem]:
    at = (*SPEC, "http")
    routes = subject.spec.http
    for index, route in enumerate(routes):
        yield from http_route.check((*at, index), route, subject, bound=bound, converted=converted)
    yield from unreachable.http(at, routes)


def _tls(spec: Any, *, bound: bool, converted: bool) -> Iterator[Problem]:
    at = (*SPEC, "tls")
    hosts = Hosts(spec.hosts)
    for index, route in enumerate(spec.tls):
        yield from connection_route.tls(
            (*at, index), route, hosts, bound=bound, converted=converted
        )
    yield from unreachable.check(at, spec.tls)


def _tcp(spec: Any, *, converted: bool) -> Iterator[Problem]:
    at = (*SPEC, "tcp")
    for index, route in enumerate(spec.tcp):
        yield from connection_route.tcp((*at, index), route, converted=converted)
    yield from unreachable.check(at, spec.tcp)


def _delegate(spec: Any) -> Iterator[Problem]:
    for code, name in (("VS-02", "gateways"), ("VS-03", "tls"), ("VS-04", "tcp")):
        if getattr(spec, name):
            message = f"without hosts it is a delegate and has no {name}: add hosts, or remove it"
            yield error(code, (*SPEC, name), message)


def _hosts(spec: Any, *, bound: bool) -> Iterator[Problem]:
    flawless = True
    sni = bound and any(match.sni_hosts for route in spec.tls for match in route.match)
    for index, host in enumerate(spec.hosts):
        fits = is_gateway_domain(host, sni=sni) if bound else is_wildcard_domain(host)
        if fits and (bound or host != "*"):
            continue
        at = (*SPEC, "hosts", index)
        if fits:
            message = "'*' is for gateways only, and this holds for the mesh: name the hosts"
            yield error("VS-06", at, message)
        elif is_ip(host):
            continue
        else:
            message = f"{shown(host)} is no host: write a name, *.domain or an address"
            yield error("VS-05", at, message)
        flawless = False
    if flawless and len(spec.hosts) > 1:
        for index, earlier in sorted(overlaps(spec.hosts).items()):
            message = (
                f"{shown(spec.hosts[index])} shares names with {shown(spec.hosts[earlier])}: "
                "keep one of them"
            )
            yield error("VS-07", (*SPEC, "hosts", index), message)
