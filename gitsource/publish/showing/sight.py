"""
What one stream is shown: its rights by the policy in force, kept up to date.

Rule: rights are asked for when the policy or what is known of the node changes, and not otherwise.
What was shown at some time is judged again by what is served now, whenever it is looked at.
A stream that can never receive anything is shut; which is all that its sink learns. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitsource.model import Collection, Snapshot
from gitsource.publish.showing.access import Access, Era
from gitsource.publish.words import Node
from gitsource.security.authorize.rights import NOTHING, Rights
from gitsource.security.peer import Peer

SHUT = "there is nothing here that this stream may receive"
"""All that a sink without rights is told."""


class Sight:
    """What the stream of *who*, which speaks *protocol*, is shown."""

    def __init__(
        self,
        access: Access,
        overlay: Callable[[Snapshot], Snapshot],
        who: Peer,
        protocol: str,
    ) -> None:
        self.rights: Rights = NOTHING
        self.shut = False
        """Whether there is nothing it may receive, whatever its node will say."""
        self._access = access
        self._overlay = overlay
        self._who = who
        self._protocol = protocol
        self._era: Era | None = None
        self._node: Node | None = None
        self._served: Snapshot | None = None
        """What is served, looked at last."""
        self._now: Snapshot | None = None
        """The same, as it is published; None: nobody asked for it yet."""
        if (era := access.start()) is not None:
            self._judge(era, None)

    def __repr__(self) -> str:
        return f"<Sight {self.rights.group} shut={self.shut}>"

    def look(self, snapshot: Snapshot, node: Node | None) -> bool:
        """Go by the policy of *snapshot* and by what *node* says; returns whether that is news."""
        era = self._access.at(snapshot)
        if snapshot is not self._served:
            self._served, self._now = snapshot, None
        if era is self._era and node is self._node:
            return False
        self._judge(era, node)
        return True

    def _judge(self, era: Era, node: Node | None) -> None:
        self._era, self._node = era, node
        self.rights = era.rights(self._who, node, self._protocol)
        self.shut = self.rights.nothing and (
            node is not None or era.rights(self._who, None, self._protocol, hopeful=True).nothing
        )

    def of(self, snapshot: Snapshot, node: Node | None) -> Snapshot:
        """Return what is shown of *snapshot*, by its own policy."""
        era = self._access.at(snapshot)
        rights = self.rights
        if era is not self._era or node is not self._node:
            rights = era.rights(self._who, node, self._protocol)
        return era.seen(self._access.published(self._overlay(snapshot)), node, rights)

    def within(self, collection: Collection) -> Collection:
        """Return what may be sent now of *collection*, which was shown at some time."""
        if self._era is None or self._served is None:
            return collection
        if self._now is None:
            self._now = self._access.published(self._overlay(self._served))
        return self._era.within(collection, self.rights, self._now, self._node, self._access.gone)

    def narrowed(self, snapshot: Snapshot) -> Snapshot:
        """Return what may be sent now of *snapshot*, which was shown at some time."""
        if self.rights.everything:
            return snapshot
        left = {name: self.within(one) for name, one in snapshot.collections.items()}
        if all(one is snapshot.collections[name] for name, one in left.items()):
            return snapshot
        return Snapshot.of(snapshot.revision, left, snapshot.findings)

    def denies(self, collection: str) -> bool:
        """Whether nothing of *collection* may be received, whatever is in it."""
        return self._era is not None and self._era.views.denies(collection, self.rights)

    @property
    def open(self) -> bool:
        """Whether it is known that everybody may receive everything."""
        return self._era is not None and self._era.open

    @property
    def views(self) -> tuple[str, ...] | None:
        """The views that take the node; None where there are none."""
        if self._era is None or not self._era.names:
            return None
        return self._era.views.names(self._node)

    @property
    def told(self) -> dict[str, Any] | None:
        """What operators are told of its rights; None where everybody has all."""
        if self._era is None:
            return None
        return self._era.told(self._who, self._node, self._protocol, self.rights)
