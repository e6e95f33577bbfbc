"""
`gitsource verify`: a snapshot built again from its commit, and compared with what is told of it.

Rule: translation only. What is told comes from a history, an instance, a file, or the command line;
what it is compared with is built by the pipeline of `serve`, from a repository on this machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.cli.against import GetPapers, door_options, learned
from gitsource.cli.layered import Place, with_option
from gitsource.cli.reached import Resources, reach
from gitsource.errors import ConfigurationError
from gitsource.model import shown
from gitsource.plan.served import Served, of_snapshot, sum_of

if TYPE_CHECKING:
    from gitsource.model import Snapshot
    from gitsource.plan.values import Drift

_VERSION = re.compile(r"[A-Za-z0-9+/]{43}=")
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{4,64}")


@click.command("verify")
@click.argument("target", metavar="[VERSION|COMMIT]", required=False)
@click.option("--repo", default=".", show_default=True, help="Repository to build from.")
@click.option("--revision", help="Commit to build, where nothing else tells which it is.")
@click.option(
    "--against",
    metavar="ADDRESS|FILE",
    help="Ask a running gitsource (its admin HTTP) or an exported snapshot what it was.",
)
@door_options
@click.option(
    "--state-dir", type=click.Path(path_type=Path), help="Ask the history in a state directory."
)
@with_option
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="GITSOURCE_CONFIG",
    help="Settings (collections, layers and so on).  [env var: GITSOURCE_CONFIG]",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(
    target: str | None,
    repo: str,
    revision: str | None,
    against: str | None,
    papers: GetPapers,
    checkouts: tuple[Place, ...],
    state_dir: Path | None,
    config: Path | None,
    output: str,
) -> None:
    """
    Build a snapshot again from its commit, and compare versions.

    VERSION (of a snapshot) or COMMIT is looked up in a history (--state-dir, or that of --config),
    in what a running gitsource serves or in an exported snapshot (--against); with --revision,
    VERSION itself is what is compared. The same commit and the same settings give the same
    versions everywhere: what differs was not made of that commit, or by other settings.

    A composition of layers is built from each layer's commit: from the repositories that --with
    names, from --repo for the layer that it is, or from the mirrors in the state directory.

    Exit codes: 0 the same, 1 it differs or does not validate, 2 usage or environment.
    """
    if target is not None and not (_VERSION.fullmatch(target) or _COMMIT.fullmatch(target)):
        raise ConfigurationError(
            f"{shown(target)} is neither the version of a snapshot nor a commit",
            hint="`gitsource status` and `gitsource snapshot list --output json` show both",
        )
    if against is not None and state_dir is not None:
        raise ConfigurationError("--against or --state-dir: one of them tells what it was")
    told: Served
    resources: Resources
    if revision is not None:
        if target is None or not _VERSION.fullmatch(target) or against or state_dir:
            raise ConfigurationError(
                "--revision goes with a VERSION and nothing else that tells what it was"
            )
        told, resources = Served("VERSION", revision, target), _nobody
    elif against is not None:
        reached = reach(against, papers(), option="--against")
        told, resources = reached.served, reached.resources
        _meant(told, target)
    else:
        told, resources = _from_history(target, state_dir, config)
    if told.layers:
        built = _built_of_layers(told, Path(repo), dict(checkouts), state_dir, config)
    else:
        built = _built(told.revision, Path(repo), config)
    _tell(told, built, resources, output, alone=revision is not None)


def _nobody(_name: str) -> Mapping[str, str] | None:
    """Know nothing of the resources of a collection."""
    return None


def _meant(told: Served, target: str | None) -> None:
    if not told.revision:
        raise ConfigurationError(f"{told.source} serves nothing yet")
    if not _WHOLE.fullmatch(told.revision):
        raise ConfigurationError(f"{told.source} says {shown(told.revision)} for a commit")
    if target is not None and target != told.version and not told.revision.startswith(target):
        raise ConfigurationError(
            f"{told.source} has version {told.version} of {told.revision[:12]}, not {target}",
            hint="leave VERSION out to verify what it has",
        )


def _from_history(
    target: str | None, state_dir: Path | None, config: Path | None
) -> tuple[Served, Resources]:
    from gitsource.cli.snapshot import history_in

    history = history_in(state_dir, config)
    entries = [
        each
        for each in history.entries()
        if target is None or each.version == target or each.revision.commit.startswith(target)
    ]
    commits = {each.revision.commit for each in entries}
    if target is not None and len(commits) > 1 and not _VERSION.fullmatch(target):
        raise ConfigurationError(f"{len(commits)} commits in the history begin with {target}")
    loaded = history.at(entries[-1].revision.commit) if entries else None
    if loaded is None:
        raise ConfigurationError(
            f"the history has no {target or 'snapshot'}",
            hint="`gitsource snapshot list` shows what is kept; to compare with VERSION itself, "
            "name its commit with --revision",
        )
    kept = loaded.snapshot

    def resources(name: str) -> dict[str, str]:
        return {each.name: each.version for each in kept.collection(name)}

    return of_snapshot(kept, "the history"), resources


def _built_of_layers(
    told: Served,
    repo: Path,
    checkouts: dict[str, tuple[Path, str | None]],
    state_dir: Path | None,
    config: Path | None,
) -> Snapshot:
    from gitsource.cli.offline import catalog_in, settings_for
    from gitsource.errors import RevisionRejected
    from gitsource.rehearsal.layers.again import rebuilt
    from gitsource.rehearsal.layers.at_hand import layers_in
    from gitsource.rehearsal.question import Others

    settings = settings_for(config)
    mine: dict[str, tuple[Path, str | None]] = dict.fromkeys(
        layers_in(repo, settings), (repo, None)
    )
    others = Others(mine | checkouts, state=state_dir)
    proposal = rebuilt(settings, catalog_in(settings, None, None), told.layers, others)
    if not proposal.acceptable:
        raise RevisionRejected(
            f"the composition {told.revision[:12]} does not validate", proposal.findings
        )
    return proposal.snapshot


def _built(commit: str, repo: Path, config: Path | None) -> Snapshot:
    from gitsource.cli.snapshot import find
    from gitsource.errors import RefMissing

    try:
        return find(commit, None, repo, config)
    except RefMissing as error:
        raise ConfigurationError(
            f"the repository does not have {commit[:12]}: {error}",
            hint="fetch it, or name another with --repo; a composition of layers is no commit",
        ) from error


# --------------------------------------------------------------------------- what it comes to


def _tell(told: Served, built: Snapshot, resources: Resources, output: str, *, alone: bool) -> None:
    from gitsource.plan.against import drifted, drifts

    differing: tuple[Drift, ...] = ()
    lies = not alone and sum_of(told) != told.version
    if not alone:
        differing = drifts(told, built, learned(drifted(told, built), resources))
    # The id of a composition follows from the commits that were told.
    strange = told.revision != built.revision.commit
    same = told.version == built.version and not (differing or lies or strange)
    if output == "json":
        json.dump(_values(told, built, differing, same=same), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print(told, built, differing, same=same, lies=lies, strange=strange)
    raise SystemExit(0 if same else 1)


def _values(
    told: Served, built: Snapshot, differing: tuple[Drift, ...], *, same: bool
) -> dict[str, Any]:
    return {
        "same": same,
        "source": told.source,
        "revision": built.revision.commit,
        "told": told.version,
        "built": built.version,
        "collections": [
            {
                "collection": each.collection,
                "told": each.served,
                "built": each.expected,
                "resources": list(each.resources),
                "more": each.more,
            }
            for each in differing
        ],
    }


def _print(
    told: Served,
    built: Snapshot,
    differing: tuple[Drift, ...],
    *,
    same: bool,
    lies: bool,
    strange: bool,
) -> None:
    from gitsource.observe.neutral import neutral

    if same:
        count = sum(map(len, built.collections.values()))
        click.echo(
            f"{built.revision.short}: version {built.version} again, from {count} resources in "
            f"{len(built.collections)} collections"
        )
        return
    click.echo(f"{built.revision.short}: not what was told")
    click.echo(f"  told   {neutral(told.version)}  ({neutral(told.source)})")
    click.echo(f"  built  {built.version}")
    if lies:
        click.echo("  the collections that were told do not come to that version themselves")
    if strange:
        click.echo(f"  the layers' commits that were told are not {neutral(told.revision)[:12]}")
    for each in differing:
        was, now = (neutral(text)[:12] or "nothing" for text in (each.served, each.expected))
        click.echo(f"  {neutral(each.collection)}: told {was}, built {now}")
        for name in each.resources:
            click.echo(f"    {neutral(name)}")
        if each.more:
            click.echo(f"    ... and {each.more} more")
    click.echo(
        "next: the same settings (--config) and the same gitsource? If so, it was not made of this "
        "commit",
        err=True,
    )
