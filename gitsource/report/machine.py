"""
Findings, plans and snapshots as JSON values.

Rule: the keys written here are an interface: they may grow, they never change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gitsource.model import Finding, Revision, Snapshot
from gitsource.plan.values import CollectionPlan, Plan


def finding(found: Finding) -> dict[str, Any]:
    """Return a finding: file, line, column (1-based), severity, code, message, resource."""
    told = asdict(found)
    del told["suppressed"]
    return told


def findings(found: Iterable[Finding]) -> dict[str, Any]:
    """
    Return what `gitsource validate --output json` prints.

    ``findings``, and apart from them the warnings that are ``suppressed``, if there are any.
    """
    told: dict[str, list[Any]] = {"findings": []}
    for each in found:
        key = "suppressed" if each.suppressed else "findings"
        told.setdefault(key, []).append(finding(each))
    return told


def revision(told: Revision) -> dict[str, Any]:
    """Return a revision."""
    return {
        "commit": told.commit,
        "committed_at": told.committed_at,
        "author": told.author,
        "subject": told.subject,
    }


def plan(planned: Plan) -> dict[str, Any]:
    """Return what `gitsource dry-run --output json` prints."""
    return {
        "base": revision(planned.base),
        "head": revision(planned.head),
        "held": planned.held,
        "version_before": planned.version_before,
        "version_after": planned.version_after,
        **findings(planned.findings),
        "collections": {each.name: collection(each) for each in planned.collections},
    }


def collection(planned: CollectionPlan) -> dict[str, Any]:
    """Return what would change in one collection."""
    return {
        "version_before": planned.version_before,
        "version_after": planned.version_after,
        "count_before": planned.count_before,
        "count_after": planned.count_after,
        "added": list(planned.added),
        "changed": list(planned.changed),
        "removed": list(planned.removed),
    }


def snapshot(told: Snapshot) -> dict[str, Any]:
    """Return a snapshot without bodies: versions, names and where each resource comes from."""
    return {
        "revision": revision(told.revision),
        "version": told.version,
        **findings(told.findings),
        "collections": {
            name: {
                "version": content.version,
                "count": len(content),
                "resources": {
                    each.name: {
                        "version": each.version,
                        "file": each.origin.path,
                        "line": each.origin.line,
                    }
                    for each in content
                },
            }
            for name, content in told.collections.items()
        },
    }
