"""
A plan compared with what is served: where the two differ, and which sinks the push would reach.

Rule: pure. What a sink would have of a snapshot is worked out by the serving code itself, which the
caller passes in, so that a plan and a server never disagree about views and subscriptions. Where it
cannot be known, a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Collection as Collection_
from typing import TypeAlias

from gitsource.model import Collection, Snapshot
from gitsource.plan.served import Served, SinkTold, Subscribed
from gitsource.plan.values import Against, Drift, SinkKept, SinkReach
from gitsource.security.authorize.documents import COLLECTION as RULES

Expects: TypeAlias = Callable[[Snapshot, SinkTold, Subscribed], str]
"""The version that a sink should have of what it asks for, of a snapshot."""

MOST_NAMES = 20
"""Resources named in one drift; the rest is only counted."""


def drifted(served: Served, base: Snapshot) -> tuple[str, ...]:
    """Return the collections that are served otherwise than *base* has them, sorted."""
    expected = {name: each.version for name, each in base.collections.items()}
    names = served.collections.keys() | expected.keys()
    return tuple(
        name for name in sorted(names) if served.collections.get(name) != expected.get(name)
    )


def against(
    served: Served,
    base: Snapshot,
    head: Snapshot,
    expects: Expects,
    resources: Mapping[str, Mapping[str, str]],
    filled: frozenset[str] = frozenset(),
    unsure: Collection_[str] | None = None,
) -> Against:
    """
    Return what pushing *head* means to those who are *served*.

    *resources* are the names and versions of what is served of the collections that `drifted`, as
    far as they are known. Into those of *filled* the server puts files of its own, so that their
    versions at sinks cannot be foretold. Where rules change with the push, *unsure* names the sinks
    for which *expects* does not know what they may receive then; None: all of them.
    """
    drift = drifts(served, base, resources)
    others = frozenset(each.collection for each in drift)
    notes = [*_notes(served, base), *_rules(base, head, unsure)]
    reached: list[SinkReach] = []
    kept: list[SinkKept] = []
    for sink in served.sinks or ():
        reach, said = _reach(sink, base, head, expects, others, filled)
        notes += said
        if reach is not None:
            reached.append(reach)
        else:
            kept.append(_kept(sink, base, head, others))
    return Against(
        source=served.source,
        revision=served.revision,
        version=served.version,
        pinned=served.pinned,
        suspended=served.suspended,
        drift=drift,
        sinks=tuple(sorted(reached, key=lambda each: (each.sink, each.peer))),
        unreached=len(kept),
        kept=tuple(sorted(kept, key=lambda each: (each.sink, each.peer))),
        knows_sinks=served.sinks is not None,
        notes=tuple(dict.fromkeys(notes)),
    )


def drifts(
    served: Served, base: Snapshot, resources: Mapping[str, Mapping[str, str]]
) -> tuple[Drift, ...]:
    """Return what is served otherwise than *base* has it; *resources* as in `against`."""
    return tuple(
        _drift(name, served, base.collection(name), resources.get(name))
        for name in drifted(served, base)
    )


def _drift(
    name: str, served: Served, expected: Collection, resources: Mapping[str, str] | None
) -> Drift:
    version = expected.version if len(expected) else ""
    if resources is None:
        return Drift(name, served.collections.get(name, ""), version)
    due = {each.name: each.version for each in expected}
    differing = [
        each
        for each in sorted(due.keys() | resources.keys())
        if due.get(each) != resources.get(each)
    ]
    return Drift(
        name,
        served.collections.get(name, ""),
        version,
        tuple(differing[:MOST_NAMES]),
        max(0, len(differing) - MOST_NAMES),
    )


def _notes(served: Served, base: Snapshot) -> Iterator[str]:
    if not served.revision:
        yield "it serves nothing yet"
    elif served.layers and not base.revision.layers:
        yield (
            f"it serves several repositories as layers ({', '.join(served.layers)}): what is not "
            "in this one counts as drift"
        )
    elif base.revision.commit and served.revision != base.revision.commit:
        yield f"it serves {served.revision[:12]}, and the plan starts from {base.revision.short}"
    if served.pinned:
        yield "a pin is in force: nothing of this goes out before `gitsource unpin`"
    if served.suspended:
        yield "it is suspended: nothing of this goes out before `gitsource resume`"
    if served.sinks is None:
        yield "an exported snapshot knows no sinks: who would be reached is not told"
    if served.sinks_omitted:
        yield f"{served.sinks_omitted} more sinks are connected than it tells of"


def _rules(base: Snapshot, head: Snapshot, unsure: Collection_[str] | None) -> Iterator[str]:
    if base.collection(RULES).version == head.collection(RULES).version:
        return
    change = "the rules of who may receive what change as well"
    if unsure is None:
        yield f"{change}: who is reached is told by those that are in force now"
        return
    yield f"{change}: who is reached is told by the new ones"
    if unsure:
        named = ", ".join(sorted(unsure)[:MOST_NAMES])
        more = f" and {len(unsure) - MOST_NAMES} more" if len(unsure) > MOST_NAMES else ""
        yield f"what {named}{more} may receive then is not known here: told by the rules in force"


def _reach(
    sink: SinkTold,
    base: Snapshot,
    head: Snapshot,
    expects: Expects,
    drifted: frozenset[str],
    filled: frozenset[str],
) -> tuple[SinkReach | None, list[str]]:
    """Return what the push means to *sink*, None if nothing, and what has to be said of it."""
    reached: list[tuple[str, str, str]] = []
    notes: list[str] = []
    for each in sink.subscriptions:
        after = expects(head, sink, each)
        sure = each.collection in drifted and each.collection not in filled
        if after == (each.accepted if sure else expects(base, sink, each)):
            continue
        reached.append((each.collection, each.accepted, "" if each.collection in filled else after))
        notes += _doubts(sink, each, filled)
    if not reached:
        return None, []
    if sink.returned:
        notes.append(f"{sink.label} went back to {sink.returned[:12]} after a refusal")
    refuses = tuple(sorted({each.collection for each in sink.subscriptions if each.refused}))
    told = SinkReach(
        sink.label, sink.peer, sink.protocol, sink.views, tuple(sorted(reached)), refuses
    )
    return told, notes


def _kept(sink: SinkTold, base: Snapshot, head: Snapshot, drifted: frozenset[str]) -> SinkKept:
    holds = tuple(sorted((each.collection, each.accepted) for each in sink.subscriptions))
    why = _why_not(sink, base, head, drifted)
    return SinkKept(sink.label, why, sink.peer, sink.protocol, sink.views, holds)


def _why_not(sink: SinkTold, base: Snapshot, head: Snapshot, drifted: frozenset[str]) -> str:
    """Return why *sink*, for which nothing comes of the push, is not reached."""
    if not sink.subscriptions:
        return "it asks for nothing yet"

    def differs(asked: Subscribed) -> bool:
        return (
            base.collection(asked.collection).version != head.collection(asked.collection).version
        )

    touched = [each for each in sink.subscriptions if differs(each)]
    if not touched:
        return "nothing that it asks for changes"
    if any(each.collection in drifted for each in touched):
        return "it has what it would get already"
    limits = [
        *(["its views show"] if sink.views else []),
        *(["it has the right to"] if sink.rights is not None else []),
        *(["it asks for by name"] if any(each.names is not None for each in touched) else []),
    ]
    return f"nothing changes of what {' and '.join(limits) or 'it gets'}"


def _doubts(sink: SinkTold, asked: Subscribed, filled: frozenset[str]) -> Iterator[str]:
    if asked.collection in filled:
        yield (
            f"files of the server are put into {asked.collection}: which version sinks will have "
            "of it is not known here"
        )
    if sink.rights == ():
        yield f"{sink.label} has rights too many to be told: it counts as if it had all"
    if asked.names_omitted:
        yield (
            f"{sink.label} asks for {asked.names_omitted} names of {asked.collection}, too many to "
            "be told: it counts as if it asked for all"
        )
