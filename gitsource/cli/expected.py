"""
What sinks of a running instance would have of a snapshot, by all that the instance tells of them.

Rule: worked out by the serving code itself: views, subscriptions, and the rules of who may receive
what. Rules that change with a push are foretold for a sink only if those that are in force come to
the very rights that the instance tells of it: then what is known here of rules and sink is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.model import Snapshot
from gitsource.security.authorize.documents import COLLECTION as RULES
from gitsource.security.peer import Means, Peer

if TYPE_CHECKING:
    from gitsource.plan.served import Served, SinkTold, Subscribed
    from gitsource.plan.values import Json
    from gitsource.publish.showing.access import Era
    from gitsource.publish.words import Node
    from gitsource.security.authorize.rights import Rights
    from gitsource.settings.rights import Authorization
    from gitsource.settings.views import ViewRow


class Expected:
    """What a sink should have of a snapshot, by the views and subscriptions that were told."""

    def __init__(
        self,
        served: Served,
        base: Snapshot,
        head: Snapshot,
        rules: Authorization | None = None,
    ) -> None:
        """*rules* are those of the settings; None: they are not known here."""
        from gitsource.publish.showing.access import Access
        from gitsource.publish.showing.views import Views
        from gitsource.publish.xds.selection import Shelf

        texts = sorted({text for sink in served.sinks or () for text in _terms(sink)})
        terms = [{"name": f"{at}", "resources": json.loads(text)} for at, text in enumerate(texts)]
        read = partial(_views, source=served.source)
        rows = read([row if row["resources"] else {"name": row["name"]} for row in terms])
        self._selectors = {text: row.resources for text, row in zip(texts, rows, strict=True)}
        selectors = self._selectors.values()
        views = read(list(served.views))
        self._views = Views(views, _Unkept(), selectors)
        self._access = Access(_Unkept(), views, rules)
        self._shelf = Shelf()
        self._head = head
        self._foretold: dict[int, tuple[Era, Rights]] = {}
        """By stream: by which rules the head is served, and what the sink may receive by them."""
        self.unsure: frozenset[str] | None = None
        """Sinks of which nobody can say here what they may receive once the rules change."""
        if rules is not None and _readable(base) and _readable(head) and _changes(base, head):
            keys = frozenset(key for view in views for key, _ in view.nodes.metadata)
            self.unsure = frozenset(self._foretell(served, base, keys))

    def __repr__(self) -> str:
        return f"<Expected {self._views!r}>"

    def __call__(self, snapshot: Snapshot, sink: SinkTold, asked: Subscribed) -> str:
        """Return the version of what *sink* should have."""
        from gitsource.publish.xds.subscription import Subscription, globs

        node = _node(sink)
        published = self._access.published(snapshot)
        known = self._foretold.get(sink.stream) if snapshot is self._head else None
        if known is not None:
            era, rights = known
            seen = era.seen(published, node, rights)
        else:
            seen = self._views.seen(published, node, self._rights(sink))
        content = seen.collection(asked.collection)
        if asked.names is None:
            return content.version
        wanted = Subscription(asked.names, named=True, globs=globs(asked.names, None), aliased=True)
        return self._shelf.select(content, wanted).version

    def _foretell(self, served: Served, base: Snapshot, keys: frozenset[str]) -> Iterator[str]:
        """Work out what each sink may receive of the head; yields those for which that fails."""
        from gitsource.publish.showing.views import REVISION

        now, then = self._access.at(base), self._access.at(self._head)
        asked = _Asked.of(now, then)
        known = asked.metadata <= {*keys, REVISION} and not then.fault
        for sink in served.sinks or ():
            claims = sink.proved is not None and sink.proved.claims and asked.claims
            peer, node = _peer(sink), _node(sink)
            held = now.rights(peer, node, sink.protocol)
            if not known or claims or sink.rights == () or held != self._rights(sink):
                yield sink.label
            else:
                self._foretold[sink.stream] = (then, then.rights(peer, node, sink.protocol))

    def _rights(self, sink: SinkTold) -> Rights:
        from gitsource.security.authorize.rights import Rights, Term

        return Rights.of(
            frozenset(Term(self._selectors[text], meant) for text, meant in clause)
            for clause in sink.rights or ()
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What rules ask that an instance does not tell, or not all of."""

    claims: bool
    metadata: frozenset[str]

    @classmethod
    def of(cls, *eras: Era) -> _Asked:
        rows = [row.rule.to for era in eras for _, rules in era.book.lists() for row in rules.rows]
        metadata = (key for subject in rows for key, _ in subject.nodes.metadata)
        return cls(any(subject.claims for subject in rows), frozenset(metadata))


def _changes(base: Snapshot, head: Snapshot) -> bool:
    return base.collection(RULES).version != head.collection(RULES).version


def _readable(snapshot: Snapshot) -> bool:
    """Whether the rules in *snapshot* are there, and not their versions alone."""
    return all(each.wire for each in snapshot.collection(RULES))


def _peer(sink: SinkTold) -> Peer:
    told = sink.proved
    if told is None:
        return Peer(sink.peer)
    means: Means = "jwt" if told.means == "jwt" else "mtls"
    return Peer(sink.peer, means, told.spiffe_id, told.dns, told.ips, identity=told.identity)


def _node(sink: SinkTold) -> Node | None:
    from gitsource.publish.words import Node

    told = sink.node
    if told is None:
        return None
    return Node(told.id, told.cluster, told.metadata, told.region, told.zone, told.sub_zone)


def _terms(sink: SinkTold) -> Iterator[str]:
    return (text for clause in sink.rights or () for text, _ in clause)


def _views(told: Sequence[Json], *, source: str) -> tuple[ViewRow, ...]:
    """Return views as the reader of settings reads them, which believes nobody."""
    from gitsource.configuration.whole import load

    try:
        return load(None, {"GITSOURCE_VIEWS": json.dumps(list(told))}, {}).views
    except GitsourceError as error:
        raise ConfigurationError(
            f"{source} tells views or rights that cannot be read: {error}",
            hint="is this gitsource older than that one?",
        ) from error


class _Unkept:
    """Stands where the server keeps diff bases: nothing is sent from here."""

    def derived(self, before: object, now: object) -> None:
        """Keep nothing."""

    def gone(self, collection: str, name: str) -> None:
        """Know nothing."""


def filled(*snapshots: Snapshot) -> frozenset[str]:
    """Return the collections into which the server puts files of its own."""
    from gitsource.publish.secrets.overlay import COLLECTION, SCHEME

    found = (
        SCHEME.encode() in each.wire for one in snapshots for each in one.collection(COLLECTION)
    )
    return frozenset({COLLECTION} if any(found) else ())
