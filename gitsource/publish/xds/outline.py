"""
The few facts of an Envoy resource that the order of messages depends on.

Rule: they are read with a message of our own that knows those fields only, once for each content,
and forgotten the longest unused first. What cannot be read refers to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.xds.v1 import discovery_pb2
from gitsource.model import Resource
from gitsource.publish.xds.body import value_of

KNOWN = 65_536
"""Clusters remembered, by name and version."""

_EDS = 3
"""envoy.config.cluster.v3.Cluster.DiscoveryType.EDS"""


class Outlines:
    """What clusters refer to."""

    def __init__(self, most: int = KNOWN) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Outlines {len(self._known)}>"

    def endpoints(self, clusters: Iterable[Resource]) -> frozenset[str]:
        """Return the names under which *clusters* ask for their endpoints over EDS."""
        found = (self._service(cluster) for cluster in clusters)
        return frozenset(name for name in found if name)

    def _service(self, cluster: Resource) -> str:
        key = (cluster.name, cluster.version)
        service = self._known.get(key)
        if service is None:
            service = self._known[key] = _read(cluster)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return service


def _read(resource: Resource) -> str:
    try:
        cluster = discovery_pb2.Cluster.FromString(value_of(resource.wire))
    except (DecodeError, ValueError):
        return ""
    if cluster.type != _EDS:
        return ""
    return cluster.eds_cluster_config.service_name or cluster.name
