"""
`--against`: what a running instance serves, or an exported snapshot holds, beside a plan.

Rule: read-only. An instance is asked by GET alone (`admin_door`); a file is proved before anything
in it is believed. Which resources a sink is shown is worked out by the serving code itself, with
the views that the instance says are in force.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.model import Snapshot

if TYPE_CHECKING:
    from gitsource.cli.admin_client import Papers
    from gitsource.cli.reached import Reached, Resources
    from gitsource.plan.served import Served, SinkTold, Subscribed
    from gitsource.plan.values import Against, Json
    from gitsource.security.authorize.rights import Rights
    from gitsource.settings.views import ViewRow
    from gitsource.snapshot.build import Standing

_file = click.Path(path_type=Path)

MOST_ASKED = 20
"""Collections of which an instance is asked for the resources."""

GetPapers = Callable[[], "Papers"]
"""Gives what is shown at an admin HTTP."""


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
    """Give *command* ``--against``: it gets a `Beside`, None without the flag."""

    @wraps(command)
    def prepared(*args: Any, against: str | None, papers: GetPapers, **kwargs: Any) -> Any:
        beside = None if against is None else Beside(against, papers)
        return command(*args, against=beside, **kwargs)

    return click.option(
        "--against",
        metavar="ADDRESS|FILE",
        help="Compare with what a gitsource serves (its admin HTTP, which is only read), or with "
        "an exported snapshot.",
    )(door_options(prepared))


class Beside:
    """What is served, asked when somebody needs it: for layers, or for what the push means."""

    def __init__(self, told: str, papers: GetPapers) -> None:
        """*told* is an address or a file."""
        self._told = told
        self._papers = papers

    def __repr__(self) -> str:
        return f"<Beside {self._told}>"

    @cached_property
    def _reached(self) -> Reached:
        from gitsource.cli.reached import reach

        return reach(self._told, self._papers(), option="--against")

    def __call__(self, base: Snapshot, head: Snapshot) -> Against:
        """Return what pushing *head* over *base* means; raises GitsourceError."""
        from gitsource.plan.against import against, drifted

        served = self._reached.served
        known = learned(drifted(served, base), self._reached.resources)
        return against(served, base, head, Expected(served), known, _filled(base, head))

    @property
    def source(self) -> str:
        """Its address, or file."""
        return self._reached.served.source

    @property
    def commits(self) -> Mapping[str, str]:
        """Which commit of each layer is served."""
        return self._reached.served.layers

    @property
    def bodies(self) -> bool:
        """Whether it tells what is in resources."""
        return self._reached.bodies

    def layers(self, names: Iterable[str]) -> Mapping[str, Standing]:
        """Return what it tells of the layers *names*; nothing if that is not all of each."""
        return self._reached.apart(names)


def learned(names: Sequence[str], resources: Resources) -> dict[str, Mapping[str, str]]:
    """Return what *resources* knows of the first of the collections *names*."""
    found = ((name, resources(name)) for name in names[:MOST_ASKED])
    return {name: content for name, content in found if content is not None}


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
