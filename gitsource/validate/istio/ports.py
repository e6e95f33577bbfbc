"""
Ports of services, entries and listeners: their names, protocols and numbers.

Rule: as in `values`: each check yields nothing, or the one problem of that value under the code it
is given. An empty protocol is for the proxy to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import is_dns_label
from gitsource.validate.istio.subject import Subject, error
from gitsource.validate.istio.values import PROTOCOLS, port

_NAMES = "use 1 to 63 letters, digits and '-', with a letter or a digit first and last"
_CHOICES = "use HTTP, HTTPS, HTTP2, GRPC, GRPC-Web, TLS, TCP, UDP, Mongo, MySQL or Redis"


def port_name(code: str, subject: Subject, path: FieldPath, name: str) -> Iterator[Problem]:
    """Judge the name of a port, which cannot be empty."""
    if not name:
        message = "the port has no name: give it one, such as http"
        yield error(code, subject.place(path), message)
    elif not is_dns_label(name):
        yield error(code, path, f"{shown(name)} is no name of a port: {_NAMES}")


def port_number(code: str, subject: Subject, path: FieldPath, number: int) -> Iterator[Problem]:
    """Judge the number of a port, which cannot be left out."""
    at = path if number else subject.place(path)  # looking it up takes longer than judging it
    if at != path:
        yield error(code, at, f"there is no {path[-1]}: use one from 1 to 65535")
    else:
        yield from port(code, at, number)


def protocol(code: str, path: FieldPath, name: str) -> Iterator[Problem]:
    """Judge the protocol of a port; case is ignored."""
    if name and name.lower() not in PROTOCOLS:
        yield error(code, path, f"{shown(name)} is no protocol that Istio knows: {_CHOICES}")


def port_map(names: str, numbers: str, path: FieldPath, ports: Any) -> Iterator[Problem]:
    """Judge a map of port names (under the code *names*) to numbers (under *numbers*)."""
    for name in sorted(ports):
        at = (*path, name)
        if not is_dns_label(name):
            message = f"{shown(name)} is no name of a port: {_NAMES}"
            yield error(names, at, message, at_key=True)
        yield from port(numbers, at, ports[name])
