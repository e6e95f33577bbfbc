"""
The wires by name, and what people write to say which collections they mean, as each wire has it.

Rule: pure. What is not known here and has a slash is passed on as it is: the source knows best what
it has, and an unknown name is answered like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from gitsource.catalog.rows import BUILTIN, ENVOY
from gitsource.sink.wire import Node, Wire
from gitsource.sink.wires.classic import Classic
from gitsource.sink.wires.legacy import LegacyIncrements, LegacyState
from gitsource.sink.wires.xds import PREFIX
from gitsource.sink.wires.xds_delta import XdsDelta
from gitsource.sink.wires.xds_sotw import XdsSotw

MESH_CONFIG = "core/v1alpha1/MeshConfig"
"""istiod asks for it before all else."""

_ACRONYMS = {
    "cds": "clusters",
    "eds": "endpoints",
    "lds": "listeners",
    "rds": "routes",
    "sds": "secrets",
    "rtds": "runtimes",
    "srds": "scoped-routes",
    "ecds": "extensions",
    "vhds": "virtual-hosts",
    "leds": "lb-endpoints",
}

_EVERY_ENVOY = ("clusters", "endpoints", "listeners", "routes")
"""What is asked for if nothing is said."""


@cache
def _of_istio() -> dict[str, str]:
    """Return the ``group/version/Kind`` that istiod asks for today, by all names of a kind."""
    table = {}
    for kind in BUILTIN:
        newest = next(use.name for use in reversed(kind.uses) if not use.last)
        plural = kind.collection.rpartition("/")[2]
        for name in (kind.collection, kind.kind, plural):
            table[name.lower()] = newest
    return table


@cache
def _of_envoy() -> dict[str, str]:
    """Return type URLs by all names of a type."""
    table = {}
    for kind in ENVOY:
        plural = kind.collection.rpartition("/")[2]
        for name in (kind.collection, kind.body, kind.label, plural):
            table[name.lower()] = kind.type_url
    return table | {short: table[plural] for short, plural in _ACRONYMS.items()}


def wire(protocol: str, node: Node, names: Sequence[str], *, incremental: bool) -> Wire:
    """
    Return the wire that is called *protocol*; *names* of resources are asked for over xDS.

    Raises ValueError, which says what is wrong, if it has no *names*, or has changes only under
    another name.
    """
    classic = protocol in {"mcp", "mcp-legacy"}
    if names and classic:
        raise ValueError(f"{protocol} subscribes to whole collections: --name is for xDS")
    if incremental and not classic:
        raise ValueError(f"--incremental is for mcp: use {protocol.removesuffix('-delta')}-delta")
    if protocol == "mcp":
        return Classic(node, incremental)
    if protocol == "mcp-legacy":
        return LegacyIncrements(node) if incremental else LegacyState(node)
    kind = XdsDelta if protocol.endswith("-delta") else XdsSotw
    return kind(node, protocol, tuple(names))


def asked(protocol: str, given: Sequence[str]) -> list[str]:
    """
    Return what to subscribe to over *protocol* when *given* is what was written.

    Raises ValueError, which says what was expected, for a word that stands for nothing.
    """
    if protocol in {"mcp", "mcp-legacy"}:
        return list(given) or [kind.collection for kind in BUILTIN]
    if protocol in {"mcp-xds", "mcp-xds-delta"}:
        if not given:
            newest = sorted(set(_of_istio().values()), key=lambda name: name.rpartition("/")[2])
            return [MESH_CONFIG, *newest]
        return [_found(_of_istio(), name, "networking.istio.io/v1/Gateway") for name in given]
    return [
        _found(_of_envoy(), name, f"envoy/clusters, clusters or {PREFIX}…")
        for name in given or _EVERY_ENVOY
    ]


def _found(table: dict[str, str], name: str, example: str) -> str:
    known = table.get(name.lower())
    if known is None and "/" not in name:
        raise ValueError(f"expected a type such as {example}, found {name!r}")
    return known or name
