"""
`gitsource export` and `gitsource import`: a snapshot as a file, out of here and into another place.

Rule: translation, and the files themselves. A file is written whole or not at all, for its owner
alone; key material goes into one only if that is asked for. What is imported is proved first, and
nothing is written before that.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, BinaryIO

import click

from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from gitsource.model import Snapshot
    from gitsource.snapshot.exported import Seal


def opened(file: Path) -> tuple[Snapshot, Seal]:
    """Return the snapshot in *file*, proved; raises ConfigurationError."""
    from gitsource.encode.resource import proved
    from gitsource.snapshot.exported import read

    if not file.is_file():
        raise ConfigurationError(f"{file} is no file")
    try:
        with file.open("rb") as source:
            return read(source, proved)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}", hint=error.hint) from error


# --------------------------------------------------------------------------- export


@click.command("export")
@click.argument("revision", required=False)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write.  [default: standard output]",
)
@click.option(
    "--state-dir", type=click.Path(path_type=Path), help="State directory of a gitsource."
)
@click.option("--repo", type=click.Path(path_type=Path), help="Build from this repository instead.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings (collections, state_dir and so on)."
)
@click.option("--with-keys", is_flag=True, help="Also if key material is in it, in plain.")
def export(
    revision: str | None,
    out: Path | None,
    state_dir: Path | None,
    repo: Path | None,
    config: Path | None,
    *,
    with_keys: bool,
) -> None:
    """
    Write a snapshot to one checksummed file.

    The snapshot of REVISION, by default the last good one of a state directory, or HEAD of a
    repository (--repo). The same snapshot gives the same file, byte by byte; `gitsource import`
    takes it where there is no repository.

    Exit codes: 0 written, 1 the revision does not validate, 2 usage or environment.
    """
    from gitsource.cli.snapshot import find
    from gitsource.snapshot.exported import write

    if out is None and sys.stdout.isatty():
        raise ConfigurationError("a snapshot is no text for a terminal", hint="name a file with -o")
    if repo is not None:
        _whole_history(repo)
    snapshot = find(revision, state_dir, repo, config)
    keys = _keys_in(snapshot)
    if keys and not with_keys:
        raise ConfigurationError(
            f"key material would be in the file, in plain: {', '.join(keys[:5])}"
            + (f" and {len(keys) - 5} more" if len(keys) > 5 else ""),
            hint="put keys into files of the server (secrets.folder); or, also if it is none, add "
            "--with-keys and guard the file like the keys",
        )
    if out is None:
        seal = write(sys.stdout.buffer, snapshot)
    else:
        with _written(out) as file:
            seal = write(file, snapshot)
    _say(snapshot, seal, f"exported{' with keys' if keys else ''}")


def _whole_history(repo: Path) -> None:
    """Refuse a clone that is cut off: when resources were created is part of a snapshot."""
    from gitsource.git.local import LocalRepository

    with LocalRepository(repo) as repository:
        if repository.cut:
            raise ConfigurationError(
                "the clone is shallow, so when resources were created is not known",
                hint="fetch the rest (git fetch --unshallow)",
            )


def _keys_in(snapshot: Snapshot) -> list[str]:
    """Return the resources in which something stands that no report would show."""
    held = [
        (collection.name, each)
        for collection in snapshot.collections.values()
        for each in collection
    ]
    return [
        f"{name} {each.name}"
        for name, each in (*held, *snapshot.covered)
        if _holds_secret(each.wire)
    ]


def _holds_secret(wire: bytes) -> bool:
    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
    from gitsource.messages.sensitive import holds_key
    from gitsource.secrecy.texts import any_sign, redacted
    from gitsource.secrecy.values import any_hidden, hidden
    from gitsource.sink.bodies import as_json

    if holds_key(wire):
        return True
    text = wire.decode("latin-1")
    if not any_sign(text):
        return False  # before it is read as JSON, which takes a hundred times as long
    envelope = Resource.FromString(wire)
    metadata = [dict(pairs) for pairs in (envelope.metadata.labels, envelope.metadata.annotations)]
    body = as_json(envelope.body.type_url, envelope.body.value)
    unknown = isinstance(body, dict) and body.keys() == {"@type", "value"}
    return any_hidden(hidden([*metadata, body])) or (unknown and redacted(text) != text)


@contextmanager
def _written(out: Path) -> Iterator[BinaryIO]:
    """Open a file, for its owner alone, that takes the place of *out* if the block ends well."""
    try:
        handle, beside = mkstemp(prefix=f".{out.name[:100]}.", dir=out.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(out)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error


def _say(snapshot: Snapshot, seal: Seal, done: str) -> None:
    from gitsource.observe.neutral import neutral

    count = sum(map(len, snapshot.collections.values()))
    revision = snapshot.revision
    for line in (
        f"{done} {revision.short}  {neutral(revision.subject)}",
        f"version  {snapshot.version}",
        f"sha256   {seal.digest}  (of {seal.size} bytes behind the first line)",
        f"holds    {count} resources in {len(snapshot.collections)} collections",
    ):
        click.echo(line, err=True)


# --------------------------------------------------------------------------- import


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--state-dir", type=click.Path(path_type=Path), help="State directory that gets it.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (state_dir and so on).")
@click.option("--dry-run", is_flag=True, help="Prove the file, and write nothing.")
@click.option("--show", is_flag=True, help="Print what is in it, and write nothing.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How --show prints.",
)
def import_(
    file: Path,
    state_dir: Path | None,
    config: Path | None,
    output: str,
    *,
    dry_run: bool,
    show: bool,
) -> None:
    """
    Make an exported snapshot what `serve` starts with.

    Everything in FILE is recomputed first: its digest, counts, and every version from the content.
    Then it becomes the last good snapshot of a state directory that no gitsource uses, and is
    served from the next start on, without network, until the repository has something newer. A
    file proves that it is whole, not who made it.

    Exit codes: 0 done, 2 usage, environment, or a file that is not what it says.
    """
    from gitsource.cli.offline import settings_for

    snapshot, seal = opened(file)
    if show:
        from gitsource.cli.snapshot import tell

        tell(snapshot, output)
        return
    if dry_run:
        _say(snapshot, seal, "sound:")
        return
    folder = state_dir or Path(settings_for(config).state_dir)
    pinned = _kept(snapshot, folder)
    _say(snapshot, seal, "imported")
    if pinned:
        click.echo(f"next: {pinned[:12]} is pinned and served first: `gitsource unpin`", err=True)
    else:
        click.echo(f"next: `gitsource serve` with the state directory {folder}", err=True)


def _kept(snapshot: Snapshot, folder: Path) -> str:
    """Make *snapshot* the last good one in *folder*; returns the commit that is pinned there."""
    from gitsource.snapshot.build import Proposal, nothing
    from gitsource.snapshot.history import History
    from gitsource.snapshot.lock import locked

    with locked(folder):
        history = History(folder / "history")
        standing = history.load()
        if standing is None or not _same(standing.snapshot, snapshot):
            whole = Proposal(snapshot, {}, snapshot.findings, full=True)
            # No recipe: by which settings it was judged is not known, so the first look at a
            # repository judges everything anew.
            history.append(nothing(), whole, "", time.time())
        pin = history.control().pin
    return pin.revision if pin is not None else ""


def _same(one: Snapshot, other: Snapshot) -> bool:
    """Whether *one* is *other* already, and need not be written again."""
    from gitsource.snapshot.exported import seal

    return one.revision == other.revision and seal(one) == seal(other)
