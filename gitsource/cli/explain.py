"""`gitsource explain`: what a finding means, and what to do about it. Translation only."""

from __future__ import annotations

import difflib
import sys

import click

from gitsource.cli.output import colours, json_line


@click.group("explain")
def explain() -> None:
    """
    Explain findings.

    Exit codes: 0 done, 2 usage.
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
