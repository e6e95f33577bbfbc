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
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
       color: #1b1f24; background: #fff }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d8dee4;
         vertical-align: top; overflow-wrap: anywhere }
code { font: 13px ui-monospace, monospace }
.good { color: #11632c } .bad { color: #a40e26 } .note { color: #57606a }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } th, td { border-color: #30363d }
  .good { color: #56d364 } .bad { color: #ff7b72 } .note { color: #8b949e }
}
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""For the content security policy: this style and nothing else."""

MOST_ROWS = 200
"""Findings and sinks shown each; the rest is counted, and whole in ``/status``."""


def render(status: Mapping[str, Any]) -> str:
    """Return the page that shows *status*."""
    parts = [
        *_standing(status),
        *_findings(status.get("findings") or []),
        *_collections(status.get("collections") or {}),
        *_sinks(status.get("sinks") or []),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>gitsource</title><style>{STYLE}</style></head>\n"
        f"<body>\n<h1>gitsource</h1>\n{body}\n"
        '<p class="note"><a href="/status">status</a> · <a href="/metrics">metrics</a></p>\n'
        "</body></html>\n"
    )


def _standing(status: Mapping[str, Any]) -> Iterable[str]:
    repository = status.get("repository") or {}
    where = f"{repository.get('url', '')} {repository.get('ref', '')}"
    rows = [("Repository", _code(where))]
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
    last = status.get("last_sync") or {}
    if last:
        said = " ".join(str(last[key]) for key in ("at", "outcome", "error") if last.get(key))
        rows.append(("Last look", _text(said)))
    yield from _table((), rows)


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
                        _text(each.get("severity")),
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


def _collections(collections: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    yield "<h2>Collections</h2>"
    yield from _table(
        ("Name", "Resources", "Version"),
        (
            (_code(name), _text(told.get("count")), _code(told.get("version")))
            for name, told in collections.items()
        ),
    )


def _sinks(sinks: list[Mapping[str, Any]]) -> Iterable[str]:
    yield f"<h2>Sinks: {len(sinks)}</h2>"
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
    yield "<table>"
    if head:
        yield "<tr>" + "".join(f"<th>{title}</th>" for title in head) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _text(value: Any) -> str:
    return html.escape(neutral("" if value is None else str(value)))


def _code(value: Any) -> str:
    return f"<code>{_text(value)}</code>"
