"""
The status for people, on 80 columns: what is served, why, since when; what is held; who has it.

Rule: pure; made from the status JSON alone, whose fields docs/operations.md explains. What comes
from the repository or from sinks is neutralised.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from gitsource.cli.sinks_text import refusals
from gitsource.model import Finding
from gitsource.observe.neutral import neutral
from gitsource.report import text as report

WIDTH = 80
MOST_FINDINGS = 20
MOST_SINKS = 40
MOST_ENDED = 5


def status(told: Mapping[str, Any], now: datetime) -> str:
    """Return the page for the status *told*; *now* is what ages are counted to."""
    lines = [*_standing(told, now), "", *_collections(told), "", *_sinks(told)]
    for alarm in told.get("secrets") or ():
        lines += _entry("secret", f"{alarm['resource']}: {alarm['file']} {alarm['reason']}")
    door = told.get("door") or {}
    for text in filter(None, (door.get("insecure"), *(door.get("alarms") or ()))):
        lines += _entry("sinks' door", str(text))
    for text in told.get("plaintext") or ():
        lines += _entry("plaintext", str(text))
    for one in told.get("papers") or ():
        lines += _entry("papers", f"{one['door']}: {one['why']}")
    if fault := (told.get("authorization") or {}).get("fault"):
        lines += _entry("rights", f"the rules in the repository do not count: {fault}")
    for row in (told.get("ended") or ())[:MOST_ENDED]:
        often = f"{row['count']} times, last {_when(row['at'], now)}"
        who = row["sink"] or row["peer"]
        lines += _entry("ended", f"{who} ({row['protocol']}): {row['why']}\n{often}")
    lines += ["", *refusals(told.get("refusals") or ())]
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def findings(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the findings of an answer, a line each."""
    known = [field.name for field in fields(Finding) if field.name != "suppressed"]
    return report.findings([Finding(**{name: row[name] for name in known}) for row in rows])


# --------------------------------------------------------------------------- what is served


def _standing(told: Mapping[str, Any], now: datetime) -> Iterator[str]:
    if told.get("layers"):
        for layer in told["layers"]:
            yield from _entry("layer", "\n".join(_layer(layer, now)))
    else:
        repository = told.get("repository") or {}
        yield from _entry("repository", _where(repository))
        if _follows(repository):
            yield from _entry("follows", _follows(repository))
    if told.get("revision"):
        published = told.get("published") or {}
        since = f"\nsince {_when(published['at'], now)}" if published.get("at") else ""
        by = ", ".join(published.get("triggers") or ())
        text = f"{told['revision']}\nversion {told.get('version')}{since}"
        yield from _entry("serving", f"{text}, noticed by {by}" if since and by else text)
    else:
        yield from _entry("serving", "nothing yet: sinks wait for the first good revision")
    yield from _entry("because", _why(told))
    yield from _orders(told, now)
    yield from _looks(told, now)
    rows = told.get("findings") or []
    if rows:
        yield ""
        yield from findings(rows[:MOST_FINDINGS]).splitlines()
    if len(rows) > MOST_FINDINGS:
        yield f"... and {len(rows) - MOST_FINDINGS} more findings (--output json has all)"


def _where(repository: Mapping[str, Any]) -> str:
    path = f"  in {repository['path']}" if repository.get("path") else ""
    return f"{repository.get('url') or '-'}  {repository.get('ref') or ''}{path}"


def _follows(repository: Mapping[str, Any]) -> str:
    """Return what was found by the settings, if they leave that open."""
    if repository.get("moved_from"):
        return f"{repository.get('chosen')}\nits tag was moved from {repository['moved_from']}"
    return str(repository["chosen"]) if str(repository.get("ref")).startswith("tags in ") else ""


def _layer(told: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield how one layer stands, a line each."""
    yield f"{told['name']}  {_where(told)}"
    if _follows(told):
        yield _follows(told)
    yield str(told["revision"]) if told.get("revision") else "nothing of it was good yet"
    if told.get("held"):
        since = _when(told["held"].get("since"), now)
        yield f"held: {told['head']} since {since}: {told['held'].get('reason')}"
    if told.get("error"):
        yield f"cannot be looked at: {told['error']}"
        if told.get("hint"):
            yield f"next: {told['hint']}"


def _orders(told: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """What is held, and what operators ordered."""
    held, pin, suspended = told.get("held"), told.get("pin"), told.get("suspended")
    if held and not any(layer.get("held") for layer in told.get("layers") or ()):
        since = _when(held.get("since"), now)
        yield from _entry("held", f"{held['revision']}\nsince {since}: {held.get('reason')}")
    allowed = told.get("allowed")
    if allowed and allowed.get("revision") != told.get("head"):
        allowed = None  # it was for a revision of before
    for name, order in (("pinned", pin), ("suspended", suspended), ("allowed", allowed)):
        if order:
            what = f"{order['revision']}\n" if "revision" in order else ""
            by = f"by {order.get('who')}, {_when(order.get('at'), now)}: {order.get('reason')}"
            yield from _entry(name, what + by)


def _looks(told: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """How the last look went, and what is not as fresh as it should be."""
    last = told.get("last_sync")
    if last:
        failed = last.get("outcome") == "failed" and last.get("error")
        error = f"\n{last['error']}" if failed else ""
        error += f"\nnext: {last['hint']}" if failed and last.get("hint") else ""
        text = f"{_when(last.get('at'), now)}: {last.get('outcome')}{error}"
        yield from _entry("last sync", text)
    if told.get("announced"):
        yield from _entry("announced", _announced(told["announced"], now))
    if told.get("stale_since"):
        yield from _entry("stale", f"since {_when(told['stale_since'], now)}")
    if told.get("unsaved"):
        yield from _entry("unsaved", str(told["unsaved"]))
    if told.get("unkept"):
        yield from _entry("not kept", f"a restart forgets operators' orders: {told['unkept']}")
    if told.get("reload_error"):
        yield from _entry("settings", f"not read again, the old ones count: {told['reload_error']}")
    audit = told.get("audit") or {}
    if audit.get("failure"):
        left = "\nno new stream and no new revision until it can" if audit.get("stopped") else ""
        since = _when(audit["since"], now)
        yield from _entry("audit log", f"not written since {since}: {audit['failure']}{left}")
    ignored = (told.get("ignored") or {}).get("documents")
    if ignored:
        yield from _entry("ignored", f"{ignored} documents of kinds that no collection takes")


def _announced(told: Mapping[str, Any], now: datetime) -> str:
    """Return which commit a webhook has told of that no look has found yet."""
    text = f"{told['ref']} is said to be at\n{told['revision']}\nsince {_when(told['at'], now)}"
    if told["state"] != "missing":
        return f"{text}: it is looked for"
    return (
        f"{text}: not found there\nnext: is the webhook of this repository, and does its host "
        "serve fetches from a replica?"
    )


def _why(told: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one reason a line
    """Return why what is served is served, in one sentence."""
    ref = (told.get("repository") or {}).get("ref") or "the ref"
    if told.get("layers"):
        ref = "the layers"
    last = told.get("last_sync") or {}
    if told.get("pin"):
        return "it is pinned; `gitsource unpin` releases it"
    held = [layer["name"] for layer in told.get("layers") or () if layer.get("held")]
    if held and told.get("revision"):
        return f"it is the newest that holds good; held back: {', '.join(held)}"
    if told.get("held") and told.get("revision"):
        return f"it is the last good revision; the head of {ref} is held"
    if told.get("suspended"):
        return "nothing newer is looked for; `gitsource resume` goes on"
    if last.get("outcome") == "failed":
        stays = "; the last good revision stays up" if told.get("revision") else ""
        return f"the last look at the repository failed{stays}"
    if told.get("revision") and told.get("revision") == told.get("head"):
        return f"it is the head of {ref}"
    if told.get("revision"):
        return f"it is the last good revision of {ref}"
    return "no revision was fit yet" if told.get("held") else "it is starting"


def _entry(name: str, text: str) -> Iterator[str]:
    lead = f"{name:<12}"
    for paragraph in text.split("\n"):
        for line in textwrap.wrap(neutral(paragraph), WIDTH - 12, break_on_hyphens=False):
            yield lead + line
            lead = " " * 12


def _when(stamp: str | None, now: datetime) -> str:
    if not stamp:
        return "unknown"
    seconds = max(0.0, (now - datetime.fromisoformat(stamp)).total_seconds())
    for unit, worth in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * worth:
            return f"{stamp} ({seconds / worth:.0f} {unit} ago)"
    return f"{stamp} ({seconds:.0f} s ago)"


# --------------------------------------------------------------------------- tables


def _collections(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'COLLECTION':<54} {'RESOURCES':>10}  VERSION"
    for name, content in (told.get("collections") or {}).items():
        yield f"{_cut(name, 54):<54} {content['count']:>10}  {_cut(content['version'], 12)}"


def _sinks(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'SINK':<32} {'PEER':<22} {'ACCEPTED':>8} {'BEHIND':>6}  REFUSED"
    rows = []
    for sink in told.get("sinks") or ():
        counts, errors = {"accepted": 0, "behind": 0, "refused": 0}, []
        for name, state in (sink.get("collections") or {}).items():
            current = (told.get("collections") or {}).get(name, {}).get("version")
            counts[_standing_of(state, current)] += 1
            if state.get("error"):
                errors.append(f"{name}: {state['error']}")
        rows.append((sink, counts, errors))
    rows.sort(key=lambda row: (-row[1]["refused"], -row[1]["behind"], str(row[0].get("id"))))
    for sink, counts, errors in rows[:MOST_SINKS]:
        yield (
            f"{_cut(sink.get('id') or '(no id)', 32):<32} {_cut(sink.get('peer') or '', 22):<22} "
            f"{counts['accepted']:>8} {counts['behind']:>6} {counts['refused']:>8}"
        )
        for error in errors:
            indent = {"initial_indent": "    ", "subsequent_indent": "    "}
            yield from textwrap.wrap(neutral(error), WIDTH, **indent)  # type: ignore[arg-type]
    if len(rows) > MOST_SINKS:
        yield f"... and {len(rows) - MOST_SINKS} more sinks (--output json has all)"
    if not rows:
        yield "none connected"


def _standing_of(state: Mapping[str, Any], current: str | None) -> str:
    """Return how a sink stands towards one collection, of which *current* is served."""
    if state.get("error"):
        return "refused"
    if "behind" in state:
        return "accepted" if state["behind"] is None else "behind"
    latest = current or state.get("sent")
    return "accepted" if state.get("acked") and state["acked"] == latest else "behind"


def _cut(text: str, width: int) -> str:
    text = neutral(text)
    return text if len(text) <= width else text[: width - 1] + "…"
