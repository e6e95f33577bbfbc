"""
Findings, revisions and snapshots as JSON values.

Rule: the keys written here are an interface: they may grow, they never change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gitsource.model import Finding, Revision, Snapshot


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
