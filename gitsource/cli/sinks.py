"""
`gitsource sinks`: who is served, what each sink has, and another try after a refusal.

Rule: translation only. Each command asks the admin HTTP once; ``--output json`` is the server's own
JSON, unchanged.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from gitsource.cli.operate import Ask, asking, by, why
from gitsource.cli.options import ListFirst
from gitsource.observe.neutral import neutral


@click.group("sinks", cls=ListFirst)
def sinks() -> None:
    """
    Show who is served, and what each sink has.

    Without a command it lists them. Exit codes: 0 done, 1 it did not come about, 2 usage or
    environment.
    """


@sinks.command("list")
@asking
def listed(ask: Ask, output: str) -> None:
    """
    List the sinks that are connected.

    For each its protocol, and for each collection the version it was sent, accepted and refused,
    since when, and for how long there has been something newer. Refusals come with the resource,
    file, commit and author, as far as the sink's words tell.
    """
    told = ask("GET", "/sinks").value
    if output == "text":
        from gitsource.cli.sinks_text import page

        sys.stdout.write(page(told, datetime.now(UTC)))


@sinks.command("show")
@click.argument("sink")
@click.option("--bodies", is_flag=True, help="Also what is in each resource (never secrets).")
@asking
def show(ask: Ask, output: str, sink: str, *, bodies: bool) -> None:
    """
    Show exactly what SINK was sent and has accepted.

    SINK is a node ID, the number of a stream, or an address, as `gitsource sinks` shows them.
    """
    asked: dict[str, Any] = {"id": sink} | ({"bodies": "1"} if bodies else {})
    told = ask("GET", "/sink", asked).value
    if output == "text":
        from gitsource.cli.sinks_text import held

        sys.stdout.write(held(told, datetime.now(UTC)))


@sinks.command("retry")
@click.argument("sink")
@why
@by
@asking
def retry(ask: Ask, output: str, sink: str, reason: str, who: str) -> None:
    """
    Send SINK again what it refused.

    A refused version is not sent again by itself: use this when a sink that was at fault is mended.
    """
    told: Mapping[str, Any] = ask(
        "POST", "/retry", {"sink": sink, "reason": reason, "who": who}
    ).value
    if output == "text":
        streams = ", ".join(str(each) for each in told.get("streams") or ())
        click.echo(f"{neutral(sink)}: sent again on stream {streams}")
        click.echo(f"next: `gitsource sinks show {neutral(sink)}` tells what it says", err=True)
