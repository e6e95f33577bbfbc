"""
What a running instance, or an exported snapshot, says is served: as values, and read from JSON.

Rule: pure, and whoever answered is not trusted: what is not of the form that gitsource gives is a
ValueError that names the place, and nothing is filled in by guessing. Unknown keys are let be: a
later gitsource may say more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitsource.model import Origin, Snapshot, content_digest, digest_line
from gitsource.plan.values import Json

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
LONGEST = 4096
"""Characters of a name, an address or a version."""


@dataclass(frozen=True, slots=True)
class NodeTold:
    """Who a sink says it is, as far as views ask."""

    id: str = ""
    cluster: str = ""
    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProvedTold:
    """What a sink proved of itself, as far as rules ask."""

    means: str
    spiffe_id: str = ""
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    identity: str = ""
    claims: bool = False
    """Whether it showed a token with claims, which are not told."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a sink asks for, and how far it came."""

    requested: str
    """What it calls the collection."""
    collection: str
    names: frozenset[str] | None = None
    """The resources it asks for; None: all."""
    names_omitted: int = 0
    """How many it asks for, where they are too many to be told."""
    accepted: str = ""
    """Version it accepted last; empty: none."""
    refused: str = ""
    """Version that it refuses; empty: none."""


@dataclass(frozen=True, slots=True)
class SinkTold:
    """One open stream."""

    id: str
    stream: int
    peer: str
    protocol: str
    views: tuple[str, ...] = ()
    node: NodeTold | None = None
    subscriptions: tuple[Subscribed, ...] = ()
    rights: tuple[tuple[tuple[str, bool], ...], ...] | None = None
    """Clauses of (selector of resources as JSON text, whether it is meant or all others are), all
    of which have to have a term that holds; None: everything. None of them: nobody can tell."""
    returned: str = ""
    """The commit that it went back to after a refusal; empty: it did not."""
    proved: ProvedTold | None = None
    """None: nothing, or it is not told."""

    @property
    def label(self) -> str:
        """What to call it: its node ID, or else its address."""
        return self.id or self.peer


@dataclass(frozen=True, slots=True)
class CoveredTold:
    """A resource that a layer has and that is not served, since a higher one has another."""

    collection: str
    name: str
    version: str
    file: str
    """``NAME:path``."""
    line: int


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, and to whom."""

    source: str
    """The address that was asked, or the file."""
    revision: str = ""
    """Empty: nothing is served."""
    version: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)
    """The commit of each layer, where what is served is composed of several repositories."""
    pinned: bool = False
    suspended: bool = False
    collections: Mapping[str, str] = field(default_factory=dict)
    """Version of each."""
    views: tuple[Json, ...] = ()
    """The views in force, as in settings."""
    sinks: tuple[SinkTold, ...] | None = ()
    """None: a file, which has none."""
    sinks_omitted: int = 0
    covered: tuple[CoveredTold, ...] | None = None
    """None: what is covered is not told, or not all of it."""


def of_snapshot(snapshot: Snapshot, source: str) -> Served:
    """Return what the exported *snapshot* in the file *source* says."""
    return Served(
        source,
        snapshot.revision.commit,
        snapshot.version,
        {layer.name: layer.commit for layer in snapshot.revision.layers},
        collections={name: each.version for name, each in snapshot.collections.items()},
        sinks=None,
    )


def sum_of(served: Served) -> str:
    """Return the version that the collections told come to: `version`, if nobody is lying."""
    return content_digest(
        digest_line(name, version) for name, version in sorted(served.collections.items())
    )


def read(told: Json, source: str) -> Served:
    """Return what ``GET /snapshot`` of *source* answered; raises ValueError."""
    whole = _mapping(told, "the answer")
    collections = _mapping(whole.get("collections"), "collections")
    return Served(
        source,
        _text(whole.get("revision"), "revision"),
        _text(whole.get("version"), "version"),
        {
            _text(name, "a layer's name"): _commit(commit, "a layer's commit")
            for name, commit in _mapping(whole.get("layers"), "layers").items()
        },
        whole.get("pinned") is True,
        whole.get("suspended") is True,
        {
            _text(name, "a collection's name"): _text(
                _mapping(each, f"collections.{name[:80]}").get("version"), "a version"
            )
            for name, each in collections.items()
        },
        tuple(_list(whole.get("views"), "views")),
        tuple(_sink(each) for each in _list(whole.get("sinks"), "sinks")),
        _number(whole.get("sinks_omitted"), "sinks_omitted"),
        _covered(whole),
    )


def _covered(whole: Mapping[str, Any]) -> tuple[CoveredTold, ...] | None:
    rows = [_mapping(each, "covered[]") for each in _list(whole.get("covered"), "covered")]
    told = tuple(
        CoveredTold(
            _text(row.get("collection"), "covered[].collection"),
            _text(row.get("name"), "covered[].name"),
            _text(row.get("version"), "covered[].version"),
            _text(row.get("file"), "covered[].file"),
            _number(row.get("line"), "covered[].line"),
        )
        for row in rows
    )
    omitted = _number(whole.get("covered_omitted"), "covered_omitted")
    return told if "covered" in whole and not omitted else None


def read_origins(told: Json) -> dict[str, Origin]:
    """Return the places by name on a page of a collection, where layers are served: ValueError."""
    found = {}
    for name, each in _mapping(_mapping(told, "the answer").get("origins"), "origins").items():
        place = _list(each, "origins")
        if len(place) != 2:
            raise ValueError("origins: expected file and line")
        found[_text(name, "a name")] = Origin(
            _text(place[0], "a file"), _number(place[1], "a line")
        )
    return found


def read_resources(told: Json, version: str, after: str) -> tuple[dict[str, str], str]:
    """
    Return the versions by name on a page of a collection, and behind which name the next begins.

    *version* is that of the snapshot that the pages before are of, *after* the name that this one
    begins behind. Raises ValueError; also if something else is served by now.
    """
    whole = _mapping(told, "the answer")
    if _text(whole.get("version"), "version") != version:
        raise ValueError("something else is served by now")
    resources = {
        _text(name, "a name"): _text(each, "a version")
        for name, each in _mapping(whole.get("resources"), "resources").items()
    }
    following = _text(whole.get("next"), "next")
    if following and (following <= after or following not in resources):
        raise ValueError("next: the pages come to no end")
    return resources, following


def _sink(told: Json) -> SinkTold:
    row = _mapping(told, "sinks[]")
    return SinkTold(
        _text(row.get("id"), "sinks[].id"),
        _number(row.get("stream"), "sinks[].stream"),
        _text(row.get("peer"), "sinks[].peer"),
        _text(row.get("protocol"), "sinks[].protocol"),
        _texts(row.get("views"), "sinks[].views"),
        None if row.get("node") is None else _node(row["node"]),
        tuple(
            _subscribed(each) for each in _list(row.get("subscriptions"), "sinks[].subscriptions")
        ),
        None if row.get("rights") is None else _rights(row["rights"]),
        _text(row.get("returned"), "sinks[].returned"),
        None if row.get("proved") is None else _proved(row["proved"]),
    )


def _proved(told: Json) -> ProvedTold:
    where = "sinks[].proved"
    row = _mapping(told, where)
    means = _text(row.get("means"), f"{where}.means")
    if means not in {"mtls", "jwt"}:
        raise ValueError(f"{where}.means: expected mtls or jwt")
    return ProvedTold(
        means,
        _text(row.get("spiffe_id"), f"{where}.spiffe_id"),
        _texts(row.get("dns"), f"{where}.dns"),
        _texts(row.get("ips"), f"{where}.ips"),
        _text(row.get("identity"), f"{where}.identity"),
        row.get("claims") is True,
    )


def _rights(told: Json) -> tuple[tuple[tuple[str, bool], ...], ...]:
    where = "sinks[].rights"
    clauses = [
        [_mapping(term, where) for term in _list(clause, where)] for clause in _list(told, where)
    ]
    return tuple(
        tuple(
            (
                json.dumps(_mapping(term.get("resources"), where), sort_keys=True),
                term.get("meant") is True,
            )
            for term in clause
        )
        for clause in clauses
    )


def _node(told: Json) -> NodeTold:
    row = _mapping(told, "sinks[].node")
    metadata = _mapping(row.get("metadata"), "sinks[].node.metadata")
    where = ("id", "cluster", "region", "zone", "sub_zone")
    place = {key: _text(row.get(key), f"sinks[].node.{key}") for key in where}
    return NodeTold(
        **place,
        metadata={
            key: _text(each, f"sinks[].node.metadata.{key[:80]}") for key, each in metadata.items()
        },
    )


def _subscribed(told: Json) -> Subscribed:
    where = "sinks[].subscriptions[]"
    row = _mapping(told, where)
    names = row.get("names")
    return Subscribed(
        _text(row.get("requested"), f"{where}.requested"),
        _text(row.get("collection"), f"{where}.collection"),
        None if names is None else frozenset(_texts(names, f"{where}.names")),
        _number(row.get("names_omitted"), f"{where}.names_omitted"),
        _text(row.get("accepted"), f"{where}.accepted"),
        _text(row.get("refused"), f"{where}.refused"),
    )


# --------------------------------------------------------------------------- forms


def _mapping(told: Json, where: str) -> Mapping[str, Any]:
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004 - what is read, not who calls
    return told


def _list(told: Json, where: str) -> list[Any]:
    if told is None:
        return []
    if not isinstance(told, list):
        raise ValueError(f"{where}: expected a list")  # noqa: TRY004 - as above
    return told


def _text(told: Json, where: str) -> str:
    if told is None:
        return ""
    if not isinstance(told, str) or len(told) > LONGEST:
        raise ValueError(f"{where}: expected a text of at most {LONGEST} characters")
    return told


def _commit(told: Json, where: str) -> str:
    if not _COMMIT.fullmatch(_text(told, where)):
        raise ValueError(f"{where}: expected an object id")
    return str(told)


def _texts(told: Json, where: str) -> tuple[str, ...]:
    return tuple(_text(each, where) for each in _list(told, where))


def _number(told: Json, where: str) -> int:
    if told is None:
        return 0
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told < 2**63:
        raise ValueError(f"{where}: expected a number")
    return told
