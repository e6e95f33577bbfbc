"""`gitsource history` on 80 columns: what each look came to, and which next steps are still due."""

from __future__ import annotations

import pytest

from gitsource.cli.main import main
from gitsource.cli.revisions_text import history

GONE, HEAD = "a" * 40, "b" * 40
HELD = {"at": "2026-11-21T08:30:00Z", "outcome": "held", "revision": GONE, "held_by": "guard",
        "reason": "much is removed", "hint": "confirm it"}  # fmt: skip
LET_THROUGH = {"outcome": "published", "revision": GONE, "changed": ["c"],
               "allowed": {"who": "ann\x1b", "reason": "spring cleaning"}}  # fmt: skip
COMPOSED = {"outcome": "published", "revision": HEAD, "layers": [{"name": "team", "commit": GONE}]}


def told(*rows: dict) -> str:
    text = history(rows, rows)
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.split())


def test_what_is_held_has_its_next_step():
    assert "held by guard: much is removed next: confirm it" in told(HELD)


def test_a_look_that_failed_has_its_next_step():
    row = {"outcome": "failed", "reason": "away", "hint": "ask the host"}

    assert told(row).endswith("away next: ask the host")


@pytest.mark.parametrize(
    "rows",
    [(LET_THROUGH, HELD), (COMPOSED, HELD), (HELD | {"superseded_by": HEAD},)],
    ids=["let through", "out with a composition", "superseded"],
)
def test_a_step_that_is_no_longer_due_is_not_told(rows):
    assert "next:" not in told(*rows)


def test_who_let_a_revision_through_is_told_with_it():
    assert r"let through by ann\x1b: spring cleaning" in told(LET_THROUGH, HELD)


def test_rows_that_are_not_listed_still_count_for_what_is_due():
    assert "next:" not in history([HELD], [LET_THROUGH, HELD])


@pytest.mark.parametrize("limit", ["-3", "-1"])
def test_no_number_of_rows_is_below_none(limit, capsys):
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(["history", "--limit", limit]))

    assert 2 == ended.value.code
    assert "--limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "revisions"), [("superseded", [GONE]), ("held", [GONE, HEAD]), ("failed", [])]
)
def test_every_outcome_of_the_list_can_be_asked_for(door, run, outcome, revisions):
    mended = HELD | {"revision": HEAD}
    door.answer("/history", {"revisions": [mended, HELD | {"superseded_by": HEAD}, COMPOSED]})

    code, out, _ = run("history", "--outcome", outcome)

    assert 0 == code
    assert revisions == [each for each in (GONE, HEAD) if f" {each[:12]} " in out]
