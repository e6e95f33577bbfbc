"""
docs/protocol.md against the code.

Run as a script (`python tests/publish/test_protocol_page.py`), this writes the diagram anew.
"""

import re
from pathlib import Path

import pytest

from gitsource.model import empty_collection
from gitsource.publish.exchange import PATIENCE, SETTLE, STATED, TRANSITIONS
from gitsource.publish.mcp import COLLECTION_BYTES
from gitsource.publish.server import KEEPALIVE
from gitsource.publish.session import GOING_AWAY
from gitsource.snapshot.window import OWN, VERSIONS

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
STATES = re.compile(r"(<!-- states: .*? -->\n).*?(<!-- /states -->)", re.DOTALL)


def diagram():
    """Return the transitions as a state diagram and as a table."""
    arrows, rows = [], []
    for state, moves in TRANSITIONS.items():
        start = f"`{state.value}`" if state else "(not asked for)"
        for event, after in moves.items():
            source = state.name if state else "[*]"
            arrows.append(f"    {source} --> {after.name}: {event.value}")
            rows.append(f"| {start} | {event.value} | `{after.value}` |")
    names = [f"    {state.name}: {state.value}" for state in TRANSITIONS if state]
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            *names,
            *arrows,
            "```",
            "",
            "| state | event | next state |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def with_diagram(page):
    return STATES.sub(lambda found: found[1] + diagram() + found[2], page)


def test_the_diagram_is_that_of_the_transition_table():
    page = PAGE.read_text()

    assert with_diagram(page) == page
    assert "SENT --> ACCEPTED: ACK" in page


@pytest.mark.parametrize(
    "told",
    [
        empty_collection("").version,
        GOING_AWAY,
        f"{STATED:,} resources".replace(",", " "),
        f"{OWN:,} resources".replace(",", " "),
        f"{VERSIONS} of them",
        f"within {SETTLE * 1000:g} ms",
        f"more than {COLLECTION_BYTES} bytes",
        f"every {KEEPALIVE:g} s",
        f"{KEEPALIVE * 2 / 3:g} s later",
    ],
)
def test_a_number_or_text_on_the_page_is_the_one_in_force(told):
    assert told in re.sub(r"\s+", " ", PAGE.read_text())


def test_the_page_says_how_long_a_push_waits_for_another():
    assert PATIENCE == 1
    assert "for a second at most" in re.sub(r"\s+", " ", PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text()))
