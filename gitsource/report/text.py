"""
Findings and plans for people, at most 80 columns where the content lets us.

Rule: text that comes from the repository is neutralised before it is printed: a control character
in a file name or a message must not drive the reader's terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitsource.model import Finding
from gitsource.observe.neutral import neutral
from gitsource.plan.values import CollectionPlan, Plan

_SHOWN = 50
"""Names listed for each collection before the rest is only counted."""

_PAINT = {"error": "31", "warning": "33", "added": "32", "changed": "33", "removed": "31"}


def findings(found: Sequence[Finding], *, colour: bool = False) -> str:
    """
    Return one line for each finding (`file:line:column: severity CODE resource: message`).

    The suppressed ones come last.
    """
    told = sorted(found, key=lambda finding: finding.suppressed)
    return "".join(f"{_line(finding, colour=colour)}\n" for finding in told)


def summary(found: Sequence[Finding], files: int) -> str:
    """Return the closing line of a validation."""
    errors = sum(finding.severity == "error" for finding in found)
    suppressed = sum(finding.suppressed for finding in found)
    warnings = len(found) - errors - suppressed
    told = f"{files} files: {_count(errors, 'error')}, {_count(warnings, 'warning')}"
    return f"{told}, {suppressed} suppressed\n" if suppressed else f"{told}\n"


def plan(planned: Plan, *, colour: bool = False) -> str:
    """Return what a revision would push."""
    base, head = planned.base, planned.head
    lines = [f"base  {base.short or '(nothing)'}  {neutral(base.subject)[:58]}".rstrip()]
    lines.append(f"head  {head.short}  {neutral(head.subject)[:58]}".rstrip())
    lines.append("")
    if planned.findings:
        lines += [_line(finding, colour=colour) for finding in planned.findings]
        lines.append("")
    if planned.held:
        lines.append("This revision would be held: sinks keep what they have.")
        if planned.collections:
            lines.append("Its files without errors would push:")
    elif not planned.collections:
        lines.append("No collection changes: nothing would be pushed.")
    for collection in planned.collections:
        lines += _collection(collection, colour=colour)
    return "\n".join(lines).rstrip("\n") + "\n"


def _collection(collection: CollectionPlan, *, colour: bool) -> Iterable[str]:
    yield (
        f"{collection.name}  "
        f"{collection.version_before[:12]} -> {collection.version_after[:12]}  "
        f"({collection.count_before} -> {collection.count_after})"
    )
    kinds = (
        ("added", "+", collection.added),
        ("changed", "~", collection.changed),
        ("removed", "-", collection.removed),
    )
    for what, sign, names in kinds:
        for name in names[:_SHOWN]:
            yield _painted(f"  {sign} {neutral(name)}", what, colour=colour)
        if len(names) > _SHOWN:
            yield f"  {sign} ... and {len(names) - _SHOWN} more {what}"


def _line(finding: Finding, *, colour: bool) -> str:
    place = neutral(finding.file)
    if finding.line:
        place += f":{finding.line}:{finding.column}"
    word = "suppressed" if finding.suppressed else finding.severity
    severity = _painted(word, finding.severity, colour=colour)
    resource = f" {neutral(finding.resource)}" if finding.resource else ""
    return f"{place}: {severity} {finding.code}{resource}: {neutral(finding.message)}"


def _painted(text: str, what: str, *, colour: bool) -> str:
    return f"\x1b[{_PAINT[what]}m{text}\x1b[0m" if colour else text


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
