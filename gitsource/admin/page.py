"""
The status page: what is served, what is held and who has it, for a person with a browser.

Rule: made from the status alone, on the server, without scripts. Every value is escaped: names,
reasons and findings come from commits and peers.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping
from typing import Any

from gitsource.observe.neutral import neutral

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --quiet: #57606a;
  --good: #116329; --bad: #a40e26; --doubt: #7d4e00; --link: #0550ae; --good-bg: #dafbe1;
  --bad-bg: #ffebe9; --doubt-bg: #fff8c5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --quiet: #9198a1; --good: #7ee787;
    --bad: #ffa198; --doubt: #e3b341; --link: #79c0ff; --good-bg: #12261e; --bad-bg: #2d1418;
    --doubt-bg: #272115 }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto 3rem; max-width: 68rem;
  padding: 0 1rem; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem } a { color: var(--link) }
.state { border-left: .4rem solid; padding: .6rem 1rem; font-weight: 600 }
.is-good { border-color: var(--good); background: var(--good-bg) }
.is-bad { border-color: var(--bad); background: var(--bad-bg) }
.is-doubt { border-color: var(--doubt); background: var(--doubt-bg) }
.wide { overflow-x: auto } .wide table { width: 100%; min-width: 40rem }
table { border-collapse: collapse }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
td { overflow-wrap: anywhere } th { white-space: nowrap }
.facts th { font-weight: 400; color: var(--quiet) } .facts th, .facts td { border: 0 }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace }
details { margin-top: .5rem } summary { cursor: pointer }
.good { color: var(--good) } .bad { color: var(--bad) } .doubt { color: var(--doubt) }
.note { color: var(--quiet) }
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""For the content security policy: this style and nothing else."""

MOST_ROWS = 200
"""Findings and sinks shown each; the rest is counted, and whole in ``/status``."""


def render(status: Mapping[str, Any]) -> str:
    """Return the page that shows *status*."""
    kind, state = _state(status)
    parts = [
        f'<p class="state is-{kind}">{_text(state)}</p>',
        *_standing(status),
        *_findings(status.get("findings") or []),
        *_sinks(status.get("sinks") or []),
        *_collections(status.get("collections") or {}),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>gitsource: {_text(state)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n<h1>gitsource</h1>\n<main>\n{body}\n</main>\n"
        '<p class="note"><a href="/status">status</a> · <a href="/metrics">metrics</a></p>\n'
        "</body></html>\n"
    )


def _state(status: Mapping[str, Any]) -> tuple[str, str]:
    """Return how things stand, in one word for the colour and a few for the reader."""
    if not status.get("revision"):
        return "bad", "serves nothing yet"
    told = [
        (status.get("held"), "bad", "a newer revision is held back"),
        (status.get("stale_since"), "doubt", "the repository could not be read of late"),
        (status.get("pin"), "doubt", "pinned by an operator"),
        (status.get("suspended"), "doubt", "suspended by an operator"),
        ((status.get("audit") or {}).get("failure"), "doubt", "the audit log cannot be written"),
    ]
    troubles = [(kind, words) for trouble, kind, words in told if trouble]
    if not troubles:
        return "good", "serves the revision it follows"
    return troubles[0][0], "; ".join(["serves the last good revision", *(w for _k, w in troubles)])


def _standing(status: Mapping[str, Any]) -> Iterable[str]:
    repository = status.get("repository") or {}
    where = f"{repository.get('url', '')} {repository.get('ref', '')}"
    rows = [
        (f"Layer {_text(layer['name'])}", _layer(layer)) for layer in status.get("layers") or ()
    ]
    rows = rows or [("Repository", _code(where))]
    if status.get("revision"):
        rows.append(("Serving", f'<span class="good">{_code(status["revision"])}</span>'))
        rows.append(("Version", _code(status.get("version"))))
    else:
        rows.append(("Serving", '<span class="bad">nothing yet</span>'))
    for key, title in (("held", "Held"), ("pin", "Pinned"), ("suspended", "Suspended")):
        told = status.get(key)
        if told:
            rows.append((title, f'<span class="bad">{_told(told)}</span>'))
    if status.get("stale_since"):
        rows.append(("Stale since", f'<span class="bad">{_text(status["stale_since"])}</span>'))
    failure = (status.get("audit") or {}).get("failure")
    if failure:
        rows.append(("Audit log", f'<span class="bad">{_text(failure)}</span>'))
    rows += _of_doors(status)
    last = status.get("last_sync") or {}
    if last:
        said = [str(last[key]) for key in ("at", "outcome", "error") if last.get(key)]
        rows.append(("Last look", _text(" · ".join(said))))
    yield '<table class="facts">'
    for title, told in rows:
        yield f'<tr><th scope="row">{title}</th><td>{told}</td></tr>'
    yield "</table>"


def _of_doors(status: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with doors and their papers, and what crosses a network readably."""
    door = status.get("door") or {}
    for text in filter(None, (door.get("insecure"), *(door.get("alarms") or ()))):
        yield "Sinks' door", f'<span class="bad">{_text(text)}</span>'
    for text in status.get("plaintext") or ():
        yield "Plaintext", f'<span class="bad">{_text(text)}</span>'
    for one in status.get("papers") or ():
        yield f"Papers of {_text(one['door'])}", f'<span class="bad">{_text(one["why"])}</span>'


def _layer(layer: Mapping[str, Any]) -> str:
    parts = [_code(f"{layer.get('url', '')} {layer.get('ref', '')}"), _code(layer.get("revision"))]
    held, error = layer.get("held"), layer.get("error")
    if held:
        why = f"held: {held.get('reason')}, since {held.get('since')}"
        parts.append(f'{_code(layer.get("head"))} <span class="bad">{_text(why)}</span>')
    if error:
        parts.append(f'<span class="doubt">{_text(error)}</span>')
    return "<br>".join(parts)


def _told(told: Mapping[str, Any]) -> str:
    words = [_code(told["revision"])] if told.get("revision") else []
    words += [_text(told[key]) for key in ("reason", "who", "at", "since") if told.get(key)]
    return " · ".join(words)


def _findings(findings: list[Mapping[str, Any]]) -> Iterable[str]:
    if not findings:
        return
    yield "<h2>Findings</h2>"
    yield from _table(
        ("Where", "What", "Resource"),
        (
            (
                _code(f"{each.get('file')}:{each.get('line')}:{each.get('column')}"),
                " ".join(
                    (
                        _severity(each.get("severity")),
                        _code(each.get("code")),
                        _text(each.get("message")),
                    )
                ),
                _code(each.get("resource")),
            )
            for each in findings[:MOST_ROWS]
        ),
    )
    yield from _more(len(findings))


def _severity(told: Any) -> str:
    paint = {"error": "bad", "warning": "doubt"}.get(told, "note")
    return f'<span class="{paint}">{_text(told)}</span>'


def _collections(collections: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    full = {name: told for name, told in collections.items() if told.get("count")}
    yield "<h2>Collections</h2>"
    if full:
        yield from _table(
            ("Name", "Resources", "Version"),
            (
                (_code(name), _text(told.get("count")), _code(told.get("version")))
                for name, told in full.items()
            ),
        )
    empty = [_code(name) for name in collections if name not in full]
    if empty:
        yield f'<details class="note"><summary>{len(empty)} without resources</summary>'
        yield f"{'<br>'.join(empty)}</details>"


def _sinks(sinks: list[Mapping[str, Any]]) -> Iterable[str]:
    yield f"<h2>Sinks: {len(sinks)}</h2>"
    if not sinks:
        yield '<p class="note">none is connected</p>'
        return
    rows = []
    for sink in sinks[:MOST_ROWS]:
        told = sink.get("collections") or {}
        accepted = sum(1 for each in told.values() if each.get("acked") and not each.get("error"))
        errors = [
            f'<span class="bad">{_code(name)}: {_text(each["error"])}</span>'
            for name, each in told.items()
            if each.get("error")
        ]
        rows.append(
            (
                _code(sink.get("id")),
                _text(sink.get("peer")),
                _text(sink.get("connected_at")),
                "<br>".join([f"{accepted} of {len(told)} accepted", *errors]),
            )
        )
    yield from _table(("Sink", "Peer", "Connected", "Collections"), rows)
    yield from _more(len(sinks))


def _more(count: int) -> Iterable[str]:
    if count > MOST_ROWS:
        yield f'<p class="note">and {count - MOST_ROWS} more</p>'


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    yield f'<div class="wide"><table>\n<thead><tr>{titles}</tr></thead>\n<tbody>'
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _text(value: Any) -> str:
    return html.escape(neutral("" if value is None else str(value)))


def _code(value: Any) -> str:
    return f"<code>{_text(value)}</code>"
