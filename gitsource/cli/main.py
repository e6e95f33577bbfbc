"""
The `gitsource` command: finds the subcommand, runs it, turns errors into exit codes and hints.

Rule: nothing is imported before it is needed. The subcommands stand in a table with their line of
help, so that listing them loads none; each loads what it uses. Exit codes are given here (and by
the commands whose answer is an exit code: validate, dry-run, sink, wait).
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

import click

from gitsource.cli.output import complain
from gitsource.errors import ExchangeError, GitsourceError, RevisionRejected


class Entry(NamedTuple):
    """A subcommand that is not loaded yet."""

    module: str
    attribute: str
    help: str
    """The first sentence of its own help; a test compares the two."""


COMMANDS: Mapping[str, Entry] = {
    "serve": Entry(
        "gitsource.cli.serve",
        "serve",
        "Follow a Git repository and serve its configuration to sinks.",
    ),
    "validate": Entry(
        "gitsource.cli.validate", "validate", "Judge configuration files as the server would."
    ),
    "dry-run": Entry(
        "gitsource.cli.dry_run",
        "dry_run",
        "Say what the revision HEAD would push to sinks that have BASE.",
    ),
    "sink": Entry("gitsource.cli.sink", "sink", "Be a sink: subscribe and print every push."),
    "status": Entry("gitsource.cli.operate", "status", "Show what is served, to whom, and why."),
    "sinks": Entry("gitsource.cli.sinks", "sinks", "Show who is served, and what each sink has."),
    "sync": Entry("gitsource.cli.operate", "sync", "Look for a new revision now."),
    "wait": Entry(
        "gitsource.cli.operate", "wait", "Wait until the sinks have accepted a revision."
    ),
    "rollback": Entry(
        "gitsource.cli.operate", "rollback", "Serve an earlier revision until it is unpinned."
    ),
    "pin": Entry("gitsource.cli.operate", "pin", "Serve this revision until it is unpinned."),
    "unpin": Entry("gitsource.cli.operate", "unpin", "Release the pin and follow the ref again."),
    "allow": Entry(
        "gitsource.cli.operate", "allow", "Let out a held revision that needs a confirmation."
    ),
    "suspend": Entry("gitsource.cli.operate", "suspend", "Look for no new revisions."),
    "resume": Entry("gitsource.cli.operate", "resume", "Look for new revisions again."),
    "probe": Entry(
        "gitsource.cli.operate", "probe", "Ask whether it is ready for sinks, as probes do."
    ),
    "webhook": Entry(
        "gitsource.cli.webhook",
        "webhook",
        "Show what Git hosts delivered of late, and what became of it.",
    ),
    "snapshot": Entry(
        "gitsource.cli.snapshot",
        "snapshot",
        "Look at snapshots without a server: what was published, what a revision holds, what "
        "differs.",
    ),
    "verify": Entry(
        "gitsource.cli.verify",
        "verify",
        "Build a snapshot again from its commit, and compare versions.",
    ),
    "export": Entry(
        "gitsource.cli.exported", "export", "Write a snapshot to one checksummed file."
    ),
    "import": Entry(
        "gitsource.cli.exported", "import_", "Make an exported snapshot what `serve` starts with."
    ),
    "bootstrap": Entry(
        "gitsource.cli.bootstrap",
        "bootstrap",
        "Print what a client is started with so that it takes its configuration from here.",
    ),
    "doctor": Entry(
        "gitsource.cli.doctor", "doctor", "Check a set-up, and say the next step for what is wrong."
    ),
    "history": Entry(
        "gitsource.cli.history",
        "history",
        "List the revisions that were looked at, and what became of each.",
    ),
    "audit": Entry(
        "gitsource.cli.audit", "audit", "Read the audit log, and verify that nobody changed it."
    ),
    "authz": Entry("gitsource.cli.authz", "authz", "Explain who may receive what."),
    "explain": Entry(
        "gitsource.cli.explain", "explain", "Explain findings, and what became of commits."
    ),
}

EXIT_CODES: Mapping[int, str] = {
    0: "the command did what was asked",
    1: "what was asked did not come about, or findings were found",
    2: "wrong usage, a wrong setting, or an environment in which the command cannot work",
    3: "`dry-run` alone: the revision is valid, and a guard would hold it",
    70: "gitsource itself failed: a bug, reported with a traceback",
    130: "interrupted from the keyboard",
}
"""What every command's exit code means; docs/exit-codes.md tells each command's own."""


class LazyGroup(click.Group):
    """A group that loads a subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load and return the subcommand."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table and the modules are ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that *args* name, or say which one may have been meant."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            import difflib

            near = difflib.get_close_matches(args[0], known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's signature
    if asked:
        click.echo(f"gitsource {_installed()}")
        ctx.exit()


def _installed() -> str:
    """Return the version, by the name of the folder that says what was installed."""
    # importlib.metadata would take longer than all the rest: it loads the parser of mails.
    for folder in filter(None, sys.path):
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208 - hundreds of Path objects cost
                if name.startswith("gitsource-") and name.endswith(".dist-info"):
                    return name.removeprefix("gitsource-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("gitsource")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """
    The Git-backed configuration source of a service mesh.

    Follows a Git repository and serves validated, versioned snapshots of it to sinks over the Mesh
    Configuration Protocol.

    Exit codes: 0 done, 1 what was asked did not come about, 2 usage or environment.
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line *args* (by default the process's) and return the exit code."""
    # Imports, documents and snapshots make next to no cycles: by default, looking for some after
    # every 700 objects takes a sixth of the time of all work.
    gc.set_threshold(50_000)
    try:
        return _run(args)
    finally:
        if args is None:
            # The process ends: what stands needs no last look for cycles, which takes 40 ms.
            gc.freeze()


def _run(args: Sequence[str] | None) -> int:
    try:
        outcome = cli.main(args=args, prog_name="gitsource", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except GitsourceError as error:
        complain(error)
        return 1 if isinstance(error, RevisionRejected | ExchangeError) else 2
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - the last net: a bug must not look like findings (1)
        import traceback

        traceback.print_exc()
        click.echo("gitsource: this is a bug in gitsource: please report it", err=True)
        return 70
    return outcome if isinstance(outcome, int) else 0
