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
        click.option(row.flag, name, metavar=_metavar(row), help=_help(row))(gathered)
    return config_option(gathered)


def pairs(_ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Read what was written as KEY=VALUE, each time an option is given."""
    found = {}
    for each in value:
        key, equals, told = each.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"expected KEY=VALUE, found {each!r}", param=param)
        found[key] = told
    return found


def _metavar(row: Row) -> str:
    return row.type_text.replace(" | ", "|") if "|" in row.type_text else row.type_text.upper()


def _help(row: Row) -> str:
    words = row.doc.replace("`", "")
    return f"{words}  [default: {row.default_text}]" if row.default_text else words
