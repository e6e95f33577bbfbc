"""
A plan as Markdown: one comment on a merge request, found again by its first line.

Rule: what was not written by us stands in a code span, a code block or an HTML `<code>`, and
nowhere else: there it is no mention, link, image, reference or markup on any Git host. No line and
no table cell of Markdown begins with it. The comment stays under `LIMIT`; it is cut between
resources, and what is left out is named.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from gitsource.plan.values import Against, CollectionPlan, LayerPlan, Plan, ResourceChange
from gitsource.report.formats import words
from gitsource.report.formats.fields import lines
from gitsource.report.formats.harmless import harmless, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, of_base, of_head, silent

MARKER = "<!-- gitsource:dry-run -->"
"""The first line: what a CI looks for to replace its comment instead of adding one."""

LIMIT = 65_536
"""Characters that GitHub takes, counted as UTF-16 does; a comment has fewer."""

_LISTS = 24_000
"""Share of the limit for findings and all else that is no resource."""

_TABLE = 8_000
"""Share of it for the table of collections."""

_NAMES = 6_000
"""Kept back for naming what is left out."""

_ROOM = 2_000
"""Kept back for the ends of what is cut."""

_KINDS = 12
"""Kinds by which the rest of a list is counted."""

_SUMS = 2_400
"""Share of what is kept for names, for counting those that are not named."""

_NAME = 300
"""Characters of a name or path."""

_MESSAGE = 1_000
"""Characters of a message."""

_LINES = 60
"""Lines on what differs inside one resource."""

_BLOCK = 12_000
"""Characters on one resource."""

_RUN = 40
"""Backticks in a row that a fence can outdo: GitHub's reader takes no code span of more than 80."""

_ENDS = {"clean": "✅", "findings": "⛔", "guarded": "✋"}
_RUNS = re.compile("`+")
_LONG_RUNS = re.compile(f"`{{{_RUN},}}")


def plan(planned: Plan, look: Look) -> str:
    """Return the comment."""
    page = _Page()
    page.add(f"{MARKER}\n### gitsource: {_ENDS[planned.ends]} {_verdict(planned)}\n\n")
    page.add(f"{words.headline(planned)}\n\n{_revisions(planned)}\n\n")
    page.list([_layer(each) for each in planned.layers], _LISTS // 8)
    page.list([f"* note: {_code(note, _MESSAGE)}\n" for note in planned.notes], _LISTS // 8)
    page.list(_table(planned), _TABLE)
    if planned.collections:
        page.add("</table>\n\n")
    page.list([f"* ⚠️ {_code(c.name, _NAME)}: {told}\n" for c, told in words.large(planned)], 2000)
    head = of_head(planned, look)
    guards = [each for each in head if each.state == "guard"]
    found = [each for each in head if each.state != "guard"]
    page.section("Guards", [_finding(each) for each in guards], _LISTS // 4, _codes(guards))
    page.section("Findings", [_finding(each) for each in found], _LISTS // 2, _codes(found))
    left = silent(planned, look)
    if left:
        page.add(f"{words.count(left, 'old warning')} not shown.\n\n")
    page.section("Without effect", _no_effect(planned), _LISTS // 8)
    page.section("Settings", _settings(planned), _LISTS // 8)
    page.section("Rights", _rights(planned), _LISTS // 8)
    if planned.against is not None:
        page.section("Against a running instance", _against(planned.against), _LISTS // 8)
    fixed = of_base(planned)
    # What comes last has its room kept.
    kept = min(_LISTS // 8, sum(_length(_finding(each)) for each in fixed) + 100) if fixed else 0
    _resources(page, planned, kept)
    page.section("Fixed", [_finding(each) for each in fixed], _LISTS // 8, _codes(fixed))
    return page.text


class _Page:
    """What was written so far, and whether more fits."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        return f"{''.join(self._parts).rstrip()}\n"

    @property
    def room(self) -> int:
        return LIMIT - _ROOM - self._length

    def add(self, part: str) -> None:
        self._parts.append(part)
        self._length += _length(part)

    def list(self, entries: Iterable[str], share: int, kinds: Sequence[str] = ()) -> None:
        """
        Add as many of *entries* as fit into *share*.

        The rest is counted, by what is in *kinds* in the places of the entries.
        """
        told, used = [*entries], 0
        for number, entry in enumerate(told):
            used += _length(entry)
            if used > share:
                left = f"and {len(told) - number:,} more"
                if kinds:
                    left += f": {_counted(kinds[number:])}"
                row = f'<tr><td colspan="7">{left}</td></tr>\n'
                self.add(row if entry.startswith("<tr>") else f"* {left}\n")
                break
            self.add(entry)
        if told and not told[0].startswith("<"):
            self.add("\n")

    def section(
        self, title: str, entries: Sequence[str], share: int, kinds: Sequence[str] = ()
    ) -> None:
        """Add *entries* below *title*, if there are any."""
        if entries:
            self.add(f"#### {title}\n\n")
            self.list(entries, share, kinds)


def _counted(kinds: Iterable[str]) -> str:
    """Return how many there are of each of *kinds*, the most frequent first."""
    counts = Counter(kinds).most_common()
    told = [f"{number:,} of {kind}" for kind, number in counts[:_KINDS]]
    others = sum(number for _, number in counts[_KINDS:])
    return ", ".join([*told, f"{others:,} of other kinds"] if others else told)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# ------------------------------------------------------------------------------- pieces of Markdown


def _code(text: str, most: int) -> str:
    """Return *text* as a code span that nothing in it can end."""
    told = _tamed(harmless(text, most)) or "(empty)"
    fence = _fence(told, 1)
    # A blank at each end is taken off again; it keeps backticks apart from the fence.
    return f"{fence} {told} {fence}" if "`" in told or told[0] == " " else f"{fence}{told}{fence}"


def _tamed(text: str) -> str:
    """Return *text* with the backticks escaped of which there are too many in a row."""
    return _LONG_RUNS.sub(lambda run: "\\x60" * len(run[0]), text)


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    return "`" * max(least, longest + 1)


def _html(text: str, most: int) -> str:
    """Return *text* as code inside a block of HTML, in which there is no Markdown."""
    return f"<code>{html.escape(harmless(text, most))}</code>"


# ------------------------------------------------------------------------------------------- parts


def _verdict(planned: Plan) -> str:
    if planned.ends == "findings":
        return "would be held"
    if planned.ends == "guarded":
        return "would be held by a guard"
    if planned.collections:
        return "would be pushed"
    return "rights would change" if planned.rights else "nothing would be pushed"


def _revisions(planned: Plan) -> str:
    base, head = planned.base, planned.head
    told = [f"from {_code(base.short, 12) if base.commit else 'nothing'} to"]
    if head.commit:
        told.append(_code(head.short, 12))
    told.append(_code(head.subject, 100) if head.subject else "" if head.commit else "no commit")
    return f"_Compared:_ {' '.join(filter(None, told))}"


def _table(planned: Plan) -> Iterator[str]:
    if not planned.collections:
        return
    titles = ("collection", "added", "changed", "removed", "resources", "all of it", "increment")
    yield f"<table>\n<tr>{''.join(f'<th>{title}</th>' for title in titles)}</tr>\n"
    for each in planned.collections:
        cells = (
            _html(each.name, _NAME),
            f"{len(each.added)}",
            f"{len(each.changed)}",
            f"{len(each.removed)}",
            f"{each.count_before} → {each.count_after}",
            words.size(each.full_bytes) if each.full_bytes else "",
            words.size(each.incremental_bytes) if each.incremental_bytes else "",
        )
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _codes(told: Iterable[Told]) -> list[str]:
    return [_code(each.finding.code, 20) for each in told]


def _finding(told: Told) -> str:
    found = told.finding
    sign = "⛔" if found.severity == "error" else "⚠️"
    if told.state == "fixed":
        sign = "✅"
    words_ = [f"{sign} {'suppressed ' if found.suppressed else ''}{found.severity}"]
    if told.state == "old":
        words_.append("(old)")
    words_ += [_code(found.code, 20), _code(place(found), _NAME)]
    if found.resource:
        words_.append(_code(found.resource, _NAME))
    return f"* {' '.join(words_)}: {_code(found.message, _MESSAGE)}\n"


def _layer(layer: LayerPlan) -> str:
    commits = _code(words.commits(layer), _NAME)
    told = f"* layer {_code(layer.name, _NAME)} {commits}, {words.SOURCES[layer.how]}"
    named = layer.how not in {"reviewed", "missing"}
    return f"{told} {_code(layer.source, _NAME)}\n" if named else f"{told}\n"


def _no_effect(planned: Plan) -> list[str]:
    return [
        f"* {each.what} {_code(each.name, _NAME)}: overridden by layer {_code(each.by, _NAME)} at "
        f"{_code(f'{each.by_file}:{each.by_line}', _NAME)}\n"
        for each in planned.no_effect
    ]


def _settings(planned: Plan) -> list[str]:
    told = []
    for each in planned.settings:
        told.append(
            f"* {each.what}: {_code(each.file, _NAME)}{_those(each.collections, 'judges')}\n"
        )
        told += [f"  * ⛔ not valid any more: {_code(one, _NAME)}\n" for one in each.broken]
    return told


def _those(names: Sequence[str], verb: str, others: int = 0) -> str:
    """Return the first of *names*, and how many more there are; *others* are not among them."""
    told = ", ".join(_code(name, _NAME) for name in names[:10])
    left = max(0, len(names) - 10) + others
    more = f" and {left:,} more" if left else ""
    return f" {verb} {told}{more}" if names else ""


def _rights(planned: Plan) -> list[str]:
    told = []
    for each in planned.rights:
        told.append(f"* {_code(each.subject, _NAME)}\n")
        told += [f"  * gains {_code(one, _NAME)}\n" for one in each.gained]
        told += [f"  * loses {_code(one, _NAME)}\n" for one in each.lost]
    return told


def _against(told: Against) -> list[str]:
    state = "".join(f", {word}" for word in ("pinned", "suspended") if getattr(told, word))
    serves = _code(told.revision[:12], 12) if told.revision else "nothing"
    lines_ = [f"* {_code(told.source, _NAME)} serves {serves}{state}\n"]
    lines_ += [f"* note: {_code(note, _MESSAGE)}\n" for note in told.notes]
    for drift in told.drift:
        served, expected = words.short(drift.served), words.short(drift.expected)
        facts = f"is {_code(served, 12)}, the base says {_code(expected, 12)}"
        facts += "," * bool(drift.resources) + _those(drift.resources, "differing in", drift.more)
        lines_.append(f"* ⚠️ drift: {_code(drift.collection, _NAME)} {facts}\n")
    lines_.append(f"* {words.sinks(told)}\n")
    for sink in told.sinks:
        steps = [f"{name} {words.step(was, after)}" for name, was, after in sink.collections]
        lines_.append(f"  * {_code(sink.sink, _NAME)}{_those(steps, 'gets')}\n")
        if sink.refuses:
            lines_.append(f"    * ⚠️{_those(sink.refuses, 'refuses')} already\n")
    for kept in told.kept:
        has = [f"{name} {words.short(version)}" for name, version in kept.collections]
        why = _code(kept.why, _NAME)
        lines_.append(f"  * not {_code(kept.sink, _NAME)}: {why}{_those(has, 'and has')}\n")
    return lines_


# --------------------------------------------------------------------------------------- resources


def _resources(page: _Page, planned: Plan, kept: int) -> None:
    """Add the push plan; *kept* characters are left for what follows."""
    if not planned.collections:
        return
    page.add("#### Push plan\n\n")
    if planned.held:
        page.add(f"{words.condition(planned)}\n\n")
    left: list[tuple[CollectionPlan, ResourceChange]] = []
    for collection in planned.collections:
        title = f"{_code(collection.name, _NAME)}\n\n"
        flat = [each for each in collection.changes if not (each.fields or each.omitted)]
        folded = [each for each in collection.changes if each.fields or each.omitted]
        for number, change in enumerate((*flat, *folded)):
            # What once did not fit is not gone past: what is shown is one stretch from the start.
            told = title if number == 0 else "\n" if number == len(flat) else ""
            told += "" if left else _block(change)
            if left or _length(told) > page.room - _NAMES - kept:
                left.append((collection, change))
            else:
                page.add(told)
        if not folded and not left:
            page.add("\n")
    if left:
        page.add(_left_out(left))


def _block(change: ResourceChange) -> str:
    """Return an entry of a list; or what differs, folded, if there is something."""
    if not (change.fields or change.omitted):
        return f"* {change.what} {' '.join(_facts(change, _code))}\n"
    sign = html.escape(words.SIGNS[change.what])
    summary = f"{sign} {change.what} {' '.join(_facts(change, _html))}"
    told, more = lines(change, _LINES)
    diff = [f"{each.sign} {_tamed(each.text)}\n" for each in told]
    while sum(map(_length, diff)) > _BLOCK:
        more += len(diff) - len(diff) * 3 // 4
        diff = diff[: len(diff) * 3 // 4]
    if more:
        diff.append(f"  ... and {more} more\n")
    body = "".join(diff)
    fence = _fence(body, 3)
    folded = f"<details><summary>{summary}</summary>\n\n{fence}diff\n{body}{fence}\n\n</details>"
    return f"{folded}\n\n"


def _facts(change: ResourceChange, code: Callable[[str, int], str]) -> Iterator[str]:
    """Yield what is to be said of *change*, with texts of others as *code* writes them."""
    yield code(change.name, _NAME)
    if change.what == "renamed":
        yield f"was {code(change.before, _NAME)}"
    if change.file:
        yield f"in {code(change.file, _NAME)}"
    if change.layer_before and change.layer and change.layer_before != change.layer:
        yield f"of layer {code(change.layer, _NAME)}"
        was = f"{code(change.layer_before, _NAME)}, in {code(change.file_before, _NAME)}"
        yield f"was of layer {was}"
    elif change.file_before and change.file_before != change.file:
        yield f"moved from {code(change.file_before, _NAME)}"


def _left_out(left: Sequence[tuple[CollectionPlan, ResourceChange]]) -> str:
    lead = (
        f"\n**Left out, since a comment has its limits:** {words.count(len(left), 'resource')}\n\n"
    )
    told, used, collection = [lead], _length(lead), None
    for at, (of, change) in enumerate(left):
        line = f"* {change.what} {_code(change.name, _NAME)}\n"
        if of is not collection:
            line, collection = f"* {_code(of.name, _NAME)}:\n{line}", of
        used += _length(line)
        if used > _NAMES - _SUMS:
            told.append(f"* and {len(left) - at:,} more:\n")
            told += _sums(left[at:])
            break
        told.append(line)
    return "".join(told)


def _sums(left: Sequence[tuple[CollectionPlan, ResourceChange]]) -> Iterator[str]:
    """Yield how many of *left* there are of each collection and kind of change."""
    counts: dict[str, Counter[str]] = {}
    for of, change in left:
        counts.setdefault(of.name, Counter())[change.what] += 1
    used = 0
    for at, (name, kinds) in enumerate(counts.items()):
        told = ", ".join(f"{kinds[what]:,} {what}" for what in words.ORDER if kinds[what])
        line = f"  * {_code(name, _NAME // 3)}: {told}\n"
        used += _length(line)
        if used > _SUMS - 200:
            yield f"  * and {words.count(len(counts) - at, 'further collection')}\n"
            return
        yield line
