"""
What a revision would push, as values: what every output format writes down, and nothing else.

Rule: a plan is complete before any format sees it. Whatever must not be shown (key material) is
redacted here already; text that comes from the repository is as it is there, and each format
neutralises it in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gitsource.model import Finding, Revision

Json: TypeAlias = Any
"""A value of JSON: None, bool, number, text, list, dict."""

How: TypeAlias = Literal["added", "removed", "changed", "moved"]
"""What became of a field; ``moved``: an element of a list, from place to place."""

What: TypeAlias = Literal["added", "changed", "removed", "renamed"]
"""What became of a resource; ``renamed``: its content goes on under another name."""

Ends: TypeAlias = Literal["clean", "findings", "guarded"]
"""What the plan comes to; ``guarded``: valid, but a guard would hold it."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a resource's body that differs."""

    path: str
    """Where it stands, as `spec.http[0].route[1].weight`; after the change, unless it is gone."""
    how: How
    before: Json = None
    """added: None."""
    after: Json = None
    """removed: None."""
    came_from: str = ""
    """moved: where it stood."""
    redacted: bool = False
    """Whether a secret may be in before or after: `(redacted)` stands there in its place."""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource that sinks would gain, lose or see changed."""

    name: str
    what: What
    before: str = ""
    """renamed: what it is called now."""
    version_before: str = ""
    version_after: str = ""
    file_before: str = ""
    file: str = ""
    """Where it is defined: after the change, unless it is removed. Other than `file_before`, if
    that is given: it was moved."""
    line: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    fields: tuple[FieldChange, ...] = ()
    """changed, renamed: what differs in its body, in the body's order."""
    omitted: int = 0
    """Further fields that differ and are not told."""
    layer_before: str = ""
    """Of several layers, the one that sinks had it of; empty: none, or there are no layers."""
    layer: str = ""
    """The one that they would have it of."""


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """What sinks of one collection would see."""

    name: str
    version_before: str
    version_after: str
    count_before: int
    count_after: int
    changes: tuple[ResourceChange, ...]
    """Sorted by name."""
    full_bytes: int = 0
    """Size of the message that has all of it, for a sink that takes no increments."""
    incremental_bytes: int = 0
    """Size of the one that has only what changed."""

    def _names(self, *what: What) -> tuple[str, ...]:
        return tuple(each.name for each in self.changes if each.what in what)

    @property
    def added(self) -> tuple[str, ...]:
        """Names that sinks do not know yet."""
        return self._names("added", "renamed")

    @property
    def changed(self) -> tuple[str, ...]:
        """Names whose content differs."""
        return self._names("changed")

    @property
    def removed(self) -> tuple[str, ...]:
        """Names that sinks lose."""
        gone = {each.before for each in self.changes if each.what == "renamed"}
        return tuple(sorted({*self._names("removed"), *gone}))


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A file of schemas, messages or policy in the repository that differs."""

    file: str
    what: Literal["added", "changed", "removed"]
    collections: tuple[str, ...] = ()
    """Those judged anew because of it."""
    broken: tuple[str, ...] = ()
    """``Kind/namespace/name`` of the resources that were good before and are not any more."""


@dataclass(frozen=True, slots=True)
class RightsChange:
    """What one kind of sink may receive after the change and not before, or the other way round."""

    subject: str
    gained: tuple[str, ...] = ()
    """What it may have from now on: collections, or ``collection: name``."""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One of several layers that are composed, and how it takes part in the plan."""

    name: str
    how: Literal["reviewed", "repository", "served", "versions", "missing"]
    """``reviewed``: its change is what is planned. ``repository``: judged from a repository.
    ``served``: taken from what is served, ``versions``: from names and versions of that alone.
    ``missing``: nothing is known of it, and the plan is made without."""
    before: str = ""
    """Its commit in the base; empty: none, or nobody knows."""
    after: str = ""
    """Its commit after the push; empty for a working tree as well."""
    source: str = ""
    """Where it was taken from, for people."""


@dataclass(frozen=True, slots=True)
class NoEffect:
    """What a layer changes and no sink sees, since a higher layer has the place."""

    collection: str
    name: str
    what: Literal["added", "changed", "removed"]
    layer: str
    """Whose change it is."""
    file: str
    line: int
    by: str
    """The layer that has the place."""
    by_file: str
    by_line: int


@dataclass(frozen=True, slots=True)
class SinkReach:
    """One sink of a running instance, and what this push would mean to it."""

    sink: str
    peer: str = ""
    protocol: str = ""
    views: tuple[str, ...] = ()
    collections: tuple[tuple[str, str, str], ...] = ()
    """(collection, version it has accepted, version after the push), where it would be reached."""
    refuses: tuple[str, ...] = ()
    """Collections of which it refuses what it was sent last."""


@dataclass(frozen=True, slots=True)
class SinkKept:
    """One sink of a running instance that this push would not reach."""

    sink: str
    why: str
    """In one clause."""
    peer: str = ""
    protocol: str = ""
    views: tuple[str, ...] = ()
    collections: tuple[tuple[str, str], ...] = ()
    """(collection, version it has accepted) of what it asks for."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One collection that is served otherwise than the base says."""

    collection: str
    served: str
    """Version that is served; empty: nothing."""
    expected: str
    """Version that the base comes to; empty: it has nothing of it."""
    resources: tuple[str, ...] = ()
    """The first of those that differ, by name, as far as they are known."""
    more: int = 0
    """How many others differ."""


@dataclass(frozen=True, slots=True)
class Against:
    """What a running instance, or an exported snapshot, has: what the plan was compared with."""

    source: str
    """Its address or file."""
    revision: str = ""
    """The commit that it serves."""
    version: str = ""
    pinned: bool = False
    suspended: bool = False
    drift: tuple[Drift, ...] = ()
    sinks: tuple[SinkReach, ...] = ()
    """Those that the push would reach."""
    unreached: int = 0
    """How many connected sinks it would not reach."""
    kept: tuple[SinkKept, ...] = ()
    """Those."""
    knows_sinks: bool = True
    """Whether it tells who is connected; a file does not."""
    notes: tuple[str, ...] = ()
    """What could not be told, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing *head* over *base* would do."""

    base: Revision
    """Its commit is empty where everything counts as new."""
    head: Revision
    """Its commit is empty for a working tree."""
    version_before: str
    version_after: str
    collections: tuple[CollectionPlan, ...] = ()
    """Only those that would be pushed, sorted by name."""
    new: tuple[Finding, ...] = ()
    """What *head* brings along; guards aside."""
    fixed: tuple[Finding, ...] = ()
    """What *base* had and *head* has not."""
    old: tuple[Finding, ...] = ()
    """What both have."""
    guards: tuple[Finding, ...] = ()
    """What a guard of the server would say: mass changes, signatures, rewinds, emptied collections.
    An error among them holds the revision until somebody confirms it."""
    settings: tuple[SettingChange, ...] = ()
    rights: tuple[RightsChange, ...] = ()
    against: Against | None = None
    notes: tuple[str, ...] = ()
    """What the reader should know of how this came about: a base that does not validate, say."""
    message_limit: int = 4 * 1024 * 1024
    """Bytes that a sink takes in one message, unless it was built otherwise."""
    layers: tuple[LayerPlan, ...] = ()
    """What is composed, the lowest first; empty where one repository is followed. The plan is then
    of the composition, versions too; files of layers not under review are ``NAME:path``."""
    composition_before: str = ""
    """What the composition of the commits is called in the base; empty: it has none."""
    composition_after: str = ""
    no_effect: tuple[NoEffect, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is to be said of *head*, guards included, sorted by place."""
        return tuple(sorted((*self.new, *self.old, *self.guards)))

    def elsewhere(self, file: str) -> bool:
        """Whether *file* is of a layer that is not reviewed, and so in another repository."""
        name, colon, _ = file.partition(":")
        others = (each.name for each in self.layers if each.how != "reviewed")
        return bool(colon) and name in others

    @property
    def ends(self) -> Ends:
        """What it comes to."""
        if any(each.severity == "error" for each in (*self.new, *self.old)):
            return "findings"
        guarded = any(each.severity == "error" for each in self.guards)
        return "guarded" if guarded else "clean"

    @property
    def held(self) -> bool:
        """Whether an error or a guard keeps the revision back."""
        return self.ends != "clean"
