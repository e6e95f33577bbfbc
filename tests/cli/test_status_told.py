"""The status page: an operator who was sent there finds what it is about, and the next step."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitsource.cli.status_text import status

AT = "2026-11-21T08:30:00.000Z"
NOW = datetime(2026, 11, 21, 8, 31, tzinfo=UTC)
COMMIT = "9a8b7c6d5e4f30211203f4e5d6c7b8a991827364"
FAILED = {"at": AT, "outcome": "failed", "error": "the host is away", "hint": "ask the host"}


def page(told: dict) -> str:
    """Return the page for *told* in one line, once it is seen that it fits the terminal."""
    text = status(told, NOW)
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("state", "words"),
    [("awaited", "it is looked for"), ("missing", "not found there next: is the webhook of this")],
)
def test_a_commit_that_was_announced_and_is_not_there_is_told(state, words):
    told = {"ref": "refs/heads/main", "revision": COMMIT, "at": AT, "state": state}

    text = page({"announced": told})

    assert f"announced refs/heads/main is said to be at {COMMIT} since {AT} (60 s ago)" in text
    assert words in text


def test_nothing_is_said_of_announcements_if_there_is_none():
    assert "announced" not in page({"announced": None})


def test_a_look_that_failed_names_the_next_step():
    assert "failed the host is away next: ask the host" in page({"last_sync": FAILED})


def test_the_last_good_revision_stays_up_only_if_there_is_one():
    told = [page({"last_sync": FAILED}), page({"last_sync": FAILED, "revision": COMMIT})]

    assert ["stays up" in text for text in told] == [False, True]
    assert "because the last look at the repository failed" in told[0]
