"""Findings and plans as text and as JSON."""

from __future__ import annotations

import json

from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.plan.compare import plan
from gitsource.report import text
from gitsource.report.formats import document
from gitsource.report.formats import text as plan_text
from gitsource.report.formats.look import Look
from gitsource.snapshot.build import Proposal

ERROR = Finding("a.yaml", 3, 5, "error", "GS301", "no", "VirtualService/x/y")
WARNING = Finding("b.yaml", 0, 0, "warning", "GS202", "hm")


def snapshot(number: int, **contents: str) -> Snapshot:
    revision = Revision(f"{number}" * 40, "t" * 40, 1, "Ann", f"subject {number}")
    resources = [Resource(n, v, b"", Origin(f"{n}.yaml", 1)) for n, v in contents.items()]
    return Snapshot.of(revision, {"c": Collection.of("c", resources)})


def shown(planned) -> str:
    return plan_text.plan(planned, Look())


def planned(*findings: Finding, **after: str):
    head = Proposal(snapshot(2, **after), {}, findings, full=False)
    return plan(snapshot(1, kept="1", changed="1", removed="1"), head)


def test_a_plan_lists_what_is_added_changed_and_removed() -> None:
    told = shown(planned(kept="1", changed="2", added="3"))

    assert "c  " in told
    assert "(3 -> 3)" in told
    listed = ("+ added  added.yaml:1", "~ changed  changed.yaml:1", "- removed  removed.yaml:1")
    assert "".join(f"  {each}\n" for each in listed) in told
    assert "kept" not in told


def test_a_plan_with_an_error_says_that_nothing_goes_out() -> None:
    told = shown(planned(ERROR, kept="1", changed="1", removed="1"))

    assert "a.yaml:3:5: error GS301 VirtualService/x/y: no" in told
    assert "would be held" in told


def test_a_plan_without_effect_says_so() -> None:
    assert "nothing would be pushed" in shown(planned(kept="1", changed="1", removed="1"))


def test_the_json_of_a_plan_has_versions_before_and_after() -> None:
    told = json.loads(document.plan(planned(WARNING, kept="1"), Look()))

    assert not told["held"]
    assert ["changed", "removed"] == told["collections"]["c"]["removed"]
    assert told["version_before"] != told["version_after"]
    assert {"commit", "committed_at", "author", "subject"} == set(told["head"])


def test_colour_is_only_put_in_when_asked_for() -> None:
    assert "\x1b" not in text.findings([ERROR])
    assert "\x1b[31m" in text.findings([ERROR], colour=True)


def test_text_from_the_repository_cannot_drive_the_terminal() -> None:
    evil = Finding("a\x1b[2J.yaml", 1, 1, "error", "GS301", "x\r\ny\x07", "K/\x1b[0m")

    told = text.findings([evil])

    assert not set("\x1b\r\x07") & set(told)
    assert 1 == told.count("\n")


def test_many_names_are_cut_and_counted() -> None:
    told = shown(planned(**{f"r{n}": "2" for n in range(200)}))

    assert "and 150 more added" in told
