"""
The types of resources that are asked for over xDS, as one table.

Rule: what differs from type to type in how it is asked for and answered is a column here; the
machine names no type. A type URL without a row is answered too: as a complete set, of which no
names mean all. So is a `group/version/Kind`, by which istiod asks for the kinds of Istio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PREFIX = "type.googleapis.com/"

CLUSTER = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
ROUTES = PREFIX + "envoy.config.route.v3.RouteConfiguration"

MESH_CONFIG = "core/v1alpha1/MeshConfig"
"""istiod asks for it first of all, uses nothing of it, and ACKs it only if it is empty."""
_KIND = re.compile(r"[^/:]+/[^/:]+/[^/:]+")


class Stage(IntEnum):
    """When what is new of a type may go to a client that has something older."""

    AT_ONCE = 0
    """What is new goes at once; what is gone goes when nobody can refer to it any more."""
    REFERRED = 1
    """The same, and those that refer to it wait until it is accepted."""
    REFERRING = 2
    """What is new waits for what it may refer to."""
    BY_RANK = 3
    """By the catalog's rank alone; over delta what is gone is told after what is new."""


@dataclass(frozen=True, slots=True)
class Type:
    """How resources of one type are asked for and answered."""

    url: str
    label: str
    order: int
    """Place in a push: lower first (what is only removed: higher first)."""
    stage: Stage
    complete: bool = True
    """Whether a SotW response replaces all that the client has of it."""
    wildcard: bool = True
    """Whether a first request without names asks for all."""
    delta_only: bool = False
    """Whether clients cannot use it over SotW."""
    patient: bool = False
    """Whether a name nobody knows may come yet: it is not said to be missing."""
    under: str = ""
    """Type of what its resources are named under, as UNDER/NAME: a client asks for none of them
    and yet waits until something is said of each that it has."""
    ttl: bool = False
    """Whether a resource may run out, over delta."""
    wrapped: bool = False
    """Whether a resource is an `istio.mcp.v1alpha1.Resource`, rather than the body of one."""
    void: bool = False
    """Whether there never is anything of it."""

    @property
    def unfit(self) -> str:
        """What an operator should know of a SotW client that asks for it; empty: nothing."""
        if not self.delta_only:
            return ""
        return (
            f"{self.label} works over delta alone, so there is nothing of it for this client: "
            "let it ask for configuration with api_type DELTA_GRPC"
        )

    @property
    def divisible(self) -> bool:
        """Whether what is sent may be spread over several responses."""
        return not self.complete


def _partial(message: str, label: str, order: int, stage: Stage, **more: Any) -> Type:
    """Return the row of a type of which a SotW response may tell a part."""
    return Type(PREFIX + message, label, order, stage, complete=False, wildcard=False, **more)


TYPES: Mapping[str, Type] = {
    row.url: row
    for row in (
        _partial("envoy.service.runtime.v3.Runtime", "RTDS", 0, Stage.AT_ONCE),
        _partial("envoy.extensions.transport_sockets.tls.v3.Secret", "SDS", 1, Stage.AT_ONCE),
        Type(CLUSTER, "CDS", 2, Stage.REFERRED, ttl=True),
        _partial(ENDPOINTS.removeprefix(PREFIX), "EDS", 3, Stage.REFERRED, patient=True),
        _partial("envoy.config.endpoint.v3.LbEndpoint", "LEDS", 4, Stage.REFERRED, delta_only=True),
        _partial("envoy.config.core.v3.TypedExtensionConfig", "ECDS", 5, Stage.REFERRING),
        Type(PREFIX + "envoy.config.listener.v3.Listener", "LDS", 6, Stage.REFERRING, ttl=True),
        Type(PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration", "SRDS", 7, Stage.REFERRING),
        _partial(ROUTES.removeprefix(PREFIX), "RDS", 8, Stage.REFERRING),
        _partial(
            "envoy.config.route.v3.VirtualHost",
            "VHDS",
            9,
            Stage.REFERRING,
            delta_only=True,
            under=ROUTES,
        ),
    )
}
"""The types of Envoy and gRPC clients by type URL, in the order of a push."""

_AFTER_ENVOY = 1000


def type_of(url: str, rank: int) -> Type:
    """Return the row of the type *url*; *rank* is the catalog's, for types without one here."""
    known = TYPES.get(url)
    if known is not None:
        return known
    return Type(
        url,
        url.rpartition("/")[2],
        _AFTER_ENVOY + rank,
        Stage.BY_RANK,
        wrapped=_KIND.fullmatch(url) is not None and not url.startswith(PREFIX),
        void=url == MESH_CONFIG,
    )
