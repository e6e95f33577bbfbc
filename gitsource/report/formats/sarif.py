"""
Plans and findings as SARIF 2.1.0, for code scanning.

Rule: everything that the head has is told, old findings too (``unchanged``), and nothing else:
GitHub compares runs by itself and shows as open whatever it is sent, also what is said to be absent
or suppressed. It refuses a whole file if one result has no place, so each has one. A message never
becomes a link or a placeholder in somebody's viewer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from gitsource.codes.table import CODES
from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report.formats import words
from gitsource.report.formats.document import dumped
from gitsource.report.formats.harmless import harmless, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, fingerprints, of_head, plain

MOST_RESULTS = 5_000
"""GitHub shows no more of a run; the heaviest come first, the rest is counted."""

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
"""The standard's own name for its schema; GitHub asks for it."""

_STATES = {"new": "new", "guard": "new", "old": "unchanged"}
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def plan(planned: Plan, _look: Look) -> str:
    """Return what *planned* found in the head as one run."""
    large = [f"{collection.name}: {told}" for collection, told in words.large(planned)]
    told = of_head(planned, Look(show_old=True))
    run = _run(told, compared=True, anchor=_anchor(planned), notes=large)
    run["properties"] = {
        "base": planned.base.commit,
        "head": planned.head.commit,
        "ends": planned.ends,
        "push": words.headline(planned),
    }
    return _log(run)


def findings(found: Sequence[Finding], _files: int, _look: Look) -> str:
    """Return *found* as one run."""
    return _log(_run(plain(found), compared=False, anchor="."))


def _anchor(planned: Plan) -> str:
    """Return a file that stands for the whole revision: one that the head touches, if it can be."""
    changes = [each for collection in planned.collections for each in collection.changes]
    touched = [each.file for each in changes if each.what != "removed" and each.file]
    named = [*touched, *(each.file for each in planned.findings if each.file)]
    return next((file for file in named if not planned.elsewhere(file)), ".")


def _log(run: dict[str, Any]) -> str:
    return dumped({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _run(
    told: Sequence[Told], *, compared: bool, anchor: str, notes: Sequence[str] = ()
) -> dict[str, Any]:
    from importlib.metadata import version

    loud = [each for each in told if not each.finding.suppressed]
    shown = sorted(loud, key=lambda each: each.finding.severity != "error")[:MOST_RESULTS]
    codes = sorted({each.finding.code for each in shown})
    places = {code: number for number, code in enumerate(codes)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "gitsource",
                "version": version("gitsource"),
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(each, places, fingerprint, compared=compared, anchor=anchor)
            for each, fingerprint in zip(shown, fingerprints(shown), strict=True)
        ],
    }
    left = len(loud) - len(shown)
    if left:
        notes = [f"{left} further findings are left out", *notes]
    if notes:
        warnings = [{"level": "warning", "message": {"text": _text(each)}} for each in notes]
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": warnings}]
    return run


def _rule(code: str) -> dict[str, Any]:
    row = CODES.get(code)
    if row is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": _text(row.title)},
        "help": {"text": _text(f"{row.title}. What to do: {row.advice}.")},
        "defaultConfiguration": {"level": row.severity},
    }


def _result(
    told: Told, places: dict[str, int], fingerprint: str, *, compared: bool, anchor: str
) -> dict[str, Any]:
    found, far = told.finding, told.elsewhere
    # A file of another repository is no place here.
    here = replace(found, file="", line=0, column=0) if far else found
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": places[found.code],
        "level": found.severity,
        "message": {"text": _text(f"{place(found)}: {found.message}" if far else found.message)},
        "partialFingerprints": {"gitsourceFinding/v1": fingerprint},
        "locations": [{"physicalLocation": _location(here, anchor, of_a_revision=compared)}],
        "properties": {"resource": harmless(found.resource), "guard": told.state == "guard"},
    }
    if compared:
        result["baselineState"] = _STATES[told.state]
    return result


def _location(found: Finding, anchor: str, *, of_a_revision: bool) -> dict[str, Any]:
    uri = quote(_bytes(found.file or anchor), safe="/")
    where: dict[str, Any]
    if uri.startswith("/") and not of_a_revision:
        where = {"artifactLocation": {"uri": f"file:///{uri.lstrip('/')}"}}
    else:
        # A path that began with two slashes would name a host.
        where = {"artifactLocation": {"uri": uri.lstrip("/") or ".", "uriBaseId": "%SRCROOT%"}}
    where["region"] = {"startLine": max(1, found.line)}
    if found.column:
        where["region"]["startColumn"] = found.column
    return where


def _bytes(path: str) -> bytes:
    """Return *path* as Git has it, a byte that is no UTF-8 included."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair that stands for no byte
        return path.encode("utf-8", "replace")


def _text(text: str) -> str:
    """Return *text* so that no viewer makes a link of it or fills something in."""
    told = harmless(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return _PLACEHOLDER.sub(r"{{\1}}", told)
