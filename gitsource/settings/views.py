"""
Which resources are for which nodes.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gitsource.settings.units import Globs, Words


@dataclass(frozen=True, slots=True)
class ViewLocality:
    """Where a node has to run; every part that is given."""

    region: Words = Words(())
    """Globs of the region its locality names."""
    zone: Words = Words(())
    """Globs of the zone."""
    sub_zone: Words = Words(())
    """Globs of the sub-zone."""


@dataclass(frozen=True, slots=True)
class ViewNodes:
    """Whom a view takes: nodes that match every part that is given."""

    ids: Words = Words(())
    """Globs of the node ID (`sidecar~*~*.shop~*`). `*` is any text, `?` any character."""
    clusters: Words = Words(())
    """Globs of the node's cluster."""
    metadata: Globs = Globs(())
    """Keys of the node's metadata (a classic sink's annotations), each with a glob of its text."""
    locality: ViewLocality = field(default_factory=ViewLocality)
    """Globs of region, zone and sub-zone: `{zone: ["eu-1?"]}`."""


@dataclass(frozen=True, slots=True)
class ViewResources:
    """What a view shows: resources that match every part that is given."""

    namespaces: Words = Words(())
    """Globs of the namespace: what stands before the only slash of the name, else empty."""
    labels: Globs = Globs(())
    """Labels that the resource has to have, each with a glob of its value."""
    annotations: Globs = Globs(())
    """Annotations that it has to have, each with a glob of its value."""
    collections: Words = Words(())
    """Globs of the collection's name."""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One view: which resources are for which nodes."""

    name: str
    """What the status calls it."""
    nodes: ViewNodes = field(default_factory=ViewNodes)
    """Whom it takes; absent: every node."""
    resources: ViewResources = field(default_factory=ViewResources)
    """What it shows; absent: everything."""
