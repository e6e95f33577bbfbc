"""`gitsource validate`: judge files, or a revision, without a server. Translation only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from gitsource.cli.output import colours


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--repo", type=click.Path(path_type=Path), help="Judge a revision of this repository."
)
@click.option("--revision", help="The revision to judge, with --repo.  [default: HEAD]")
@click.option("--isolated", is_flag=True, help="Judge each file as if no other existed.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (collections and so on).")
@click.option("--strict", is_flag=True, help="Warnings count as errors for the exit code.")
@click.option("--no-cache", is_flag=True, help="Judge everything, also what was judged before.")
@click.option(
    "--output",
    "told",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help="text, json, junit, sarif, github or gitlab; repeatable.  [default: text]",
)
def validate(
    paths: tuple[Path, ...],
    repo: Path | None,
    revision: str | None,
    config: Path | None,
    told: tuple[str, ...],
    *,
    isolated: bool,
    strict: bool,
    no_cache: bool,
) -> None:
    """
    Judge configuration files as the server would.

    PATHS are files, or folders searched for *.yaml, *.yml and *.json; or name a revision of a
    repository with --repo and --revision. What was judged before is remembered in
    $XDG_CACHE_HOME/gitsource (or ~/.cache/gitsource), so that only what is new takes time.

    Exit codes: 0 clean or warnings only, 1 errors (with --strict also warnings), 2 usage or
    environment.
    """
    from gitsource.configuration.whole import load
    from gitsource.report.formats.write import OF_FINDINGS, parse_outputs, write_findings

    if bool(paths) == (repo is not None) or (revision is not None and repo is None):
        raise click.UsageError("name either PATHS, or --repo with --revision")
    outputs = parse_outputs(told, OF_FINDINGS)
    settings = load(config, os.environ, {})
    if repo is not None:
        from gitsource.cli.offline import judge
        from gitsource.git.local import LocalRepository

        with LocalRepository(repo) as repository:
            proposal = judge(repository, repository.objects.revision(revision or "HEAD"), settings)
        found, files = proposal.findings, len(proposal.changed)
    else:
        from gitsource.files import judge_files
        from gitsource.seen import cache_folder

        cache = None if no_cache else cache_folder(os.environ)
        found, files = judge_files(paths, settings, isolated=isolated, cache=cache)
    write_findings(found, files, outputs, sys.stdout, colour=colours(sys.stdout))
    failed = any(
        finding.severity == "error" or (strict and not finding.suppressed) for finding in found
    )
    raise SystemExit(1 if failed else 0)
