"""
Listeners of a Sidecar through which its workloads reach out, and the hosts they can reach.

Rule: a listener has a port, or a socket, of its own; the one that has neither takes all the rest
and so is the last. Hosts are ``namespace/name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
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
from gitsource.validate.istio.ports import port_name, protocol
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import port

_IPTABLES = 1
_ALL = "*"
_MOST = 100
"""Repeated hosts of a listener that are told: wording a hundred thousand takes a second."""


def egress(subject: Subject) -> Iterator[Problem]:
    """Judge the listeners under ``egress``."""
    listeners = subject.spec.egress
    yield from _without_port(listeners)
    sockets: set[str] = set()
    numbers: set[int] = set()
    for index, listener in enumerate(listeners):
        at = ("spec", "egress", index)
        if listener.HasField("port"):
            yield from _port(subject, at, listener)
            yield from _again(at, listener, sockets, numbers)
        if not listener.hosts:
            message = "the listener reaches no hosts: name them as namespace/host, such as ./*"
            yield error("SC-55", subject.place((*at, "hosts")), message)
        for which, host in enumerate(listener.hosts):
            if not _is_host(host):
                yield from _host((*at, "hosts", which), host)
        yield from islice(_repeated((*at, "hosts"), listener.hosts, subject.namespace), _MOST)


def _without_port(listeners: Any) -> Iterator[Problem]:
    """Judge that one listener at most has no port, and that it is the last."""
    without = [i for i, listener in enumerate(listeners) if not listener.HasField("port")]
    for index in without[1:]:
        message = "two listeners without a port would both take all the rest: keep one"
        yield error("SC-42", ("spec", "egress", index), message)
    if without and without[-1] != len(listeners) - 1:
        message = "a listener without a port takes all the rest: put it last"
        yield error("SC-41", ("spec", "egress", without[-1]), message)


def _port(subject: Subject, path: FieldPath, listener: Any) -> Iterator[Problem]:
    taken, at = listener.port, (*path, "port")
    if taken.target_port:
        message = "targetPort has no meaning in a Sidecar: remove it"
        yield error("SC-43", (*at, "targetPort"), message)
    if taken.name:
        yield from port_name("SC-44", subject, (*at, "name"), taken.name)
    yield from protocol("SC-45", (*at, "protocol"), taken.protocol)
    if taken.number == 0:
        yield from _socket(subject, path, listener)
        return
    yield from port("SC-48", (*at, "number"), taken.number)
    if listener.bind and not is_ip(listener.bind):
        message = f"{shown(listener.bind)} is no IP address, as a port needs: write one, or none"
        if listener.bind.startswith(UNIX):
            message = "a socket has no port: remove port.number, or bind to an IP address"
        yield error("SC-49", (*path, "bind"), message)


def _socket(subject: Subject, path: FieldPath, listener: Any) -> Iterator[Problem]:
    bind = listener.bind
    if not bind.startswith(UNIX):
        message = "the listener has neither a port nor a socket: set port.number or bind: unix://…"
        yield error("SC-46", subject.place((*path, "port", "number")), message)
    elif not is_unix_path(bind.removeprefix(UNIX)):
        message = f"{shown(bind)} is no socket: write unix:///path/to/socket or unix://@name"
        yield error("SC-46", (*path, "bind"), message)
    if bind.startswith(UNIX) and listener.capture_mode == _IPTABLES:
        message = "what goes to a socket is not captured: use captureMode NONE or DEFAULT"
        yield error("SC-47", (*path, "captureMode"), message)


def _again(
    path: FieldPath, listener: Any, sockets: set[str], numbers: set[int]
) -> Iterator[Problem]:
    """Judge that the socket or port is not that of an earlier listener, and remember it."""
    number, bind = listener.port.number, listener.bind
    if number:
        if number in numbers:
            message = f"two listeners are on port {number}: keep one, whatever they bind to"
            yield error("SC-51", (*path, "port", "number"), message)
        numbers.add(number)
    elif bind.startswith(UNIX):
        if bind in sockets:
            yield error("SC-50", (*path, "bind"), f"two listeners are on {shown(bind)}: keep one")
        sockets.add(bind)


@lru_cache(maxsize=4096)
def _is_host(host: str) -> bool:
    """Say whether nothing is wrong with *host*: the same few stand in Sidecar after Sidecar."""
    return not any(_host((), host))


def _host(path: FieldPath, host: str) -> Iterator[Problem]:
    namespace, slash, name = host.partition("/")
    if not slash:
        message = f"{shown(host)} has no namespace: write namespace/host, './' for this one's own"
        yield error("SC-56", path, message)
        return
    if not namespace or not name:
        message = f"{shown(host)} lacks a {'name' if namespace else 'namespace'}: write both, or *"
        yield error("SC-57", path, message)
    space = namespace.removeprefix("~")
    if space not in ("", _ALL, ".") and not is_dns_label(space):
        message = f"{shown(namespace)} is no namespace: use a name, '*', '.' or '~'"
        yield error("SC-58", path, message)
    if name and name != _ALL:
        yield from _name(path, name)


def _name(path: FieldPath, name: str) -> Iterator[Problem]:
    if "." not in name:
        message = f"{shown(name)} is a short name: write db.shop.svc.cluster.local, not db"
        yield error("SC-59", path, message)
    if not is_wildcard_domain(name):
        yield error("SC-60", path, f"{shown(name)} is no domain name: write one, or *")
    elif is_partial_wildcard(name):
        message = f"the * in {shown(name)} has to be a label of its own: write *.example.com, or *"
        yield error("SC-61", path, message)


def _repeated(path: FieldPath, hosts: Any, own: str) -> Iterator[Problem]:
    """Judge that each host says something that the ones before do not."""
    known: dict[str, set[str]] = {}
    everything = -1
    for index, host in enumerate(hosts):
        namespace, slash, name = host.partition("/")
        if not slash or namespace.startswith("~"):
            continue
        names = known.setdefault(own if namespace == "." else namespace, set())
        if name in names or _ALL in names or (name == _ALL and names):
            message = f"{shown(host)} says again what other hosts say: keep the widest of them"
            yield warning("SC-62", (*path, index), message)
        names.add(name)
        if namespace == name == _ALL:
            everything = index
    if everything >= 0 and len(known) > 1:
        message = "'*/*' takes in every host there is: remove the others"
        yield warning("SC-63", (*path, everything), message)
