"""
Istio's rules for ServiceEntry: what the service is called, and on which addresses and ports.

Rule: a service that a proxy could not tell apart from another one is refused. Where its endpoints
are is judged in `endpoints`, since that depends on the resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.endpoints import DYNAMIC_DNS, NONE, STATIC, resolved
from gitsource.validate.istio.names import is_partial_wildcard, is_subnet, is_wildcard_domain
from gitsource.validate.istio.policies import alpha_selector, export_to
from gitsource.validate.istio.ports import port_name, port_number, protocol
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import HTTP_CLASS, PROTOCOLS, TLS_CLASS, port

NULLS = {"ports.*": "SE-10", "endpoints.*": "SE-32"}

_OWN_ADDRESS = "networking.istio.io/enable-autoallocate-ip"
_SEPARABLE = HTTP_CLASS | TLS_CLASS
"""Protocols in which the client says which host it wants."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio would refuse, or warn of, in a ServiceEntry."""
    entry = subject.spec
    yield from alpha_selector("SE-01", ("spec", "workloadSelector"), entry)
    if entry.endpoints and entry.HasField("workload_selector"):
        message = "endpoints cannot stand beside workloadSelector: keep one of them"
        yield error("SE-02", ("spec", "endpoints"), message)
    yield from _hosts(subject)
    yield from _addresses(entry)
    yield from _ports(subject)
    yield from resolved(subject)
    yield from _separable(subject)
    yield from export_to("SE-52", subject, ("spec", "exportTo"), nowhere=True)


def _hosts(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    if not entry.hosts:
        message = "the service has no host: name it under hosts"
        yield error("SE-03", subject.place(("spec", "hosts")), message)
    for index, host in enumerate(entry.hosts):
        at = ("spec", "hosts", index)
        if host == "*":
            message = "'*' would take in every service: name hosts, such as *.example.com"
            yield error("SE-04", at, message)
        elif not is_wildcard_domain(host):
            message = f"{shown(host)} is no domain name: write one, such as db.example.com"
            yield error("SE-05", at, message)
        elif is_partial_wildcard(host) and entry.resolution != DYNAMIC_DNS:
            message = f"the * in {shown(host)} is not a label of its own: proxies may not match it"
            yield warning("SE-06", at, message)


def _addresses(entry: Any) -> Iterator[Problem]:
    for index, address in enumerate(entry.addresses):
        at = ("spec", "addresses", index)
        if not is_subnet(address):
            message = f"{shown(address)} is neither an IP address nor a range such as 10.1.0.0/16"
            yield error("SE-07", at, message)
        elif "/" in address and entry.resolution not in (NONE, STATIC):
            message = f"the range {shown(address)} needs resolution NONE or STATIC: use one address"
            yield error("SE-08", at, message)


def _ports(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    names: set[str] = set()
    numbers: set[int] = set()
    unaddressed = not entry.addresses and not _gets_address(subject)
    for index, each in enumerate(entry.ports):
        at = ("spec", "ports", index)
        yield from _port(subject, at, each)
        if each.name in names:
            message = f"the port name {shown(each.name)} is given twice: use another one"
            yield error("SE-11", (*at, "name"), message)
        if each.number in numbers:
            message = f"the port {each.number} is given twice: keep one"
            yield error("SE-12", (*at, "number"), message)
        if unaddressed and each.protocol in ("", "TCP"):
            message = (
                "a port that is not HTTP or TLS takes all traffic to its number, whoever it is "
                "for: give the service addresses, or the port its protocol"
            )
            yield warning("SE-17", subject.place((*at, "protocol")), message)
        # A name or number that is missing is no second one: that it is missing was told.
        names |= {each.name} - {""}
        numbers |= {each.number} - {0}


def _port(subject: Subject, at: FieldPath, each: Any) -> Iterator[Problem]:
    if each.target_port:
        yield from port("SE-13", (*at, "targetPort"), each.target_port)
    yield from port_name("SE-14", subject, (*at, "name"), each.name)
    yield from protocol("SE-15", (*at, "protocol"), each.protocol)
    yield from port_number("SE-16", subject, (*at, "number"), each.number)


def _gets_address(subject: Subject) -> bool:
    """Say whether Istio gives the service an address of its own."""
    wanted = subject.labels.get(_OWN_ADDRESS, "").lower() != "false"
    return wanted and subject.spec.resolution != NONE


def _separable(subject: Subject) -> Iterator[Problem]:
    entry = subject.spec
    if entry.resolution == NONE or len(entry.hosts) < 2:
        return
    for index, each in enumerate(entry.ports):
        name = each.protocol.lower()
        if name not in _SEPARABLE and (not name or name in PROTOCOLS):
            at = ("spec", "ports", index, "protocol")
            message = (
                f"by {each.protocol or 'an unknown protocol'} a proxy cannot tell "
                f"{len(entry.hosts)} hosts apart: keep one, or use an HTTP or TLS protocol"
            )
            yield error("SE-51", subject.place(at), message)
