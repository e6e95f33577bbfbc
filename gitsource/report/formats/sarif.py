"""
Plans and findings as SARIF 2.1.0, for code scanning.

Rule: what the base has already is said to be unchanged, what the head does away with to be absent,
and a result is known again by its fingerprint, wherever in its file it stands. A message never
becomes a link or a placeholder in somebody's viewer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gitsource.codes.table import CODES
from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report.formats import words
from gitsource.report.formats.document import dumped
from gitsource.report.formats.harmless import harmless
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, fingerprints, of_base, of_head, plain

MOST_RESULTS = 5_000
"""GitHub shows no more of a run; the heaviest come first, the rest is counted."""

_STATES = {"new": "new", "guard": "new", "old": "unchanged", "fixed": "absent"}
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def plan(planned: Plan, look: Look) -> str:
    """Return what *planned* found as one run."""
    told = [*of_head(planned, look), *of_base(planned)]
    run = _run(told, compared=True)
    run["properties"] = {
        "base": planned.base.commit,
        "head": planned.head.commit,
        "ends": planned.ends,
        "push": words.headline(planned),
    }
    return _log(run)


def findings(found: Sequence[Finding], _files: int, _look: Look) -> str:
    """Return *found* as one run."""
    return _log(_run(plain(found), compared=False))


def _log(run: dict[str, Any]) -> str:
    return dumped({"version": "2.1.0", "runs": [run]})


def _run(told: Sequence[Told], *, compared: bool) -> dict[str, Any]:
    from importlib.metadata import version

    # By itself a guard has no file, and what has none is shown last: it must not fall off the end.
    heaviest = sorted(told, key=lambda each: (each.state == "fixed", *each.weight[:2]))
    shown = heaviest[:MOST_RESULTS]
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
            _result(each, places, fingerprint, compared=compared)
            for each, fingerprint in zip(shown, fingerprints(shown), strict=True)
        ],
    }
    left = len(told) - len(shown)
    if left:
        note = {"level": "warning", "message": {"text": f"{left} further findings are left out"}}
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": [note]}]
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
    told: Told, places: dict[str, int], fingerprint: str, *, compared: bool
) -> dict[str, Any]:
    found = told.finding
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": places[found.code],
        "level": found.severity,
        "message": {"text": _text(found.message)},
        "partialFingerprints": {"gitsourceFinding/v1": fingerprint},
        "properties": {"resource": harmless(found.resource), "guard": told.state == "guard"},
    }
    if found.file:
        result["locations"] = [{"physicalLocation": _location(found, of_a_revision=compared)}]
    if compared:
        result["baselineState"] = _STATES[told.state]
    if found.suppressed:
        result["suppressions"] = [{"kind": "inSource"}]
    return result


def _location(found: Finding, *, of_a_revision: bool) -> dict[str, Any]:
    uri = quote(_bytes(found.file), safe="/")
    where: dict[str, Any]
    if uri.startswith("/") and not of_a_revision:
        where = {"artifactLocation": {"uri": f"file:///{uri.lstrip('/')}"}}
    else:
        # A path that began with two slashes would name a host.
        where = {"artifactLocation": {"uri": uri.lstrip("/"), "uriBaseId": "%SRCROOT%"}}
    if found.line:
        where["region"] = {"startLine": found.line}
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
