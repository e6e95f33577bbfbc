"""
`--against`: what a running instance serves, or an exported snapshot holds, beside a plan.

Rule: read-only. An instance is asked by GET alone (`admin_door`); a file is proved before anything
in it is believed. Which resources a sink is shown is worked out by the serving code itself, with
the views that the instance says are in force.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.model import Snapshot, shown
from gitsource.settings_checks.addresses import UNIX

if TYPE_CHECKING:
    from gitsource.cli.admin_client import Papers
    from gitsource.cli.admin_door import Door
    from gitsource.plan.served import Served, SinkTold, Subscribed
    from gitsource.plan.values import Against, Json
    from gitsource.security.authorize.rights import Rights
    from gitsource.settings.views import ViewRow

_file = click.Path(path_type=Path)

MOST_ASKED = 20
"""Collections of which an instance is asked for the resources."""

Comparison = Callable[[Snapshot, Snapshot], "Against"]
"""From base and head to what the push means to those who are served."""
GetPapers = Callable[[], "Papers"]
"""Gives what is shown at an admin HTTP."""
Resources = Callable[[str], Mapping[str, str] | None]
"""From the name of a collection to the versions of what is served of it; None: nobody knows."""


def door_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the flags of what is shown at an admin HTTP; it gets ``papers`` to call."""

    @wraps(command)
    def prepared(*args: Any, **kwargs: Any) -> Any:
        names = ("token_file", "ca", "cert", "key")
        shown_there = {name: kwargs.pop(f"admin_{name}") for name in names}

        def papers() -> Papers:
            # Here, since nobody should wait for HTTP who asks for --help, or no instance.
            from gitsource.cli.admin_client import Papers

            return Papers(**shown_there)

        return command(*args, papers=papers, **kwargs)

    for option in (
        click.option("--admin-key", type=_file, metavar="FILE", help="The key of that."),
        click.option(
            "--admin-cert", type=_file, metavar="FILE", help="Your certificate, if it asks for one."
        ),
        click.option(
            "--admin-ca", type=_file, metavar="FILE", help="Certificates that vouch for it."
        ),
        click.option(
            "--admin-token-file",
            envvar="GITSOURCE_ADMIN_TOKEN_FILE",
            type=_file,
            metavar="FILE",
            help="File with a token that it knows.  [env var: GITSOURCE_ADMIN_TOKEN_FILE]",
        ),
    ):
        option(prepared)
    return prepared


def against_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* ``--against``: it gets a function of base and head, None without the flag."""

    @wraps(command)
    def prepared(*args: Any, against: str | None, papers: GetPapers, **kwargs: Any) -> Any:
        def compared(base: Snapshot, head: Snapshot) -> Against:
            return compare(against or "", base, head, papers())

        return command(*args, against=None if against is None else compared, **kwargs)

    return click.option(
        "--against",
        metavar="ADDRESS|FILE",
        help="Compare with what a gitsource serves (its admin HTTP, which is only read), or with "
        "an exported snapshot.",
    )(door_options(prepared))


def compare(told: str, base: Snapshot, head: Snapshot, papers: Papers) -> Against:
    """
    Return what pushing *head* over *base* means to what *told* (an address or a file) names.

    Raises GitsourceError if it cannot be read.
    """
    from gitsource.plan.against import against, drifted

    served, resources = reach(told, papers, option="--against")
    known = learned(drifted(served, base), resources)
    return against(served, base, head, Expected(served), known, _filled(base, head))


def learned(names: Sequence[str], resources: Resources) -> dict[str, Mapping[str, str]]:
    """Return what *resources* knows of the first of the collections *names*."""
    found = ((name, resources(name)) for name in names[:MOST_ASKED])
    return {name: content for name, content in found if content is not None}


def reach(told: str, papers: Papers, *, option: str) -> tuple[Served, Resources]:
    """Return what *told* says is served, and how to learn the resources of a collection."""
    file = Path(told)
    if "://" not in told and not told.startswith(UNIX) and file.exists():
        return _exported(file)
    from gitsource.cli.admin_door import door

    try:
        where = door(told, papers, option=option)
    except ConfigurationError as error:
        if "://" in told or "is no address" not in str(error):
            raise
        raise ConfigurationError(
            f"{option}: {shown(told)} is neither a file that is there nor an address",
            hint="name a file of `gitsource export`, or an address as host:port, https://host or "
            "unix:/path",
        ) from error
    return _instance(where)


def _exported(file: Path) -> tuple[Served, Resources]:
    from gitsource.cli.exported import opened
    from gitsource.plan.served import of_snapshot

    snapshot, _ = opened(file)

    def resources(name: str) -> Mapping[str, str]:
        return {each.name: each.version for each in snapshot.collection(name)}

    return of_snapshot(snapshot, str(file)), resources


def _instance(where: Door) -> tuple[Served, Resources]:
    from gitsource.cli.admin_door import read
    from gitsource.plan.served import read as understand

    try:
        served = understand(read(where, "/snapshot"), str(where))
    except ValueError as error:
        raise ConfigurationError(
            f"{where} answers what no gitsource does: {error}",
            hint="is it the admin HTTP of gitsource, and not something between?",
        ) from error

    def resources(name: str) -> Mapping[str, str] | None:
        try:
            return _pages(where, name, served.version)
        except (ValueError, GitsourceError):
            return None  # Only the names are missing then: versions are known already.

    return served, resources


def _pages(where: Door, collection: str, version: str) -> Mapping[str, str]:
    from gitsource.cli.admin_door import read
    from gitsource.plan.served import read_resources

    found: dict[str, str] = {}
    after = ""
    while True:
        asked = {"collection": collection} | ({"after": after} if after else {})
        page, following = read_resources(read(where, "/snapshot", asked), version, after)
        found |= page
        if not following:
            return found
        after = following


# --------------------------------------------------------------------------- what sinks see


class Expected:
    """What a sink should have of a snapshot, by the views and subscriptions that were told."""

    def __init__(self, served: Served) -> None:
        from gitsource.publish.access import Access
        from gitsource.publish.views import Views
        from gitsource.publish.xds.selection import Shelf

        texts = sorted({text for sink in served.sinks or () for text in _terms(sink)})
        terms = [{"name": f"{at}", "resources": json.loads(text)} for at, text in enumerate(texts)]
        read = partial(_views, source=served.source)
        rows = read([row if row["resources"] else {"name": row["name"]} for row in terms])
        self._selectors = {text: row.resources for text, row in zip(texts, rows, strict=True)}
        selectors = self._selectors.values()
        self._views = Views(read(list(served.views)), _Unkept(), selectors)
        self._access = Access(_Unkept())
        self._shelf = Shelf()

    def __repr__(self) -> str:
        return f"<Expected {self._views!r}>"

    def __call__(self, snapshot: Snapshot, sink: SinkTold, asked: Subscribed) -> str:
        """Return the version of what *sink* should have."""
        from gitsource.publish.words import Node
        from gitsource.publish.xds.subscription import Subscription, globs

        told = sink.node
        node = None
        if told is not None:
            node = Node(told.id, told.cluster, told.metadata, told.region, told.zone, told.sub_zone)
        published = self._access.published(snapshot)
        seen = self._views.seen(published, node, self._rights(sink))
        content = seen.collection(asked.collection)
        if asked.names is None:
            return content.version
        wanted = Subscription(asked.names, named=True, globs=globs(asked.names, None), aliased=True)
        return self._shelf.select(content, wanted).version

    def _rights(self, sink: SinkTold) -> Rights:
        from gitsource.security.authorize.rights import Rights, Term

        return Rights.of(
            frozenset(Term(self._selectors[text], meant) for text, meant in clause)
            for clause in sink.rights or ()
        )


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


def _filled(*snapshots: Snapshot) -> frozenset[str]:
    """Return the collections into which the server puts files of its own."""
    from gitsource.publish.secrets import COLLECTION, SCHEME

    found = (
        SCHEME.encode() in each.wire for one in snapshots for each in one.collection(COLLECTION)
    )
    return frozenset({COLLECTION} if any(found) else ())
