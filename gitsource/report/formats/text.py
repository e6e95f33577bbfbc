"""Plans and findings for people."""

from __future__ import annotations

from collections.abc import Sequence

from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report import text
from gitsource.report.formats.look import Look


def plan(planned: Plan, look: Look) -> str:
    """Return what a revision would push."""
    return text.plan(planned, colour=look.colour)


def findings(found: Sequence[Finding], files: int, look: Look) -> str:
    """Return what was found in *files* files."""
    return text.findings(found, colour=look.colour) + text.summary(found, files)
