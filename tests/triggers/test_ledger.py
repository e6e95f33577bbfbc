"""The deliveries of late, in memory and on disk."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.triggers.ledger import MOST, Ledger, Row, Seen

NOW = 1_700_000_000.0


def row(ledger: Ledger, verdict: str = "accepted", **told) -> Row:
    made = Row(ledger.number(), NOW, verdict, 202, **told)
    ledger.add(made)
    return made


def test_noise_drives_out_noise_alone():
    ledger = Ledger()
    row(ledger, proven=True, delivery="good")
    for _ in range(3 * MOST):
        row(ledger, "unsigned")

    assert len(ledger.rows()) == MOST + 1
    assert ledger.find("good").number == 1


def test_the_newest_comes_first_and_is_found_by_number_or_by_the_senders_id():
    ledger = Ledger()
    for name in ("a", "b", "b"):
        row(ledger, delivery=name, proven=True)

    assert [each.number for each in ledger.rows()] == [3, 2, 1]
    assert (ledger.find("b").number, ledger.find("1").delivery) == (3, "a")
    assert ledger.find("c") is None


async def test_a_restart_finds_it_as_it_was_and_counts_on(tmp_path):
    file = tmp_path / "webhooks.json"
    before = Ledger(file, lambda: NOW)
    made = row(before, proven=True, host="github", ref="refs/heads/main", seconds=0.25)
    before.seen.add("github", "one", NOW)
    await before.close()
    after = Ledger(file, lambda: NOW + 60)
    after.load()

    assert after.rows() == [made]
    assert after.number() == made.number + 1
    assert after.seen.has("github", "one", NOW + 60)
    assert file.stat().st_mode & 0o777 == 0o600


async def test_news_is_written_without_being_asked(tmp_path):
    file = tmp_path / "webhooks.json"
    ledger = Ledger(file, write_every=0.01)
    row(ledger)
    while not file.exists():  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0.01)
    await ledger.close()

    assert len(json.loads(file.read_text())["deliveries"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        '{"deliveries": 1, "seen": {}}',
        '{"deliveries": [1], "seen": {}}',
        '{"deliveries": [{"number": "x"}], "seen": {}}',
        '{"deliveries": [{"number": 1, "at": 1, "verdict": null, "status": 1}], "seen": {}}',
        '{"deliveries": [{"number": 1, "surprise": 1}], "seen": {}}',
        "[" * 100_000,
    ],
)
async def test_a_file_that_is_none_is_passed_over(tmp_path, text, caplog):
    file = tmp_path / "webhooks.json"
    file.write_text(text)
    ledger = Ledger(file)
    ledger.load()

    assert ledger.rows() == []
    assert "forgotten" in caplog.text


async def test_where_nothing_can_be_written_it_goes_on_in_memory_and_says_so_once(tmp_path, caplog):
    ledger = Ledger(tmp_path / "no" / "such" / "folder")
    row(ledger)
    await ledger.close()
    row(ledger)
    await ledger.close()

    assert len(ledger.rows()) == 2
    assert caplog.text.count("in memory only") == 1
    assert list(tmp_path.iterdir()) == []


def test_ids_are_forgotten_oldest_first_and_after_a_day():
    seen = Seen(most=2)
    for at, name in enumerate(("a", "b", "a", "c")):
        seen.add("github", name, NOW + at)

    assert [seen.has("github", name, NOW + 4) for name in "abc"] == [True, False, True]
    assert not seen.has("github", "c", NOW + 86_500)
    assert not seen.has("gitlab", "c", NOW + 4)
    assert len(seen) == 2


def test_deliveries_without_an_id_are_never_duplicates():
    seen = Seen()
    seen.add("github", "", NOW)

    assert len(seen) == 0
    assert not seen.has("github", "", NOW)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.dictionaries(st.text(max_size=31), inner),
    )
)
def test_no_memory_of_before_upsets_it(told):
    seen = Seen()
    seen.load(told, NOW)

    assert len(seen) == 0
