"""
A plan as one HTML page with everything in it, for a browser.

Rule: one file that asks for nothing: no script, no image, no font, and a policy that forbids them.
Every text is escaped; colours repeat what signs and words say already, so the page reads the same
without them, in the dark and aloud.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Sequence

from gitsource.model import Revision
from gitsource.plan.values import Against, CollectionPlan, Plan, ResourceChange
from gitsource.report.formats import words
from gitsource.report.formats.fields import lines
from gitsource.report.formats.harmless import harmless, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, of_base, of_head, silent

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #f6f8fa; --line: #d0d7de;
  --quiet: #57606a; --good: #116329; --bad: #a40e26; --doubt: #7d4e00; --good-bg: #dafbe1;
  --bad-bg: #ffebe9; --doubt-bg: #fff8c5; --link: #0550ae }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --soft: #161b22; --line: #30363d; --quiet: #9198a1;
    --good: #7ee787; --bad: #ffa198; --doubt: #e3b341; --good-bg: #12261e; --bad-bg: #2d1418;
    --doubt-bg: #272115; --link: #79c0ff }
}
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem;
  padding: 1.5rem 1rem 4rem; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.4rem; margin: 0 0 .75rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere }
a { color: var(--link) } :focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0 }
.verdict { border-left: .4rem solid; padding: .75rem 1rem; font-weight: 600; margin: 1rem 0 }
.clean { border-color: var(--good); background: var(--good-bg) }
.findings { border-color: var(--bad); background: var(--bad-bg) }
.guarded { border-color: var(--doubt); background: var(--doubt-bg) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; min-width: 44rem }
caption { text-align: left; color: var(--quiet); padding-bottom: .25rem }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word }
th { font-weight: 600; white-space: nowrap } .number { text-align: right; white-space: nowrap }
.tight { white-space: nowrap }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
h3 code { font-size: 1em }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 }
dt { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0 }
summary, .flat { padding: .4rem .75rem; overflow-wrap: anywhere }
summary { cursor: pointer; background: var(--soft); border-radius: 6px }
.flat { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0 }
.diff { margin: 0; padding: .25rem 0; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; border-top: 1px solid var(--line) }
.diff span { display: block; padding: 0 .75rem 0 2.25rem; text-indent: -1.5rem }
.in { background: var(--good-bg) } .out { background: var(--bad-bg) }
.moved { background: var(--doubt-bg) }
.good { color: var(--good) } .bad { color: var(--bad) } .doubt { color: var(--doubt) }
.quiet { color: var(--quiet) }
@media print { body { max-width: none } details { break-inside: avoid } }
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

OPEN = 20
"""Up to so many resources in all, their differences are unfolded from the start."""

MOST_LINES = 400
"""Lines on what differs inside one resource."""

MOST_RESOURCES = 5_000
"""Resources of all collections that are shown; the rest is counted. `json` has them."""

MOST_FINDINGS = 5_000
"""Findings of each kind that are shown."""

MOST_NAMES = 1_000
"""Entries of any other list."""

_PAINT = {"added": "good", "changed": "doubt", "renamed": "doubt", "removed": "bad"}
_MARKS = {"+": "in", "-": "out", "!": "moved", " ": "same"}


def plan(planned: Plan, look: Look) -> str:
    """Return the page."""
    sections = [(name, [*made]) for name, made in _sections(planned, look)]
    sections = [(name, made) for name, made in sections if made]
    policy = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'"
    policy += "; form-action 'none'"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>gitsource: {_text(words.headline(planned))}</title>",
        f"<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>What would this commit push?</h1>",
        *_standing(planned),
        "</header>",
        *_contents([name for name, _made in sections]),
        "<main>",
    ]
    for name, made in sections:
        parts += [f'<section id="{_anchor(name)}">\n<h2>{name}</h2>', *made, "</section>"]
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _sections(planned: Plan, look: Look) -> Iterator[tuple[str, Iterable[str]]]:
    head = of_head(planned, look)
    yield "Guards", _findings([each for each in head if each.state == "guard"])
    found = [each for each in head if each.state != "guard"]
    yield "Findings", [*_findings(found), *_silent(silent(planned, look))]
    yield "Push plan", _push(planned)
    yield "Without effect", _no_effect(planned)
    yield "Settings", _settings(planned)
    yield "Rights", _rights(planned)
    yield "Running instance", _against(planned.against)
    yield "Fixed", _findings(of_base(planned))


def _contents(names: Sequence[str]) -> Iterator[str]:
    if len(names) > 1:
        links = "".join(f'<li><a href="#{_anchor(name)}">{name}</a></li>' for name in names)
        yield f'<nav aria-label="Sections"><ul>{links}</ul></nav>'


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


# ------------------------------------------------------------------------------------ its sections


def _standing(planned: Plan) -> Iterator[str]:
    yield f'<p class="verdict {planned.ends}">{_text(words.headline(planned))}</p>'
    yield "<dl>"
    yield f"<dt>Base</dt><dd>{_revision(planned.base, 'nothing: everything counts as new')}</dd>"
    yield f"<dt>Head</dt><dd>{_revision(planned.head, 'no commit')}</dd>"
    before, after = _code(planned.version_before), _code(planned.version_after)
    if planned.version_after or not planned.layers:
        yield f"<dt>Snapshot</dt><dd>{before} → {after}</dd>"
    for layer in planned.layers:
        told = f"{_text(words.commits(layer))}, {words.SOURCES[layer.how]}"
        if layer.how not in {"reviewed", "missing"}:
            told += f" {_code(layer.source)}"
        yield f"<dt>Layer {_code(layer.name)}</dt><dd>{told}</dd>"
    for note in planned.notes[:MOST_NAMES]:
        yield f'<dt>Note</dt><dd class="doubt">{_text(note)}</dd>'
    for collection, told in words.large(planned):
        yield f'<dt>Size</dt><dd class="doubt">{_code(collection.name)}: {_text(told)}</dd>'
    yield "</dl>"


def _revision(revision: Revision, otherwise: str) -> str:
    if not revision.commit:
        return _text(revision.subject) or otherwise
    author = f' <span class="quiet">{_text(revision.author)}</span>' if revision.author else ""
    return f"{_code(revision.short)} {_text(revision.subject)}{author}"


def _findings(told: Sequence[Told]) -> Iterator[str]:
    if not told:
        return
    rows = []
    for each in told[:MOST_FINDINGS]:
        found = each.finding
        word = "suppressed" if found.suppressed else found.severity
        paint = {"error": "bad", "warning": "doubt"}[found.severity]
        if each.state == "fixed":
            paint = "good"
        old = " (old)" if each.state == "old" else ""
        what = f'<span class="{paint}">{word}{old}</span> {_code(found.code)}'
        resource = _code(found.resource) if found.resource else ""
        rows.append((what, _code(place(found)), resource, _text(found.message)))
    yield from _table(("Kind", "Where", "Resource", "What"), rows, tight=1)
    yield from _more(len(told) - MOST_FINDINGS)


def _silent(number: int) -> Iterator[str]:
    if number:
        told = words.count(number, "old warning")
        yield f"<p>{told} not shown; <code>--all</code> shows them.</p>"


def _push(planned: Plan) -> Iterator[str]:
    if not planned.collections:
        return
    if planned.held:
        yield f"<p>{_text(words.condition(planned))}</p>"
    heads = ("Collection", "Added", "Changed", "Removed", "Resources", "All of it", "Increment")
    rows = [
        (
            _code(each.name),
            f"{len(each.added):,}",
            f"{len(each.changed):,}",
            f"{len(each.removed):,}",
            f"{each.count_before:,} → {each.count_after:,}",
            words.size(each.full_bytes) if each.full_bytes else "",
            words.size(each.incremental_bytes) if each.incremental_bytes else "",
        )
        for each in planned.collections
    ]
    yield from _table(heads, rows, numbers_from=1)
    unfolded = sum(len(each.changes) for each in planned.collections) <= OPEN
    room = MOST_RESOURCES
    for collection in planned.collections:
        yield f"<h3>{_code(collection.name)}</h3>"
        yield from _versions(collection)
        for change in collection.changes[:room]:
            yield _resource(change, unfolded=unfolded)
        yield from _more(len(collection.changes) - room)
        room = max(0, room - len(collection.changes))


def _versions(collection: CollectionPlan) -> Iterator[str]:
    if not collection.version_after:
        yield '<p class="quiet">versions not known</p>'
        return
    before = _code(collection.version_before) if collection.version_before else "nothing"
    yield f'<p class="quiet">{before} → {_code(collection.version_after)}</p>'


def _resource(change: ResourceChange, *, unfolded: bool) -> str:
    sign = html.escape(words.SIGNS[change.what])
    facts = [
        f'<span class="{_PAINT[change.what]}">{sign} {change.what}</span> {_code(change.name)}'
    ]
    if change.what == "renamed":
        facts.append(f"was {_code(change.before)}")
    if change.file:
        where = f"{change.file}:{change.line}" if change.line else change.file
        facts.append(f"in {_code(where)}")
    if change.layer_before and change.layer and change.layer_before != change.layer:
        facts.append(f"of layer {_code(change.layer)}")
        was = f"{_code(change.layer_before)}, in {_code(change.file_before)}"
        facts.append(f"was of layer {was}")
    elif change.file_before and change.file_before != change.file:
        facts.append(f"moved from {_code(change.file_before)}")
    sizes = [words.size(each) for each in (change.bytes_before, change.bytes_after) if each]
    if sizes:
        facts.append(f'<span class="quiet">{" → ".join(sizes)}</span>')
    told, more = lines(change, MOST_LINES)
    if not told and not more:
        return f'<div class="flat">{" ".join(facts)}</div>'
    shown = [f'<span class="{_MARKS[e.sign]}">{e.sign} {_text(e.text)}</span>' for e in told]
    if more:
        shown.append(f"<span>  ... and {more:,} more</span>")
    state = " open" if unfolded else ""
    diff = f'<pre class="diff">{"".join(shown)}</pre>'
    return f"<details{state}><summary>{' '.join(facts)}</summary>{diff}</details>"


def _no_effect(planned: Plan) -> Iterator[str]:
    rows = [
        (
            f'<span class="{_PAINT[each.what]}">{each.what}</span>',
            _code(each.name),
            _code(f"{each.file}:{each.line}"),
            f"layer {_code(each.by)} at {_code(f'{each.by_file}:{each.by_line}')}",
        )
        for each in planned.no_effect[:MOST_RESOURCES]
    ]
    yield from _table(("Change", "Resource", "Where", "Overridden by"), rows) if rows else ()
    yield from _more(len(planned.no_effect) - MOST_RESOURCES)


def _settings(planned: Plan) -> Iterator[str]:
    rows = [
        (
            f'<span class="{_PAINT[each.what]}">{each.what}</span>',
            _code(each.file),
            _names(each.collections),
            _names(each.broken, "bad"),
        )
        for each in planned.settings
    ]
    heads = ("What", "File", "Collections judged anew", "Not valid any more")
    yield from _table(heads, rows) if rows else ()


def _rights(planned: Plan) -> Iterator[str]:
    rows = [
        (_code(each.subject), _names(each.gained, "good"), _names(each.lost, "bad"))
        for each in planned.rights
    ]
    yield from _table(("Who", "Gains", "Loses"), rows) if rows else ()


def _against(told: Against | None) -> Iterator[str]:
    if told is None:
        return
    yield "<dl>"
    yield f"<dt>Asked</dt><dd>{_code(told.source)}</dd>"
    yield f"<dt>Serves</dt><dd>{_code(told.revision) if told.revision else 'nothing'}"
    for word in ("pinned", "suspended"):
        if getattr(told, word):
            yield f' <span class="doubt">{word}</span>'
    yield "</dd>"
    for note in told.notes[:MOST_NAMES]:
        yield f'<dt>Note</dt><dd class="doubt">{_text(note)}</dd>'
    yield "</dl>"
    if told.drift:
        yield "<h3>Served otherwise than the base says</h3>"
        drift = [(_code(d.collection), _code(d.served), _code(d.expected)) for d in told.drift]
        yield from _table(("Collection", "Served", "Base"), drift[:MOST_NAMES])
    yield f"<h3>{_text(words.sinks(told))}</h3>"
    rows = [
        (
            _code(sink.sink),
            _text(" ".join(each for each in (sink.peer, sink.protocol) if each)),
            _names(sink.views),
            _names([name for name, _accepted, _after in sink.collections]),
            _names(sink.refuses, "bad"),
        )
        for sink in told.sinks[:MOST_NAMES]
    ]
    heads = ("Sink", "Peer", "Views", "Would get", "Refuses already")
    yield from _table(heads, rows) if rows else ()
    yield from _more(len(told.sinks) - MOST_NAMES)
    kept = [
        (
            _code(sink.sink),
            _text(" ".join(each for each in (sink.peer, sink.protocol) if each)),
            _text(sink.why),
            _names([f"{name} {words.short(version)}" for name, version in sink.collections]),
        )
        for sink in told.kept[:MOST_NAMES]
    ]
    yield from _table(("Not reached", "Peer", "Why", "Has"), kept) if kept else ()
    yield from _more(len(told.kept) - MOST_NAMES)


# ------------------------------------------------------------------------------------------ pieces


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers_from: int = 99,
    tight: int = 0,
) -> Iterator[str]:
    def kind(at: int) -> str:
        return ' class="number"' if at >= numbers_from else ' class="tight"' if at < tight else ""

    titles = "".join(f'<th scope="col"{kind(at)}>{head}</th>' for at, head in enumerate(heads))
    yield f'<div class="wide"><table>\n<thead><tr>{titles}</tr></thead>\n<tbody>'
    for row in rows:
        cells = "".join(f"<td{kind(at)}>{cell}</td>" for at, cell in enumerate(row))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _names(names: Sequence[str], paint: str = "") -> str:
    told = "<br>".join(_code(name) for name in names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        told += f"<br>and {len(names) - MOST_NAMES:,} more"
    return f'<span class="{paint}">{told}</span>' if paint and told else told


def _more(number: int) -> Iterator[str]:
    if number > 0:
        yield f"<p>and {number:,} more</p>"


def _text(text: str) -> str:
    return html.escape(harmless(text))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"
