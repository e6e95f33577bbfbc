"""`gitsource explain`: what a finding means, and why a commit went out. Translation only."""

from __future__ import annotations

import difflib
import sys

import click

from gitsource.cli.operate import Ask, asking
from gitsource.cli.output import colours, json_line
from gitsource.observe.neutral import neutral


@click.group("explain")
def explain() -> None:
    """
    Explain findings, and what became of commits.

    Exit codes: 0 done, 1 the commit did not go out, 2 usage or environment.
    """


@explain.command("rule")
@click.argument("code", required=False)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rule(code: str | None, output: str) -> None:
    """
    Say what the finding CODE means, with a bad and a good example.

    Without a CODE, list all of them. The id of a rule of Istio's validator finds the code that
    covers it.

    Exit codes: 0 done, 2 there is no such code.
    """
    from gitsource.codes.table import CODES
    from gitsource.report import codes

    if code is None:
        if output == "json":
            for each in CODES.values():
                json_line(codes.machine(each))
        else:
            sys.stdout.write(codes.listed())
        return
    row = codes.looked_up(code)
    if row is None:
        near = difflib.get_close_matches(code.upper(), CODES, n=1)
        guess = f" Did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"there is no finding {code!r}.{guess}")
    if output == "json":
        json_line(codes.machine(row))
    else:
        sys.stdout.write(codes.explained(row, colour=colours(sys.stdout)))


@explain.command("commit")
@click.argument("revision")
@asking
def commit(ask: Ask, output: str, revision: str) -> None:
    """
    Say why the commit REVISION did or did not go out.

    It went out itself (and as which version), or had no effect; it is held, by what and why; a
    later head was looked at in its place; it was not looked at yet, is not on the followed ref, or
    was never seen. With layers it is NAME:REVISION where that is needed, or the ID of a
    composition, which is told with its parts. A running gitsource is asked.

    Exit codes: 0 what it brought went out, by itself or with a later head; 1 it did not; 2 no
    gitsource answers, or several commits begin so.
    """
    told = ask("GET", "/explain", {"commit": revision}).value
    if output == "text":
        from gitsource.cli.revisions_text import explained

        sys.stdout.write(explained(told))
        if told.get("hint"):
            click.echo(f"next: {neutral(told['hint'])}", err=True)
    raise SystemExit(0 if told.get("went_out") else 1)
