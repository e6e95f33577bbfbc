"""Plans and findings as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report import machine
from gitsource.report.formats.look import Look


def plan(planned: Plan, _look: Look) -> str:
    """Return what `gitsource dry-run --output json` prints."""
    return json.dumps(machine.plan(planned), indent=2) + "\n"


def findings(found: Sequence[Finding], _files: int, _look: Look) -> str:
    """Return what `gitsource validate --output json` prints."""
    return json.dumps(machine.findings(found), indent=2) + "\n"
