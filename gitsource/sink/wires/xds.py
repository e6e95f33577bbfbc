"""
What SotW and delta xDS share on a sink's side: who it is, what it asks for, how a resource is read.

Rule: the same for Envoy's types and for MCP over xDS. A type called ``group/version/Kind`` has
resources of MCP's, with metadata; any other has bare messages, whose name is a field of theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any as Whatever

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.xds.v1 import discovery_pb2, response_pb2
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.envoy_types import XDS
from gitsource.sink.bodies import message
from gitsource.sink.state import Item, Update, item_of
from gitsource.sink.wire import REFUSED, UNDECODABLE, Node

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
SPOKEN = "xDS (no AggregatedDiscoveryService)"

PREFIX = "type.googleapis.com/"
ALL = "*"

_MCP = "istio.mcp.v1alpha1.Resource"
_WRAPPED = "envoy.service.discovery.v3.Resource"
_COMPLETE = frozenset(
    {
        "envoy.config.cluster.v3.Cluster",
        "envoy.config.listener.v3.Listener",
        "envoy.config.route.v3.ScopedRouteConfiguration",
    }
)
"""Envoy's types of which a SotW response is all there is; of others it may be a part."""


def complete(type_url: str) -> bool:
    """Say whether a SotW response replaces all that is held of *type_url*."""
    body = type_url.rpartition("/")[2]
    return body in _COMPLETE or body not in XDS


def of_mcp(type_url: str) -> bool:
    """Say whether resources of *type_url* are MCP's."""
    return not type_url.startswith(PREFIX)


def names_for(type_url: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return what to ask for: *names*, or else all, which types with names have to be told."""
    if names or complete(type_url):
        return tuple(names)
    return (ALL,)


def node(of: Node) -> discovery_pb2.Node:
    """Return *of* as xDS has it."""
    told = discovery_pb2.Node(id=of.id, cluster=of.cluster, user_agent_name="gitsource")
    told.metadata.update(dict(of.metadata))
    return told


def item(body: Any, version: str, name: str = "") -> Item:
    """
    Return a resource as a value; *version* and *name* are what was said around it, if anything.

    Raises DecodeError or ValueError if it cannot be read.
    """
    kind = body.type_url.rpartition("/")[2]
    if kind == _WRAPPED:
        inner = response_pb2.Resource.FromString(body.value)
        return item(inner.resource, inner.version or version, inner.name)
    if kind == _MCP:
        inside = item_of(Resource.FromString(body.value))
    else:
        inside = Item(_own_name(body), "", "", {}, {}, body.type_url, body.value)
    if name and inside.name and name != inside.name:
        raise ValueError(f"{name}: inside it is called {inside.name}")
    name = name or inside.name
    if not name and kind not in XDS and kind != _MCP:
        name = f"unnamed-{sha256(body.value).hexdigest()[:12]}"  # a type of somebody's own
    return replace(inside, name=name, version=version or inside.version)


def _own_name(body: Any) -> str:
    """Return what the message in *body* calls itself; empty if that cannot be known."""
    row = XDS.get(body.type_url.rpartition("/")[2])
    if row is None:
        return ""
    found: Whatever = message(body.type_url, body.value) if row.name else None
    return "" if found is None else str(getattr(found, row.name))


def items(pairs: Sequence[tuple[Any, str, str]]) -> tuple[tuple[Item, ...], str]:
    """Return resources (body, version, name) as values, and why one cannot be read, if so."""
    found = []
    for number, (body, version, name) in enumerate(pairs, 1):
        try:
            found.append(item(body, version, name))
        except (DecodeError, ValueError) as error:
            return (), f"resource {number} cannot be read: {error}"
    return tuple(found), ""


def judged(update: Update, unreadable: str) -> Update:
    """Return *update*, refused if it breaks the rules of xDS that real clients count on."""
    if unreadable:
        return replace(update, refused=unreadable, code=UNDECODABLE)
    fault = next(_faults(update), "")
    return replace(update, refused=fault, code=REFUSED) if fault else update


def _faults(update: Update) -> Iterator[str]:
    if not update.nonce:
        yield "it has no nonce"
    if not update.version and not update.incremental:
        yield "it has no version"
    yield from _faults_of_names(Counter(item.name for item in update.resources), update.removed)
    for one in () if of_mcp(update.collection) else update.resources:
        if one.type_url != update.collection:
            yield f"{one.name} is of type {one.type_url}"
        if not one.version:
            yield f"{one.name} has no version"


def _faults_of_names(put: Counter[str], removed: Sequence[str]) -> Iterator[str]:
    for name, times in put.items():
        if not name:
            yield "a resource has no name"
        if times > 1:
            yield f"{name} is in it {times} times"
        if name in removed:
            yield f"{name} is both put and removed"
