"""The exchange with xDS clients, as it is written down in the conversations beside this."""

import re
from pathlib import Path

import pytest
from ads_transcript import Stage

from written_conversations import conversations

FOLDER = Path(__file__).parent / "conversations"


@pytest.mark.parametrize("lines", list(conversations(FOLDER)))
def test_conversation_goes_as_written(lines):
    stage = Stage()
    split = [[part.strip() for part in re.split(r"\s->(?:\s|$)", f"{line} ")] for line in lines]
    expected = [(command, " ".join(said).strip() or "-") for command, *said in split]
    went = [(command, " ; ".join(stage.run(command))) for command, _ in expected]

    assert expected == went


def test_every_case_of_the_protocol_has_a_conversation():
    """The numbered cases of the facts about xDS, section 5, and the rules of section 7."""
    titles = "\n".join(param.id for param in conversations(FOLDER))
    cases = {f"C{number}" for number in range(1, 16)}
    rules = {f"R{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 17, 18, 19)}

    assert cases | rules == set(re.findall(r"\b[CR]\d+\b", titles))
