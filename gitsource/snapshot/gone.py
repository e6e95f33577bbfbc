"""
What is no longer served, as it was served last.

Rule: a resource that is gone belongs to whom it belonged last, whatever older versions of its
collection say. What is remembered is bounded, the longest gone is forgotten first, and whoever asks
takes a resource that is forgotten for one that nobody may have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from gitsource.model import Collection, Resource

RESOURCES = 50_000
"""Resources remembered."""
BYTES = 16 * 1024 * 1024
"""The most they may take up together."""


class Gone:
    """Resources that one group was served and is no longer."""

    def __init__(self, *, resources: int = RESOURCES, size: int = BYTES) -> None:
        self._bounds = (resources, size)
        self._known: OrderedDict[tuple[str, str], Resource] = OrderedDict()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Gone resources={len(self._known)} bytes={self._size}>"

    def note(self, before: Collection, names: Iterable[str]) -> None:
        """Remember of *before* what was called as in *names*, and is served no longer."""
        most, size = self._bounds
        for name in names:
            resource = before.get(name)
            if resource is None:
                continue
            self.back(before.name, name)
            self._known[before.name, name] = resource
            self._size += len(resource.wire)
        while self._known and (len(self._known) > most or self._size > size):
            _, oldest = self._known.popitem(last=False)
            self._size -= len(oldest.wire)

    def back(self, collection: str, name: str) -> None:
        """Forget a resource: it is served again."""
        known = self._known.pop((collection, name), None)
        if known is not None:
            self._size -= len(known.wire)

    def find(self, collection: str, name: str) -> Resource | None:
        """Return a resource that is gone, if it is still known."""
        return self._known.get((collection, name))
