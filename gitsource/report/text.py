"""
Findings for people, a line each.

Rule: text that comes from the repository is made harmless before it is printed: a control character
in a file name or a message must not drive the reader's terminal, or the log of a CI.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitsource.model import Finding
from gitsource.report.formats.harmless import harmless, place

_PAINT = {"error": "31", "warning": "33"}


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


def what(found: Finding) -> str:
    """Return what there is to say of *found* behind its severity."""
    resource = f" {harmless(found.resource)}" if found.resource else ""
    return f"{found.code}{resource}: {harmless(found.message)}"


def _line(found: Finding, *, colour: bool) -> str:
    word = "suppressed" if found.suppressed else found.severity
    severity = _painted(word, found.severity, colour=colour)
    return f"{place(found)}: {severity} {what(found)}"


def _painted(text: str, what: str, *, colour: bool) -> str:
    return f"\x1b[{_PAINT[what]}m{text}\x1b[0m" if colour else text


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
