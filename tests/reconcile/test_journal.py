"""What the log says of findings: the place where one can go, and nothing where there is none."""

from __future__ import annotations

import logging

from gitsource.model import Finding, Revision
from gitsource.reconcile.journal import tell
from gitsource.reconcile.outcomes import Condition, Outcome

NOWHERE = Finding("", 0, 0, "error", "GS205", "the repository is empty")
THERE = Finding("a.yaml", 3, 1, "error", "GS102", "no mapping")


def test_a_finding_of_the_whole_repository_has_no_place(caplog):
    caplog.set_level(logging.ERROR)

    tell(Outcome("held", Revision("a" * 40, "f" * 40, 1), findings=(NOWHERE, THERE)), Condition())

    assert [record.getMessage() for record in caplog.records][1:] == [
        "error: GS205: the repository is empty",
        "a.yaml:3:1: error: GS102: no mapping",
    ]
