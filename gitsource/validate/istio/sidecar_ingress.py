"""
Listeners of a Sidecar through which traffic comes in to its workloads.

Rule: traffic arrives at an IP address and a port, each port once, and goes on to the workload
itself: nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.connection_pool import connection_pool
from gitsource.validate.istio.names import UNIX, is_ip, is_unix_path
from gitsource.validate.istio.ports import port_name, port_number, protocol
from gitsource.validate.istio.server_tls import AUTO_PASSTHROUGH, ISTIO_MUTUAL, MODES, server_tls
from gitsource.validate.istio.subject import Subject, camel, error, warning
from gitsource.validate.istio.values import HTTP_CLASS, TLS_CLASS

_OWN = r"127\.0\.0\.1|0\.0\.0\.0|"
_ENDPOINT = re.compile(rf"(?:{_OWN}|\[(?:{_OWN}::1|::)\]):[+]?([0-9]{{1,20}})")
"""An address of the workload's own and a port, as Go splits them."""

_TLS_REFUSED = (
    ("SC-25", "subject_alt_names"),
    ("SC-26", "https_redirect"),
    ("SC-27", "credential_name"),
    ("SC-28", "credential_names"),
    ("SC-29", "tls_certificates"),
)


def ingress(subject: Subject) -> Iterator[Problem]:
    """Judge the listeners under ``ingress``."""
    seen: set[int] = set()
    for index, listener in enumerate(subject.spec.ingress):
        at = ("spec", "ingress", index)
        if not listener.HasField("port"):
            yield error(
                "SC-11",
                (*at, "port"),
                "the listener has no port: set port.number and port.protocol",
            )
            continue
        yield from _port(subject, at, listener)
        number = listener.port.number
        if number in seen:
            message = f"two listeners are on port {number}: keep one"
            yield error("SC-17", (*at, "port", "number"), message)
        seen |= {number} - {0}
        yield from _default_endpoint((*at, "defaultEndpoint"), listener.default_endpoint)
        if listener.HasField("tls"):
            yield from _tls(subject, at, listener)
        if listener.HasField("connection_pool"):
            yield from _pool((*at, "connectionPool"), listener)


def _port(subject: Subject, path: FieldPath, listener: Any) -> Iterator[Problem]:
    taken, at = listener.port, (*path, "port")
    if taken.target_port:
        message = "targetPort has no meaning in a Sidecar: remove it (see defaultEndpoint)"
        yield error("SC-12", (*at, "targetPort"), message)
    if taken.name:
        yield from port_name("SC-13", subject, (*at, "name"), taken.name)
    yield from protocol("SC-14", (*at, "protocol"), taken.protocol)
    yield from port_number("SC-15", subject, (*at, "number"), taken.number)
    if listener.bind and not is_ip(listener.bind):
        message = f"{shown(listener.bind)} is no IP address: write one, or leave bind out"
        yield error("SC-16", (*path, "bind"), message)


def _default_endpoint(path: FieldPath, endpoint: str) -> Iterator[Problem]:
    if not endpoint:
        return
    if endpoint.startswith(UNIX):
        sound = is_unix_path(endpoint.removeprefix(UNIX))
    else:
        found = _ENDPOINT.fullmatch(endpoint)
        sound = found is not None and 1 <= int(found[1]) <= 65535
    if not sound:
        message = (
            f"{shown(endpoint)} is not at the workload itself: write 127.0.0.1:PORT, 0.0.0.0:PORT, "
            "[::1]:PORT, [::]:PORT or unix:///path"
        )
        yield error("SC-20", path, message)


def _tls(subject: Subject, path: FieldPath, listener: Any) -> Iterator[Problem]:
    tls, at = listener.tls, (*path, "tls")
    for code, field in _TLS_REFUSED:
        if getattr(tls, field):
            message = f"a Sidecar does not take {camel(field)}: remove it"
            yield error(code, (*at, camel(field)), message)
    if tls.mode in (ISTIO_MUTUAL, AUTO_PASSTHROUGH):
        message = f"a Sidecar does not take mode {MODES[tls.mode]}: use SIMPLE or MUTUAL"
        yield error("SC-30", (*at, "mode"), message)
    if listener.port.protocol.lower() not in TLS_CLASS:
        message = (
            f"protocol {shown(listener.port.protocol)} is not TLS, which tls is for: use HTTPS or "
            "TLS, or remove tls"
        )
        yield error("SC-31", subject.place((*path, "port", "protocol")), message)
    yield from server_tls(at, tls)


def _pool(path: FieldPath, listener: Any) -> Iterator[Problem]:
    yield from connection_pool(path, listener.connection_pool)
    name = listener.port.protocol
    if listener.connection_pool.HasField("http") and name.lower() not in HTTP_CLASS:
        message = (
            f"the port's protocol ({shown(name)}) is not HTTP, so only tcp counts: remove http, or "
            "change the protocol"
        )
        yield warning("SC-36", (*path, "http"), message)
