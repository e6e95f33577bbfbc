"""
What the log says of each look at the repository.

Rule: news are told once. A look that comes to the same as the one before is a debug line; a failure
names whose fault it is and the next step, a hold names every finding up to a bound.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gitsource.model import Finding
from gitsource.reconcile.outcomes import Condition, Outcome

log = logging.getLogger("gitsource.reconcile")

MOST_FINDINGS = 20
"""Findings of a held revision that are logged; `gitsource status` has them all."""


def tell(outcome: Outcome, before: Condition) -> None:
    """Log *outcome*; *before* is how things stood until then."""
    last = before.last
    again = last is not None and (
        (outcome.result, outcome.revision, outcome.error)
        == (last.result, last.revision, last.error)
    )
    _tell_layers(outcome, before)
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
    elif outcome.result == "held" and not outcome.held:
        _tell_held(revision, outcome.error, outcome.findings, fields)
    elif outcome.result == "published":
        log.info("published %s in %.3f s", revision, outcome.seconds, extra=fields)


def _tell_layers(outcome: Outcome, before: Condition) -> None:
    """Log which layers' heads are held now, and which can be looked at again, or no more."""
    known = dict(before.layers_held)
    for name, held in outcome.held:
        was = known.get(name)
        if was is None or (was.revision, was.reason) != (held.revision, held.reason):
            fields: dict[str, object] = {"revision": held.revision.short, "layer": name}
            _tell_held(f"{name}:{held.revision.short}", held.reason, held.findings, fields)
    errors = {layer.name: layer.error for layer in before.layers}
    for layer in outcome.layers:
        if layer.error and layer.error != errors.get(layer.name, "") and outcome.result != "failed":
            hint, fields = layer.hint or "-", {"layer": layer.name}
            log.error("layer %s: %s (next: %s)", layer.name, layer.error, hint, extra=fields)


def _tell_held(
    what: str, why: str, findings: tuple[Finding, ...], fields: Mapping[str, object]
) -> None:
    log.error("held %s: %s", what, why, extra=fields)
    for finding in findings[:MOST_FINDINGS]:
        about = f" {finding.resource}" if finding.resource else ""
        log.log(
            logging.ERROR if finding.severity == "error" else logging.WARNING,
            "%s%s: %s%s: %s",
            # Of the whole repository there is no place to tell.
            f"{finding.file}:{finding.line}:{finding.column}: " if finding.file else "",
            finding.severity,
            finding.code,
            about,
            finding.message,
            extra=fields,
        )
