"""
What `gitsource sink` prints: pushes as tables or as JSON lines, and what is held as one document.

Rule: the body of a secret is never printed: key material has no place in a terminal or a log.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsource.cli.output import json_line
from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from gitsource.sink.client import Sink
    from gitsource.sink.state import Item, Update

MOST_ROWS = 50
"""Rows of a table; the rest is counted. `--output json` has no such limit."""

_HIDDEN = "envoy.extensions.transport_sockets.tls.v3.Secret"


def resource(item: Item) -> dict[str, Any]:
    """Return *item* as plain JSON values."""
    from gitsource.sink.bodies import as_json

    secret = item.type_url.rpartition("/")[2] == _HIDDEN
    hidden = {"@type": item.type_url, "name": item.name, "redacted": True}
    return {
        "name": item.name,
        "version": item.version,
        "create_time": item.create_time or None,
        "labels": dict(item.labels),
        "annotations": dict(item.annotations),
        "type_url": item.type_url,
        "body": hidden if secret else as_json(item.type_url, item.body),
    }


def write_dump(client: Sink, path: Path | None) -> None:
    """
    Write all that *client* holds to *path*, or to standard output.

    Raises ConfigurationError if the file cannot be written.
    """
    told = {
        "collections": [
            {
                "collection": name,
                "version": client.version(name),
                "resources": [resource(held[one]) for one in sorted(held)],
            }
            for name in client.collections
            for held in (client.held(name),)
        ]
    }
    text = json.dumps(told, indent=2) + "\n"
    if path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"--dump: cannot write {path}: {error.strerror}", hint="name a file that can be made"
        ) from error


def quiet(_client: Sink, _update: Update) -> None:
    """Print nothing."""


def print_json(_client: Sink, update: Update) -> None:
    """Print a push as one line."""
    json_line(
        {
            "time": update.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "collection": update.collection,
            "version": update.version,
            "nonce": update.nonce,
            "incremental": update.incremental,
            "resources": [resource(item) for item in update.resources],
            "removed": list(update.removed),
        }
    )


def table_printer() -> Callable[[Sink, Update], None]:
    """Return what prints a push as a table with a line for each resource it puts or removes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gitsource.observe.neutral import neutral

    width = None if sys.stdout.isatty() else 80
    console = Console(width=width, highlight=False, markup=False, emoji=False)

    def show(client: Sink, update: Update) -> None:
        kind = "changes" if update.incremental else "full state"
        verdict = "REFUSED" if update.refused else f"holding {len(client.held(update.collection))}"
        rows = [("-", name, "", "") for name in update.removed]
        rows += [("+", i.name, i.version[:12], i.create_time[:20]) for i in update.resources]
        table = Table(box=None, show_header=False)
        table.add_column(width=1)
        table.add_column(overflow="fold", ratio=1)
        table.add_column(no_wrap=True, width=12)
        table.add_column(no_wrap=True, width=20)
        for row in rows[:MOST_ROWS]:
            style = "red" if row[0] == "-" else ""
            table.add_row(*(Text(neutral(cell), style=style) for cell in row))
        with console.capture() as captured:
            console.print(f"{update.time:%H:%M:%S}  {neutral(update.collection)}", style="bold")
            console.print(Text(f"          {kind}, nonce {neutral(update.nonce)}, {verdict}"))
            console.print(Text(f"          version {neutral(update.version)}"))
            if rows:
                console.print(table)
            if len(rows) > MOST_ROWS:
                console.print(f"   ... and {len(rows) - MOST_ROWS} more (--output json has all)")
        sys.stdout.write(captured.get())  # NB: rich itself would exit 1 when a pipe breaks
        sys.stdout.flush()

    return show
