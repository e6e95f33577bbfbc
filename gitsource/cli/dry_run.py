"""`gitsource dry-run`: what a commit would push, without pushing it. Translation only."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from gitsource.cli.against import Comparison, against_option
from gitsource.cli.output import colours
from gitsource.errors import ConfigurationError


@click.command("dry-run")
@click.option("--repo", default=".", show_default=True, help="Repository to look into.")
@click.option("--base", help="Revision sinks have now.  [default: merge-base with the ref]")
@click.option("--head", default="HEAD", show_default=True, help="Revision to try.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (collections and so on).")
@click.option("--path", help="Folder of the repository to keep to.")
@against_option
@click.option("--strict", is_flag=True, help="Warnings count as errors for the exit code.")
@click.option(
    "--output",
    "told",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help="text, json, junit, sarif, github, gitlab, markdown or html; repeatable.  [default: text]",
)
def dry_run(
    repo: str,
    base: str | None,
    head: str,
    config: Path | None,
    path: str | None,
    told: tuple[str, ...],
    against: Comparison | None,
    *,
    strict: bool,
) -> None:
    """
    Say what the revision HEAD would push to sinks that have BASE.

    Runs the pipeline of `serve` on a local repository, stopped before publishing. Nothing is
    fetched or written.

    Exit codes: 0 clean or warnings only, 1 the revision would be held (with --strict also for
    warnings), 2 usage or environment.
    """
    from gitsource.cli.offline import judge, kept_to, settings_for
    from gitsource.git.local import LocalRepository
    from gitsource.plan.compare import plan
    from gitsource.report.formats.write import parse_outputs, write
    from gitsource.snapshot.build import nothing, standing_of

    outputs = parse_outputs(told)
    settings = kept_to(settings_for(config), path)
    with LocalRepository(Path(repo)) as repository:
        new = repository.objects.revision(head)
        old = repository.base_of(new, base, repository.followed(settings.repository))
        if old is None and repository.cut:
            raise ConfigurationError(
                "the clone is shallow and does not reach back to a base",
                hint="fetch more (git fetch --deepen=100), or name a --base that it has",
            )
        before = judge(repository, old, settings) if old is not None else None
        # A base with errors is no sound base: then the head is judged from nothing.
        standing = standing_of(before) if before is not None and before.acceptable else None
        proposal = judge(repository, new, settings, standing)
    planned = plan(before.snapshot if before is not None else nothing().snapshot, proposal)
    if against is not None:
        base_snapshot = before.snapshot if before is not None else nothing().snapshot
        planned = replace(planned, against=against(base_snapshot, proposal.snapshot))
    if before is not None and not before.acceptable:
        click.echo(
            f"note: the base {before.snapshot.revision.short} does not validate, so sinks hold an "
            "earlier revision; name that one with --base",
            err=True,
        )
    write(planned, outputs, sys.stdout, colour=colours(sys.stdout), show_old=False)
    failed = planned.held or (strict and not all(each.suppressed for each in planned.findings))
    raise SystemExit(1 if failed else 0)
