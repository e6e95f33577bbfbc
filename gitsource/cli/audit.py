"""
`gitsource audit`: the audit log read, searched and verified, without a server.

Rule: translation only, and reading only; the log is followed by `observe.audit.verify`. Exit codes:
0 whole (or found), 1 it is not whole, 2 usage or environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from gitsource.cli.options import ListFirst, config_option
from gitsource.declarations import seconds
from gitsource.errors import ConfigurationError
from gitsource.observe.audit.file import Head, files_of, read_head
from gitsource.observe.audit.lines import EVENTS, Line, seconds_of
from gitsource.observe.audit.verify import Verified, read, verify
from gitsource.observe.neutral import neutral

FIRST = ("sink", "command", "collection", "commit", "verdict")
"""Facts that are shown before the others."""

files = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
output = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group("audit", cls=ListFirst)
def audit() -> None:
    """
    Read the audit log, and verify that nobody changed it.

    The log is the one that the settings name (--config), or FILEs, oldest first.
    """


def _current(config: Path | None) -> Path:
    from gitsource.configuration.whole import load

    settings = load(config, os.environ, {})
    told = settings.audit.file
    return Path(told) if told else Path(settings.state_dir) / "audit" / "audit.jsonl"


def _files(given: Sequence[Path], config: Path | None) -> tuple[list[Path], Head | None]:
    """Return which files are meant, and the head that is kept beside them."""
    current = given[-1] if given else _current(config)
    found = list(given) or files_of(current)
    if not found:
        raise ConfigurationError(
            f"there is no audit log {current}", hint="name it, or the settings with --config"
        )
    return found, read_head(current)


def _unreadable(error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{error.filename}: {error.strerror}", hint="read it as its owner")


def _head(_ctx: click.Context, param: click.Parameter, value: str | None) -> Head | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", value)
    if found is None:
        raise click.BadParameter("expected NUMBER:SHA256", param=param)
    return Head(int(found[1]), found[2])


@audit.command("verify")
@files
@click.option(
    "--head",
    "witness",
    metavar="NUMBER:SHA256",
    callback=_head,
    help="A line that it has to have: audit.head of a status that was kept elsewhere.",
)
@config_option
@output
def verify_log(
    files: tuple[Path, ...], witness: Head | None, config: Path | None, output: str
) -> None:
    """
    Say whether the audit log is whole, and name the first line that is not.

    Each line has the SHA-256 of the one before; beside the log stands how far it goes. Exits 1 if
    a line was changed, taken out, put in or cut off, also where a crash could not have done it.
    """
    found, kept = _files(files, config)
    done = _verified(found, kept, witness)
    if done.fault is not None and not files and (again := _files(files, config))[0] != found:
        # A file was turned over while it was read: its other half was looked for in the next one.
        found, kept = again
        done = _verified(found, kept, witness)
    if output == "json":
        told = {
            "whole": done.fault is None,
            "lines": done.lines,
            "first": done.first,
            "head": str(done.head),
            "fault": None
            if done.fault is None
            else {"file": done.fault.file, "line": done.fault.line, "text": done.fault.text},
            "notes": list(done.notes),
        }
        click.echo(json.dumps(told))
    else:
        for note in done.notes:
            click.echo(f"note: {neutral(note)}")
        if kept is None and witness is None:
            click.echo("note: nothing says how far it should go, so a cut end cannot be seen")
        if done.fault is not None:
            click.echo(f"NOT whole: {neutral(str(done.fault))}", err=True)
            click.echo(f"sound up to line {done.head}", err=True)
        else:
            click.echo(f"whole: {done.lines} lines, up to {done.head}")
    raise SystemExit(0 if done.fault is None else 1)


def _verified(files: Sequence[Path], kept: Head | None, witness: Head | None) -> Verified:
    try:
        return verify(files, [head for head in (kept, witness) if head is not None])
    except OSError as error:
        raise _unreadable(error) from error


def _since(_ctx: click.Context, param: click.Parameter, value: str | None) -> float:
    """Read a time, or how long ago."""
    if value is None:
        return 0.0
    try:
        return time.time() - float(seconds(value))
    except ValueError:
        pass
    try:
        return seconds_of(value)
    except ValueError:
        expected = "expected 1h, 30m or a time such as 2026-01-31T12:00:00Z"
        raise click.BadParameter(expected, param=param) from None


@audit.command("list")
@files
@click.option(
    "--event", "events", multiple=True, type=click.Choice(EVENTS), metavar="EVENT",
    help=f"Only such; may be given more than once. One of: {', '.join(EVENTS)}.",
)  # fmt: skip
@click.option("--sink", help="Only of the sink with this node ID, identity, stream or address.")
@click.option("--who", help="Only of whose identity or name has this in it.")
@click.option("--outcome", help="Only such: ok, refused, failed.")
@click.option("--since", callback=_since, help="Only since then: 1h, 30m, or a time.")
@click.option("--last", type=click.IntRange(1), help="At most so many, the newest.")
@config_option
@output
def list_lines(
    files: tuple[Path, ...],
    events: tuple[str, ...],
    sink: str | None,
    who: str | None,
    outcome: str | None,
    since: float,
    last: int | None,
    config: Path | None,
    output: str,
) -> None:
    """
    List what happened, oldest first.

    With --output json the lines as they stand in the log. Nothing is verified: see `verify`.
    """

    def wanted(line: Line) -> bool:
        return (
            (not events or line.event in events)
            and (outcome is None or line.outcome == outcome)
            and (who is None or who in line.who)
            and (sink is None or _is_of(line, sink))
            and (not since or seconds_of(line.time) >= since)
        )

    _show(files, config, output, wanted, last)


def _is_of(line: Line, sink: str) -> bool:
    told = (line.facts.get("sink"), line.who, line.peer, str(line.facts.get("stream", "")))
    return sink in told or line.peer.startswith(f"{sink}:") or f":{sink}:" in line.peer


@audit.command("show")
@click.argument("number", type=click.IntRange(1))
@files
@config_option
@output
def show_line(number: int, files: tuple[Path, ...], config: Path | None, output: str) -> None:
    """Show one line, with everything that it says."""
    found, _ = _files(files, config)
    try:
        line, raw = next(read(found, lambda line: line.seq == number))
    except StopIteration:
        raise ConfigurationError(f"there is no line {number}") from None
    except OSError as error:
        raise _unreadable(error) from error
    if output == "json":
        click.echo(raw.decode("ascii", "replace"))
        return
    rows = {
        "number": line.seq, "time": line.time, "event": line.event, "who": line.who,
        "peer": line.peer, "outcome": line.outcome, "why": line.why, **line.facts,
        "line before": line.prev,
    }  # fmt: skip
    for key, value in rows.items():
        if value not in ("", None, []):
            click.echo(f"{key + ':':<16} {_value(value)}")


def _show(
    given: Sequence[Path],
    config: Path | None,
    output: str,
    wanted: Callable[[Line], bool],
    last: int | None,
) -> None:
    found, _ = _files(given, config)
    try:
        lines = deque(read(found, wanted), last) if last else read(found, wanted)
        for line, raw in lines:
            text = raw.decode("ascii", "replace") if output == "json" else _row(line)
            sys.stdout.write(f"{text}\n")
    except OSError as error:
        raise _unreadable(error) from error


def _row(line: Line) -> str:
    facts = {key: line.facts[key] for key in FIRST if key in line.facts} | dict(line.facts)
    told = " ".join(
        f"{key}={_value(value)}" for key, value in facts.items() if value not in ("", [])
    )
    words = (
        str(line.seq), line.time, line.event, line.outcome, line.who or "-", line.peer, told,
        f"({line.why})" if line.why else "",
    )  # fmt: skip
    return neutral("  ".join(filter(None, words)))


def _value(value: object) -> str:
    if isinstance(value, list):
        return neutral(",".join(map(str, value)))
    text = neutral(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
