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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.cli.options import pairs
from gitsource.cli.output import say
from gitsource.declarations import address, seconds

if TYPE_CHECKING:
    from gitsource.sink.client import Sink
    from gitsource.sink.state import Update
    from gitsource.sink.transport import Dialled, Listening

PROTOCOLS = ("mcp", "mcp-legacy", "mcp-xds", "mcp-xds-delta", "xds", "xds-delta")
STANDARD_OUTPUT = Path("-")
_FILE = click.Path(path_type=Path)


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
@click.argument("server", metavar="ADDRESS", required=False)
@click.argument("collections", nargs=-1, metavar="[COLLECTION]...")
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="mcp",
    show_default=True,
    metavar="NAME",
    help=f"What to speak: {', '.join(PROTOCOLS)}.",
)
@click.option("--incremental", is_flag=True, help="mcp, mcp-legacy: ask for changes only.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="xDS: ask for this resource only; may be given again.",
)
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
@click.option(
    "--id", "--node-id", "node_id", help="Node id to subscribe as.  [default: host/process]"
)
@click.option("--node-cluster", default="", help="xDS: node cluster.")
@click.option(
    "--meta",
    multiple=True,
    metavar="K=V",
    callback=pairs,
    help="xDS: node metadata; mcp: annotations.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    callback=_form(address),
    help="mcp: wait for the source to dial, as a ResourceSink. There is no ADDRESS then.",
)
@click.option("--ca", type=_FILE, help="PEM file to verify the other side with.")
@click.option("--cert", type=_FILE, help="PEM file with the certificate to show.")
@click.option("--key", type=_FILE, help="PEM file with its key.")
@click.option(
    "--token-file", type=_FILE, help="File with a bearer token; read again for each stream."
)
@click.option("--server-name", default="", help="Name in the source's certificate.")
@click.option(
    "--dump",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="At the end, write all that is held as JSON; - is standard output, without the pushes.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def sink(
    ctx: click.Context,
    /,
    server: str | None,
    collections: tuple[str, ...],
    protocol: str,
    names: tuple[str, ...],
    node_id: str | None,
    node_cluster: str,
    meta: dict[str, str],
    listen: str | None,
    nack_if: re.Pattern[str] | None,
    dump: Path | None,
    output: str,
    *,
    incremental: bool,
    **how: Any,
) -> None:
    """
    Be a sink: subscribe and print every push.

    ADDRESS is the host:port of a source (listen.mcp of `serve`). Each push is accepted (ACK); the
    connection is made anew whenever it breaks, and what is held is kept. With any of --ca, --cert,
    --key and --server-name it is TLS.

    mcp and mcp-legacy subscribe to collections; without a COLLECTION, to all built-in ones. mcp-xds
    asks as istiod does, for group/version/Kind; a Kind or its collection will do, and without one
    it is what istiod asks for. xds asks for types of Envoy's, such as clusters, envoy/clusters, CDS
    or a type URL; without one, for clusters, endpoints, listeners and routes. Over xDS a push that
    breaks a rule of it is refused.

    With --output json each push is one line:
    {time, collection, version, nonce, incremental, resources: [{name, version, create_time, labels,
    annotations, type_url, body}], removed: []}
    and --dump writes {collections: [{collection, version, resources}]}. Bodies of secrets are left
    out of both.

    Exit codes: 0 done, or ended by a signal, 1 the time was up, 2 usage or environment, 130
    interrupted before --once was done.
    """
    from gitsource.cli.sink_output import print_json, quiet, table_printer, write_dump
    from gitsource.sink.client import Sink
    from gitsource.sink.protocols import asked, wire
    from gitsource.sink.wire import Node

    def judge(update: Update) -> str:
        for item in update.resources:
            if nack_if is not None and nack_if.search(item.name):
                return f"{item.name} matches --nack-if {nack_if.pattern!r}"
        return ""

    transport, collections = _transport(ctx, protocol, listen, server, collections, how)
    node = Node(node_id or f"{socket.gethostname()}/{os.getpid()}", node_cluster, meta)
    try:
        speaks = wire(protocol, node, names, incremental=incremental)
        subscribed = asked(protocol, collections)
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its own notes would mix with ours
    _log_to_stderr()
    client = Sink(
        transport.address,
        subscribed,
        node_id=node.id,
        wire=speaks,
        transport=transport,
        judge=judge,
    )
    show = print_json if output == "json" else table_printer()
    if dump == STANDARD_OUTPUT:
        show = quiet
    try:
        code = asyncio.run(_follow(client, show, how["timeout"], once=how["once"]))
        if dump is not None:
            write_dump(client, None if dump == STANDARD_OUTPUT else dump)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0  # whoever read us has seen enough
    raise SystemExit(code)


def _transport(
    ctx: click.Context,
    protocol: str,
    listen: str | None,
    server: str | None,
    collections: tuple[str, ...],
    how: dict[str, Any],
) -> tuple[Dialled | Listening, tuple[str, ...]]:
    """Return how the source is met, and which of the words are collections."""
    from gitsource.sink.transport import Dialled, Listening, Tls

    papers = how["ca"], how["cert"], how["key"], how["server_name"]
    tls = Tls.of_files(*papers) if any(papers) else None
    if listen is not None:
        if how["token_file"] is not None:
            raise click.UsageError("--token-file is for who dials, and not with --listen", ctx)
        if protocol != "mcp":
            raise click.UsageError(f"--listen is for mcp: over {protocol} no source dials", ctx)
        return Listening(listen, tls), collections if server is None else (server, *collections)
    param = next(one for one in ctx.command.params if one.name == "server")
    if server is None:
        raise click.MissingParameter(ctx=ctx, param=param)
    return Dialled(_form(address)(ctx, param, server), tls, how["token_file"]), collections


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
        sys.stderr.write(f"next: {_next(client)}\n")
        return 1
    except asyncio.CancelledError:
        if not caught:
            raise
    return 130 if once and signal.SIGINT in caught else 0


def _next(client: Sink) -> str:
    if client.dials:
        return f"see whether a source listens at {client.address} (listen.mcp)"
    return f"have the source dial {client.address} (sinks.dial)"


def _log_to_stderr() -> None:
    logger = logging.getLogger("gitsource.sink")
    logger.addHandler(_Handler())
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
