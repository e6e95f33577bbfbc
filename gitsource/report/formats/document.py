"""
Plans and findings as JSON: everything there is, for programs.

Rule: what a plan looks like is written down in plan.schema.json beside this package. Keys may come,
they never go or change their meaning while `SCHEMA_VERSION` stays. The text is ASCII, and nothing
in it is a command to whoever shows it in a log.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gitsource.model import Finding
from gitsource.plan.values import (
    Against,
    CollectionPlan,
    FieldChange,
    LayerPlan,
    NoEffect,
    Plan,
    ResourceChange,
    RightsChange,
    SettingChange,
    SinkKept,
    SinkReach,
)
from gitsource.report import machine
from gitsource.report.formats import words
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, fingerprints, of_base, of_head

SCHEMA_VERSION = 1
"""Raised when a key goes or means something else."""

_encoded = json.JSONEncoder(allow_nan=False).encode
_SURROGATE = re.compile("[\ud800-\udfff]")


def plan(planned: Plan, _look: Look) -> str:
    """Return what `gitsource dry-run --output json` prints, whatever else is shown."""
    return dumped(values(planned))


def findings(found: Sequence[Finding], _files: int, _look: Look) -> str:
    """Return what `gitsource validate --output json` prints."""
    return dumped(machine.findings(found))


def dumped(value: Any, depth: int = 4) -> str:
    """
    Return *value* as JSON that every reader takes and no log acts on, laid out down to *depth*.

    Half a surrogate pair (a byte of a file name that is no UTF-8) becomes its escape, as text, and
    a number that JSON does not have becomes its name. What stands deeper than *depth* is on one
    line: easy to compare, and ten times as fast as laying out everything.
    """
    try:
        told = _laid_out(value, depth, "\n")
        rare = "\\ud" in told
    except ValueError:  # a number that JSON does not have
        rare = True
    if rare:
        told = _laid_out(_sound(value), depth, "\n")
    # `##[error]` and its like are commands to some runners, wherever in a line they stand; outside
    # of a text JSON has no such sign.
    return told.replace("##", "#\\u0023") + "\n"


def _laid_out(value: Any, depth: int, end: str) -> str:
    if not depth or not value or not isinstance(value, dict | list):
        return _encoded(value)
    inner = f"{end}  "
    if isinstance(value, dict):
        lines = [f"{_encoded(k)}: {_laid_out(v, depth - 1, inner)}" for k, v in value.items()]
        return f"{{{inner}{f',{inner}'.join(lines)}{end}}}"
    lines = [_laid_out(each, depth - 1, inner) for each in value]
    return f"[{inner}{f',{inner}'.join(lines)}{end}]"


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {_sound(key): _sound(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("-" if value < 0 else "") + "Infinity"
    return value


# ------------------------------------------------------------------------------------------ values


def values(planned: Plan) -> dict[str, Any]:
    """Return *planned* as plan.schema.json has it."""
    head = of_head(planned, Look(show_old=True))
    return {
        "schema_version": SCHEMA_VERSION,
        "ends": planned.ends,
        "held": planned.held,
        "base": machine.revision(planned.base),
        "head": machine.revision(planned.head),
        "version_before": planned.version_before,
        "version_after": planned.version_after,
        "findings": _findings(each for each in head if not each.finding.suppressed),
        "suppressed": _findings(each for each in head if each.finding.suppressed),
        "fixed": _findings(of_base(planned)),
        "collections": {each.name: _collection(each) for each in planned.collections},
        "message_limit": planned.message_limit,
        "settings": [_setting(each) for each in planned.settings],
        "rights": [_right(each) for each in planned.rights],
        "against": _against(planned.against) if planned.against is not None else None,
        "notes": list(planned.notes),
        "large": [
            {"collection": collection.name, "told": told}
            for collection, told in words.large(planned)
        ],
        "layers": [_layer(each) for each in planned.layers],
        "composition_before": planned.composition_before,
        "composition_after": planned.composition_after,
        "no_effect": [_no_effect(each) for each in planned.no_effect],
    }


def _layer(layer: LayerPlan) -> dict[str, Any]:
    return {
        "name": layer.name,
        "how": layer.how,
        "before": layer.before,
        "after": layer.after,
        "source": layer.source,
    }


def _no_effect(told: NoEffect) -> dict[str, Any]:
    return {
        "collection": told.collection,
        "name": told.name,
        "what": told.what,
        "layer": told.layer,
        "file": told.file,
        "line": told.line,
        "by": told.by,
        "by_file": told.by_file,
        "by_line": told.by_line,
    }


def _findings(told: Iterable[Told]) -> list[dict[str, Any]]:
    known = sorted(told, key=lambda each: each.finding)
    return [
        {**machine.finding(each.finding), "state": each.state, "fingerprint": fingerprint}
        for each, fingerprint in zip(known, fingerprints(known), strict=True)
    ]


def _collection(planned: CollectionPlan) -> dict[str, Any]:
    return {
        "version_before": planned.version_before,
        "version_after": planned.version_after,
        "count_before": planned.count_before,
        "count_after": planned.count_after,
        "full_bytes": planned.full_bytes,
        "incremental_bytes": planned.incremental_bytes,
        "added": list(planned.added),
        "changed": list(planned.changed),
        "removed": list(planned.removed),
        "changes": [_change(each) for each in planned.changes],
    }


def _change(change: ResourceChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "what": change.what,
        "before": change.before,
        "version_before": change.version_before,
        "version_after": change.version_after,
        "file_before": change.file_before,
        "file": change.file,
        "line": change.line,
        "bytes_before": change.bytes_before,
        "bytes_after": change.bytes_after,
        "fields": [_field(each) for each in change.fields],
        "omitted": change.omitted,
        "layer_before": change.layer_before,
        "layer": change.layer,
    }


def _field(field: FieldChange) -> dict[str, Any]:
    return {
        "path": field.path,
        "how": field.how,
        "before": field.before,
        "after": field.after,
        "came_from": field.came_from,
        "redacted": field.redacted,
    }


def _setting(change: SettingChange) -> dict[str, Any]:
    return {
        "file": change.file,
        "what": change.what,
        "collections": list(change.collections),
        "broken": list(change.broken),
    }


def _right(change: RightsChange) -> dict[str, Any]:
    return {
        "subject": change.subject,
        "gained": list(change.gained),
        "lost": list(change.lost),
    }


def _against(told: Against) -> dict[str, Any]:
    return {
        "source": told.source,
        "revision": told.revision,
        "version": told.version,
        "pinned": told.pinned,
        "suspended": told.suspended,
        "drift": [
            {
                "collection": each.collection,
                "served": each.served,
                "expected": each.expected,
                "resources": list(each.resources),
                "more": each.more,
            }
            for each in told.drift
        ],
        "sinks": [_sink(each) for each in told.sinks],
        "unreached": told.unreached,
        "kept": [_kept(each) for each in told.kept],
        "knows_sinks": told.knows_sinks,
        "notes": list(told.notes),
    }


def _kept(sink: SinkKept) -> dict[str, Any]:
    return {
        "sink": sink.sink,
        "why": sink.why,
        "peer": sink.peer,
        "protocol": sink.protocol,
        "views": list(sink.views),
        "collections": [
            {"collection": name, "accepted": accepted} for name, accepted in sink.collections
        ],
    }


def _sink(reach: SinkReach) -> dict[str, Any]:
    return {
        "sink": reach.sink,
        "peer": reach.peer,
        "protocol": reach.protocol,
        "views": list(reach.views),
        "collections": [
            {"collection": name, "accepted": accepted, "after": after}
            for name, accepted, after in reach.collections
        ],
        "refuses": list(reach.refuses),
    }
