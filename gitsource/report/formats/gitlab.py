"""
Plans and findings as GitLab's code quality report.

Rule: only what the head has is told: GitLab itself compares with the report of the target branch,
by fingerprints, which do not change when a finding moves to another line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report.formats import words
from gitsource.report.formats.document import dumped
from gitsource.report.formats.harmless import harmless, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, fingerprints, of_head, plain

_SEVERITIES = {"error": "critical", "warning": "minor"}


def plan(planned: Plan, _look: Look) -> str:
    """Return what *planned* found in the head, old findings included: GitLab needs them."""
    large = [f"{collection.name}: {told}" for collection, told in words.large(planned)]
    return _written(of_head(planned, Look(show_old=True)), large)


def findings(found: Sequence[Finding], _files: int, _look: Look) -> str:
    """Return *found*."""
    return _written(plain(found))


def _written(told: Sequence[Told], large: Sequence[str] = ()) -> str:
    issues = [
        _issue(each, fingerprint)
        for each, fingerprint in zip(told, fingerprints(told), strict=True)
        if not each.finding.suppressed
    ]
    return dumped([*issues, *map(_heavy, large)])


def _heavy(told: str) -> dict[str, Any]:
    """Return a warning on the size of a message; it is the same one while it is as near."""
    name = told.partition(":")[0]
    return {
        "type": "issue",
        "check_name": "message-size",
        "description": harmless(told),
        "categories": ["Performance"],
        "severity": "minor",
        "fingerprint": hashlib.sha256(f"size {name}".encode("utf-8", "surrogatepass")).hexdigest(),
        "location": {"path": ".", "lines": {"begin": 1}},
    }


def _issue(told: Told, fingerprint: str) -> dict[str, Any]:
    found = told.finding
    resource = f"{harmless(found.resource)}: " if found.resource else ""
    if told.elsewhere:
        resource = f"{place(found)}: {resource}"
    guarded = told.state == "guard" and found.severity == "error"
    return {
        "type": "issue",
        "check_name": found.code,
        "description": f"{found.code} {resource}{harmless(found.message)}",
        "categories": ["Bug Risk"],
        "severity": "blocker" if guarded else _SEVERITIES[found.severity],
        "fingerprint": fingerprint,
        # What is said of the revision as a whole needs a path too.
        "location": {
            "path": "." if told.elsewhere else harmless(found.file).lstrip("/") or ".",
            "lines": {"begin": 1 if told.elsewhere else max(1, found.line)},
        },
    }
