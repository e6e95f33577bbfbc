"""
Where the endpoints of a ServiceEntry are, as its resolution has it.

Rule: each resolution has a function, which says what it needs and what it does not take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import UNIX, is_fqdn, is_ip, is_wildcard_domain
from gitsource.validate.istio.ports import port_map
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import TCP_CLASS, labels
from gitsource.validate.istio.workload_entry import workload

NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS = range(5)
"""The resolutions, by number."""

_MESH_INTERNAL = 1
_ASKED_BY_NAME = frozenset(("http", "tls", "grpc", "http2"))
"""Protocols in which Istio finds the host that a DYNAMIC_DNS service is asked for."""
_WAYPOINT = "istio.io/use-waypoint"
_ENDPOINTS: FieldPath = ("spec", "endpoints")
_HOSTS: FieldPath = ("spec", "hosts")


def resolved(subject: Subject) -> Iterator[Problem]:
    """Judge the endpoints of a ServiceEntry, and what else depends on its resolution."""
    resolution = subject.spec.resolution
    if resolution == NONE:
        yield from _as_asked(subject)
    elif resolution == STATIC:
        yield from _static(subject)
    elif resolution == DYNAMIC_DNS:
        yield from _by_request(subject)
    else:
        yield from _by_dns(subject)


def _as_asked(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    if entry.endpoints:
        message = (
            "resolution NONE (the default) sends traffic to the address that was asked for: "
            "remove the endpoints, or set resolution: STATIC or DNS"
        )
        yield error("SE-20", _ENDPOINTS, message)
    if entry.HasField("workload_selector"):
        message = (
            "resolution NONE (the default) does not look for workloads: remove workloadSelector, "
            "or set resolution: STATIC"
        )
        yield warning("SE-20", ("spec", "workloadSelector"), message)


def _static(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    names = dict.fromkeys(port.name for port in entry.ports)
    for index, endpoint in enumerate(entry.endpoints):
        at = (*_ENDPOINTS, index)
        yield from workload(subject, at, endpoint, by_ip="SE-25")
        yield from _unknown_ports("SE-25", at, endpoint, names)
        if endpoint.address.startswith(UNIX) and len(names) != 1:
            message = f"behind a socket there is one port, and the service has {len(names)}"
            yield error("SE-25", (*at, "address"), f"{message}: keep one, or use an IP address")


def _unknown_ports(
    code: str, path: FieldPath, endpoint: Any, names: Mapping[str, None]
) -> Iterator[Problem]:
    for name in sorted(endpoint.ports):
        if name not in names:
            known = ", ".join(map(shown, islice(names, 5))) or "none"
            message = f"the service has no port {shown(name)}: use a name of its ports ({known})"
            yield error(code, (*path, "ports", name), message, at_key=True)


def _by_dns(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    if not entry.endpoints:
        yield from _resolvable(entry)
    if entry.resolution == DNS_ROUND_ROBIN and len(entry.endpoints) > 1:
        message = "DNS_ROUND_ROBIN takes one endpoint: keep one, or set resolution: DNS"
        yield error("SE-31", (*_ENDPOINTS, 1), message)
    names = dict.fromkeys(port.name for port in entry.ports)
    for index, endpoint in enumerate(entry.endpoints):
        yield from _named(subject, (*_ENDPOINTS, index), endpoint, names)
    by_address = entry.addresses and len(entry.hosts) > 1
    if by_address and any(port.protocol.lower() in TCP_CLASS for port in entry.ports):
        message = (
            "on a TCP port proxies know a service by its addresses, which these hosts share: "
            "write a ServiceEntry for each host"
        )
        yield warning("SE-37", (*_HOSTS, 1), message)


def _resolvable(entry: Any) -> Iterator[Problem]:
    for index, host in enumerate(entry.hosts):
        # What is no host at all was told so.
        if host != "*" and is_wildcard_domain(host) and not is_fqdn(host):
            message = (
                f"{shown(host)} cannot be looked up in DNS: write a full name, or endpoints, or "
                "set resolution: NONE"
            )
            yield error("SE-30", (*_HOSTS, index), message)


def _named(
    subject: Subject, path: FieldPath, endpoint: Any, names: Mapping[str, None]
) -> Iterator[Problem]:
    address = endpoint.address
    if not is_fqdn(address) and not is_ip(address):
        at = subject.place((*path, "address"))
        message = f"{shown(address)} is neither a domain name nor an IP address: write one of them"
        yield error("SE-33", at, message if address else "the endpoint has no address: write one")
    yield from labels("SE-34", (*path, "labels"), endpoint.labels)
    yield from _unknown_ports("SE-35", path, endpoint, names)
    yield from port_map("SE-36", "SE-36", (*path, "ports"), endpoint.ports)


def _by_request(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    for index, host in enumerate(entry.hosts):
        if not host.startswith("*") and is_wildcard_domain(host):
            message = f"DYNAMIC_DNS is for wildcards, and {shown(host)} is none: use DNS for it"
            yield error("SE-41", (*_HOSTS, index), message)
    for code, name, given in (
        ("SE-42", "addresses", entry.addresses),
        ("SE-43", "endpoints", entry.endpoints),
    ):
        if given:
            message = f"DYNAMIC_DNS looks up the host that is asked for: remove {name}"
            yield error(code, ("spec", name), message)
    for index, port in enumerate(entry.ports):
        if port.protocol.lower() not in _ASKED_BY_NAME:
            at = subject.place(("spec", "ports", index, "protocol"))
            message = "DYNAMIC_DNS has to see which host is asked for: use HTTP, HTTP2, GRPC or TLS"
            yield error("SE-44", at, message)
    if entry.location == _MESH_INTERNAL and subject.labels.get(_WAYPOINT, "") not in ("", "none"):
        message = (
            "a waypoint serves DYNAMIC_DNS only for services outside of the mesh: remove the "
            "label, or set location: MESH_EXTERNAL"
        )
        yield error("SE-46", ("metadata", "labels", _WAYPOINT), message)
