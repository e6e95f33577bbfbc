"""`gitsource serve`: follow a repository and serve it to sinks. Translation only."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gitsource.cli.options import settings_options


@click.command("serve")
@settings_options
def serve(config: Path | None, flags: dict[str, str | None]) -> None:
    """
    Follow a Git repository and serve its configuration to sinks.

    Each new revision is judged whole: one that does not validate is held and sinks keep the last
    good one, which is also served at once after a restart. SIGTERM drains, SIGHUP reloads the
    settings.
    """
    from gitsource.app.whole import serve as run
    from gitsource.configuration.whole import load
    from gitsource.settings.whole import Settings

    def settings() -> Settings:
        return load(config, os.environ, flags)

    run(settings(), settings)
