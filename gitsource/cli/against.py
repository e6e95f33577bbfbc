"""
`--against`: what a running instance serves, or an exported snapshot holds, beside a plan.

Rule: read-only. An instance is asked by GET alone (`admin_door`); a file is proved before anything
in it is believed. Which resources a sink is shown is worked out by the serving code itself, with
the views that the instance says are in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.model import Snapshot

if TYPE_CHECKING:
    from gitsource.cli.admin_client import Papers
    from gitsource.cli.reached import Reached, Resources
    from gitsource.plan.values import Against
    from gitsource.settings.rights import Authorization
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

    def __call__(
        self, base: Snapshot, head: Snapshot, rules: Authorization | None = None
    ) -> Against:
        """
        Return what pushing *head* over *base* means; raises GitsourceError.

        *rules* are those of the settings, as far as they are known here.
        """
        from gitsource.cli.expected import Expected, filled
        from gitsource.plan.against import against, drifted

        served = self._reached.served
        known = learned(drifted(served, base), self._reached.resources)
        expected = Expected(served, base, head, rules)
        return against(served, base, head, expected, known, filled(base, head), expected.unsure)

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
