"""
`gitsource sink`: a real sink on the command line, which prints every push it gets.

Rule: standard output carries pushes only, each flushed when it is whole; how the connection fares
goes to standard error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from gitsource.catalog import BUILTIN
from gitsource.cli.output import json_line, say
from gitsource.declarations import address, seconds

if TYPE_CHECKING:
    from gitsource.sink.client import Sink
    from gitsource.sink.state import Update

MOST_ROWS = 50
"""Rows of a table; the rest is counted. `--output json` has no such limit."""


def _form(read: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that takes a parameter in one of the forms settings are written in."""

    def convert(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(f"expected {error}, found {value!r}", ctx, param) from error

    return convert


def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error


@click.command("sink")
@click.argument("server", metavar="ADDRESS", callback=_form(address))
@click.argument("collections", nargs=-1, metavar="[COLLECTION]...")
@click.option("--incremental", is_flag=True, help="Ask for changes only, where the source can.")
@click.option("--once", is_flag=True, help="Exit 0 when every collection has been answered.")
@click.option(
    "--timeout",
    metavar="DURATION",
    callback=_form(seconds),
    help="Give up (exit 1) after this long, e.g. 30s.",
)
@click.option(
    "--nack-if",
    metavar="REGEX",
    callback=_form(_pattern),
    help="Refuse (NACK) every push with a resource whose name matches.",
)
@click.option("--id", "node_id", help="Node id to subscribe as.  [default: host/process]")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def sink(
    server: str,
    collections: tuple[str, ...],
    timeout: float | None,
    nack_if: re.Pattern[str] | None,
    node_id: str | None,
    output: str,
    *,
    incremental: bool,
    once: bool,
) -> None:
    """
    Be a sink: subscribe and print every push.

    ADDRESS is the host:port of an MCP source (listen.mcp of `serve`). Without a COLLECTION, all
    built-in ones are subscribed to. Each push is accepted (ACK); the connection is made anew
    whenever it breaks, and what is held is kept.

    With --output json each push is one line:
    {time, collection, version, nonce, incremental, resources: [{name, version, create_time, labels,
    annotations, type_url, body}], removed: []}

    Exit codes: 0 done, or ended by a signal, 1 the time was up, 2 usage or environment, 130
    interrupted before --once was done.
    """
    from gitsource.sink.client import Sink

    def judge(update: Update) -> str:
        for item in update.resources:
            if nack_if is not None and nack_if.search(item.name):
                return f"{item.name} matches --nack-if {nack_if.pattern!r}"
        return ""

    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its own notes would mix with ours
    _log_to_stderr()
    client = Sink(
        server,
        collections or [kind.collection for kind in BUILTIN],
        node_id=node_id or f"{socket.gethostname()}/{os.getpid()}",
        incremental=incremental,
        judge=judge,
    )
    show = _print_json if output == "json" else _table_printer()
    try:
        code = asyncio.run(_follow(client, show, timeout, once=once))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0  # whoever read us has seen enough
    raise SystemExit(code)


async def _follow(
    client: Sink,
    show: Callable[[Sink, Update], None],
    timeout: float | None,  # noqa: ASYNC109 - the time all of it may take is what is asked for
    *,
    once: bool,
) -> int:
    """Print pushes until a signal, the end of the time, or all answers with *once*."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    waiting = set(client.collections)
    try:
        async with asyncio.timeout(timeout), client, aclosing(client.updates()) as updates:
            async for update in updates:
                show(client, update)
                if update.refused:
                    say(f"refused {update.collection} nonce {update.nonce}: {update.refused}")
                waiting.discard(update.collection)
                if once and not waiting:
                    await client.close()
                    return 0
    except TimeoutError:
        missing = f"; no answer for {', '.join(sorted(waiting))}" if waiting else ""
        say(f"the time is up{missing}")
        sys.stderr.write(f"next: see whether a source listens at {client.address} (listen.mcp)\n")
        return 1
    except asyncio.CancelledError:
        if not caught:
            raise
    return 130 if once and signal.SIGINT in caught else 0


def _print_json(_client: Sink, update: Update) -> None:
    from gitsource.sink.bodies import as_json

    json_line(
        {
            "time": update.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "collection": update.collection,
            "version": update.version,
            "nonce": update.nonce,
            "incremental": update.incremental,
            "resources": [
                {
                    "name": item.name,
                    "version": item.version,
                    "create_time": item.create_time or None,
                    "labels": dict(item.labels),
                    "annotations": dict(item.annotations),
                    "type_url": item.type_url,
                    "body": as_json(item.type_url, item.body),
                }
                for item in update.resources
            ],
            "removed": list(update.removed),
        }
    )


def _table_printer() -> Callable[[Sink, Update], None]:
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


def _log_to_stderr() -> None:
    logger = logging.getLogger("gitsource.sink")
    logger.addHandler(_Handler())
    logger.propagate = False


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
