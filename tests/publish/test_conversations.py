"""The exchange, as it is written down in tests/conversations."""

import re
from pathlib import Path

import pytest

from exchange_transcript import Stage
from written_conversations import conversations

FOLDER = Path(__file__).parent.parent / "conversations"
PAGE = Path(__file__).parent.parent.parent / "docs" / "protocol" / "classic.md"


@pytest.mark.parametrize("lines", list(conversations(FOLDER)))
def test_conversation_goes_as_written(lines):
    stage = Stage()
    split = [[part.strip() for part in line.split("->")] for line in lines]
    expected = [(command, " ".join(said) or "-") for command, *said in split]
    went = [(command, " ; ".join(stage.run(command))) for command, _ in expected]

    assert expected == went


def test_every_expectation_of_the_facts_has_a_conversation_or_a_word_why_not():
    """Sections 3.1 to 3.9 of the protocol facts: one label for each line of theirs."""
    counts = {"S": 14, "D": 7, "I": 7, "T": 7, "Q": 6, "W": 8, "V": 5, "C": 4, "K": 8}
    expected = {f"{letter}{n}" for letter, last in counts.items() for n in range(1, last + 1)}
    titles = "\n".join(param.id for param in conversations(FOLDER))
    elsewhere = re.findall(r"^\| ([A-Z]\d+) \|", PAGE.read_text(), re.MULTILINE)
    found = set(re.findall(r"\b[SDITQW]\d+\b", titles)) | set(elsewhere)

    assert expected == found


def test_every_test_that_the_page_names_is_there():
    named = set(re.findall(r"\btests/[\w/]+(?:\.\w+)?", PAGE.read_text()))

    assert {"tests/conversations", "tests/publish/test_dialout.py"} <= named
    assert [] == [name for name in named if not (FOLDER.parent.parent / name).exists()]
