"""
The facts of Envoy's resources: what each is called, and which others it names.

Rule: only names that are looked for on the stream that serves the resource (`ads`, `self`) are
claims, since only there it is known who has to have them; clusters are named without saying where
they come from. What stands in an Any counts like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gitsource.envoy_types import XDS
from gitsource.messages.opened import opened
from gitsource.model import FieldPath
from gitsource.references.facts import Fact, Said, claim

BODIES = tuple(XDS)
"""Full names of the messages that have facts."""

CLUSTER = "envoy.config.cluster.v3.Cluster"
ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"
ROUTES = "envoy.config.route.v3.RouteConfiguration"
SCOPED = "envoy.config.route.v3.ScopedRouteConfiguration"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - the name of a message
EXTENSION = "envoy.config.core.v3.TypedExtensionConfig"
LISTENER = "envoy.config.listener.v3.Listener"
RUNTIME = "envoy.service.runtime.v3.Runtime"
LB_ENDPOINT = "envoy.config.endpoint.v3.LbEndpoint"

MISSING = {
    "GS451": (
        "there is no Cluster {}: requests that go there are answered with 503; define it, or mend "
        "the name"
    ),
    "GS452": (
        "there is no ClusterLoadAssignment {}: the Cluster waits for it and then has no endpoint; "
        "define it"
    ),
    "GS453": (
        "there is no RouteConfiguration {}: the Listener waits for it and then answers 404; define "
        "it, or mend the name"
    ),
    "GS454": "there is no RouteConfiguration {}: define it, or mend the name",
    "GS455": (
        "there is no Secret {}: what needs it does not become ready; define it, or mend the name"
    ),
    "GS457": (
        "there is no TypedExtensionConfig {}: the Listener waits for it; define it, or mend the "
        "name"
    ),
}
"""What is said of a name that nobody has, by code."""

DELTA_ONLY = {
    "vhds": (
        "virtual hosts are fetched on demand over delta xDS alone: set api_type to DELTA_GRPC, or "
        "with ads, have it so in the bootstrap of every node that gets this"
    ),
    "odcds": (
        "clusters are fetched on demand over delta xDS alone, and over another one every other "
        "cluster is dropped: set api_type to DELTA_GRPC, or with ads, have it so in the bootstrap "
        "of every node that gets this"
    ),
    "leds": (
        "single endpoints are fetched over delta xDS alone: set api_type to DELTA_GRPC, or with "
        "ads, have it so in the bootstrap of every node that gets this"
    ),
}
"""What is said of what works over delta alone."""

_DELTA = (3, 6)
"""`api_type` DELTA_GRPC and AGGREGATED_DELTA_GRPC."""


def topic(body: str, name: str) -> str:
    """Return the topic of the resource *name* whose message is *body*."""
    return f"x:{body.rpartition('.')[2]}:{name}"


def resource(said: Said) -> Iterator[Fact]:
    """Yield the facts of any of Envoy's resources."""
    body = said.spec.DESCRIPTOR.full_name
    yield f"{topic(body, said.name)}|"
    if body == ENDPOINTS:
        for index, group in enumerate(said.spec.endpoints):
            if group.HasField("leds_cluster_locality_config"):
                at = ("endpoints", index, "ledsClusterLocalityConfig")
                yield from _delta(group.leds_cluster_locality_config.leds_config, "leds", at)
        return
    if body in {RUNTIME, LB_ENDPOINT}:
        return
    if body == LISTENER:
        yield from _addresses(said.spec)
    told: set[tuple[str, str]] = set()
    for path, message in opened(said.spec):
        look = _TABLE.get(message.DESCRIPTOR.full_name)
        for fact in look(path, message) if look else ():
            # Of several places that name the same the first is told.
            if isinstance(fact, str) or (fact[0], fact[2][0]) not in told:
                yield fact
            if not isinstance(fact, str):
                told.add((fact[0], fact[2][0]))


# --------------------------------------------------------------------------- what names what


def _named(code: str, body: str, name: str, path: FieldPath) -> Iterator[Fact]:
    if name:
        yield claim(code, "/".join(map(str, path)), topic(body, name), name)


def _ours(source: Any) -> bool:
    """Say whether a ConfigSource is the stream that the resource came by."""
    return source.WhichOneof("config_source_specifier") in {"ads", "self"}


def _cluster(path: FieldPath, message: Any) -> Iterator[Fact]:
    eds = message.eds_cluster_config
    if message.type == message.EDS and _ours(eds.eds_config):
        name = eds.service_name or message.name
        at = ("edsClusterConfig", "serviceName") if eds.service_name else ("edsClusterConfig",)
        yield from _named("GS452", ENDPOINTS, name, (*path, *at))


def _to_cluster(path: FieldPath, message: Any) -> Iterator[Fact]:
    """Yield what a message with a field ``cluster`` sends to."""
    yield from _named("GS451", CLUSTER, message.cluster, (*path, "cluster"))


def _weighted(path: FieldPath, message: Any) -> Iterator[Fact]:
    yield from _named("GS451", CLUSTER, message.name, (*path, "name"))


def _rds(path: FieldPath, message: Any) -> Iterator[Fact]:
    if _ours(message.config_source):
        yield from _named("GS453", ROUTES, message.route_config_name, (*path, "routeConfigName"))


def _scoped(path: FieldPath, message: Any) -> Iterator[Fact]:
    name = message.route_configuration_name
    yield from _named("GS454", ROUTES, name, (*path, "routeConfigurationName"))


def _secret(path: FieldPath, message: Any) -> Iterator[Fact]:
    if _ours(message.sds_config):
        yield from _named("GS455", SECRET, message.name, (*path, "name"))


def _extension(path: FieldPath, message: Any) -> Iterator[Fact]:
    """Yield what a filter is whose configuration is fetched by its name."""
    discovery = message.config_discovery
    if message.HasField("config_discovery") and _ours(discovery.config_source):
        yield from _named("GS457", EXTENSION, message.name, (*path, "configDiscovery"))


def _delta(source: Any, what: str, path: FieldPath) -> Iterator[Fact]:
    """Yield what works only where *source* is delta xDS: with ads, that depends on the node."""
    kind = source.WhichOneof("config_source_specifier")
    sotw = kind == "api_config_source" and source.api_config_source.api_type not in _DELTA
    if sotw or kind == "ads":
        yield claim("GS458", "/".join(map(str, path)), what)


def _vhds(path: FieldPath, message: Any) -> Iterator[Fact]:
    if message.HasField("vhds"):
        yield from _delta(message.vhds.config_source, "vhds", (*path, "vhds"))


def _odcds(path: FieldPath, message: Any) -> Iterator[Fact]:
    if message.HasField("source"):
        yield from _delta(message.source, "odcds", path)


def _odcds_config(path: FieldPath, message: Any) -> Iterator[Fact]:
    if message.HasField("odcds_config"):
        yield from _delta(message.odcds_config, "odcds", path)


_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3"
_TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_TABLE: dict[str, Callable[[FieldPath, Any], Iterator[Fact]]] = {
    CLUSTER: _cluster,
    "envoy.config.route.v3.RouteAction": _to_cluster,
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": _to_cluster,
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": _weighted,
    _TCP: _to_cluster,
    f"{_TCP}.WeightedCluster.ClusterWeight": _weighted,
    f"{_HTTP}.Rds": _rds,
    f"{_HTTP}.HttpFilter": _extension,
    "envoy.config.listener.v3.Filter": _extension,
    "envoy.config.listener.v3.ListenerFilter": _extension,
    SCOPED: _scoped,
    "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": _secret,
    ROUTES: _vhds,
    "envoy.extensions.filters.http.on_demand.v3.OnDemandCds": _odcds,
    f"{_TCP}.OnDemand": _odcds_config,
}
"""What looks at a message, by its full name."""


# --------------------------------------------------------------------------- addresses


def _addresses(listener: Any) -> Iterator[Fact]:
    """Yield the addresses that a Listener takes: of those it binds, no two may have the same."""
    if listener.HasField("bind_to_port") and not listener.bind_to_port.value:
        return
    if listener.HasField("api_listener"):
        return
    found = [("address", listener.address)]
    found += [
        (f"additionalAddresses/{index}/address", each.address)
        for index, each in enumerate(listener.additional_addresses)
    ]
    for path, address in found:
        socket = address.socket_address
        if not socket.port_value or socket.network_namespace_filepath:
            continue
        protocol = "udp" if socket.protocol == socket.UDP else "tcp"
        host = f"[{socket.address}]" if ":" in socket.address else socket.address
        key = f"a:{protocol}:{host}:{socket.port_value}|"
        yield key
        yield claim("GS456", path, key, f"{host}:{socket.port_value}")
