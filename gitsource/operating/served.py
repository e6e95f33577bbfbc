"""
What is served, to whom and how far it came, for those who compare it with something else.

Rule: read-only, and enough to say from outside what a push would reach: versions of what is in the
snapshot (before files are put into Secrets), the views in force, and of each sink its rights and
what views and subscriptions look at. No bodies, and of a node's metadata only what the views ask
for. Of layers it tells which file each resource is from, and what is covered, so that they can be
taken apart. Answers are bounded: a collection is told in pages; sinks, names, rights and what is
covered are only counted beyond a number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from gitsource.model import Snapshot
from gitsource.publish.session import Session
from gitsource.publish.showing.views import LONG, REVISION
from gitsource.publish.words import Holding, Node
from gitsource.security.authorize.rights import Rights
from gitsource.security.peer import Peer
from gitsource.settings.views import ViewRow

MOST_SINKS = 1000
"""Streams told; the rest is only counted."""
MOST_NAMES = 1000
"""Names told that one subscription asks for; with more, only how many there are."""
MOST_TERMS = 1000
"""Terms told of the rights of one sink; with more, none."""
MOST_COVERED = 5000
"""Resources told that layers have and do not serve, since a higher one has another."""
PAGE = 10_000
"""Resources told at once."""


def whole(
    serving: Snapshot | None, views: Iterable[ViewRow], *, pinned: bool, suspended: bool
) -> dict[str, Any]:
    """Return what is served: versions of collections, and the views by which it is shown."""
    collections = serving.collections.values() if serving is not None else ()
    covered = serving.covered if serving is not None else ()
    return {
        "revision": serving.revision.commit if serving is not None else None,
        "version": serving.version if serving is not None else None,
        "layers": {
            layer.name: layer.commit
            for layer in (serving.revision.layers if serving is not None else ())
        },
        "pinned": pinned,
        "suspended": suspended,
        "collections": {
            each.name: {"version": each.version, "count": len(each)} for each in collections
        },
        "covered": [
            {
                "collection": name,
                "name": one.name,
                "version": one.version,
                "file": one.origin.path,
                "line": one.origin.line,
            }
            for name, one in covered[:MOST_COVERED]
        ],
        "covered_omitted": max(0, len(covered) - MOST_COVERED),
        "views": [_row(view) for view in views],
    }


def resources(
    serving: Snapshot | None, collection: str, after: str, *, most: int = PAGE
) -> dict[str, Any]:
    """Return names and versions of a *collection*: at most *most*, behind the name *after*."""
    names: tuple[str, ...] = ()
    version = None
    told: dict[str, str] = {}
    origins: dict[str, list[str | int]] = {}
    if serving is not None:
        content, version = serving.collection(collection), serving.version
        names = content.names
        start = bisect_right(names, after) if after else 0
        page = content.resources[start : start + most]
        told = {each.name: each.version for each in page}
        if serving.revision.layers:
            origins = {each.name: [each.origin.path, each.origin.line] for each in page}
        names = names[start:]
    return {
        "version": version,
        "collection": collection,
        "resources": told,
        "origins": origins,
        "next": [*told][-1] if len(names) > len(told) else None,
    }


def _row(row: Any) -> dict[str, Any]:
    """Return a view as it stands in settings: what it does not ask for is left out."""
    told: dict[str, Any] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        if is_dataclass(value):
            value = _row(value)
        elif isinstance(value, tuple):
            pairs = bool(value) and isinstance(value[0], tuple)
            value = dict(value) if pairs else list(value)
        if value:
            told[each.name] = value
    return told


# --------------------------------------------------------------------------- sinks


def sinks(
    sessions: Iterable[Session], rows: Iterable[dict[str, Any]], views: Iterable[ViewRow]
) -> dict[str, Any]:
    """Return a row for each open stream, of which the status says *rows*."""
    asked = {REVISION, *(key for view in views for key, _ in view.nodes.metadata)}
    known = {row["stream"]: row for row in rows}
    streams = [one for one in sessions if one.stream in known]
    return {
        "sinks": [_sink(one, known[one.stream], asked) for one in streams[:MOST_SINKS]],
        "sinks_omitted": max(0, len(streams) - MOST_SINKS),
    }


def _sink(session: Session, row: dict[str, Any], asked: set[str]) -> dict[str, Any]:
    said = row["collections"]
    told = {key: row[key] for key in ("id", "stream", "peer", "protocol", "views", "returned")}
    return told | {
        "node": _node(session.node, asked),
        "proved": _proved(session.who),
        "rights": _rights(session.rights),
        "subscriptions": [
            _subscription(each, said.get(each.requested) or {}) for each in session.holdings()
        ],
    }


def _rights(rights: Rights) -> list[list[dict[str, Any]]] | None:
    """Return clauses, all of which have to have a term that holds; None: everything."""
    if rights.everything:
        return None
    told = [
        [{"resources": _row(term.resources), "meant": term.meant} for term in clause]
        for clause in rights.clauses
    ]
    if sum(map(len, told)) > MOST_TERMS:
        return []  # nobody can go by them; a clause that nothing fits would say: no rights
    return told


def _proved(who: Peer) -> dict[str, Any] | None:
    """Return what rules look at, but for what a token claims; None: it proved nothing."""
    if who.means == "none":
        return None
    return {
        "means": who.means,
        "spiffe_id": who.spiffe_id,
        "dns": list(who.dns[:MOST_NAMES]),
        "ips": list(who.ips[:MOST_NAMES]),
        "identity": who.identity[:LONG],
        "claims": bool(who.claims),
    }


def _node(node: Node | None, asked: set[str]) -> dict[str, Any] | None:
    if node is None:
        return None
    where = ("id", "cluster", "region", "zone", "sub_zone")
    told: dict[str, Any] = {key: getattr(node, key)[:LONG] for key in where}
    metadata = {key: node.metadata[key][:LONG] for key in sorted(asked & node.metadata.keys())}
    return told | {"metadata": metadata}


def _subscription(holding: Holding, said: dict[str, Any]) -> dict[str, Any]:
    names = holding.names
    few = names is not None and len(names) <= MOST_NAMES
    return {
        "requested": holding.requested,
        "collection": holding.collection,
        "names": list(names) if names is not None and few else None,
        "names_omitted": len(names) if names is not None and not few else 0,
        "accepted": said.get("acked"),
        "refused": said.get("nacked"),
    }
