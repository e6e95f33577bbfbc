"""
The flags that nobody writes down twice: every setting, and the config file.

Rule: a flag is text until `gitsource.configuration` reads it, so a mistake is told in the same
words wherever it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gitsource.declarations import Row, describe

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="GITSOURCE_CONFIG",
    metavar="FILE",
    help="Config file (YAML or JSON).  [env var: GITSOURCE_CONFIG]",
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give *command* ``--config`` and a flag for every setting.

    It is called with ``config`` and with ``flags``: the text of each flag by dotted key, None for
    those that were not given.
    """
    rows = {row.key.replace(".", "__"): row for row in describe()}

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        flags = {row.key: kwargs.pop(name) for name, row in rows.items()}
        return command(*args, flags=flags, **kwargs)

    for name, row in reversed(rows.items()):
        # A setting that is true or false may be given by its flag alone, which means true.
        alone: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if row.type is bool else {}
        click.option(row.flag, name, metavar=_metavar(row), help=_help(row), **alone)(gathered)
    return config_option(gathered)


class ListFirst(click.Group):
    """A group that is `list` when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before options that are not the group's own."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def pairs(_ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Read what was written as KEY=VALUE, each time an option is given."""
    found = {}
    for each in value:
        key, equals, told = each.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"expected KEY=VALUE, found {each!r}", param=param)
        found[key] = told
    return found


LONGEST_METAVAR = 40
"""Characters; more choices than that are listed in the words instead."""


def _metavar(row: Row) -> str:
    if len(row.type_text) > LONGEST_METAVAR:
        return "NAME"
    return row.type_text.replace(" | ", "|") if "|" in row.type_text else row.type_text.upper()


def _help(row: Row) -> str:
    words = row.doc.replace("`", "")
    if _metavar(row) == "NAME":
        words = f"{words} One of: {row.type_text.replace(' |', ',')}."
    return f"{words}  [default: {row.default_text}]" if row.default_text else words
