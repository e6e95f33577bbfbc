"""
`gitsource webhook`: what Git hosts delivered of late, and what became of it.

Rule: translation only. Each command asks the admin HTTP once; ``--output json`` is the server's own
JSON, unchanged. What comes from senders is neutralised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from gitsource.cli.operate import Ask, asking
from gitsource.cli.options import ListFirst
from gitsource.observe.neutral import neutral

WIDTH = 80
SHOWN = (
    ("delivery", "delivery"),
    ("host", "host"),
    ("event", "event"),
    ("repository", "repository"),
    ("ref", "ref"),
    ("commit", "commit"),
    ("peer", "from"),
)
"""Fields of one delivery that are shown as they are, with what they are called."""


@click.group("webhook", cls=ListFirst)
def webhook() -> None:
    """
    Show what Git hosts delivered of late, and what became of it.

    Without a command it lists them. Exit codes: 0 done, 2 usage or environment.
    """


@webhook.command("list")
@click.option("--verdict", default="", help="Only those with this verdict.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many to list; 0: all.",
)
@asking
def listed(ask: Ask, output: str, verdict: str, limit: int) -> None:
    """
    List the deliveries of late, the newest first.

    docs/operations.md says what each verdict means. With --output json all are listed.
    """
    told = ask("GET", "/webhooks").value
    if output == "text":
        rows = [each for each in told.get("deliveries") or () if verdict in ("", each["verdict"])]
        for line in _listed(rows[: limit or None]):
            click.echo(line)
        if limit and len(rows) > limit:
            click.echo(f"... and {len(rows) - limit} more (--limit 0 lists all)", err=True)
        if not rows:
            click.echo("nothing was delivered")
            click.echo("next: is webhook.listen set, and does the Git host reach it?", err=True)


@webhook.command("show")
@click.argument("delivery", metavar="ID")
@asking
def show(ask: Ask, output: str, delivery: str) -> None:
    """
    Show one delivery: who sent it, what it said, what it was answered and why.

    ID is its number, or the ID that the Git host gave it.
    """
    told = ask("GET", "/webhook", {"id": delivery}).value
    if output == "text":
        for line in _shown(told):
            click.echo(line)


def _listed(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield two lines a delivery, on 80 columns: what became of it, and what it was."""
    if rows:
        yield f"{'NUMBER':>6}  {'TIME (UTC)':<19}  ANSWER {'VERDICT':<16} EVENT"
        yield "        DELIVERY, REF AND COMMIT"
    for row in rows:
        time = f"{row['at'][:10]} {row['at'][11:19]}"
        lead = f"{row['number']:>6}  {time}  {row['status']:<6} {row['verdict']:<16} "
        yield _cut(f"{lead}{' '.join(filter(None, (row['host'], row['event'])))}", WIDTH)
        if about := "  ".join(filter(None, (row["delivery"], _what(row)))):
            yield _cut(f"        {about}", WIDTH)


def _cut(text: str, width: int) -> str:
    text = neutral(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _what(row: Mapping[str, Any]) -> str:
    ref = str(row["ref"]).removeprefix("refs/heads/").removeprefix("refs/")
    return f"{ref} deleted" if row["deleted"] else f"{ref} {row['commit'][:12]}".strip()


def _shown(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"delivery {row['number']}, {neutral(row['at'])}"
    because = f": {neutral(row['reason'])}" if row["reason"] else ""
    yield f"  verdict     {neutral(row['verdict'])}, answered {row['status']}{because}"
    for key, title in SHOWN:
        if row[key]:
            gone = " (deleted)" if key == "ref" and row["deleted"] else ""
            yield f"  {title:<11} {neutral(row[key])}{gone}"
    yield f"  body        {row['size']} bytes, judged after {row['seconds'] * 1000:.1f} ms"
