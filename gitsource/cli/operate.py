"""
The commands that talk to a running gitsource: how it stands, looking, waiting, and orders.

Rule: translation only. Each asks the admin HTTP once and prints the answer; ``--output json`` is
the server's own JSON, unchanged. Exit codes: 0 it came about, 1 it did not, 2 usage or environment.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gitsource.cli.admin_client import (
    PATIENCE,
    Answer,
    Papers,
    Refusal,
    admin_address,
    ask,
)
from gitsource.cli.options import config_option
from gitsource.cli.output import complain
from gitsource.declarations import seconds
from gitsource.errors import GitsourceError
from gitsource.observe.neutral import neutral

Ask = Callable[..., Answer]
"""Asks the server that the flags name: method, path and what is told."""


_file = click.Path(path_type=Path)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* --admin, --config and --output; it gets ``ask`` and ``output``."""

    @wraps(command)
    def prepared(admin: str | None, config: Path | None, output: str, **kwargs: Any) -> None:
        names = {"token_file", "ca", "cert", "key"}
        papers = Papers(**{name: kwargs.pop(f"admin_{name}") for name in names})
        address = admin_address(admin, config, os.environ)

        def asked(*args: Any, **told: Any) -> Answer:
            answer = ask(address, *args, **told, papers=papers)
            if isinstance(answer, Refusal):
                complain(GitsourceError(answer.error, hint=answer.hint))
                raise SystemExit(2 if answer.fault == "operator" else 1)
            if output == "json":
                sys.stdout.write(answer.text)
            elif args[0] == "POST" and answer.value.get("unkept"):
                why = neutral(str(answer.value["unkept"]))
                click.echo(f"warning: a restart would forget this order: {why}", err=True)
            return answer

        command(ask=asked, output=output, **kwargs)

    for option in (
        click.option(
            "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
        ),
        config_option,
        click.option(
            "--admin",
            envvar="GITSOURCE_ADMIN",
            metavar="HOST:PORT",
            help="Its listen.admin, also https://HOST:PORT or unix:/PATH.  "
            "[default: from --config, else 127.0.0.1:9902]",
        ),
        click.option(
            "--admin-token-file",
            envvar="GITSOURCE_ADMIN_TOKEN_FILE",
            type=_file,
            metavar="FILE",
            help="File with a token that it knows.  [env var: GITSOURCE_ADMIN_TOKEN_FILE]",
        ),
        click.option(
            "--admin-ca", type=_file, metavar="FILE", help="Certificates that vouch for it."
        ),
        click.option(
            "--admin-cert", type=_file, metavar="FILE", help="Your certificate, if it asks for one."
        ),
        click.option("--admin-key", type=_file, metavar="FILE", help="The key of that."),
    ):
        option(prepared)
    return prepared


def _who() -> str:
    """Return who runs this command, as user@host."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


_reason = click.option("--reason", required=True, help="Why; kept with the order and shown.")
why = click.option("--reason", default="", help="Why; logged.")
by = click.option("--who", default=_who, show_default="user@host", help="Who gives the order.")


@click.command("status")
@asking
def status(ask: Ask, output: str) -> None:
    """
    Show what is served, to whom, and why.

    What is held with its findings, an order in force (pin, suspend), and for each sink how many
    collections it has accepted, is behind in, or has refused.
    """
    told = ask("GET", "/status").value
    if output == "text":
        from gitsource.cli.status_text import status as page

        sys.stdout.write(page(told, datetime.now(UTC)))


@click.command("sync")
@click.option(
    "--timeout", default="30s", show_default=True, help="How long sinks get to accept it."
)
@asking
def sync(ask: Ask, output: str, timeout: str) -> None:
    """
    Look for a new revision now.

    Returns when the head of the ref is held, or when every connected sink has accepted or refused
    it. Exits 1 when it is held or refused, when the repository could not be read, when the time is
    up, or while gitsource is suspended.
    """
    limit = _limit(timeout)
    told = ask("POST", "/sync", {"timeout": str(limit)}, patience=limit + PATIENCE).value
    _tell_look(told, output)
    done = told.get("outcome") in {"published", "unchanged"}
    accepted, connected = told.get("accepted", 0), told.get("connected", 0)
    if done and connected and output == "text":
        refused = told.get("refused", 0)
        also = f", refused by {refused}" if refused else ""
        click.echo(f"accepted by {accepted} of {connected} sinks{also}")
        if accepted < connected:
            click.echo("next: `gitsource sinks` shows which are behind, and why", err=True)
    raise SystemExit(0 if done and accepted >= connected else 1)


def _limit(timeout: str) -> float:
    try:
        return float(seconds(timeout))
    except ValueError as error:
        raise click.BadParameter(f"expected {error}", param_hint="--timeout") from error


@click.command("wait")
@click.option("--revision", required=True, help="The commit to wait for.")
@click.option("--timeout", default="5m", show_default=True, help="How long to wait at most.")
@click.option("--sinks", default=0, show_default=True, help="How many sinks must be connected.")
@asking
def wait(ask: Ask, output: str, revision: str, timeout: str, sinks: int) -> None:
    """
    Wait until the sinks have accepted a revision.

    Exits 0 when every connected sink has accepted that revision, or a later one that contains it;
    1 when the time is up or the revision is held.
    """
    limit = _limit(timeout)
    asked = {"revision": revision, "sinks": sinks, "timeout": limit}
    told = ask("GET", "/wait", asked, patience=limit + 30).value
    outcome, name = told.get("outcome"), neutral(str(told.get("revision") or revision))
    if output == "text":
        counts = f"{told.get('accepted', 0)} of {told.get('connected', 0)} sinks"
        if outcome == "accepted":
            click.echo(f"{name}: accepted by {counts}")
        elif outcome == "held":
            _tell_held(told, name)
        else:
            click.echo(f"{name}: the time is up; accepted by {counts}", err=True)
            click.echo("next: `gitsource status` shows which sinks are behind", err=True)
    raise SystemExit(0 if outcome == "accepted" else 1)


@click.command("rollback")
@click.argument("revision", required=False)
@_reason
@by
@asking
def rollback(ask: Ask, output: str, revision: str | None, reason: str, who: str) -> None:
    """
    Serve an earlier revision until it is unpinned.

    Without REVISION, the one published before the one that is served. Sinks get the old content
    under its old versions; new revisions are judged and held until `gitsource unpin`.
    """
    _pin(ask, output, "/rollback", revision or "", reason, who)


@click.command("pin")
@click.argument("revision")
@_reason
@by
@asking
def pin(ask: Ask, output: str, revision: str, reason: str, who: str) -> None:
    """
    Serve this revision until it is unpinned.

    The pin is kept across restarts and shown in the status.
    """
    _pin(ask, output, "/pin", revision, reason, who)


def _pin(ask: Ask, output: str, path: str, revision: str, reason: str, who: str) -> None:
    told = ask("POST", path, {"revision": revision, "reason": reason, "who": who}).value
    if output == "text":
        click.echo(f"pinned {neutral(str(told.get('pinned')))} for {neutral(who)}")
        click.echo("next: `gitsource unpin` follows the ref again", err=True)


@click.command("unpin")
@why
@by
@asking
def unpin(ask: Ask, output: str, reason: str, who: str) -> None:
    """
    Release the pin and follow the ref again.

    The head is looked at at once.
    """
    told = ask("POST", "/unpin", {"reason": reason, "who": who}).value
    _tell_look(told, output, "unpinned")


@click.command("allow")
@click.argument("revision")
@_reason
@by
@asking
def allow(ask: Ask, output: str, revision: str, reason: str, who: str) -> None:
    """
    Let out a held revision that needs a confirmation.

    For what the guard holds: much removed at once, nothing left, history rewritten. REVISION is the
    one that `gitsource status` shows as held; the order is kept across restarts and is for that
    revision alone. Signatures that are missing, and mistakes, it does not pass over.
    """
    told = ask("POST", "/allow", {"revision": revision, "reason": reason, "who": who}).value
    _tell_look(told, output, f"allowed {neutral(str(told.get('allowed')))}")
    raise SystemExit(0 if told.get("outcome") in {"published", "unchanged"} else 1)


@click.command("suspend")
@_reason
@by
@asking
def suspend(ask: Ask, output: str, reason: str, who: str) -> None:
    """
    Look for no new revisions.

    What is served stays up, across restarts too, until `gitsource resume`.
    """
    ask("POST", "/suspend", {"reason": reason, "who": who})
    if output == "text":
        click.echo(f"suspended for {neutral(who)}")
        click.echo("next: `gitsource resume` looks for new revisions again", err=True)


@click.command("resume")
@why
@by
@asking
def resume(ask: Ask, output: str, reason: str, who: str) -> None:
    """
    Look for new revisions again.

    The head is looked at at once.
    """
    told = ask("POST", "/resume", {"reason": reason, "who": who}).value
    _tell_look(told, output, "resumed")


def _tell_look(told: Mapping[str, Any], output: str, done: str = "") -> None:
    """Print what a look at the repository came to, after what was *done* before it."""
    if output != "text":
        return
    if done:
        click.echo(done)
    name, outcome = neutral(str(told.get("revision"))), told.get("outcome")
    if outcome == "published":
        click.echo(f"{name}: published in {told.get('seconds', 0):.2f} s")
    elif outcome == "unchanged":
        click.echo(f"{name}: nothing new")
    elif outcome == "held":
        _tell_held(told, name)
    elif outcome == "suspended":
        complain(GitsourceError("gitsource is suspended", hint="`gitsource resume` goes on"))
    else:
        error = str(told.get("error") or "the repository could not be read")
        complain(GitsourceError(error, hint=str(told.get("hint") or "")))
    for layer in told.get("layers") or ():
        told_already = outcome == "held" and layer.get("head") == told.get("revision")
        if layer.get("held") and not told_already:
            why = f"held: {layer['held'].get('reason')}"
            click.echo(neutral(f"layer {layer['name']}: {why}"), err=True)
        if layer.get("error") and outcome != "failed":
            click.echo(neutral(f"layer {layer['name']}: not looked at: {layer['error']}"), err=True)


def _tell_held(told: Mapping[str, Any], name: str) -> None:
    from gitsource.cli.status_text import findings

    rows = told.get("findings") or ()
    sys.stdout.write(findings(rows))
    reason = str(told.get("reason") or told.get("error") or f"{len(rows)} findings")
    click.echo(f"{name}: held: {neutral(reason)}", err=True)


@click.command("probe")
@click.option("--alive", is_flag=True, help="Ask whether it lives, not whether it is ready.")
@asking
def probe(ask: Ask, output: str, alive: bool) -> None:  # noqa: FBT001 - click's signature
    """
    Ask whether it is ready for sinks, as probes do.

    Exits 0 once a snapshot is served; with --alive, as long as its event loop lives.
    """
    told = ask("GET", "/healthz" if alive else "/readyz", patience=5.0).value
    if output == "text":
        click.echo("alive" if told.get("alive") else "ready")
