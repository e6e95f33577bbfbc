"""
How one subscription stands, for those who look on: what it has, waits for and refuses. Pure.

Rule: a client has what it accepted, and nothing is assumed beyond that. What it has may be more
than is served (a SotW client keeps what it merges), or less than it accepted (it gave up names):
neither is a lag.
"""

from __future__ import annotations

from gitsource.model import Collection
from gitsource.publish.words import Holding
from gitsource.publish.xds.steps import Plan
from gitsource.publish.xds.watch import Watch

Bad = frozenset[tuple[str, str]]
"""Refused contents: names and versions."""


def holds(watch: Watch, plan: Plan) -> bool:
    """Say whether the client has accepted all that it asks for."""
    if watch.flights or watch.first or not (watch.merges or watch.sure):
        return False
    whole = plan.whole(watch)
    if plan.delta or not watch.merges:
        return watch.has.version == whole.version
    return not plan.shelf.changes(watch.has, whole).put


def wanted(watch: Watch, plan: Plan) -> str | None:
    """
    Return the version whose ACK is waited for until the client has all that it asks for.

    That is the one reported last if there is nothing to wait for, None if there never was.
    """
    return watch.told if holds(watch, plan) else plan.whole(watch).version


def refuses(watch: Watch, plan: Plan, bad: Bad) -> bool:
    """Say whether the client refused a part of what it asks for."""
    if watch.trouble is None:
        return False
    whole = plan.whole(watch)
    return whole.version in watch.trouble.refused or any(_has(whole, *one) for one in bad)


def holding(watch: Watch, bad: Bad) -> Holding:
    """Return what the client was sent last and has accepted."""
    refused = _refused(watch, bad)
    sent = watch.expected if refused is None or watch.flights else refused
    return Holding(
        watch.requested,
        watch.collection,
        sent,
        accepted=None if watch.first else watch.has,
        refused=refused.version if refused is not None else None,
        names=None if watch.wanted.all else tuple(sorted(watch.wanted.names)),
        why=watch.trouble.why if refused is not None and watch.trouble is not None else "",
    )


def _refused(watch: Watch, bad: Bad) -> Collection | None:
    """Return what the client would have, had it not refused what it still refuses."""
    if watch.trouble is None or watch.trouble.sent is None:
        return None
    sent = watch.trouble.sent
    found = [sent.get(name) for name, version in bad if _has(sent, name, version)]
    put = tuple(one for one in found if one is not None)
    if put and watch.merges:
        return watch.expected.changed((), {one.name: one for one in put})
    return sent if watch.refused_at is not None else None


def _has(collection: Collection, name: str, version: str) -> bool:
    found = collection.get(name)
    return found is not None and found.version == version
