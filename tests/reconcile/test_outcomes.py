"""How things stand after a look, where several layers are followed."""

from __future__ import annotations

from gitsource.git.refs import Chosen
from gitsource.model import Finding, Revision, Snapshot
from gitsource.reconcile.outcomes import Condition, Held, LayerState, Outcome, after

NOWHERE = Chosen("", "")
BAD = Finding("team:a.yaml", 1, 1, "error", "GS301", "no")
ODD = Finding("low:a.yaml", 1, 1, "warning", "GS306", "hm")
LOW, TEAM = Revision("1" * 40, "2" * 40, 1), Revision("3" * 40, "4" * 40, 2)
WHOLE = Revision("5" * 64, "", 2)
STANDS = Snapshot.of(WHOLE, {}, (ODD,))


def layer(name: str, head: Revision, *, held: bool = False, error: str = "") -> LayerState:
    why = Held(head, "does not validate", 7.0, (BAD,)) if held else None
    return LayerState(name, "9" * 40, head, NOWHERE, why, error)


def look(result: str, *layers: LayerState, partly: bool = False) -> Outcome:
    revision = {"published": WHOLE, "unchanged": WHOLE, "held": TEAM}.get(result)
    findings = {"published": (ODD,), "unchanged": (ODD,), "held": (BAD,)}.get(result, ())
    return Outcome(
        result, revision, findings=findings, layers=layers, head=Revision("6" * 64, "", 0),
        partly=partly,
    )  # fmt: skip


def stands(before: Condition, outcome: Outcome) -> Condition:
    snapshot = STANDS if outcome.result == "published" else None
    return after(before, outcome, snapshot, chosen=NOWHERE, now=10.0)


def test_a_layer_that_is_held_while_others_go_out_is_told_with_its_findings() -> None:
    found = stands(
        Condition(), look("published", layer("low", LOW), layer("team", TEAM, held=True))
    )

    assert ("layer team does not validate", TEAM) == (found.held.reason, found.held.revision)
    assert ((ODD, BAD), 1, 1) == (found.findings, found.held_count, found.published)
    assert found.held_as(TEAM.commit) is not None
    assert found.held_as(LOW.commit) is None


def test_a_head_that_stays_held_is_counted_once() -> None:
    outcome = look("held", layer("low", LOW), layer("team", TEAM, held=True))

    found = stands(stands(Condition(serving=STANDS), outcome), outcome)

    assert (1, (ODD, BAD)) == (found.held_count, found.findings)


def test_a_hold_ends_with_the_look_that_finds_none() -> None:
    held = stands(Condition(), look("held", layer("team", TEAM, held=True)))

    found = stands(held, look("unchanged", layer("team", TEAM)))

    assert found.held is None


def test_one_layer_out_of_reach_makes_it_stale_and_the_look_counts_for_the_others() -> None:
    error = "could not be reached"
    found = stands(
        Condition(),
        look("failed", layer("low", LOW), layer("team", TEAM, error=error), partly=True),
    )
    mended = stands(found, look("unchanged", layer("low", LOW), layer("team", TEAM)))

    assert (10.0, 10.0, None) == (found.stale_since, found.last_success, mended.stale_since)


def test_a_hold_outlasts_a_look_at_a_single_repository_that_fails() -> None:
    held = stands(Condition(), Outcome("held", TEAM, "no", findings=(BAD,)))

    found = stands(held, Outcome("failed", None, "away"))

    assert (TEAM, 10.0, 0.0) == (found.held.revision, found.stale_since, 0.0)
