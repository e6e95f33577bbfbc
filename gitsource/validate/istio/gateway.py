"""
Istio's rules for Gateway: its servers, their hosts and their ports.

Rule: what a server says of TLS is judged in `server_tls`; whether it may say anything depends on
the protocol of its port, and is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import (
    UNIX,
    is_dns_label,
    is_ip,
    is_partial_wildcard,
    is_unix_path,
    is_wildcard_domain,
)
from gitsource.validate.istio.server_tls import PASSING, server_tls
from gitsource.validate.istio.subject import SPEC, Subject, error, warning
from gitsource.validate.istio.values import HTTP_CLASS, PROTOCOLS, TLS_CLASS, port, unfit

_CHOICES = "HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS or MYSQL"

NULLS = {"servers.*": "GW-03"}


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio's rules find wrong with the Gateway *subject*."""
    if not is_dns_label(subject.name) and not subject.converted:
        message = f"{shown(subject.name)} is no name of a gateway: use letters, digits and hyphens"
        yield error("GW-01", ("metadata", "name"), message)
    servers = subject.spec.servers
    if not servers:
        message = "the gateway has no servers: add one"
        yield error("GW-02", subject.place((*SPEC, "servers")), message)
    names: set[str] = set()
    for index, server in enumerate(servers):
        path = (*SPEC, "servers", index)
        yield from _server(subject, path, server)
        name = server.port.name
        if name in names:
            message = f"there is a port {shown(name)} already: choose another name"
            yield error("GW-04", (*path, "port", "name"), message)
        elif name:
            names.add(name)


def _server(subject: Subject, path: FieldPath, server: Any) -> Iterator[Problem]:
    yield from _hosts(subject, path, server.hosts)
    yield from _bind(path, server)
    if server.HasField("tls"):
        yield from server_tls((*path, "tls"), server.tls)
    if not server.HasField("port"):
        yield error(
            "GW-15", (*path, "port"), "the server has no port: set number, name and protocol"
        )
        return
    protocol = server.port.protocol.lower()
    if server.tls.https_redirect and protocol not in HTTP_CLASS:
        message = "only HTTP can be redirected to HTTPS: remove httpsRedirect here"
        yield warning("GW-05", (*path, "tls", "httpsRedirect"), message)
    found = tuple(_port(subject, (*path, "port"), server))
    yield from found
    if not found:
        yield from _tls_fits(path, server, protocol)


# --------------------------------------------------------------------------- hosts


def _hosts(subject: Subject, path: FieldPath, hosts: Any) -> Iterator[Problem]:
    if not hosts:
        message = "the server has no hosts: list them; '*' is all"
        yield error("GW-10", subject.place((*path, "hosts")), message)
    converted = subject.converted
    for index, host in enumerate(hosts):
        if flaw := _host_flaw(host, converted=converted):
            yield error("GW-11", (*path, "hosts", index), f"{shown(host)} cannot be served: {flaw}")


def _host_flaw(host: str, *, converted: bool) -> str:
    """Say what is wrong with ``[namespace/]name``; empty if nothing is."""
    namespace, slash, name = host.partition("/")
    if not slash:
        name = host
    elif not namespace or not name:
        return "write NAMESPACE/HOST, neither of them empty"
    elif not _is_namespace(namespace, converted=converted):
        return "the part before the / is a namespace, '*' or '.'"
    if name != "*" and "." not in name:
        return "a short name is not enough: write the whole domain, or '*'"
    if not is_wildcard_domain(name) and not is_ip(name):
        return "write a domain name, whose first label may be '*'"
    if is_partial_wildcard(name):
        return "'*' stands for whole labels: write '*.' and a domain"
    return ""


def _is_namespace(text: str, *, converted: bool) -> bool:
    return text in ("*", ".") or is_dns_label(text) or (text == "~" and converted)


# --------------------------------------------------------------------------- ports


def _port(subject: Subject, path: FieldPath, server: Any) -> Iterator[Problem]:
    opened = server.port
    if opened.protocol.lower() not in PROTOCOLS:
        message = f"{unfit(opened.protocol, 'protocol of a gateway')}: use {_CHOICES}"
        yield error("GW-16", subject.place((*path, "protocol")), message)
    if opened.number or not server.bind.startswith(UNIX):
        yield from port("GW-17", subject.place((*path, "number")), opened.number)
    if opened.target_port:
        message = "a gateway forwards where routes say: remove targetPort"
        yield error("GW-18", (*path, "targetPort"), message)
    if not opened.name:
        yield error("GW-19", subject.place((*path, "name")), "the port has no name: set name")


def _bind(path: FieldPath, server: Any) -> Iterator[Problem]:
    bind, at = server.bind, (*path, "bind")
    if not bind.startswith(UNIX):
        if bind and not is_ip(bind):
            yield error("GW-22", at, f"{shown(bind)} is no address: write one, or remove bind")
        return
    if not is_unix_path(bind.removeprefix(UNIX)):
        message = f"{shown(bind)} is no Unix socket: write unix:///absolute/path or unix://@name"
        yield error("GW-20", at, message)
    if server.port.number:
        message = f"a Unix socket has no port {server.port.number}: use 0, or bind to an address"
        yield error("GW-21", (*path, "port", "number"), message)


def _tls_fits(path: FieldPath, server: Any, protocol: str) -> Iterator[Problem]:
    """Judge whether there is TLS where the protocol needs it, and only there."""
    given, tls, at = server.HasField("tls"), server.tls, (*path, "tls")
    if protocol in TLS_CLASS:
        if not given:
            message = f"protocol {protocol.upper()} needs tls: set tls.mode and certificates"
            yield error("GW-25", path, message)
    elif not given:
        return
    elif protocol not in HTTP_CLASS:
        message = f"protocol {protocol.upper()} takes no tls: remove it, or use protocol TLS"
        yield error("GW-27", at, message)
    elif (
        tls.mode not in PASSING or tls.ca_certificates or tls.private_key or tls.server_certificate
    ):
        message = (
            f"protocol {protocol.upper()} is not encrypted: keep httpsRedirect only, or use HTTPS"
        )
        yield error("GW-26", at, message)
