"""
Istio's rules for WorkloadEntry, and for the endpoints that other kinds hold.

Rule: what an endpoint may be called depends on who holds it: a WorkloadEntry may have an address, a
domain or a socket, since which of them fits is known to the ServiceEntry that selects it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import UNIX, is_fqdn, is_ip, is_unix_path
from gitsource.validate.istio.ports import port_map
from gitsource.validate.istio.subject import SPEC, Subject, error, warning
from gitsource.validate.istio.values import labels

NULLS: dict[str, str] = {}


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio would refuse, or warn of, in a WorkloadEntry."""
    yield from workload(subject, SPEC, subject.spec)


def workload(
    subject: Subject, path: FieldPath, entry: Any, *, by_ip: str = "", nameless: bool = False
) -> Iterator[Problem]:
    """
    Judge the WorkloadEntry *entry* at *path*.

    With the code *by_ip*, only an IP address or a socket will do, and a domain is refused under it.
    With *nameless*, the address may be left out.
    """
    if entry.address:
        yield from _address(path, entry, by_ip)
    elif not nameless:
        if not entry.network:
            message = "there is no address: write an IP address or a domain, or name the network"
            yield error("WE-01", subject.place((*path, "address")), message)
            return  # as in Istio: without an address it is not clear what this is
        message = (
            f"there is no address in network {shown(entry.network)}: its east-west gateway gets "
            "the traffic; if that is not meant, write an address"
        )
        yield warning("WE-02", (*path, "network"), message)
    yield from port_map("WE-06", "WE-07", (*path, "ports"), entry.ports)
    yield from labels("WE-08", (*path, "labels"), entry.labels)


def _address(path: FieldPath, entry: Any, by_ip: str) -> Iterator[Problem]:
    address, at = entry.address, (*path, "address")
    if address.startswith(UNIX):
        if not is_unix_path(address.removeprefix(UNIX)):
            message = f"{shown(address)} is no socket: write unix:///path/to/socket or unix://@name"
            yield error("WE-03", at, message)
        if entry.ports:
            yield error("WE-04", (*path, "ports"), "a socket has no ports: remove them")
    elif is_ip(address):
        return
    elif by_ip:
        message = (
            f"{shown(address)} is no IP address, which resolution STATIC needs: write one, or set "
            "resolution: DNS"
        )
        yield error(by_ip, at, message)
    elif not is_fqdn(address):
        message = f"{shown(address)} is neither an IP address nor a domain name: write one of them"
        yield error("WE-05", at, message)
