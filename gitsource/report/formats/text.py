"""
Plans and findings for people, at most 80 columns where the content lets us.

Rule: what it comes to stands first, then what is to be seen to, then the plan; what is fixed is
last. No line begins with what was not written by us, and none is folded: a terminal does that, and
what is folded cannot be searched for. Long lists are cut and counted; `json` and `html` have
everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from gitsource.model import Finding, Revision
from gitsource.plan.values import Against, CollectionPlan, LayerPlan, Plan, ResourceChange
from gitsource.report import text
from gitsource.report.formats import words
from gitsource.report.formats.fields import lines
from gitsource.report.formats.harmless import harmless, path, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, of_base, of_head, silent

if TYPE_CHECKING:
    from rich.text import Text

MOST_RESOURCES = 50
"""Resources listed for each collection and kind of change."""

MOST_LINES = 12
"""Lines on what differs inside one resource."""

MOST_FINDINGS = 200
"""Findings listed of those that are to be seen to."""

MOST_FIXED = 20
"""Findings listed of those that are fixed."""

MOST_NAMES = 20
"""Names in a list that stands on a line of its own."""

_PAINT = {
    "error": "red",
    "warning": "yellow",
    "added": "green",
    "changed": "yellow",
    "renamed": "yellow",
    "removed": "red",
    "+": "green",
    "-": "red",
    "!": "yellow",
    " ": "",
}
_ENDS = {"clean": "bold green", "findings": "bold red", "guarded": "bold yellow"}


def findings(found: Sequence[Finding], files: int, look: Look) -> str:
    """Return what was found in *files* files."""
    return text.findings(found, colour=look.colour) + text.summary(found, files)


def plan(planned: Plan, look: Look) -> str:
    """Return what a revision would push."""
    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=look.width,
        color_system="standard" if look.colour else None,
        force_terminal=look.colour,
        no_color=not look.colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in _parts(planned, look):
        console.print(part, soft_wrap=True)
    if planned.collections:
        console.print()
        if planned.held:
            console.print(_styled(words.condition(planned)))
        console.print(_table(planned))
    for collection in planned.collections:
        console.print()
        for line in _collection(collection):
            console.print(line, soft_wrap=True)
    for line in _findings("Fixed:", of_base(planned), MOST_FIXED):
        console.print(line, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")) + "\n"


def _parts(planned: Plan, look: Look) -> Iterator[Text]:
    yield _styled(_revision("base", planned.base, "nothing"))
    yield _styled(_revision("head", planned.head, "no commit"))
    yield from (_layer(each) for each in planned.layers)
    yield from (_styled(f"note: {harmless(note)}", "yellow") for note in planned.notes)
    yield _styled("")
    yield _styled(words.headline(planned), _ENDS[planned.ends])
    for collection, told in words.large(planned):
        yield _styled(f"warning: {path(collection.name)}: {told}", "yellow")
    yield from _findings("", of_head(planned, look), MOST_FINDINGS)
    left = silent(planned, look)
    if left:
        yield _styled("")
        yield _styled(f"{words.count(left, 'old warning')} not shown: --all shows them too.")
    yield from _no_effect(planned)
    yield from _settings(planned)
    yield from _rights(planned)
    if planned.against is not None:
        yield from _against(planned.against)


def _revision(name: str, revision: Revision, nothing: str) -> str:
    subject = harmless(revision.subject, 58)
    if not revision.commit:
        return f"{name}  ({subject or nothing})"
    return f"{name}  {revision.short}  {subject}".rstrip()


def _layer(layer: LayerPlan) -> Text:
    commits = harmless(words.commits(layer))
    told = f"layer {harmless(layer.name)}  {commits}  {words.SOURCES[layer.how]}"
    source = f" {harmless(layer.source)}" if layer.how not in {"reviewed", "missing"} else ""
    return _styled(told + source, "yellow" if layer.how == "missing" else "")


def _no_effect(planned: Plan) -> Iterator[Text]:
    if not planned.no_effect:
        return
    yield _styled("")
    yield _styled("No effect, since a higher layer has the place:")
    for each in planned.no_effect[:MOST_RESOURCES]:
        line = _styled(f"  {words.SIGNS[each.what]} {harmless(each.name)}", _PAINT[each.what])
        where = f"{harmless(each.by_file)}:{each.by_line}"
        line.append(f"  overridden by layer {harmless(each.by)} at {where}")
        yield line
    if len(planned.no_effect) > MOST_RESOURCES:
        yield _styled(f"  ... and {len(planned.no_effect) - MOST_RESOURCES} more")


def _findings(title: str, told: Sequence[Told], most: int) -> Iterator[Text]:
    if not told:
        return
    yield _styled("")
    if title:
        yield _styled(title)
    for each in told[:most]:
        found = each.finding
        word = "suppressed" if found.suppressed else found.severity
        state = {"old": " (old)", "guard": " (guard)"}.get(each.state, "")
        line = _styled(f"{place(found)}: ")
        line.append(word, "" if each.state == "fixed" else _PAINT[found.severity])
        line.append(f"{state} {text.what(found)}")
        yield line
    if len(told) > most:
        yield _styled(f"... and {len(told) - most} more")


def _settings(planned: Plan) -> Iterator[Text]:
    for change in planned.settings:
        yield _styled("")
        yield _styled(f"{change.what}: {harmless(change.file)}", _PAINT[change.what])
        yield from _named("  judged anew: ", change.collections)
        yield from _named("  not valid any more: ", change.broken, "red")


def _rights(planned: Plan) -> Iterator[Text]:
    for change in planned.rights:
        yield _styled("")
        yield _styled(f"rights of {harmless(change.subject)}")
        yield from _named("  + ", change.gained, "green")
        yield from _named("  - ", change.lost, "red")


def _named(lead: str, names: Sequence[str], style: str = "") -> Iterator[Text]:
    yield from (_styled(f"{lead}{harmless(name)}", style) for name in names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        yield _styled(f"{lead}... and {len(names) - MOST_NAMES} more", style)


def _listed(names: tuple[str, ...], more: int) -> Iterator[Text]:
    yield from (_styled(f"    in {harmless(each)}", "red") for each in names)
    if more:
        yield _styled(f"    ... and {more} more", "red")


def _against(told: Against) -> Iterator[Text]:
    yield _styled("")
    state = [word for word in ("pinned", "suspended") if getattr(told, word)]
    serves = f"serves {told.revision[:12] or 'nothing'}"
    yield _styled(f"Against {harmless(told.source)}: {', '.join((serves, *state))}")
    yield from (_styled(f"  note: {harmless(note)}", "yellow") for note in told.notes)
    for drift in told.drift[:MOST_NAMES]:
        served, expected = words.short(drift.served), words.short(drift.expected)
        line = f"  drift: {harmless(drift.collection)} is {served}, the base says {expected}"
        yield _styled(line, "red")
        yield from _listed(drift.resources, drift.more)
    for sink in told.sinks[:MOST_NAMES]:
        facts = [harmless(each) for each in (sink.peer, sink.protocol, *sink.views) if each]
        yield _styled(f"  reaches {harmless(sink.sink)} ({', '.join(facts)})")
        for name, accepted, after in sink.collections[:MOST_NAMES]:
            refused = ", refuses what it was sent last" if name in sink.refuses else ""
            step = f"{words.short(accepted)} -> {words.short(after)}"
            yield _styled(f"    by {harmless(name)}  {step}{refused}", "red" if refused else "")
    if len(told.sinks) > MOST_NAMES:
        yield _styled(f"  ... and {len(told.sinks) - MOST_NAMES} more sinks")
    yield from _kept(told)
    yield _styled(f"  {words.sinks(told)}")


def _kept(told: Against) -> Iterator[Text]:
    for sink in told.kept[:MOST_NAMES]:
        facts = [harmless(each) for each in (sink.peer, sink.protocol, *sink.views) if each]
        line = f"  does not reach {harmless(sink.sink)} ({', '.join(facts)}): {harmless(sink.why)}"
        yield _styled(line)
        for name, accepted in sink.collections[:MOST_NAMES]:
            yield _styled(f"    has {harmless(name)}  {words.short(accepted)}")
        if len(sink.collections) > MOST_NAMES:
            yield _styled(f"    ... and {len(sink.collections) - MOST_NAMES} more")
    if len(told.kept) > MOST_NAMES:
        yield _styled(f"  ... and {len(told.kept) - MOST_NAMES} more that are not reached")


def _table(planned: Plan) -> object:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    table.add_column("collection", overflow="ellipsis", no_wrap=True)
    for title in ("+", "~", "-", "all", "increment"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in planned.collections:
        changed = sum(one.what == "changed" for one in each.changes)
        table.add_row(
            _styled(path(each.name.rpartition("/")[2] or each.name)),
            str(len(each.added)),
            str(changed),
            str(len(each.removed)),
            words.size(each.full_bytes) if each.full_bytes else "",
            words.size(each.incremental_bytes) if each.incremental_bytes else "",
        )
    return table


def _collection(collection: CollectionPlan) -> Iterator[Text]:
    before, after = collection.version_before, collection.version_after
    versions = words.step(before, after)
    counts = f"({collection.count_before} -> {collection.count_after})"
    yield _styled(f"{path(collection.name)}  {versions}  {counts}", "bold")
    for what in words.ORDER:
        those = [each for each in collection.changes if each.what == what]
        for each in those[:MOST_RESOURCES]:
            yield from _resource(each)
        if len(those) > MOST_RESOURCES:
            left = len(those) - MOST_RESOURCES
            yield _styled(f"  {words.SIGNS[what]} ... and {left} more {what}", _PAINT[what])


def _resource(change: ResourceChange) -> Iterator[Text]:
    line = _styled(f"  {words.SIGNS[change.what]} {harmless(change.name)}", _PAINT[change.what])
    line.append("".join(f"  {fact}" for fact in _facts(change)), "dim")
    yield line
    told, more = lines(change, MOST_LINES)
    yield from (_styled(f"      {each.sign} {each.text}", _PAINT[each.sign]) for each in told)
    if more:
        yield _styled(f"        ... and {more} more")


def _facts(change: ResourceChange) -> Iterable[str]:
    if change.what == "renamed":
        yield f"was {harmless(change.before)}"
    if change.layer_before and change.layer and change.layer_before != change.layer:
        yield f"of layer {harmless(change.layer)}, in {harmless(change.file)}"
        yield f"was of layer {harmless(change.layer_before)}, in {harmless(change.file_before)}"
        return
    if change.file:
        yield f"{harmless(change.file)}:{change.line}" if change.line else harmless(change.file)
    if change.file_before and change.what != "removed" and change.file_before != change.file:
        yield f"moved from {harmless(change.file_before)}"


def _styled(line: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(line, style)
