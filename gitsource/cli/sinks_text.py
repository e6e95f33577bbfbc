"""
The sinks for people, on 80 columns: what each has, what it refused and whose file that is.

Rule: pure; made from the JSON of the admin HTTP alone. What comes from the repository or from sinks
is neutralised.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gitsource.observe.neutral import neutral

WIDTH = 80
MOST_SINKS = 200


def page(told: Mapping[str, Any], now: datetime) -> str:
    """Return the list of sinks *told*; *now* is what ages are counted to."""
    rows = told.get("sinks") or ()
    lines: list[str] = []
    for row in rows[:MOST_SINKS]:
        lines += [*_head(row, now), *_subscribed(row, now), ""]
    if len(rows) > MOST_SINKS:
        lines.append(f"... and {len(rows) - MOST_SINKS} more sinks (--output json has all)")
    if not rows:
        lines.append("no sink is connected")
    lines += refusals(told.get("refusals") or ())
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def refusals(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was refused and not accepted since, and whose it is."""
    for row in rows:
        if row.get("settled"):
            continue
        who = neutral(row.get("sink") or row.get("peer") or "a sink")
        yield f"REFUSED by {who}, {neutral(row.get('at') or '')}"
        yield from _wrapped(neutral(f"{row.get('collection')}: {row.get('error')}"), "    ")
        for one in row.get("resources") or ():
            yield from _wrapped(neutral(f"{one['name']}: {one['file']}:{one['line']}"), "    ")
            if one.get("commit"):
                text = f"changed last by {one['author']} in {one['commit'][:12]}: {one['subject']}"
                yield from _wrapped(neutral(text), "        ")
        yield ""


def held(told: Mapping[str, Any], now: datetime) -> str:
    """Return what one sink was sent and has accepted."""
    lines: list[str] = []
    for row in told.get("streams") or ():
        lines += _head(row, now)
        for one in row.get("subscriptions") or ():
            lines += ["", *_holding(one)]
        lines.append("")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def _head(row: Mapping[str, Any], now: datetime) -> Iterator[str]:
    who = neutral(row.get("id") or "(no id)")
    yield _cut(f"{who}  {neutral(row.get('peer') or '')}", WIDTH)
    yield (
        f"  stream {row.get('stream')}, {neutral(row.get('protocol') or '')}, connected "
        f"{_ago(row.get('connected_at'), now)}"
    )
    if (rights := row.get("rights")) is not None:
        rules = ", ".join(rights.get("rules") or ()) or "no rule"
        text = f"may receive: {rights.get('rights')} (group {rights.get('group')}, by {rules})"
        yield from _wrapped(neutral(text), "  ")
    if row.get("returned"):
        yield f"  went back to {neutral(row['returned'])}, the last it accepted as a whole"


def _subscribed(row: Mapping[str, Any], now: datetime) -> Iterator[str]:
    collections = row.get("collections") or {}
    if collections:
        yield f"  {'COLLECTION':<37} {'ACCEPTED':<9} {'SENT':<9} {'SINCE':>8}  BEHIND"
    for name, state in collections.items():
        behind = state.get("behind")
        yield (
            f"  {_tail(name, 37):<37} {_version(state.get('acked')):<9} "
            f"{_version(state.get('sent')):<9} {_age(state.get('since'), now):>8}  "
            f"{'-' if behind is None else _span(behind)}"
        )
        if state.get("nacked"):
            text = f"refused {_version(state['nacked'])}: {state.get('error') or 'no reason given'}"
            yield from _wrapped(neutral(text), "    ")


def _holding(one: Mapping[str, Any]) -> Iterator[str]:
    names = one.get("names")
    asked = "all of it" if names is None else f"{len(names)} names"
    yield _cut(f"  {neutral(one['collection'])} ({asked})", WIDTH)
    yield f"    accepted {one.get('accepted') or 'nothing'}"
    if one.get("sent") != one.get("accepted"):
        yield f"    sent     {one.get('sent') or 'nothing'}"
    if one.get("refused"):
        yield f"    refused  {one['refused']}"
    for resource in one.get("resources") or ():
        accepted, sent = resource.get("accepted"), resource.get("sent")
        mark = " " if accepted == sent else "+" if accepted is None else "-" if not sent else "~"
        place = f"{resource['file']}:{resource['line']}"
        yield _cut(f"    {mark} {neutral(resource['name'])}  {neutral(place)}", WIDTH)
        if "accepted_body" in resource:
            yield "      sent:"
        if "body" in resource:
            yield from _body(resource["body"])
        if "accepted_body" in resource:
            yield "      accepted:"
            yield from _body(resource["accepted_body"])


def _body(body: Any) -> Iterator[str]:
    text = json.dumps(body, indent=2, ensure_ascii=True)
    yield from (f"      {line}" for line in text.splitlines())


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _version(version: str | None) -> str:
    return neutral(version[:8]) if version else "-"


def _ago(stamp: str | None, now: datetime) -> str:
    return f"{_age(stamp, now)} ago" if stamp else "-"


def _age(stamp: str | None, now: datetime) -> str:
    if not stamp:
        return "-"
    return _span(max(0.0, (now - datetime.fromisoformat(stamp)).total_seconds()))


def _span(seconds: float) -> str:
    for unit, worth in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * worth:
            return f"{seconds / worth:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _tail(name: str, width: int) -> str:
    """Return the end of a long name: it is what tells type URLs apart."""
    name = neutral(name)
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]
