"""Why a commit went out or not: one verdict from what is known of it."""

from __future__ import annotations

import pytest

from gitsource.reconcile.chronicle import Row
from gitsource.reconcile.fate import VERDICTS, Facts, fate

COMMIT, LATER = "a" * 40, "b" * 40
OUT = Row(1.0, "published", COMMIT, version="V", changed=("c",))
EMPTY = Row(1.0, "published", COMMIT, version="V")
HELD = Row(1.0, "held", COMMIT, held_by="validation", reason="a.yaml:1:1: GS102: no")
GUARDED = Row(1.0, "held", COMMIT, held_by="guard", reason="much is removed")
LET_THROUGH = Row(
    2.0, "published", COMMIT, changed=("c",), allowed_by="ann", allowed_because="meant"
)
LATER_OUT = Row(2.0, "published", LATER, version="W", changed=("c",))
LATER_HELD = Row(2.0, "held", LATER, held_by="signature", reason="not signed")
ON = {"seen": True, "on_ref": True, "configuration": ("a.yaml",)}

CASES = {
    "published": (Facts(COMMIT, **ON, rows=(OUT,)), "published", True, "changed c"),
    "held before it was published": (
        Facts(COMMIT, **ON, rows=(GUARDED, OUT)), "published", True, "changed c",
    ),
    "let through": (
        Facts(COMMIT, **ON, rows=(GUARDED, LET_THROUGH)), "published", True,
        "held by the guard until ann let it through (meant): much is removed; then it went out",
    ),
    "held at first, and not let through by anybody": (
        Facts(COMMIT, **ON, rows=(GUARDED, OUT)), "published", True, "by the guard at first: much",
    ),
    "published and pinned away": (
        Facts(COMMIT, **ON, rows=(OUT,), pinned=LATER), "published", True, "is pinned",
    ),
    "same content": (Facts(COMMIT, **ON, rows=(EMPTY,)), "no-effect", True, "the same content"),
    "no configuration": (
        Facts(COMMIT, seen=True, on_ref=True, rows=(EMPTY,), others=2),
        "no-effect", True, "nothing that is configuration: 2 other files",
    ),
    "another folder": (
        Facts(COMMIT, seen=True, on_ref=True, rows=(EMPTY,), ignored=("x/a",), because="not in it"),
        "no-effect", True, "no path that is followed: x/a (not in it)",
    ),
    "an empty commit": (
        Facts(COMMIT, seen=True, on_ref=True, rows=(EMPTY,)), "no-effect", True, "no file at all",
    ),
    "held now": (
        Facts(COMMIT, **ON, rows=(HELD,), held_now=True), "held", False, "by validation: a.yaml",
    ),
    "held by the guard": (
        Facts(COMMIT, **ON, rows=(GUARDED,), held_now=True), "held", False, "by the guard: much",
    ),
    "held, then mended": (
        Facts(COMMIT, **ON, rows=(HELD,), carrier=LATER_OUT),
        "superseded", True, "held by validation, then superseded by bbbbbbbbbbbb",
    ),
    "not looked at alone": (
        Facts(COMMIT, **ON, carrier=LATER_OUT), "superseded", True, "superseded by bbbbbbbbbbbb",
    ),
    "a later head is held": (
        Facts(COMMIT, **ON, carrier=LATER_HELD),
        "superseded", False, "is held by the signature policy: not signed",
    ),
    "nothing in it, and not looked at alone": (
        Facts(COMMIT, seen=True, on_ref=True, others=1, carrier=LATER_OUT),
        "no-effect", True, "one other file",
    ),
    "held and moved away from": (
        Facts(COMMIT, seen=True, rows=(HELD,)), "not-on-ref", False, "then moved away",
    ),
    "rewritten": (Facts(COMMIT, seen=True, ref="main"), "not-on-ref", False, "not part of main"),
    "not yet": (Facts(COMMIT, **ON), "waiting", False, "not looked at yet"),
    "suspended": (Facts(COMMIT, **ON, suspended="freeze"), "waiting", False, "(freeze)"),
    "the host is down": (Facts(COMMIT, **ON, failure="away"), "waiting", False, "failed: away"),
    "never seen": (Facts("c0ffee", ref="main"), "unknown", False, "not on main, or not pushed"),
    "never seen, host down": (Facts("c0ffee", failure="away"), "unknown", False, "failed: away"),
    "never seen, suspended": (Facts("c0ffee", suspended="x"), "unknown", False, "suspended (x)"),
    "older than memory": (Facts(COMMIT, **ON, before_memory=True), "forgotten", True, "before"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_commit_has_the_fate_that_fits_what_is_known(case):
    facts, verdict, went_out, words = CASES[case]

    told = fate(facts)

    assert (verdict, went_out) == (told.verdict, told.went_out)
    assert words in told.reason


def test_every_verdict_is_reached():
    assert set(VERDICTS) == {fate(facts).verdict for facts, *_ in CASES.values()}


def test_what_did_not_go_out_names_a_next_step():
    told = [fate(facts) for facts, *_ in CASES.values()]

    assert all(each.hint for each in told if not each.went_out)
