"""
What documents become and what holds a revision: collections, references, guards.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gitsource.settings.units import Severities, Severity, Share, Words


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A user-defined collection: its resources are Structs, or messages that it names."""

    name: str
    """The name sinks subscribe to, e.g. `acme/v1/flags`."""
    api_version: str | None = None
    """Documents with this apiVersion and `kind` belong to it."""
    kind: str | None = None
    """See `api_version`."""
    path: str | None = None
    """Instead: every document of the files that match this glob (`flags/**/*.yaml`)."""
    schema: str | None = None
    """JSON Schema for the whole document: a file beside the config file, or else in the repository
    at the revision that is judged."""
    message: str | None = None
    """Full name of the protobuf message that the body is, checked field by field. Without
    `api_version`, `kind` and `path`, documents belong to the collection by their `@type`."""
    descriptor_set: str | None = None
    """Compiled descriptor set that has `message`: a file beside the config file, or else in the
    repository. Not needed for the messages of Envoy's v3 API."""
    protos: str | None = None
    """Instead: a folder of `.proto` files beside the config file (needs `gitsource[protos]`)."""


@dataclass(frozen=True, slots=True)
class Build:
    """How revisions are judged and encoded."""

    workers: int = 2
    """Processes for bulk work (a cold start, a changed schema). While something is served they run
    niced, and one core is left to the server."""
    bulk: int = 1000
    """From this many files on a revision is built by the worker processes."""


@dataclass(frozen=True, slots=True)
class References:
    """What one document says of another: gateways, subsets, hosts, delegates, selectors."""

    severity: Severity = "warning"
    """What findings about references count as. An `error` holds the revision."""
    codes: Severities = Severities(())
    """The same for single codes, before `severity`: `{GS403: error, GS412: off}`."""
    service_hosts: Words = Words(())
    """Globs of the hosts that exist beside those of the repository (`*.prod.svc.cluster.local`).
    Without any, nobody can tell which hosts do not exist, so GS405 is never found."""
    root_namespace: str = "istio-system"
    """The mesh's root namespace: what stands there is for all namespaces, known or not."""

    def of(self, code: str) -> Severity:
        """Return what a finding of *code* counts as."""
        return dict(self.codes).get(code, self.severity)


@dataclass(frozen=True, slots=True)
class Removals:
    """How much of a collection one revision may remove: it is held if either bound is passed."""

    share: Share = Share(0.5)
    """Part of a collection's resources that may go. `1`: the number alone counts."""
    count: int = 500
    """Number of them that may go, whatever share that is. `0`: the share alone counts."""
    floor: int = 2
    """So few may go whatever share of a collection they are, even if none is left (of what
    `guard.empty` does not name). Only `count` counts below it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Revisions that are sound and yet would do great harm."""

    empty: Literal["hold", "allow"] = "hold"
    """A revision that leaves nothing of a collection (or of a layer) that had more than
    `removals.floor` resources, no Cluster or no Listener where there were any (Envoy would drop all
    it has), or nothing at all; also a first one without the folder of `repository.path`. `hold`: it
    is held, unless a commit confirms it (`Gitsource-Allow: empty COLLECTION`, or `empty all`, in
    its message) or an operator (`gitsource allow`)."""
    removals: Removals = field(default_factory=Removals)
    """How much may be removed at once, unless a commit (`Gitsource-Allow: removals COLLECTION`) or
    an operator confirms it."""
