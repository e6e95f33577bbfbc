"""
The values that travel through gitsource, from a revision in Git to a snapshot on the wire.

Rule: every value here is frozen and knows nothing of files, sockets or clocks; what it says of
itself is derived from its content. They are handed between threads and processes without locks.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from gitsource.secrecy.texts import redacted

Severity: TypeAlias = Literal["error", "warning"]
FieldPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands inside a document: keys and list indices from the root."""


SHOWN = 80
"""Characters of a value that a message quotes at most."""


def shown(value: Any) -> str:
    """
    Return *value* as messages quote it: on one line, short, and harmless on a terminal.

    Whatever cannot be seen (controls, bidirectional overrides, half a surrogate pair) is escaped,
    and what is a secret by its form (a token, a private key, a password in an address) is left out.
    """
    if isinstance(value, dict):
        return f"a mapping ({', '.join(map(shown, [*value][:3]))}{', …' * (len(value) > 3)})"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        value = redacted(value)
        cut = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
        return f"'{''.join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)}'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 4 * SHOWN:
        return f"a number of {value.bit_length()} bits"
    return str(value)[:SHOWN]


BULK_CHANGE = 1000
"""From this many changes on, sorting a collection anew is cheaper than placing each one."""

# --------------------------------------------------------------------------- Git


@dataclass(frozen=True, slots=True)
class LayerRevision:
    """Which commit of one layer is part of a composition."""

    name: str
    commit: str
    head: str = ""
    """The newest commit of the layer that was seen; another one than `commit` if that is held, or
    not looked at yet."""
    held: str = ""
    """Why the head stays back; empty if it does not."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit of the followed ref, or a composition of one commit of each layer."""

    commit: str
    """Full object ID in lower-case hex, 40 (SHA-1) or 64 (SHA-256) digits; of a composition, what
    `composed_id` makes of its layers."""
    tree: str
    """Object ID of the commit's tree; empty for a composition."""
    committed_at: int
    """Committer time in seconds since the epoch."""
    author: str = ""
    """``Name <mail>`` as Git has it: text from the repository, so neutralise it before display."""
    subject: str = ""
    layers: tuple[LayerRevision, ...] = field(default=(), compare=False)
    """What a composition is of, the lowest first; empty for a commit. Not compared: the ID says
    which commits, and what is held beside them is how things stood at one time."""

    @property
    def short(self) -> str:
        """The first twelve digits, for people."""
        return self.commit[:12]

    def commit_of(self, layer: str) -> str:
        """Return the commit of *layer* in this composition; empty if there is none."""
        return next((each.commit for each in self.layers if each.name == layer), "")


def composed_id(layers: Iterable[LayerRevision]) -> str:
    """Return the ID of a composition: SHA-256 in hex over the length-prefixed names and commits."""
    told = b"".join(
        _length_prefixed(layer.name) + _length_prefixed(layer.commit) for layer in layers
    )
    return hashlib.sha256(told).hexdigest()


def composition_of(
    revisions: Mapping[str, Revision | None], moved: AbstractSet[str] = frozenset()
) -> Revision:
    """
    Return the composition of the layers' *revisions*.

    The newest commit of those that *moved* (none: of all) stands for it with date, author, subject.
    """
    rows = tuple(
        LayerRevision(name, each.commit if each is not None else "")
        for name, each in revisions.items()
    )
    commit = composed_id(rows)
    known = {name: each for name, each in revisions.items() if each is not None}
    leading = [name for name in known if name in moved] or list(known)
    if not leading:
        return Revision(commit, "", 0, layers=rows)
    name = max(leading, key=lambda each: known[each].committed_at)
    newest = known[name]
    subject = f"{name}: {newest.subject}" if newest.subject else ""
    return Revision(commit, "", newest.committed_at, newest.author, subject, rows)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A path of a revision that could hold configuration (`*.yaml`, `*.yml`, `*.json`)."""

    path: str
    mode: str
    """Git's mode in octal: 100644 and 100755 are files, 120000 a symlink, 160000 a submodule."""
    blob: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path between two trees; *entry* is None when the path is gone."""

    path: str
    entry: TreeEntry | None


@dataclass(frozen=True, slots=True)
class Signature:
    """What is to be thought of the signature of a commit or tag, as far as there is one."""

    state: Literal["good", "bad", "none"]
    key: str = ""
    """Who made it, as far as that is known: a fingerprint (or an id, if the key is not known)."""
    signers: frozenset[str] = frozenset()
    """What a good one's signer is called in policies: fingerprints and principals."""
    reason: str = ""
    """Why it does not count, in our words and harmless."""


# --------------------------------------------------------------------------- documents and findings


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that other readers read otherwise (`reading.ambiguous`)."""

    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, as plain JSON-like values."""

    value: Any
    index: int
    """Its place among the documents of the file, from 0; `parse.locate` takes it."""
    line: int
    """1-based line of its first node."""
    doubts: tuple[Doubt, ...] = ()
    root: FieldPath = ()
    """Where it stands in the document of the file, if that is a list of several."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong inside one document, before anybody knows in which file it stands."""

    code: str
    message: str
    """What is wrong and what to do, naming the rule and the value."""
    path: FieldPath = ()
    """The value at fault, or its nearest existing parent."""
    severity: Severity = "error"
    at_key: bool = False
    """Whether the key at the end of the path is at fault, not the value below it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A problem with its place: what the log, the status, the CLI and every report show."""

    file: str
    line: int
    """1-based; 1:1 where the whole file is meant (a symlink, a size), 0 where no file is."""
    column: int
    severity: Severity
    code: str
    message: str
    resource: str = ""
    """``Kind/namespace/name`` where known."""
    suppressed: bool = False
    """Whether the resource asks to let this warning alone: it is told apart from the others."""


# --------------------------------------------------------------------------- resources


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the repository a resource comes from."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Resource:
    """One named piece of configuration as every sink gets it."""

    name: str
    """As in `metadata.name` on the wire, ``namespace/name`` for namespaced kinds."""
    version: str
    """Content-derived: changes if and only if spec, labels or annotations do."""
    wire: bytes = field(repr=False)
    """A serialized `istio.mcp.v1alpha1.Resource`; shared by every stream."""
    origin: Origin

    @property
    def digest_line(self) -> bytes:
        """This resource's share of its collection's version: both parts length-prefixed."""
        return digest_line(self.name, self.version)


def digest_line(name: str, version: str) -> bytes:
    """Return the share in its collection's version of the resource *name* at *version*."""
    return _length_prefixed(name) + _length_prefixed(version)


def _length_prefixed(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4, "big") + raw


def content_digest(lines: Iterable[bytes]) -> str:
    """Return base64(SHA-256) over *lines* joined: how collections and snapshots get versions."""
    return base64.b64encode(hashlib.sha256(b"".join(lines)).digest()).decode()


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """
    All resources of one collection in one snapshot, sorted by name.

    Three parallel tuples instead of a dictionary: a changed copy costs a few pointer moves, so many
    versions can be kept as diff bases for slow sinks, and the digest is one join away.
    """

    name: str
    names: tuple[str, ...] = field(repr=False)
    resources: tuple[Resource, ...] = field(repr=False)
    lines: tuple[bytes, ...] = field(repr=False)
    """Each resource's `digest_line`."""
    version: str
    """base64(SHA-256) over the lines; any sink can recompute it from names and versions."""

    @classmethod
    def of(cls, name: str, resources: Iterable[Resource]) -> Collection:
        """Return the collection of *resources*, whose names are distinct."""
        ordered = tuple(sorted(resources, key=lambda resource: resource.name))
        lines = tuple(resource.digest_line for resource in ordered)
        return cls(name, tuple(r.name for r in ordered), ordered, lines, content_digest(lines))

    def changed(self, removed: Iterable[str], put: Mapping[str, Resource]) -> Collection:
        """Return this collection without *removed* and with *put* added or replaced."""
        removed = tuple(removed)
        if len(removed) + len(put) > BULK_CHANGE:
            kept = dict(zip(self.names, self.resources, strict=True))
            for name in removed:
                kept.pop(name, None)
            return Collection.of(self.name, {**kept, **put}.values())
        names, resources, lines = list(self.names), list(self.resources), list(self.lines)
        for name in removed:
            at = bisect_left(names, name)
            if at < len(names) and names[at] == name:
                del names[at], resources[at], lines[at]
        for name, resource in put.items():
            at = bisect_left(names, name)
            if at < len(names) and names[at] == name:
                resources[at], lines[at] = resource, resource.digest_line
            else:
                names.insert(at, name)
                resources.insert(at, resource)
                lines.insert(at, resource.digest_line)
        return Collection(
            self.name, tuple(names), tuple(resources), tuple(lines), content_digest(lines)
        )

    def get(self, name: str) -> Resource | None:
        """Return the resource called *name*, if there is one."""
        at = bisect_left(self.names, name)
        found = at < len(self.names) and self.names[at] == name
        return self.resources[at] if found else None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)


@lru_cache(4096)
def empty_collection(name: str) -> Collection:
    """Return the collection *name* without resources; its version is the digest of nothing."""
    return Collection(name, (), (), (), content_digest(()))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One revision, complete and valid, as it is served."""

    revision: Revision
    version: str
    """Digest of the names and versions of the collections that hold anything."""
    collections: Mapping[str, Collection] = field(repr=False)
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    """Warnings only: a revision with errors never becomes a snapshot."""
    covered: tuple[tuple[str, Resource], ...] = field(default=(), repr=False)
    """(collection, resource) of what layers have that is not served, since a higher one has another
    of that name: part of a composition, and of no version."""

    @classmethod
    def of(
        cls,
        revision: Revision,
        collections: Mapping[str, Collection],
        findings: tuple[Finding, ...] = (),
        covered: tuple[tuple[str, Resource], ...] = (),
    ) -> Snapshot:
        """Return the snapshot of *collections*, dropping empty ones: they answer alike."""
        kept = {name: collections[name] for name in sorted(collections) if len(collections[name])}
        lines = (_length_prefixed(c.name) + _length_prefixed(c.version) for c in kept.values())
        return cls(revision, content_digest(lines), kept, findings, covered)

    def collection(self, name: str) -> Collection:
        """Return the collection *name*, an empty one if the revision has no such resources."""
        return self.collections.get(name) or empty_collection(name)

    def at(self, revision: Revision) -> Snapshot:
        """Return the same content as the snapshot of another revision."""
        return replace(self, revision=revision)
