"""`gitsource snapshot`: look at snapshots offline, in a state directory or a repository."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitsource.cli.output import colours
from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from gitsource.model import Revision, Snapshot
    from gitsource.snapshot.build import Proposal
    from gitsource.snapshot.history import History

MOST_JUDGED = 20
"""Revisions of a repository that a list judges."""

_output = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
_state = click.option(
    "--state-dir", type=click.Path(path_type=Path), help="State directory of a gitsource."
)
_repo = click.option(
    "--repo", type=click.Path(path_type=Path), help="Build from this repository instead."
)
_config = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings (collections, state_dir and so on)."
)


@click.group("snapshot")
def snapshot() -> None:
    """
    Look at snapshots without a server: what was published, what a revision holds, what differs.

    Reads the history in a state directory, or builds from a repository (--repo).
    """


@snapshot.command("list")
@_state
@_repo
@_config
@_output
def list_(state_dir: Path | None, repo: Path | None, config: Path | None, output: str) -> None:
    """
    List the revisions that were published and are kept, newest first.

    With --repo: what the last twenty revisions of a repository come to, each judged anew.
    """
    from gitsource.observe.neutral import neutral
    from gitsource.report import machine

    if repo is not None:
        _list_repository(repo, config, output)
        return
    history = history_in(state_dir, config)
    entries = list(reversed(history.entries()))
    pin = history.control().pin
    if output == "json":
        rows = [
            machine.revision(entry.revision)
            | {
                "version": entry.version,
                "layers": _layers(entry.revision),
                "published_at": datetime.fromtimestamp(entry.published_at, UTC).isoformat(),
                "pinned": pin is not None and pin.revision == entry.revision.commit,
                "collections": {
                    name: {"version": version, "count": count}
                    for name, (version, count) in entry.collections.items()
                },
            }
            for entry in entries
        ]
        json.dump({"snapshots": rows}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    for entry in entries:
        at = datetime.fromtimestamp(entry.published_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        count = sum(count for _, count in entry.collections.values())
        mark = "pinned " if pin is not None and pin.revision == entry.revision.commit else ""
        subject = neutral(entry.revision.subject)
        line = f"{entry.revision.short}  {at}  {count:>6} resources  {mark}{subject}"
        sys.stdout.write(line[:80].rstrip() + "\n")
        _tell_layers(entry.revision)


def _layers(revision: Revision) -> list[dict[str, str]]:
    """Return which commit of each layer *revision* is of, as history has it; none: a commit."""
    return [asdict(each) for each in revision.layers]


def _tell_layers(revision: Revision) -> None:
    from gitsource.cli.revisions_text import of_layers

    if revision.layers:
        for line in of_layers(_layers(revision)):
            sys.stdout.write(line.rstrip() + "\n")


def _list_repository(repo: Path, config: Path | None, output: str) -> None:
    from gitsource.cli.offline import judge, settings_for
    from gitsource.errors import RefMissing
    from gitsource.git.local import LocalRepository
    from gitsource.observe.neutral import neutral
    from gitsource.report import machine

    settings = settings_for(config)
    rows: list[tuple[Revision, Proposal]] = []
    with LocalRepository(repo) as repository:
        spec = "HEAD"
        while len(rows) < MOST_JUDGED:
            try:
                revision = repository.objects.revision(spec)
            except RefMissing:
                if not rows:
                    raise
                break
            proposal = judge(repository, revision, settings)
            rows.append((revision, proposal))
            spec = f"{revision.commit}~1"
    if output == "json":
        told = [
            machine.revision(revision)
            | {
                "acceptable": proposal.acceptable,
                "version": proposal.snapshot.version if proposal.acceptable else None,
                "collections": {
                    name: {"version": content.version, "count": len(content)}
                    for name, content in proposal.snapshot.collections.items()
                },
            }
            for revision, proposal in rows
        ]
        json.dump({"snapshots": told}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    for revision, proposal in rows:
        count = sum(map(len, proposal.snapshot.collections.values()))
        what = f"{count:>6} resources" if proposal.acceptable else "   would be held"
        line = f"{revision.short}  {what}  {neutral(revision.subject)}"
        sys.stdout.write(line[:80].rstrip() + "\n")


@snapshot.command("show")
@click.argument("revision", required=False)
@_state
@_repo
@_config
@_output
def show(
    revision: str | None,
    state_dir: Path | None,
    repo: Path | None,
    config: Path | None,
    output: str,
) -> None:
    """Show what a revision holds: by default the last good one."""
    tell(find(revision, state_dir, repo, config), output)


def tell(found: Snapshot, output: str) -> None:
    """Print a snapshot: its revision, and version and place of each resource."""
    from gitsource.observe.neutral import neutral
    from gitsource.report import machine

    if output == "json":
        told = machine.snapshot(found) | {"layers": _layers(found.revision)}
        json.dump(told, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    revision = found.revision
    sys.stdout.write(f"revision  {revision.commit}  {neutral(revision.subject)}\n")
    _tell_layers(revision)
    sys.stdout.write(f"version   {found.version}\n")
    for name, content in found.collections.items():
        sys.stdout.write(f"\n{name}  {content.version[:12]}  ({len(content)})\n")
        for each in content:
            origin = f"{neutral(each.origin.path)}:{each.origin.line}"
            sys.stdout.write(f"  {neutral(each.name):<40} {each.version[:12]}  {origin}\n")


@snapshot.command("diff")
@click.argument("before")
@click.argument("after", required=False)
@_state
@_repo
@_config
@_output
def diff(
    before: str,
    after: str | None,
    state_dir: Path | None,
    repo: Path | None,
    config: Path | None,
    output: str,
) -> None:
    """Show what sinks would see go from BEFORE to AFTER (by default the last good one)."""
    from gitsource.plan.compare import compare
    from gitsource.plan.values import Plan
    from gitsource.report.formats.write import parse_outputs, write

    old = find(before, state_dir, repo, config)
    new = find(after, state_dir, repo, config)
    planned = Plan(old.revision, new.revision, old.version, new.version, tuple(compare(old, new)))
    outputs = parse_outputs([output])
    write(planned, outputs, sys.stdout, colour=colours(sys.stdout), show_old=True)


def history_in(state_dir: Path | None, config: Path | None) -> History:
    """Return the history in *state_dir*, or else in that of the settings; nothing is written."""
    from gitsource.cli.offline import settings_for
    from gitsource.snapshot.history import History

    folder = state_dir or Path(settings_for(config).state_dir)
    if not (folder / "history").is_dir():
        raise ConfigurationError(
            f"{folder} is no state directory of gitsource",
            hint="name it with --state-dir, or a repository with --repo",
        )
    return History(folder / "history", readonly=True)


def find(
    revision: str | None, state_dir: Path | None, repo: Path | None, config: Path | None
) -> Snapshot:
    """
    Return the snapshot of *revision*: kept in a state directory, or built from the repository
    *repo*.

    Raises GitsourceError if there is none.
    """
    if repo is not None:
        from gitsource.cli.offline import judge, settings_for
        from gitsource.errors import RevisionRejected
        from gitsource.git.local import LocalRepository

        with LocalRepository(repo) as repository:
            told = repository.objects.revision(revision or "HEAD")
            proposal = judge(repository, told, settings_for(config))
        if not proposal.acceptable:
            raise RevisionRejected(
                f"revision {told.short} does not validate",
                proposal.findings,
                hint=f"gitsource validate --repo {repo} --revision {told.short}",
            )
        return proposal.snapshot
    history = history_in(state_dir, config)
    if revision is None:
        loaded = history.load()
    else:
        matching = [
            entry.revision.commit
            for entry in history.entries()
            if entry.revision.commit.startswith(revision)
        ]
        loaded = history.at(matching[0]) if len(matching) == 1 else None
    if loaded is None:
        raise ConfigurationError(
            f"no snapshot of {revision or 'any revision'} is kept",
            hint="`gitsource snapshot list` shows what there is",
        )
    return loaded.snapshot
