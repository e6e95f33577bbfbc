"""
Which mirrors there are: one of the repository, or one of each layer.

Rule: made and not touched; `Mirror.open` does that. What is wrong with a setting is told with the
layer it is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from gitsource.errors import ConfigurationError
from gitsource.git.command import Git
from gitsource.git.credentials import for_settings
from gitsource.git.mirror import Mirror
from gitsource.git.mirror_files import folder_of
from gitsource.git.process import Limits
from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings

Mirrors: TypeAlias = Mirror | Mapping[str, Mirror]
"""The mirror of the repository, or one by the name of each layer."""


def mirrors(settings: Settings) -> Mirrors:
    """Return the mirrors for *settings*; ConfigurationError says what of them is refused."""
    state = Path(settings.state_dir)
    if not settings.layers:
        return Mirror(
            state / "mirror.git", settings.repository, _git(settings, settings.repository)
        )
    found: dict[str, Mirror] = {}
    for row in settings.layers:
        try:
            git = _git(settings, row.repository)
            found[row.name] = Mirror(folder_of(state, row.name), row.repository, git)
        except ConfigurationError as error:
            raise ConfigurationError(f"layer {row.name}: {error}", hint=error.hint) from error
    return found


def packed(made: Mirrors) -> int:
    """Return about how many objects they hold, from the sizes of files alone."""
    return made.packed() if isinstance(made, Mirror) else sum(m.packed() for m in made.values())


def _git(settings: Settings, repository: Repository) -> Git:
    credentials = for_settings(settings.credentials, settings.folder)
    limits = Limits(settings.limits.fetch_bytes, settings.limits.fetch_memory)
    return Git(timeout=repository.timeout, limits=limits, credentials=credentials)
