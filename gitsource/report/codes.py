"""
The table of findings for people: one code explained, and docs/findings.md.

Rule: both say what the table says and nothing else.

    python -m gitsource.report.codes > docs/findings.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Any

from gitsource.codes.apart import APART
from gitsource.codes.code import Code
from gitsource.codes.examples import Example, right, wrong
from gitsource.codes.table import CODES

_PAINT = {"error": "31", "warning": "33", "wrong": "31", "right": "32"}

LONGEST = 200
"""Characters of a line of an example that are shown: some are too long on purpose."""

FAMILIES = {
    "GS1": "Reading files",
    "GS2": "The tree of a revision",
    "GS3": "Documents",
    "GS4": "What one document says of another",
    "CMN": "Istio's rules for every kind",
    "VS": "VirtualService",
    "DR": "DestinationRule",
    "GW": "Gateway",
    "SE": "ServiceEntry",
    "WE": "WorkloadEntry",
    "WG": "WorkloadGroup",
    "SC": "Sidecar",
    "EF": "EnvoyFilter",
    "PC": "ProxyConfig",
    "AP": "AuthorizationPolicy",
    "RA": "RequestAuthentication",
    "PA": "PeerAuthentication",
    "TL": "Telemetry",
    "WP": "WasmPlugin",
    "TE": "TrafficExtension",
}


def looked_up(name: str) -> Code | None:
    """Return the row that *name* is the code of, or one of the rules it stands for; any case."""
    wanted = name.strip().upper()
    return CODES.get(wanted) or next(
        (row for row in CODES.values() if wanted in row.implements), None
    )


def explained(row: Code, *, colour: bool = False) -> str:
    """Return everything there is to say of *row*, at most 80 columns wide."""
    lines = [f"{row.code}  {_painted(row.severity, row.severity, colour=colour)}  {row.title}", ""]
    lines += wrap(f"What to do: {row.advice}.", 80)
    if row.implements:
        lines += ["", *wrap(f"Stands for: {', '.join(row.implements)}.", 80)]
    if row.note:
        lines += ["", *wrap(f"Note: {row.note}", 80)]
    for name, example in (("wrong", wrong(row.code)), ("right", right(row.code))):
        if example is not None:
            lines += ["", _painted(f"{name}: {example.why}", name, colour=colour), ""]
            lines += _numbered(example)
    return "\n".join(lines) + "\n"


def _numbered(example: Example) -> Iterator[str]:
    for number, whole in enumerate(example.text.rstrip("\n").split("\n"), 1):
        line = whole if len(whole) <= LONGEST else f"{whole[:60]}… ({len(whole)} characters)"
        yield f"{'>' if number == example.line else ' '} {number:3}  {line}".rstrip()


def listed() -> str:
    """Return every code with its title, a line each."""
    return "".join(f"{row.code:8}{row.severity:9}{row.title}\n" for row in CODES.values())


def machine(row: Code) -> dict[str, Any]:
    """Return *row* as a JSON value."""
    bad, good = wrong(row.code), right(row.code)
    return {
        "code": row.code,
        "severity": row.severity,
        "title": row.title,
        "advice": row.advice,
        "note": row.note,
        "implements": list(row.implements),
        "wrong": bad.text if bad else None,
        "right": good.text if good else None,
    }


def page() -> str:
    """Return docs/findings.md."""
    out = [_HEAD]
    for family, rows in groupby(CODES.values(), lambda row: _family(row.code)):
        out.append(f"\n## {FAMILIES[family]}\n\n| code | | what is wrong | what to do |\n")
        out.append("| --- | --- | --- | --- |\n")
        notes = []
        for row in rows:
            also = f" ({', '.join(row.implements)})" if row.implements else ""
            told = (row.code + also, row.severity, row.title, row.advice)
            out.append(f"| {' | '.join(map(_cell, told))} |\n")
            if row.note:
                notes.append(f"* {row.code}: {_cell(row.note)}\n")
        if notes:
            out += ["\nNotes:\n\n", *notes]
    out.append("\n## Rules that judge no file\n\n| rule | why |\n| --- | --- |\n")
    out += [f"| {rule} | {_cell(why)} |\n" for rule, why in APART.items()]
    return "".join(out)


_HEAD = """# Findings

Every code that a finding can carry. `gitsource explain rule CODE` shows each with a good and a bad
example. Codes that begin with GS are ours; the others are the rules of Istio's own validator, and
in brackets stand further rules of it that a row covers. An error holds the whole revision; a
warning never does. A code keeps its meaning for ever.

<!-- python -m gitsource.report.codes > docs/findings.md -->
"""


def _family(code: str) -> str:
    return code[:3] if code.startswith("GS") else code.partition("-")[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _painted(text: str, what: str, *, colour: bool) -> str:
    return f"\x1b[{_PAINT[what]}m{text}\x1b[0m" if colour else text


if __name__ == "__main__":
    sys.stdout.write(page())
