"""
What a revision would push, as a value.

Rule: computed from two snapshots alone; the formats in `gitsource.report` only write it down.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from gitsource.model import Finding, Revision, Snapshot
from gitsource.snapshot.build import Proposal, delta


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """What sinks of one collection would see."""

    name: str
    version_before: str
    version_after: str
    count_before: int
    count_after: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing *head* over *base* would do."""

    base: Revision
    head: Revision
    version_before: str
    version_after: str
    findings: tuple[Finding, ...]
    """Everything wrong with *head*; any error means that nothing is pushed."""
    collections: tuple[CollectionPlan, ...]
    """Only those that would be pushed."""

    @property
    def held(self) -> bool:
        """Whether an error keeps the revision back."""
        return any(finding.severity == "error" for finding in self.findings)


def plan(base: Snapshot, head: Proposal) -> Plan:
    """Return what publishing *head* over *base* would do."""
    after = head.snapshot
    return Plan(
        base=base.revision,
        head=after.revision,
        version_before=base.version,
        version_after=after.version,
        findings=head.findings,
        collections=tuple(compare(base, after, spared=_at_fault(head))),
    )


def _at_fault(head: Proposal) -> frozenset[str]:
    """Return the files with errors: what they define is not removed, it is only not readable."""
    return frozenset(each.file for each in head.findings if each.severity == "error")


def compare(
    base: Snapshot, head: Snapshot, *, spared: Container[str] = ()
) -> Iterator[CollectionPlan]:
    """
    Yield what differs between two snapshots, collection by collection, sorted by name.

    What came from a file of *spared* does not count as removed.
    """
    for name in sorted(base.collections.keys() | head.collections.keys()):
        before, after = base.collection(name), head.collection(name)
        if before.version == after.version:
            continue
        change = delta(before, after)
        removed = tuple(
            name
            for name in change.removed
            if (gone := before.get(name)) is None or gone.origin.path not in spared
        )
        if not (change.put or removed):
            continue
        had = set(before.names)
        yield CollectionPlan(
            name=name,
            version_before=before.version,
            version_after=after.version,
            count_before=len(before),
            count_after=len(after),
            added=tuple(r.name for r in change.put if r.name not in had),
            changed=tuple(r.name for r in change.put if r.name in had),
            removed=removed,
        )
