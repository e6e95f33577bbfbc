"""`gitsource dry-run`: what a commit would push, without pushing it. Translation only."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitsource.cli.against import against_option
from gitsource.cli.layered import others_options
from gitsource.cli.output import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsource.cli.against import Beside
    from gitsource.plan.values import Plan
    from gitsource.rehearsal.question import Others

FINDINGS, GUARDED = 1, 3
"""Exit codes: findings would hold the revision; it is valid, and a guard would hold it."""


@click.command("dry-run")
@click.option("--repo", default=".", show_default=True, help="Repository to look into.")
@click.option("--base", help="Revision sinks have now.  [default: merge-base with the ref]")
@click.option("--head", help="Revision to try.  [default: HEAD]")
@click.option("--worktree", is_flag=True, help="Try the working tree, untracked files included.")
@click.option("--staged", is_flag=True, help="Try what is staged (git add).")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="GITSOURCE_CONFIG",
    help="Settings (collections, layers and so on).  [env var: GITSOURCE_CONFIG]",
)
@click.option("--path", help="Folder of the repository to keep to.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Layer that the repository is (repeatable).  [default: by its remotes]",
)
@others_options
@against_option
@click.option("--all", "show_old", is_flag=True, help="Tell what the base has already, too.")
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error", "guard"]),
    default="guard",
    show_default=True,
    help="What fails: errors and guards (guard), errors alone, or new warnings as well.",
)
@click.option("--strict", is_flag=True, help="The same as --fail-on warning.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the plan comes to.")
@click.option(
    "--cache",
    metavar="DIR|none",
    help="Where results are remembered.  [default: $XDG_CACHE_HOME/gitsource]",
)
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
    head: str | None,
    config: Path | None,
    path: str | None,
    fail_on: str,
    cache: str | None,
    told: tuple[str, ...],
    layers: tuple[str, ...],
    others: Callable[[Beside | None], Others],
    against: Beside | None,
    *,
    worktree: bool,
    staged: bool,
    show_old: bool,
    strict: bool,
    exit_zero: bool,
) -> None:
    """
    Say what the revision HEAD would push to sinks that have BASE.

    Runs the pipeline of `serve` on a local repository, stopped before publishing. Nothing is
    fetched, nothing of the repository is run, and nothing is written to it.

    Of settings with `layers` it plans the composition: --repo is the layer under review, the others
    come from --with, a state directory, or what is served (--against).

    Exit codes: 0 nothing wrong, 1 findings would hold the revision, 2 usage or environment, 3 it is
    valid and a guard would hold it.
    """
    # It ends soon: even one look for cycles among what is imported takes longer than it gives back.
    gc.set_threshold(500_000)
    from gitsource.cli.output import say
    from gitsource.git.local import LocalRepository
    from gitsource.rehearsal.memory import memory_in
    from gitsource.rehearsal.question import Question
    from gitsource.rehearsal.run import rehearse
    from gitsource.report.formats.write import parse_outputs, write

    if (head is not None) + worktree + staged > 1:
        raise click.UsageError("name one of --head, --worktree and --staged")
    outputs = parse_outputs(told)
    asked = Question(
        base=base,
        head=head or "HEAD",
        kind="worktree" if worktree else "staged" if staged else "commit",
        config=config,
        path=path,
        layers=layers,
        others=others(against),
    )
    with LocalRepository(Path(repo)) as repository, memory_in(cache, os.environ, say) as memory:
        made = rehearse(repository, asked, os.environ, memory)
        planned = made.plan
        if against is not None:
            told_beside = against(made.base, made.head, made.settings.authorization)
            planned = replace(planned, against=told_beside)
        write(planned, outputs, sys.stdout, colour=colours(sys.stdout), show_old=show_old)
    code = exit_code(planned, "warning" if strict else fail_on)
    raise SystemExit(0 if exit_zero else code)


def exit_code(planned: Plan, fail_on: str) -> int:
    """Return what *planned* comes to; ``warning`` counts what is new and not suppressed."""
    if planned.ends == "findings":
        return FINDINGS
    if fail_on == "warning" and not all(each.suppressed for each in planned.new):
        return FINDINGS
    return GUARDED if planned.ends == "guarded" and fail_on != "error" else 0
