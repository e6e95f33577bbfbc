"""
Flags of the commands that work on one of several layers: which it is, and where the others are.

Rule: translation only; what is found there is `rehearsal.layers.at_hand`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gitsource.cli.against import Beside
    from gitsource.rehearsal.question import Others

Place = tuple[str, tuple[Path, str | None]]
"""Name of a layer, its repository, and which revision of it counts."""

with_option = click.option(
    "--with",
    "checkouts",
    multiple=True,
    metavar="NAME=DIR[@REV]",
    callback=lambda _ctx, _param, told: tuple(map(place, told)),
    help="A repository of the layer NAME (repeatable). REV: the revision that counts.",
)


def place(told: str) -> Place:
    """Return what ``NAME=DIR[@REV]`` says: a folder that is there is taken as it is written."""
    name, equals, where = told.partition("=")
    if not (name and equals and where):
        raise click.BadParameter(f"{told!r} is not NAME=DIR or NAME=DIR@REV", param_hint="--with")
    folder, at, spec = where.rpartition("@")
    if at and folder and spec and not Path(where).is_dir():
        return name, (Path(folder), spec)
    return name, (Path(where), None)


def others_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the flags of layers that are not under review; it gets a function for them."""

    @wraps(command)
    def prepared(
        *args: Any,
        checkouts: Sequence[Place],
        without: Sequence[str],
        state_dir: Path | None,
        **kwargs: Any,
    ) -> Any:
        def others(served: Beside | None) -> Others:
            from gitsource.rehearsal.question import Others

            return Others(dict(checkouts), frozenset(without), state_dir, served)

        return command(*args, others=others, **kwargs)

    for option in (
        click.option(
            "--state-dir",
            type=click.Path(path_type=Path),
            help="State directory with mirrors of layers.  [default: that of the settings]",
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="NAME",
            help="Plan without the layer NAME if there is nothing of it (repeatable).",
        ),
        with_option,
    ):
        option(prepared)
    return prepared
