"""
The messages of Envoy's that are served as resources of their own, as one table.

Rule: what differs from type to type is a column here, for the half that judges documents; which
type a client may ask for, and how it is answered, is a matter of the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class XdsType:
    """A message of Envoy's that is served as a resource of its own."""

    body: str
    """Full name of the message."""
    collection: str
    rank: int
    """Place in a push: what clusters refer to, clusters, what listeners refer to, listeners."""
    name: str = "name"
    """Its field that names the resource; empty: the name stands outside of the message."""
    ttl: bool = False
    """Whether it may run out: a client that lets another one run out crashes, or keeps it."""
    vital: bool = False
    """Whether a client without any of them serves nothing."""

    @property
    def label(self) -> str:
        """What findings call one: ``Cluster``."""
        return self.body.rpartition(".")[2]


XDS: Mapping[str, XdsType] = {
    row.body: row
    for row in (
        XdsType("envoy.service.runtime.v3.Runtime", "envoy/runtimes", 3),
        XdsType("envoy.extensions.transport_sockets.tls.v3.Secret", "envoy/secrets", 5),
        XdsType("envoy.config.cluster.v3.Cluster", "envoy/clusters", 10, ttl=True, vital=True),
        XdsType(
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            "envoy/endpoints",
            20,
            name="cluster_name",
        ),
        XdsType("envoy.config.endpoint.v3.LbEndpoint", "envoy/lb-endpoints", 25, name=""),
        XdsType("envoy.config.route.v3.RouteConfiguration", "envoy/routes", 30),
        XdsType("envoy.config.route.v3.VirtualHost", "envoy/virtual-hosts", 33, name=""),
        XdsType("envoy.config.route.v3.ScopedRouteConfiguration", "envoy/scoped-routes", 35),
        XdsType("envoy.config.core.v3.TypedExtensionConfig", "envoy/extensions", 38),
        XdsType("envoy.config.listener.v3.Listener", "envoy/listeners", 40, ttl=True, vital=True),
    )
}
"""Envoy's types of resources, by message, in the order of a push."""
