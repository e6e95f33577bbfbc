"""
Plans and findings as annotations of GitHub Actions, for the log of a step.

Rule: GitHub shows ten errors, ten warnings and ten notices of a step and drops the others without
a word, so no more are written as commands; what is left is said in plain lines below. A line is a
command if and only if it begins with ``::``, and only ours do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from gitsource.model import Finding
from gitsource.plan.values import NoEffect, Plan
from gitsource.report import text
from gitsource.report.formats import words
from gitsource.report.formats.harmless import harmless, path, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, of_base, of_head, plain

MOST = 10
"""Annotations of one type that GitHub shows of a step."""

MOST_LINES = 1_000
"""Findings beyond those that are said in plain lines; the rest is counted."""

LONGEST = 4_000
"""Characters of a path, name or message; GitHub drops an annotation of more than 64 KiB."""

_Type: TypeAlias = Literal["error", "warning", "notice"]


def plan(planned: Plan, look: Look) -> str:
    """Return annotations for what *planned* found, and one that says what it comes to."""
    lines = [*_annotated([each for each in of_head(planned, look) if _loud(each)])]
    fixed = len(of_base(planned))
    told = words.headline(planned)
    if planned.held and planned.collections:
        told += f" {words.condition(planned)} {words.totals(planned)}."
    if fixed:
        told += f" {words.count(fixed, 'finding')} fixed."
    for collection, near in words.large(planned):
        told += f" {harmless(collection.name, 300)}: {near}."
    lines += _without_effect(planned.no_effect)
    lines.append(_command("notice", {"title": "gitsource dry-run"}, harmless(told, LONGEST)))
    return "".join(f"{line}\n" for line in lines)


def _without_effect(told: Sequence[NoEffect]) -> Iterator[str]:
    for at, each in enumerate(told[:MOST_LINES]):
        what = f"no effect: overridden by layer {each.by} at {each.by_file}:{each.by_line}"
        text = f"{harmless(each.name, LONGEST)}: {harmless(what, LONGEST)}"
        if at >= MOST - 1:  # one notice is the summary
            yield f"{path(each.file, LONGEST)}:{each.line}: {text}"
        elif each.what == "removed":
            yield _command("notice", {"title": "no effect"}, text)
        else:
            properties = {"file": harmless(each.file, LONGEST), "line": str(max(1, each.line))}
            yield _command("notice", {**properties, "title": "no effect"}, text)
    if len(told) > MOST_LINES:
        yield f"... and {len(told) - MOST_LINES} more without effect"


def findings(found: Sequence[Finding], files: int, _look: Look) -> str:
    """Return annotations for *found*, and the summary as a plain line."""
    lines = [*_annotated([each for each in plain(found) if _loud(each)])]
    return "".join(f"{line}\n" for line in lines) + text.summary(found, files)


def _loud(told: Told) -> bool:
    return not told.finding.suppressed


def _annotated(told: Sequence[Told]) -> Iterator[str]:
    left: list[Told] = []
    kinds: tuple[_Type, ...] = ("error", "warning")
    for kind in kinds:
        those = [each for each in told if each.finding.severity == kind]
        yield from (_annotation(kind, each) for each in those[:MOST])
        left += those[MOST:]
    if left:
        yield f"GitHub shows {MOST} of each kind; {words.count(len(left), 'further finding')}:"
        for each in left[:MOST_LINES]:
            found = each.finding
            yield f"{place(found)}: {found.severity} {text.what(found)}"
        if len(left) > MOST_LINES:
            yield f"... and {len(left) - MOST_LINES} more"


def _annotation(kind: _Type, told: Told) -> str:
    found = told.finding
    state = {"old": " (old)", "guard": " (guard)"}.get(told.state, "")
    properties = {"title": f"{found.code}{state}"}
    if found.file and not told.elsewhere:
        properties = {"file": harmless(found.file, LONGEST), **properties}
        if found.line:
            properties |= {"line": str(found.line), "col": str(max(1, found.column))}
    resource = f"{harmless(found.resource, LONGEST)}: " if found.resource else ""
    if told.elsewhere:
        resource = f"{place(found, LONGEST)}: {resource}"
    return _command(kind, properties, f"{resource}{harmless(found.message, LONGEST)}")


def _command(kind: _Type, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {told}::{_data(message)}"


def _data(text: str) -> str:
    # Line ends would have to be escaped too, as %0D and %0A; what is harmless has none.
    return text.replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
