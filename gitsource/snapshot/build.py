"""
From the resources of changed files to a proposed snapshot, and the delta of two snapshots.

Rule: a proposal is computed from what stands (the last good revision) and the files that differ
from it, never from the whole repository; it becomes what stands only when `accept` is called. A
proposal with an error in it is never a snapshot, whole or in part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gitsource.model import Collection, Finding, Resource, Revision, Snapshot, empty_collection
from gitsource.references.index import CODES, Draft, Index


@dataclass(frozen=True, slots=True)
class FileState:
    """What one configuration file of a revision has become."""

    blob: str
    birth: int
    """Committer time of the commit since which the path has existed without a gap."""
    resources: tuple[tuple[str, Resource], ...] = ()
    """(collection, resource) of each document that became one."""
    ignored: int = 0
    """Documents of kinds that no collection takes."""
    covered: tuple[tuple[str, Resource], ...] = ()
    """Those of its resources that are not served, since a higher layer has another."""


@dataclass(slots=True)
class Standing:
    """The last good revision with its files, the base of every proposal. One owner changes it."""

    snapshot: Snapshot
    files: dict[str, FileState] = field(repr=False)
    ignored: int = 0
    """Documents that no collection takes, in all files; kept by `accept`."""
    references: Index | None = field(default=None, repr=False)
    """What documents say of each other; None until it is loaded after a restart."""


def nothing() -> Standing:
    """Return the base of the first proposal ever."""
    return Standing(Snapshot.of(Revision("", "", 0), {}), {}, references=Index())


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A revision, judged: what would stand if it were accepted."""

    snapshot: Snapshot = field(repr=False)
    """Complete only if the proposal is `acceptable`; else what the faultless part comes to."""
    changed: Mapping[str, FileState | None] = field(repr=False)
    """Files that differ from the base; None where the file is gone."""
    findings: tuple[Finding, ...]
    """Errors and warnings of the whole revision, sorted by place."""
    full: bool
    """Whether everything was judged, as for a first revision, rather than what changed."""
    references: Draft | None = field(default=None, repr=False)
    """What becomes of the base's references; None where nobody looked."""

    @property
    def acceptable(self) -> bool:
        """Whether nothing is wrong with the revision."""
        return not any(finding.severity == "error" for finding in self.findings)


def propose(
    base: Standing,
    revision: Revision,
    changed: Mapping[str, FileState | None],
    findings: Iterable[Finding],
    *,
    full: bool = False,
    kinds: Callable[[str], str] = str,
    references: Draft | None = None,
    told_anew: AbstractSet[str] = frozenset(),
) -> Proposal:
    """
    Return what *revision* comes to.

    *changed* holds every file that differs from *base*, with the *findings* about those files.
    *kinds* says what a resource of a collection is called in findings. *references* is what becomes
    of the base's; of the files *told_anew*, what they say of others is among *findings* too.
    """
    removed: dict[str, set[str]] = defaultdict(set)
    for path in changed:
        before = base.files.get(path)
        for collection, resource in before.resources if before else ():
            removed[collection].add(resource.name)
    put: dict[str, dict[str, Resource]] = defaultdict(dict)
    clashes: list[Finding] = []
    for path in sorted(changed):
        after = changed[path]
        for collection, resource in after.resources if after else ():
            rival = put[collection].get(resource.name)
            if rival is None and resource.name not in removed[collection]:
                standing = base.snapshot.collections.get(collection)
                rival = standing.get(resource.name) if standing else None
            if rival is None:
                put[collection][resource.name] = resource
            else:
                clashes.append(_clash(kinds(collection), resource, rival))
    collections = dict(base.snapshot.collections)
    for name in removed.keys() | put.keys():
        before_it = collections.get(name) or empty_collection(name)
        gone = removed[name] - put[name].keys()
        collections[name] = before_it.changed(gone, put[name])
    kept = (
        finding
        for finding in base.snapshot.findings
        if finding.file not in changed and not (finding.file in told_anew and finding.code in CODES)
    )
    everything = tuple(sorted((*kept, *findings, *clashes)))
    warnings = tuple(finding for finding in everything if finding.severity == "warning")
    snapshot = Snapshot.of(revision, collections, warnings)
    return Proposal(snapshot, changed, everything, full, references)


def _clash(kind: str, resource: Resource, rival: Resource) -> Finding:
    first = rival.origin
    return Finding(
        file=resource.origin.path,
        line=resource.origin.line,
        column=1,
        severity="error",
        code="GS304",
        message=(
            f"{kind} {resource.name} is defined twice: also at {first.path}:{first.line}; "
            "keep one of them"
        ),
        resource=f"{kind}/{resource.name}",
    )


def accept(base: Standing, proposal: Proposal) -> None:
    """Make *proposal*, which has to be acceptable, what stands."""
    if not proposal.acceptable:
        raise AssertionError("a revision with errors was about to be accepted")
    if proposal.full:
        base.files.clear()
        base.ignored = 0
    for path, state in proposal.changed.items():
        before = base.files.pop(path, None)
        base.ignored -= before.ignored if before is not None else 0
        if state is not None:
            base.files[path] = state
            base.ignored += state.ignored
    if proposal.references is not None:
        base.references = proposal.references.accepted()
    base.snapshot = proposal.snapshot


def standing_of(proposal: Proposal) -> Standing:
    """Return a base that is *proposal*, which has to be acceptable: a dry-run's, say."""
    if not proposal.acceptable:
        raise AssertionError("a revision with errors was about to be a base")
    files = {path: state for path, state in proposal.changed.items() if state is not None}
    drafted = proposal.references
    return Standing(
        proposal.snapshot, files, references=drafted.accepted() if drafted is not None else None
    )


@dataclass(frozen=True, slots=True)
class CollectionDelta:
    """What turns one version of a collection into another."""

    name: str
    put: tuple[Resource, ...]
    removed: tuple[str, ...]


def delta(before: Collection, after: Collection) -> CollectionDelta:
    """Return what changed in content (not in create_time alone) from *before* to *after*."""
    had = dict(zip(before.names, before.resources, strict=True))
    put = []
    for name, resource in zip(after.names, after.resources, strict=True):
        old = had.pop(name, None)
        if old is not resource and (old is None or old.version != resource.version):
            put.append(resource)
    return CollectionDelta(after.name, tuple(put), tuple(had))
