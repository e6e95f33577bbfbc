"""`gitsource history`: what became of the revisions that were looked at. Translation only."""

from __future__ import annotations

import sys

import click

from gitsource.cli.operate import Ask, asking


@click.command("history")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many to list; 0: all.",
)
@click.option(
    "--outcome",
    type=click.Choice(["published", "held", "superseded", "failed"]),
    help="Only those that came to this.",
)
@asking
def history(ask: Ask, output: str, limit: int, outcome: str | None) -> None:
    """
    List the revisions that were looked at, and what became of each.

    Published (with what changed, and the version), held (by what), superseded by a later head, and
    looks that failed; the newest first, across restarts. Who let a held revision through, and why,
    is told with it; pins and rollbacks are no looks and not listed (the status and the audit log
    have them). With --output json all are listed.

    Exit codes: 0 done, 2 usage or environment.
    """
    told = ask("GET", "/history").value
    if output == "text":
        from gitsource.cli.revisions_text import history as page
        from gitsource.cli.revisions_text import outcome_of

        known = told["revisions"]
        # One that was superseded was held as well.
        rows = [row for row in known if outcome in (None, row["outcome"], outcome_of(row))]
        sys.stdout.write(page(rows[: limit or None], known))
        if limit and len(rows) > limit:
            click.echo(f"... and {len(rows) - limit} more (--limit 0 lists all)", err=True)
