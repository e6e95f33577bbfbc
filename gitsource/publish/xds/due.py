"""
What one subscription is to be sent, as the plan of the moment has it. Pure.

Rule: what a client may not have any more is taken from it first, by itself, and waits for nothing:
neither for an ACK nor for what refers to it. An answer that is owed says as little as the protocol
allows: over SotW all of a complete set but only the names in question of others, over delta those
names alone. News are what changes what the client has into its next step, less what it refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from gitsource.model import Collection, Resource
from gitsource.publish.xds.selection import Shelf
from gitsource.publish.xds.steps import Plan
from gitsource.publish.xds.subscription import NO_NAMES
from gitsource.publish.xds.types import Stage
from gitsource.publish.xds.watch import State, Watch

AT_ONCE = 8
"""Un-answered responses of one type, over delta: a further answer waits for an ACK."""
HEARTBEAT = 0.25
"""Seconds at least between two heartbeats of one type; a TTL of less than that runs out."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to send, now or later."""

    watch: Watch
    until: float
    """When it may go."""
    after: Collection
    put: tuple[Resource, ...] = field(default=(), repr=False)
    removed: tuple[str, ...] = ()
    target: str = ""
    owed: frozenset[str] = NO_NAMES
    """Names that are owed still when this has gone."""
    heartbeat: bool = False
    """Whether nothing changes, but what the client has is not to run out."""
    removes: bool = False
    """Whether nothing is added or changed."""
    lost: bool = False
    """Whether it takes away what the client may not have any more, so that nothing holds it up."""

    def holds_up(self, other: Due) -> bool:
        """Say whether *other*, which comes after it, waits for it."""
        mine, its = self.watch.type, other.watch.type
        if its.stage is not Stage.BY_RANK:
            # Steps have waits of their own; but what is asked for at one time goes in order.
            return self.watch.first and self.until < inf
        return mine.order != its.order


def due(watch: Watch, plan: Plan) -> Due | None:
    """Return what *watch* is to be sent, now or later."""
    return _lost(watch, plan) or (_part if watch.merges else _whole)(watch, plan)


def stuck(watch: Watch, plan: Plan) -> bool:
    """Say whether the client has what it may not have any more, and no more may be sent to it."""
    return plan.delta and len(watch.flights) >= AT_ONCE and plan.left(watch) is not watch.expected


def _lost(watch: Watch, plan: Plan) -> Due | None:
    """Return what takes from a client what it may not have any more, if that is anything."""
    if watch.first or not plan.loses(watch):
        return None
    left = plan.left(watch)
    if left.version == (target := plan.target(watch)).version:
        left = target  # All that come to it share that.
    if watch.merges:
        # Over SotW nothing is ever removed in what a client merges.
        full = len(watch.flights) >= AT_ONCE
        if not plan.delta or full or plan.has_just_refused(watch, left):
            return None
        gone = plan.shelf.changes(watch.expected, left).removed
        return Due(watch, 0.0, left, (), gone, left.version, watch.owed, lost=True)
    if watch.state is State.ASKED:
        # The answer has nothing of it either, and is owed as a whole.
        answer = _whole(watch, plan)
        return answer and replace(answer, until=0.0, lost=True)
    if watch.wanted.nothing or plan.has_just_refused(watch, left):
        return None
    return Due(watch, 0.0, left, left.resources, target=left.version, lost=True)


def beat(watch: Watch, plan: Plan) -> Due | None:
    """Return what keeps alive what a delta client has that runs out, now or later."""
    if not watch.type.ttl or watch.first:
        return None
    lasting, expected = plan.shelf.lasting(plan.lasting(watch), plan.served(watch)), watch.expected
    at = watch.kept_alive_at + max(lasting.seconds / 3, HEARTBEAT)
    put = lasting.put
    if at <= plan.now and watch.flights:
        # Told of what it has not, a client would take it for a resource without a body.
        put = tuple(one for one in put if _version(expected, one.name) == one.version)
    if not put:
        return None
    return Due(watch, at, expected, put, target=expected.version, heartbeat=True)


def _whole(watch: Watch, plan: Plan) -> Due | None:
    """Return the complete set that a client is to be sent."""
    asked = watch.state is State.ASKED
    if watch.wanted.nothing and not watch.first:
        return None
    target = plan.target(watch)
    step, until = plan.step(watch)
    at = watch.ready_at if asked else 0.0
    if watch.flights and not asked:
        if watch.type.stage is not Stage.BY_RANK or step.version == watch.expected.version:
            return None
        at = watch.flights[-1].sent_at + plan.patience  # An ACK may never come.
    if plan.refuses(watch, step):
        last = plan.last(watch) if asked else None
        # What is left of it is told, though it was refused at another time.
        if last is None or (plan.refuses(watch, last[0]) and not last[1]):
            return None
        step = last[0]
    elif asked:
        if watch.first and watch.stated == target.version:
            return None
    elif watch.has.version == step.version and watch.sure and not watch.flights:
        return _later(watch, until, step)
    return Due(watch, at, step, step.resources, target=target.version)


def _part(watch: Watch, plan: Plan) -> Due | None:
    """Return what a client is to be sent that merges it into what it has."""
    if watch.owed and len(watch.flights) < (AT_ONCE if plan.delta else 1):
        found = _owed(watch, plan)
        if found is not None:
            return found
    if watch.flights:
        return None
    asked = watch.state is State.ASKED
    has, whole = watch.has, plan.whole(watch)
    step, until = plan.step(watch)
    if plan.refuses(watch):
        last = plan.last(watch) if asked else None
        step, until = last[0] if last is not None else has, 0.0
    changes = plan.shelf.changes(has, step)
    put, removed = _group(watch, whole, changes.put), changes.removed if plan.delta else ()
    if put is not changes.put:
        removed = ()
    elif plan.delta and watch.first and not plan.refuses(watch):
        gone = plan.gone(watch, watch.wanted.names).difference(removed)
        removed = (*removed, *sorted(gone)) if gone else removed
    if plan.delta and watch.first and watch.type.under and watch.wanted.nothing:
        # An empty answer is about none of them: Envoy would wait for 15 s all the same.
        removed = plan.under(watch)
    if not put and not removed:
        unnamed = watch.wanted.all or watch.wanted.nothing
        if not asked or (plan.delta and (watch.owed or not unnamed)):
            return _later(watch, until, step)
    chunk = _first_chunk(watch, plan.shelf, put)
    entire = chunk is changes.put
    after = step if entire else plan.shelf.merged(has, chunk, removed)
    left = _named(watch, plan).difference(one.name for one in chunk) if watch.owed else NO_NAMES
    at = watch.ready_at if asked else 0.0
    return Due(watch, at, after, chunk, removed, plan.whole(watch).version, left)


def _owed(watch: Watch, plan: Plan) -> Due | None:
    """Return the answer about names, whatever the client has of them."""
    shelf, has, target = plan.shelf, watch.expected, plan.target(watch)
    owed = _named(watch, plan)
    put = shelf.part(target, owed).resources
    removed: tuple[str, ...] = ()
    if plan.delta and len(put) < len(watch.owed):
        removed = tuple(sorted(plan.gone(watch, watch.owed)))
    if plan.refuses(watch):
        put = tuple(one for one in put if _version(has, one.name) == one.version)
    if not all(one.wire for one in put):
        # Of contents that it refused, a client keeps what it has, and that need not be known.
        put = tuple(one for one in put if one.wire)
    if not watch.flights and not removed and watch.trouble is None and put:
        news = shelf.changes(has, plan.step(watch)[0]).put
        if len(news) >= len(put) and owed <= {one.name for one in news}:
            return None  # They are among the news.
    if not put and not removed and (plan.delta or watch.state is not State.ASKED):
        return None
    chunk = _first_chunk(watch, shelf, put)
    left = NO_NAMES
    if chunk is not put:
        left = frozenset(one.name for one in put) - {one.name for one in chunk}
    at = watch.ready_at if watch.state is State.ASKED else 0.0
    after = shelf.merged(has, chunk, removed)
    return Due(watch, at, after, chunk, removed, plan.whole(watch).version, left)


def _named(watch: Watch, plan: Plan) -> frozenset[str]:
    """Return what is owed by the names that the resources have themselves."""
    if not watch.wanted.aliased:
        return watch.owed
    return plan.shelf.resolved(plan.whole(watch), watch.owed)


def _version(has: Collection, name: str) -> str | None:
    one = has.get(name)
    return None if one is None else one.version


def _group(watch: Watch, whole: Collection, put: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """Return those of *put* to send by themselves, to find out which of them is refused."""
    trouble = watch.trouble
    if trouble is None or trouble.target != whole.version:
        return put
    for group in trouble.groups:
        if alone := tuple(one for one in put if one.name in group):
            return put if len(alone) == len(put) else alone
    return put


def _first_chunk(watch: Watch, shelf: Shelf, put: tuple[Resource, ...]) -> tuple[Resource, ...]:
    if not put or not watch.type.divisible:
        return put
    chunks = shelf.chunks(put)
    return put if len(chunks) == 1 else chunks[0]


def _later(watch: Watch, until: float, step: Collection) -> Due | None:
    """Return that there is nothing to send before *until* (0: at all)."""
    return Due(watch, until, step) if until else None


def in_order(dues: list[Due], shelf: Shelf) -> list[Due]:
    """
    Return *dues* in the order in which to send, which they are in but for those that only remove.

    These go the other way round, as in `publish.exchange`: after everything of higher rank that
    changes, since that may still refer to what goes.
    """
    if len(dues) < 2 or dues[-1].watch.type.stage is not Stage.BY_RANK:
        return dues
    told = [_told_apart(one, shelf) for one in dues]
    top = max((one.watch.type.order for one in told if not one.removes), default=-1)

    def place(one: Due) -> tuple[int, int]:
        order = one.watch.type.order
        if not one.removes:
            return 1, order
        return (0 if order > top else 2), -order

    return sorted(told, key=place)


def _told_apart(one: Due, shelf: Shelf) -> Due:
    """Return *one*, knowing whether it only removes."""
    if one.watch.type.stage is not Stage.BY_RANK or one.watch.first:
        return one
    changes = shelf.changes(one.watch.expected, one.after)
    return replace(one, removes=bool(changes.removed) and not changes.put)
