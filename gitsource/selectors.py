"""
Which nodes are meant and which resources, as compiled from rows in the settings or of a policy.

Views and rights are made of these. Rule: every part that is given has to match, and one that is
absent matches all. A key that a node or a resource does not have matches no glob, not even `*`.
Globs are those of shells, upper and lower case told apart; `*` goes over slashes and dots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import translate
from typing import Protocol, TypeAlias

from gitsource.settings.views import ViewNodes, ViewResources

Matches: TypeAlias = Callable[[str], object]
"""Whether a text matches."""


class Claims(Protocol):
    """What a node says of itself; nothing of it is proved."""

    @property
    def id(self) -> str:
        """Its ID."""

    @property
    def cluster(self) -> str:
        """The cluster it says it belongs to."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What else it says."""

    @property
    def region(self) -> str:
        """Where it says it runs."""

    @property
    def zone(self) -> str:
        """The same, closer."""

    @property
    def sub_zone(self) -> str:
        """The same, closer still."""


class NodeSelector:
    """Which nodes are meant."""

    def __init__(self, row: ViewNodes) -> None:
        self._row = row
        where = row.locality
        self._ids, self._clusters = _any(row.ids), _any(row.clusters)
        self._region, self._zone, self._sub_zone = map(
            _any, (where.region, where.zone, where.sub_zone)
        )
        self._metadata = _pairs(row.metadata)

    def __repr__(self) -> str:
        return f"<NodeSelector {self._row}>"

    def takes(self, node: Claims) -> bool:
        """Whether *node* matches every part that is given."""
        parts = (
            (self._ids, node.id),
            (self._clusters, node.cluster),
            (self._region, node.region),
            (self._zone, node.zone),
            (self._sub_zone, node.sub_zone),
        )
        if not all(matches is None or matches(text) for matches, text in parts):
            return False
        return _has(node.metadata, self._metadata)


class ResourceSelector:
    """Which resources are meant."""

    def __init__(self, row: ViewResources) -> None:
        self._row = row
        self._namespaces, self._collections = _any(row.namespaces), _any(row.collections)
        self._labels, self._annotations = _pairs(row.labels), _pairs(row.annotations)
        self.every_resource = not (row.namespaces or row.labels or row.annotations)
        """Whether nothing is asked of a resource but its collection."""
        self.everything = self.every_resource and not row.collections
        """Whether nothing is asked at all."""

    def __repr__(self) -> str:
        return f"<ResourceSelector {self._row}>"

    def concerns(self, collection: str) -> bool:
        """Whether resources of *collection* may be meant."""
        return self._collections is None or bool(self._collections(collection))

    def shows(
        self, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> bool:
        """Whether a resource with these is meant, whatever its collection."""
        if self._namespaces is not None and not self._namespaces(namespace):
            return False
        return _has(labels, self._labels) and _has(annotations, self._annotations)


_GLOBBING = re.compile(r"[*?\[]")


def _any(globs: Collection[str]) -> Matches | None:
    """Return whether a text matches one of *globs*; None if there are none."""
    names = frozenset(glob for glob in globs if not _GLOBBING.search(glob))
    together = "|".join(translate(glob) for glob in globs if glob not in names)
    if not together:
        return names.__contains__ if names else None
    matches = re.compile(together).match
    return (lambda text: text in names or matches(text)) if names else matches


def _pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, Matches], ...]:
    return tuple((key, re.compile(translate(glob)).match) for key, glob in pairs)


def _has(texts: Mapping[str, str], pairs: Iterable[tuple[str, Matches]]) -> bool:
    return all(key in texts and matches(texts[key]) for key, matches in pairs)
