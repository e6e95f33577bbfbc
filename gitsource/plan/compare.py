"""
From two snapshots, and what was found on the way, to a plan.

Rule: computed from values alone: the same two snapshots give the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from gitsource.model import Collection, Finding, Resource, Snapshot
from gitsource.plan.values import CollectionPlan, Plan, ResourceChange
from gitsource.rollout.decide import DENIED, GUARDED
from gitsource.snapshot.build import Proposal, delta


def plan(base: Snapshot, head: Proposal) -> Plan:
    """Return what publishing *head* over *base* would do; everything found in it counts as new."""
    after = head.snapshot
    return Plan(
        base=base.revision,
        head=after.revision,
        version_before=base.version,
        version_after=after.version,
        collections=tuple(compare(base, after, spared=_at_fault(head))),
        new=tuple(each for each in head.findings if not of_a_guard(each)),
        guards=tuple(each for each in head.findings if of_a_guard(each)),
    )


def of_a_guard(finding: Finding) -> bool:
    """Whether *finding* is what a guard says of a sound revision."""
    return finding.code in GUARDED or finding.code == DENIED


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
        put = [_put(before.get(each.name), each) for each in change.put]
        gone = [_gone(before, each) for each in change.removed]
        gone = [each for each in gone if each.file not in spared]
        if not (put or gone):
            continue
        yield CollectionPlan(
            name=name,
            version_before=before.version,
            version_after=after.version,
            count_before=len(before),
            count_after=len(after),
            changes=tuple(sorted((*put, *gone), key=lambda each: each.name)),
        )


def _put(before: Resource | None, after: Resource) -> ResourceChange:
    return ResourceChange(
        name=after.name,
        what="added" if before is None else "changed",
        version_before=before.version if before is not None else "",
        version_after=after.version,
        file_before=before.origin.path if before is not None else "",
        file=after.origin.path,
        line=after.origin.line,
        bytes_before=len(before.wire) if before is not None else 0,
        bytes_after=len(after.wire),
    )


def _gone(before: Collection, name: str) -> ResourceChange:
    lost = before.get(name)
    if lost is None:
        raise AssertionError("what is removed was there")
    return ResourceChange(
        name=name,
        what="removed",
        version_before=lost.version,
        file_before=lost.origin.path,
        file=lost.origin.path,
        line=lost.origin.line,
        bytes_before=len(lost.wire),
    )
