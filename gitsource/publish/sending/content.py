"""
What to send so that a sink which holds one state of a collection comes to hold another.

Rule: pure, and the same answer for the same question. A sink holds a version, or what it stated;
its contents are looked up among what is kept. Deltas start from there, in several parts if they are
too large for one message; whoever cannot take a delta gets full state, and if that is too large it
is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from gitsource.model import Collection, Snapshot, content_digest, digest_line, empty_collection
from gitsource.publish.classic.states import Stated, Watch
from gitsource.publish.sending.chunks import Changes, Chunks, Step, as_stated
from gitsource.publish.words import Delta, Full

Identity: TypeAlias = str | int
"""Who a sink is when it comes back (`identity_of`), or else the number of its stream."""

PROVED = ("spiffe://", "dns:", "ip:", "cn:", "jwt:", "dial:")
"""How the names of those begin who proved who they are."""


def identity_of(whose: str, node_id: str) -> str:
    """
    Return who a sink is that says to be *node_id*; *whose* is what it proved to be, if anything.

    What one peer does under a node ID is never held against another that says the same.
    """
    if whose:
        return f"{whose.replace('%', '%25').replace(' ', '%20')} {node_id}"
    return f"? {node_id}" if node_id.startswith(PROVED) else node_id


def itself(collection: Collection) -> Collection:
    """Return *collection*: all of it may be received."""
    return collection


class Kept(Protocol):
    """What the exchange asks of the snapshot cache."""

    def find(self, collection: str, version: str) -> Collection | None:
        """Return a version that is still kept."""

    def delta(self, collection: str, base: str, target: Collection) -> Changes | None:
        """Return what turns *base* into *target*; None if *base* is no longer kept."""

    def between(self, base: Collection, target: Collection) -> Changes:
        """Return what turns *base* into *target*, whether *base* is kept or not."""

    def refused(self, identity: Identity, collection: str, version: str) -> bool:
        """Whether *identity* NACKed this version."""

    def last_accepted(self, identity: Identity, collection: str) -> str | None:
        """Return the version that *identity* ACKed last."""


class Contents:
    """Decides it for all subscriptions of one stream."""

    def __init__(self, kept: Kept, chunks: Chunks, *, whole: bool) -> None:
        self._kept = kept
        self._chunks = chunks
        self._whole = whole

    def compared(
        self, collection: str, stated: Mapping[str, str], snapshot: Snapshot | None, most: int
    ) -> Stated | None:
        """Return what a sink *stated* it holds, or None if that differs in more than *most*."""
        if snapshot is None:
            base = empty_collection(collection)
            other: dict[str, str | None] = dict(stated) if len(stated) <= most else {}
            differences = len(stated)
        else:
            base = snapshot.collection(collection)
            other = {
                resource.name: stated.get(resource.name)
                for resource in base
                if stated.get(resource.name) != resource.version
            }
            if len(stated) + len(other) > len(base):  # else every name it stated is in the base
                known = set(base.names)
                other.update(
                    (name, version) for name, version in stated.items() if name not in known
                )
            differences = len(other)
        if differences <= most:
            return Stated(base.version, other)
        # It may be a version of ours all the same, or a part of the way to one.
        version = content_digest(digest_line(*one) for one in sorted(stated.items()))
        return Stated(version, {}) if self.find(collection, version) is not None else None

    def find(self, collection: str, version: str) -> Collection | None:
        """Return a version that is kept, or a part of the way to one."""
        found = self._kept.find(collection, version)
        return self._chunks.find(collection, version) if found is None else found

    def known(
        self, collection: str, version: str | None, held: Collection | None
    ) -> Collection | None:
        """Return *version* of a *collection*, which may be what is *held*, if it is known."""
        if version is None or (held is not None and held.version == version):
            return held if version is not None else None
        return self.find(collection, version)

    def content(self, watch: Watch, target: Collection) -> tuple[Full | Delta, Collection, str]:
        """Return what to send, the state it leads to, and what is to be said of it."""
        if not self._whole:
            return self._merged(watch, target)
        fits = None if watch.incremental else self._chunks.whole_fits(target)
        if fits is None or (not fits and watch.merges):
            delta = self.delta(watch, target)
            if delta is not None and self._chunks.fits(delta):
                return delta, target, ""
            base = self.base(watch)
            if delta is not None and base is not None:
                return self._stepped(self._way(base, delta, target), delta.base)
            fits = self._chunks.whole_fits(target)
            if not fits and watch.accepted is None and watch.stated is None:
                # Nobody knows what it holds: the first part replaces that, the others are merged.
                nothing = empty_collection(target.name)
                step = self._chunks.step(nothing, self._kept.between(nothing, target), target)
                _, state, note = self._stepped(step, None)
                return Full(state), state, note
        return Full(target), target, "" if fits else self._too_large(target)

    def delta(self, watch: Watch, target: Collection) -> Delta | None:
        """Return the delta to send, or None if it has to be full state."""
        if watch.held is not None and watch.accepted is not None:
            changes = self._kept.between(watch.held, target)
            return Delta(watch.accepted, changes.put, changes.removed)
        stated = watch.stated
        base = stated.base if stated is not None else watch.accepted
        if base is None:
            return None
        found = self._kept.delta(watch.collection, base, target)
        if found is None and (state := self._chunks.find(watch.collection, base)) is not None:
            found = self._kept.between(state, target)
        if found is None:
            return None
        if stated is None or not stated.other:
            return Delta(base, found.put, found.removed)
        return _corrected(found, stated.other, target)

    def base(self, watch: Watch) -> Collection | None:
        """Return what the sink holds, if its contents are known."""
        if watch.held is not None:
            return watch.held
        if watch.stated is not None:
            base = self.find(watch.collection, watch.stated.base)
            return None if base is None else as_stated(base, watch.stated.other)
        return None if watch.accepted is None else self.find(watch.collection, watch.accepted)

    def _merged(self, watch: Watch, target: Collection) -> tuple[Delta, Collection, str]:
        """Return the same for a sink that can only merge; what it holds is always known."""
        held = watch.held or empty_collection(target.name)
        changes = self._kept.between(held, target)
        delta = Delta(watch.accepted, changes.put, changes.removed)
        if watch.again:
            gone = tuple(name for name in held.names if target.get(name) is None)
            delta = Delta(None, target.resources, gone)
        return self._stepped(self._way(held, delta, target), delta.base)

    def _way(self, base: Collection, delta: Delta, target: Collection) -> Step:
        shared = delta.base is not None
        return (self._chunks.step if shared else self._chunks.cut)(base, delta, target)

    def _stepped(self, step: Step, base: str | None) -> tuple[Delta, Collection, str]:
        note = ""
        if step.too_large:
            note = (
                f"{step.too_large} alone is more than {self._chunks.limit} bytes "
                "(limits.message_bytes); sent all the same: the sink's own limit may be higher; "
                "if it is not, raise it, or make the resource smaller"
            )
        return Delta(base, step.put, step.removed), step.state, note

    def _too_large(self, target: Collection) -> str:
        return (
            f"{self._chunks.size(target)} bytes in one message are more than "
            f"{self._chunks.limit} (limits.message_bytes); sent all the same: the sink's own limit "
            "may be higher; if it is not, raise it (istiod: --mcpMaxMsgSize), let the sink ask "
            "for increments, or split the collection"
        )


def _corrected(changes: Changes, other: Mapping[str, str | None], target: Collection) -> Delta:
    """Return *changes* for a sink that differs from their base as *other* says."""
    put = {resource.name: resource for resource in changes.put}
    removed = set(changes.removed)
    for name, version in other.items():
        resource = target.get(name)
        put.pop(name, None)
        removed.discard(name)
        if resource is None:
            if version is not None:
                removed.add(name)
        elif resource.version != version:
            put[name] = resource
    return Delta(None, tuple(put[name] for name in sorted(put)), tuple(sorted(removed)))
