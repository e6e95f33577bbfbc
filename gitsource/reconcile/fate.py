"""
Why a commit did or did not go out: decided from what is known of it.

Rule: pure. `gitsource.operating.revisions` gathers the facts (from the chronicle and the mirror);
here they become one verdict, a reason in words and the next step. What a later head did to a commit
counts as that commit's fate: newer wins, so nothing is lost by not having been looked at alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitsource.reconcile.chronicle import Row

Verdict: TypeAlias = Literal[
    "published",
    "no-effect",
    "held",
    "superseded",
    "waiting",
    "not-on-ref",
    "unknown",
    "forgotten",
]

VERDICTS: dict[Verdict, str] = {
    "published": "it went out itself",
    "no-effect": "it went out, and there was nothing in it to send",
    "held": "it stays back",
    "superseded": "a later head was looked at in its place, or after it was held",
    "waiting": "it is on the followed ref and was not looked at yet",
    "not-on-ref": "it is not, or no longer, part of the followed ref",
    "unknown": "gitsource has never seen it",
    "forgotten": "it is older than what gitsource remembers",
}
"""What `gitsource explain commit` says, with what each means."""

WENT_OUT = frozenset(("published", "no-effect"))
"""Verdicts by which what the commit brought was sent, as far as there was anything."""

_BY = {
    "guard": "the guard",
    "history": "the non-fast-forward policy",
    "signature": "the signature policy",
    "validation": "validation",
    "pin": "a pin",
}
NEXT_OF = {
    "guard": "confirm it in a commit's message, or run `gitsource allow REVISION`",
    "history": "confirm it (`gitsource allow REVISION`), or move the ref back",
    "signature": "have it signed by a key that counts",
    "validation": "push a commit that mends it",
    "pin": "`gitsource unpin` follows the ref again",
}
"""The next step for what is held, by what holds it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a commit."""

    commit: str
    """Its full ID, or what was asked if no such commit was ever seen."""
    seen: bool = False
    """Whether the mirror or the chronicle has it."""
    on_ref: bool = False
    """Whether the head has it in its history."""
    rows: tuple[Row, ...] = ()
    """What looks at it itself came to, oldest first."""
    carrier: Row | None = None
    """The first later head with it in its history that was looked at, if it was not itself or was
    held."""
    configuration: tuple[str, ...] | None = ()
    """Paths it changes that hold configuration; None if nobody can tell."""
    ignored: tuple[str, ...] = ()
    """Paths it changes that look like configuration and do not count by the settings."""
    because: str = ""
    """Why the first of them does not."""
    others: int = 0
    """How many other paths it changes."""
    held_now: bool = False
    """Whether it is what is held now."""
    before_memory: bool = False
    """Whether it is part of the oldest revision that is remembered."""
    ref: str = ""
    failure: str = ""
    """Why the last look failed, if it did."""
    suspended: str = ""
    """Why nothing is looked at, if that is so."""
    pinned: str = ""
    """The commit that is pinned, if one is."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a commit, and why."""

    verdict: Verdict
    reason: str
    hint: str = ""
    by: Row | None = None
    """The look that decided it."""
    went_out: bool = False
    """Whether what it brought was sent, by itself or with a later head."""


def fate(facts: Facts) -> Fate:
    """Return what became of a commit; the newest that is known of it counts."""
    last = facts.rows[-1] if facts.rows else None
    if last is not None and last.outcome == "published":
        return _published(facts, last)
    if facts.held_now and last is not None:
        return _held(last)
    if facts.carrier is not None:
        return _carried(facts, facts.carrier, last)
    if last is not None and last.outcome == "held" and not facts.on_ref:
        why = f"it was held by {_BY[last.held_by]}, and the ref was then moved away from it"
        return Fate("not-on-ref", why, "push it again if it is still meant", last)
    if last is not None and last.outcome == "held":
        return _held(last)
    return _never_looked_at(facts)


def _published(facts: Facts, row: Row) -> Fate:
    first = _held_until(facts, row)
    if not row.changed:
        return Fate("no-effect", f"{first}{_nothing_in_it(facts)}", by=row, went_out=True)
    what = ", ".join(row.changed[:3]) + (
        f" and {len(row.changed) - 3} more" * (len(row.changed) > 3)
    )
    reason = f"{first}it went out and changed {what}"
    if facts.pinned and facts.pinned != facts.commit:
        return Fate(
            "published",
            f"{reason}; sinks now have {facts.pinned[:12]}, which is pinned",
            NEXT_OF["pin"],
            row,
            went_out=True,
        )
    hint = "" if facts.on_ref else "it is no longer part of the followed ref: that was moved"
    return Fate("published", reason, hint, row, went_out=True)


def _held_until(facts: Facts, row: Row) -> str:
    """Return by what it was held before it went out with *row*, and who let it through; or ""."""
    held = next((each for each in reversed(facts.rows[:-1]) if each.outcome == "held"), None)
    if held is None:
        return ""
    until = "at first"
    if row.allowed_by:
        until = f"until {row.allowed_by} let it through ({row.allowed_because})"
    return f"it was held by {_BY[held.held_by]} {until}: {held.reason}; then "


def _nothing_in_it(facts: Facts) -> str:
    """Return why there was nothing to send."""
    if facts.configuration:
        what = f"what it changes ({_some(facts.configuration)}) comes to the same content"
        return f"{what}: comments, order or ignored documents, say"
    if facts.ignored:
        more = f" and {len(facts.ignored) - 1} more" if len(facts.ignored) > 1 else ""
        why = f"{_some(facts.ignored[:1])} ({facts.because}){more}"
        return f"it changes no path that is followed: {why}"
    if facts.configuration is None:
        return "what it changes comes to the same content"
    if facts.others:
        files = "one other file" if facts.others == 1 else f"{facts.others} other files"
        return f"it touches nothing that is configuration: {files}"
    return "it changes no file at all"


def _held(row: Row) -> Fate:
    return Fate("held", f"held by {_BY[row.held_by]}: {row.reason}", NEXT_OF[row.held_by], row)


def _carried(facts: Facts, carrier: Row, last: Row | None) -> Fate:
    """Return what a later head means for a commit that was held, or not looked at alone."""
    out = carrier.outcome == "published"
    if last is None and out and facts.configuration is not None and not facts.configuration:
        reason = _nothing_in_it(facts)
        return Fate("no-effect", reason, by=carrier, went_out=True)
    first = f"held by {_BY[last.held_by]}, then " if last is not None else ""
    then = f"{first}superseded by {carrier.commit[:12]}, a later head"
    if out:
        reason = f"{then}, which went out and has what it brought"
        return Fate("superseded", reason, by=carrier, went_out=True)
    reason = f"{then}, which is held by {_BY[carrier.held_by]}: {carrier.reason}"
    return Fate("superseded", reason, NEXT_OF[carrier.held_by], carrier)


def _never_looked_at(facts: Facts) -> Fate:
    if not facts.seen:
        return _never_seen(facts)
    if not facts.on_ref:
        why = f"it is not part of {facts.ref or 'the followed ref'}: that was moved away from it"
        return Fate("not-on-ref", why, "merge it, or move the ref")
    if facts.before_memory:
        why = "it is part of the oldest revision that is remembered: it went out before that"
        return Fate("forgotten", why, went_out=True)
    why, hint = "it is on the followed ref and was not looked at yet", "`gitsource sync` looks now"
    if facts.suspended:
        why, hint = f"{why}: suspended ({facts.suspended})", "`gitsource resume` looks again"
    elif facts.failure:
        why = f"{why}; the last look failed: {facts.failure}"
    return Fate("waiting", why, hint)


def _never_seen(facts: Facts) -> Fate:
    why = f"no such commit was fetched: it is not on {facts.ref or 'the followed ref'}"
    if facts.failure:
        why = f"{why}, or not fetched yet, since the last look failed: {facts.failure}"
        return Fate("unknown", why, "`gitsource doctor` says what is wrong")
    if facts.suspended:
        why = f"{why}, or not fetched yet: looking is suspended ({facts.suspended})"
        return Fate("unknown", why, "`gitsource resume` looks again")
    return Fate("unknown", f"{why}, or not pushed", "`gitsource sync` looks now")


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0].encode('utf-8', 'backslashreplace').decode()}{more}"
