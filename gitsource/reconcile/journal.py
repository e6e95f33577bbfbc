"""
What the log says of each look at the repository.

Rule: news are told once. A look that comes to the same as the one before is a debug line; a failure
names whose fault it is and the next step, a hold names every finding up to a bound.
"""

from __future__ import annotations

import logging

from gitsource.reconcile.outcomes import Outcome

log = logging.getLogger("gitsource.reconcile")

MOST_FINDINGS = 20
"""Findings of a held revision that are logged; `gitsource status` has them all."""


def tell(outcome: Outcome, *, again: bool) -> None:
    """Log *outcome*; *again* says that the look before came to the same."""
    revision = outcome.revision.short if outcome.revision else "-"
    fields = {
        "outcome": outcome.result,
        "revision": revision,
        "seconds": round(outcome.seconds, 4),
        "triggers": ",".join(outcome.triggers),
    }
    if again:
        log.debug("%s %s", outcome.result, revision, extra=fields)
    elif outcome.result == "failed":
        fields["fault"] = outcome.fault
        log.error("sync failed: %s (next: %s)", outcome.error, outcome.hint or "-", extra=fields)
    elif outcome.result == "held":
        log.error("held %s: %s", revision, outcome.error, extra=fields)
        for finding in outcome.findings[:MOST_FINDINGS]:
            about = f" {finding.resource}" if finding.resource else ""
            log.log(
                logging.ERROR if finding.severity == "error" else logging.WARNING,
                "%s:%d:%d: %s: %s%s: %s",
                finding.file,
                finding.line,
                finding.column,
                finding.severity,
                finding.code,
                about,
                finding.message,
                extra=fields,
            )
    elif outcome.result == "published":
        log.info("published %s in %.3f s", revision, outcome.seconds, extra=fields)
