"""What became of revisions is remembered: bounded, across restarts, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.git.refs import Chosen
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.operating.revisions import later, of_layer
from gitsource.reconcile.chronicle import MOST, MOST_FINDINGS, Chronicle, held_by
from gitsource.reconcile.outcomes import Held, LayerState, Outcome
from gitsource.snapshot.history import Allowance
from gitsource.snapshot.records import Entry


def revision(digit: str) -> Revision:
    return Revision(digit * 40, "f" * 40, 1, "Ada <ada@example.org>", f"change {digit}")


def snapshot(digit: str, *names: str) -> Snapshot:
    resources = [Resource(name, f"v{name}", b"", Origin("a.yaml", 1)) for name in names]
    return Snapshot.of(revision(digit), {"c": Collection.of("c", resources)})


def held(digit: str, *codes: str) -> Outcome:
    findings = tuple(Finding("a.yaml", 1, 1, "error", code, "wrong") for code in codes)
    return Outcome("held", revision(digit), "does not validate", findings=findings)


def failed(why: str) -> Outcome:
    return Outcome("failed", None, why, fault="network")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def chronicle(file: Path | None, entries: Iterable[Entry] = ()) -> Chronicle:
    made = Chronicle(file, Clock())
    await made.load(list(entries))
    return made


async def test_a_published_revision_is_told_with_what_it_changed():
    made = await chronicle(None)

    made.looked(Outcome("published", revision("a")), snapshot("a", "x"))
    made.looked(Outcome("published", revision("b")), snapshot("b", "x"))

    first, second = made.rows
    assert ("published", ("c",)) == (first.outcome, first.changed)
    assert first.version
    assert () == second.changed, "the same content"
    assert "change b" == second.subject


async def test_what_is_served_at_the_start_is_what_the_first_revision_is_compared_with():
    made = await chronicle(None)
    made.serving(snapshot("a", "x"))

    made.looked(Outcome("published", revision("b")), snapshot("b", "x"))

    assert () == made.rows[0].changed


async def test_looks_that_come_to_the_same_are_counted_and_not_listed():
    made = await chronicle(None)

    for _ in range(3):
        made.looked(failed("away"), None)
    made.looked(Outcome("unchanged", revision("a")), None)
    made.looked(failed("refused"), None)

    assert [("away", 3), ("refused", 1)] == [(row.reason, row.looks) for row in made.rows]
    assert made.rows[0].at < made.rows[0].until


@pytest.mark.parametrize(
    ("codes", "by"),
    [
        ((), "pin"),
        (("GS102",), "validation"),
        (("GS207",), "guard"),
        (("GS208",), "history"),
        (("GS210",), "history"),
        (("GS212", "GS102"), "signature"),
    ],
)
def test_what_holds_a_revision_is_told_by_its_first_error(codes, by):
    assert by == held_by(held("a", *codes).findings)


async def test_rows_come_back_after_a_restart(tmp_path):
    file = tmp_path / "revisions.jsonl"
    made = await chronicle(file)
    made.looked(Outcome("published", revision("a"), triggers=("poll",)), snapshot("a", "x"))
    made.looked(held("b", "GS102"), None)
    await made.close()

    again = await chronicle(file)

    assert made.rows == again.rows
    assert 0o600 == file.stat().st_mode & 0o777


async def test_rows_that_come_before_the_file_is_read_are_neither_lost_nor_doubled(tmp_path):
    file = tmp_path / "revisions.jsonl"
    first = await chronicle(file)
    first.looked(failed("away"), None)
    await first.close()
    second = Chronicle(file, Clock())
    second.looked(held("b", "GS102"), None)

    await second.load([])
    await second.close()

    assert ["failed", "held"] == [row.outcome for row in second.rows]
    assert second.rows == (await chronicle(file)).rows


async def test_what_was_published_and_not_written_down_is_taken_from_the_history(tmp_path):
    entry = Entry(revision("a"), "V", {"c": ("v", 1)}, 500.0)
    later = replace(entry, revision=revision("b"), published_at=600.0)

    made = await chronicle(tmp_path / "revisions.jsonl", [entry, later])

    assert [("a" * 40, ("c",)), ("b" * 40, ())] == [(row.commit, row.changed) for row in made.rows]
    assert ["published", "published"] == [row.outcome for row in made.rows]


async def test_a_torn_line_and_foreign_ones_are_passed_over(tmp_path):
    file = tmp_path / "revisions.jsonl"
    made = await chronicle(file)
    made.looked(failed("away"), None)
    await made.close()
    row = json.loads(file.read_text())
    strange = [b"[]", b"null", json.dumps(row | {"at": "x"}).encode(), b'{"at": 1}', b"\xff\xfe"]
    with file.open("ab") as handle:
        handle.write(b"\n".join(strange) + b'\n{"at": 12, "outc')
    made = await chronicle(file)
    made.looked(failed("gone"), None)
    await made.close()

    assert ["away", "gone"] == [row.reason for row in (await chronicle(file)).rows]


async def test_memory_and_file_are_bounded(tmp_path):
    file = tmp_path / "revisions.jsonl"
    made = await chronicle(file)
    for number in range(3 * MOST):
        made.looked(failed(f"reason {number}"), None)
        if number % 100 == 0:
            await made.close()
    await made.close()

    assert MOST == len(made.rows)
    assert f"reason {3 * MOST - 1}" == made.rows[-1].reason
    assert len(file.read_text().split("\n")) < 4 * MOST
    assert made.rows == (await chronicle(file)).rows


async def test_of_many_findings_the_first_errors_are_kept_and_all_are_counted():
    warning = Finding("a.yaml", 1, 1, "warning", "GS403", "m" * 5000)
    errors = tuple(Finding("b.yaml", n, 1, "error", "GS301", "m" * 5000) for n in range(100))
    made = await chronicle(None)

    made.looked(Outcome("held", revision("a"), "e" * 9000, findings=(warning, *errors)), None)

    row = made.rows[0]
    assert (MOST_FINDINGS, 101) == (len(row.findings), row.findings_count)
    assert {"error"} == {each.severity for each in row.findings}
    assert len(json.dumps([each.message for each in row.findings])) < 6000
    assert 1000 == len(row.reason)


async def test_where_nothing_can_be_written_it_goes_on_in_memory(tmp_path, caplog):
    made = await chronicle(tmp_path / "missing" / "revisions.jsonl")
    for why in ("away", "refused"):
        made.looked(failed(why), None)
        await made.close()

    assert 2 == len(made.rows)
    assert 1 == caplog.text.count("in memory only")


def layered(result: str, *heads: tuple[str, str, bool]) -> Outcome:
    """Return a look at layers, each with its name, its head and whether that is held."""
    layers = tuple(
        LayerState(
            name,
            "e" * 40,
            revision(digit),
            Chosen("", ""),
            Held(revision(digit), "does not validate", 1.0, ()) if back else None,
        )
        for name, digit, back in heads
    )
    rows = tuple(layer.revision for layer in layers)
    whole = Revision("0" * 64, "", 1, subject="whole", layers=rows)
    back = [layer.held.revision for layer in layers if layer.held is not None]
    told = {"published": whole, "held": back[0] if back else whole}.get(result)
    return Outcome(result, told, "why", layers=layers)


async def test_a_layer_that_is_held_has_a_row_beside_what_went_out(tmp_path):
    made = await chronicle(tmp_path / "rows")
    looks = [layered("published", ("low", "a", False), ("team", "b", True))]
    looks += [layered("held", ("low", "a", False), ("team", "b", True))] * 2
    for outcome in looks:
        made.looked(outcome, snapshot("c", "x"))
    await made.close()
    again = await chronicle(tmp_path / "rows")

    assert [("held", "team", 3), ("published", "", 1)] == [
        (row.outcome, row.layer, row.looks) for row in made.rows
    ]
    assert [("held", "team"), ("published", "")] == [(r.outcome, r.layer) for r in again.rows]
    assert looks[0].revision.layers == again.rows[1].layers


async def test_a_composition_that_a_pin_holds_has_a_row_beside_that_of_a_layer():
    made = await chronicle(None)
    outcome = layered("held", ("low", "a", False), ("team", "b", True))

    made.looked(replace(outcome, revision=revision("d")), None)

    assert [("team", "b" * 40), ("", "d" * 40)] == [(row.layer, row.commit) for row in made.rows]


async def test_rows_are_told_as_one_layer_sees_them():
    """A composition counts for a layer if it was the first with that commit of it."""
    made = await chronicle(None)
    for outcome in (
        layered("published", ("low", "a", False), ("team", "b", False)),
        layered("held", ("low", "a", False), ("team", "c", True)),
    ):
        made.looked(outcome, snapshot("c", "x"))

    low, team = of_layer(made.rows, "low"), of_layer(made.rows, "team")

    assert [("published", "e" * 40)] == [(row.outcome, row.commit) for row in low]
    assert [("published", "e" * 40), ("held", "c" * 40)] == [
        (row.outcome, row.commit) for row in team
    ]


# --------------------------------------------------------------------------- orders


async def test_what_an_operator_let_through_says_who_did_and_why(tmp_path):
    word = Allowance("b" * 40, "spring cleaning", "ann", 1.0)
    made = await chronicle(tmp_path / "rows")
    made.looked(Outcome("published", revision("a")), snapshot("a"))
    made.looked(held("b", "GS207"), snapshot("a"), word)
    made.looked(Outcome("published", revision("b")), snapshot("b"), word)
    made.looked(Outcome("published", revision("c")), snapshot("c"), word)
    await made.close()

    again = await chronicle(tmp_path / "rows")

    told = [(row.commit[0], row.allowed_by, row.allowed_because) for row in again.rows]
    assert [("a", "", ""), ("b", "", ""), ("b", "ann", "spring cleaning"), ("c", "", "")] == told


async def test_what_goes_out_after_it_was_held_is_not_superseded_by_itself():
    made = await chronicle(None)
    made.looked(held("b", "GS207"), None)
    made.looked(Outcome("published", revision("b")), snapshot("b"))
    made.looked(held("c", "GS102"), snapshot("b"))
    made.looked(failed("away"), snapshot("b"))
    made.looked(Outcome("published", revision("d")), snapshot("d"))

    told = [(row.commit[:1], later(row, made.rows)[:1]) for row in made.rows if row.commit]

    assert [("b", ""), ("b", ""), ("c", "d"), ("d", "")] == told
