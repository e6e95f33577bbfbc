"""`gitsource doctor`: what stands in the way, and the next step for each. Translation only."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitsource.cli.options import settings_options
from gitsource.cli.output import colours, json_line
from gitsource.errors import ConfigurationError
from gitsource.observe.neutral import neutral

if TYPE_CHECKING:
    from gitsource.doctor.check import Check

WIDTH = 80
_SHOWN = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red")}


@click.command("doctor")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings count as failures for the exit code.")
@settings_options
def doctor(output: str, *, strict: bool, config: Path | None, flags: dict[str, str | None]) -> None:
    """
    Check a set-up, and say the next step for what is wrong.

    With the settings that serve would have: the way to the Git host (name, connection, certificate
    or host key), credentials, the ref, whether the credentials could push (they should not),
    signature policy, schemas, state directory, clock, papers and secrets of the doors, and ports;
    with layers, of each. Nothing is changed, and a running gitsource is not disturbed.

    Exit codes: 0 all is well, or warnings only; 1 something failed (with --strict also for
    warnings); 2 usage, or a setting is wrong.
    """
    from gitsource.cli.offline import settings_for
    from gitsource.doctor.check import worst
    from gitsource.doctor.examine import examine

    settings = settings_for(config, flags)
    if not all(repository.url for repository in settings.repositories):
        raise ConfigurationError(
            "repository.url is not set",
            hint="set it in the config file, with --repository-url or GITSOURCE_REPOSITORY_URL",
        )
    found = []
    for check in examine(settings):
        found.append(check)
        if output == "text":
            for line in lines(check, colour=colours(sys.stdout)):
                click.echo(line, color=True)
            sys.stdout.flush()
    state = worst(found)
    if output == "json":
        json_line({"state": state, "checks": [asdict(check) for check in found]})
    raise SystemExit(1 if state == "failed" or (strict and state == "warning") else 0)


def lines(check: Check, *, colour: bool) -> Iterator[str]:
    """Yield the rows of the table for *check*, on 80 columns."""
    word, paint = _SHOWN.get(check.state, ("-", ""))
    shown = f"{word:<5}"
    lead = f"{check.name:<12} {click.style(shown, fg=paint) if colour and paint else shown} "
    about = f"layer {check.layer}: " if check.layer else ""
    for line in _wrapped(about + check.text):
        yield f"{lead}{line}"
        lead = " " * 19
    if check.hint:
        hint, to_copy, line_to_copy = check.hint.partition(" the line: ")
        for line in _wrapped(f"next: {hint}{to_copy.rstrip()}"):
            yield f"{' ' * 19}{line}"
        if to_copy:  # for known_hosts: what is to be copied stays in one piece
            yield neutral(line_to_copy)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(neutral(text), WIDTH - 19, break_on_hyphens=False) or [""]
