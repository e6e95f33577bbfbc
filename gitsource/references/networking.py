"""
The facts of Istio's networking kinds.

Rule: as in `facts`: each function yields the keys a document is found by and the claims it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gitsource.references.facts import Fact, Said, claim
from gitsource.references.keys import canonical, digest, exported, gateway, pairs
from gitsource.references.workloads import like_one

ANYTHING = "*"
"""The match of a route that takes every request."""


# --------------------------------------------------------------------------- VirtualService


def virtual_service(said: Said) -> Iterator[Fact]:
    """Yield the facts of a VirtualService; one without hosts is a delegate."""
    yield from _bound(said)
    yield from _destinations(said)
    yield from _delegates(said)
    name = f"{said.namespace}/{said.name}"
    if said.spec.hosts:
        yield from _hosts(said)
    else:
        yield from exported(f"V:{name}", said.spec.export_to, said.namespace)
        yield claim("GS412", "metadata/name", f"U:{name}|")


def _bound(said: Said) -> Iterator[Fact]:
    """Claim each Gateway that is named, at its first place."""
    hosts = [canonical(host, said.namespace) for host in said.spec.hosts]
    named: dict[str, str] = {}
    for index, name in enumerate(said.spec.gateways):
        named.setdefault(gateway(name, said.namespace), f"spec/gateways/{index}")
    for bound, path in named.items():
        if bound != "mesh":
            yield claim("GS401", path, bound, *hosts)
    for protocol in ("http", "tls", "tcp"):
        for index, route in enumerate(getattr(said.spec, protocol)):
            for at, match in enumerate(route.match):
                for one, name in enumerate(match.gateways):
                    bound = gateway(name, said.namespace)
                    if bound not in named and bound != "mesh":
                        path = f"spec/{protocol}/{index}/match/{at}/gateways/{one}"
                        named[bound] = path
                        yield claim("GS401", path, bound)


def _sent(spec: Any) -> Iterator[tuple[str, Any]]:
    """Yield every Destination of a VirtualService with its path."""
    for index, route in enumerate(spec.http):
        at = f"spec/http/{index}"
        for one, share in enumerate(route.route):
            yield f"{at}/route/{one}/destination", share.destination
        if route.HasField("mirror"):
            yield f"{at}/mirror", route.mirror
        for one, copy in enumerate(route.mirrors):
            yield f"{at}/mirrors/{one}/destination", copy.destination
    for protocol in ("tls", "tcp"):
        for index, route in enumerate(getattr(spec, protocol)):
            for one, share in enumerate(route.route):
                yield f"spec/{protocol}/{index}/route/{one}/destination", share.destination


def _destinations(said: Said) -> Iterator[Fact]:
    """Claim each host and each subset, at its first place."""
    told: set[tuple[str, str]] = set()
    for path, destination in _sent(said.spec):
        if not destination.host:
            continue
        host, subset = canonical(destination.host, said.namespace), destination.subset
        if (host, "") not in told:
            told.add((host, ""))
            yield claim("GS405", f"{path}/host", host)
        if subset and (host, subset) not in told:
            told.add((host, subset))
            yield claim("GS403", f"{path}/subset", host, subset)


def _delegates(said: Said) -> Iterator[Fact]:
    told: set[str] = set()
    for index, route in enumerate(said.spec.http):
        if not route.HasField("delegate") or not said.spec.hosts:
            continue
        delegate = f"{route.delegate.namespace or said.namespace}/{route.delegate.name}"
        yield f"U:{delegate}|"
        if delegate not in told:
            told.add(delegate)
            yield claim("GS411", f"spec/http/{index}/delegate/name", delegate)


def _hosts(said: Said) -> Iterator[Fact]:
    """Claim to be the only one that binds these hosts to these gateways."""
    bound = dict.fromkeys(gateway(name, said.namespace) for name in said.spec.gateways or ("mesh",))
    binds = {name: _binds(said, name) for name in bound}
    for index, written in enumerate(said.spec.hosts):
        host = canonical(written, said.namespace)
        for name, excluding in binds.items():
            keys = [f"v:{digest(name, host, each)}|" for each in excluding]
            yield from keys
            yield claim("GS406", f"spec/hosts/{index}", "mesh" if name == "mesh" else "", *keys)


def _binds(said: Said, name: str) -> list[str]:
    """
    Return what no second VirtualService may have on the gateway *name* for the same host.

    In the mesh a host is one VirtualService's alone, among those that the same namespaces see. A
    gateway joins the routes of all of them: there it is only a route with the same match.
    """
    spec = said.spec
    given = [protocol for protocol in ("http", "tls", "tcp") if getattr(spec, protocol)]
    if name == "mesh":
        to = sorted({said.namespace if each == "." else each for each in spec.export_to} or {"*"})
        return [f"{protocol} {each}" for each in to for protocol in given]
    found: dict[str, None] = {}
    for protocol in given:
        for route in getattr(spec, protocol):
            for match in _matches(route, name, said.namespace):
                found[f"{protocol} {match}"] = None
    return list(found)


def _matches(route: Any, name: str, namespace: str) -> Iterator[str]:
    """Yield what *route* takes on the gateway *name*, in a form that can be compared."""
    if not route.match:
        yield ANYTHING
    for match in route.match:
        bare = match
        if match.gateways:
            if name not in [gateway(each, namespace) for each in match.gateways]:
                continue
            bare = _without(match, ("gateways",))
        if match.DESCRIPTOR.name == "HTTPMatchRequest" and (match.name or match.stat_prefix):
            bare = _without(bare, ("name", "stat_prefix"))
        everything = bare.SerializeToString(deterministic=True)
        yield ANYTHING if everything in _EVERYTHING else everything.decode("latin-1")


def _without(match: Any, fields: Sequence[str]) -> Any:
    bare = type(match)()
    bare.CopyFrom(match)
    for field in fields:
        bare.ClearField(field)
    return bare


_EVERYTHING = frozenset((b"", b"\x0a\x03\x12\x01/"))
"""A match without conditions, and one of the URI prefix /."""


# --------------------------------------------------------------------------- Gateway


def gateway_facts(said: Said) -> Iterator[Fact]:
    """Yield the facts of a Gateway."""
    yield f"g:{said.namespace}/{said.name}|"
    if not said.spec.selector:
        return
    selected = digest(*pairs(said.spec.selector))
    told: set[str] = set()
    for index, server in enumerate(said.spec.servers):
        family = _family(server.port.protocol)
        at = f"spec/servers/{index}"
        number, tls = str(server.port.number), _tls(server)
        port = f"P:{digest(selected, number, server.bind)}"
        if f"{port}|{family}" not in told:
            told.add(f"{port}|{family}")
            yield f"{port}|{family}"
            yield claim("GS408", f"{at}/port/protocol", port, family, number)
        for one, written in enumerate(server.hosts):
            host = written.removeprefix("*/")
            host = f"{said.namespace}/{host[2:]}" if host.startswith("./") else host
            key = f"p:{digest(selected, number, server.bind, host)}|"
            if key not in told:
                told.add(key)
                yield key
                # By the second word those who meet here see whether they agree on TLS.
                yield claim("GS407", f"{at}/hosts/{one}", key, tls)


def _family(protocol: str) -> str:
    """Return what can share a port: all of HTTP, all of TLS, and nothing else."""
    name = protocol.upper()
    if name in {"HTTP", "HTTP2", "GRPC", "GRPC-WEB"}:
        return "HTTP"
    return "TLS" if name in {"HTTPS", "TLS"} else "TCP"


def _tls(server: Any) -> str:
    if not server.HasField("tls"):
        return ""
    return digest(server.tls.SerializeToString(deterministic=True).decode("latin-1"))


def gateway_offers(said: Said) -> Iterator[str]:
    """Yield the hosts that a Gateway admits, as ``namespace/host``; * is any namespace."""
    told: dict[str, None] = {}
    for server in said.spec.servers:
        for written in server.hosts:
            namespace, slash, host = written.rpartition("/")
            whose = said.namespace if namespace == "." else namespace if slash else "*"
            told[f"{whose}/{canonical(host, said.namespace)}"] = None
    yield from told


# --------------------------------------------------------------------------- DestinationRule


def destination_rule(said: Said) -> Iterator[Fact]:
    """Yield the facts of a DestinationRule."""
    spec = said.spec
    if not spec.host:
        return
    host = canonical(spec.host, said.namespace)
    told: set[str] = set()
    to = sorted({said.namespace if each == "." else each for each in spec.export_to} or {"*"})
    chosen = pairs(spec.workload_selector.match_labels)
    for index, subset in enumerate(spec.subsets):
        if subset.name and subset.name not in told:
            told.add(subset.name)
            yield from exported(f"d:{host}|{subset.name}", spec.export_to, said.namespace)
            key = f"r:{digest(said.namespace, host, subset.name, *to, '', *chosen)}|"
            yield key
            yield claim("GS414", f"spec/subsets/{index}/name", key, subset.name)
    if spec.HasField("traffic_policy"):
        key = f"r:{digest(said.namespace, host, '', *to, '', *chosen)}|"
        yield key
        yield claim("GS414", "spec/trafficPolicy", key)


# --------------------------------------------------------------------------- others


def service_entry(said: Said) -> Iterator[Fact]:
    """Yield the facts of a ServiceEntry."""
    for host in dict.fromkeys(canonical(host, said.namespace) for host in said.spec.hosts):
        yield from exported(f"h:{host}", said.spec.export_to, said.namespace)
    for endpoint in said.spec.endpoints:
        yield from like_one(said.namespace, endpoint.labels)
