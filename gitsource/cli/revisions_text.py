"""
Revisions for people, on 80 columns: what became of each, and why one went out or did not.

Rule: pure; made from the JSON of the admin HTTP alone, whose fields docs/operations.md explains.
What comes from the repository is neutralised.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gitsource.cli.status_text import findings
from gitsource.observe.neutral import neutral

WIDTH = 80


def history(rows: Iterable[Mapping[str, Any]], known: Sequence[Mapping[str, Any]] = ()) -> str:
    """
    Return the list of *rows*, newest first: a line of facts each, then why.

    *known* are all rows, also those that are not to be listed.
    """
    out = {commit for row in known if row.get("outcome") == "published" for commit in _of(row)}
    lines = [f"{'TIME (UTC)':<20} {'OUTCOME':<11} {'REVISION':<13} {'TOOK':>8}  VERSION"]
    for row in rows:
        lines += _row(row, due=row.get("revision") not in out)
    if len(lines) == 1:
        lines.append("nothing was looked at yet")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def outcome_of(row: Mapping[str, Any]) -> str:
    """Return what the list says that *row* came to."""
    return "superseded" if row.get("superseded_by") else str(row.get("outcome"))


def _of(row: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the commits that went out with *row*."""
    yield row.get("revision")
    yield from (layer["commit"] for layer in row.get("layers") or ())


def _row(row: Mapping[str, Any], *, due: bool) -> Iterator[str]:
    """*due*: whether a next step is still one, since it has not gone out by now."""
    outcome = outcome_of(row)
    version = str(row.get("version") or "-")[:20]
    yield neutral(
        f"{_time(row.get('at')):<20} {outcome:<11} {str(row.get('revision') or '-')[:12]:<13} "
        f"{_took(row.get('seconds')):>8}  {version}"
    )
    if row.get("subject"):
        layer = f"{row['layer']}: " if row.get("layer") else ""
        yield from _wrapped(f"{layer}{row['subject']}", most=1)
    if row.get("layers"):
        yield from of_layers(row["layers"])
    changed = row.get("changed") or ()
    if row.get("outcome") == "published":
        yield from _wrapped(f"changed: {', '.join(changed)}" if changed else "no effect", most=3)
    if row.get("allowed"):
        yield from _wrapped(f"let through by {_order(row['allowed'])}", most=3)
    if row.get("reason"):
        by = f"held by {row['held_by']}: " if row.get("held_by") else ""
        yield from _wrapped(f"{by}{row['reason']}", most=4)
    if row.get("hint") and due and not row.get("superseded_by"):
        yield from _wrapped(f"next: {row['hint']}", most=4)
    if row.get("superseded_by"):
        yield from _wrapped(f"superseded by {row['superseded_by'][:12]}")
    if row.get("looks", 1) > 1:
        yield from _wrapped(f"{row['looks']} looks came to this, the last {_time(row['until'])}")


def _order(told: Mapping[str, Any]) -> str:
    return f"{told['who']}: {told['reason']}"


def of_layers(layers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield, as indented lines, which commit of each layer a composition is of."""
    yield from _wrapped(f"of {', '.join(map(_part, layers))}", most=4)


def _part(layer: Mapping[str, Any]) -> str:
    held = " (its head is held)" if layer.get("held") else ""
    return f"{layer['name']}:{str(layer['commit'])[:12]}{held}"


def explained(told: Mapping[str, Any]) -> str:
    """Return what became of one commit, and why."""
    layer = f"{told['layer']}:" if told.get("layer") else ""
    parts = told.get("layers") or ()
    what = "composition" if parts else "commit"
    lines = [neutral(f"{what} {layer}{told['commit']}: {told['verdict']}")]
    if told.get("subject"):
        lines += _wrapped(f"{told['subject']} ({told.get('author') or 'nobody'})", most=2)
    lines += _entry("because", str(told.get("reason")))
    by = told.get("by") or {}
    if by.get("outcome") == "published":
        other = "" if by["revision"] == told["commit"] else f" with {by['revision'][:12]}"
        lines += _entry("published", f"{_time(by['at'])}{other} as version {by['version']}")
    elif by:
        lines += _entry("looked at", f"{_time(by['at'])} as {str(by.get('revision'))[:12]}")
    if parts:
        lines += _entry("of", ", ".join(map(_part, parts)))
        lines += _entry("each", "`gitsource explain commit NAME:REVISION` explains a part")
    paths = told.get("paths") or {}
    for key, title in (("configuration", "changes"), ("ignored", "ignored")):
        if paths.get(key):
            lines += _entry(title, ", ".join(paths[key]), most=4)
    if paths.get("others"):
        lines += _entry("besides", f"{paths['others']} that are no configuration")
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    rows = by.get("findings") or ()
    if rows and by.get("outcome") == "held":
        text += findings(rows)
        left = by.get("findings_count", 0) - len(rows)
        text += f"... and {left} more findings\n" if left > 0 else ""
    return text


def _entry(name: str, text: str, most: int = 8) -> Iterator[str]:
    lead = f"  {name:<11} "
    for line in _cut(textwrap.wrap(neutral(text), WIDTH - 14, break_on_hyphens=False), most):
        yield lead + line
        lead = " " * 14


def _wrapped(text: str, most: int = 8) -> Iterator[str]:
    for line in _cut(textwrap.wrap(neutral(text), WIDTH - 4, break_on_hyphens=False), most):
        yield f"    {line}"


def _cut(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"{lines[most - 1][: WIDTH - 15]}…"]


def _time(stamp: Any) -> str:
    return f"{str(stamp)[:10]} {str(stamp)[11:19]}" if stamp else "-"


def _took(seconds: Any) -> str:
    return "-" if not seconds else f"{seconds:.2f} s" if seconds < 1000 else f"{seconds:.0f} s"
