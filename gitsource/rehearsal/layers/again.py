"""
A composition built again from the commits of its layers.

Rule: from repositories alone, and as `serve` builds one that it starts with: all of it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError
from gitsource.rehearsal.layers.at_hand import InRepository, Search
from gitsource.rehearsal.layers.stack import Stack
from gitsource.rehearsal.question import Others
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal


def rebuilt(
    settings: Settings, catalog: Catalog, commits: Mapping[str, str], others: Others
) -> Proposal:
    """
    Return what *commits*, by the names of layers, come to.

    Raises ConfigurationError if the settings have other layers, or a commit is not at hand.
    """
    names = [row.name for row in settings.layers]
    if names != [*commits]:
        raise ConfigurationError(
            f"it is a composition of the layers {', '.join(commits)}, and the settings have "
            f"{', '.join(names) or 'none'}",
            hint="name the config file that it was served with (--config)",
        )
    with ExitStack() as opened:
        search = Search(settings, others, opened)
        found: dict[str, InRepository] = {
            row.name: search.at(row, commits[row.name]) for row in settings.layers
        }
        stack = Stack(settings, catalog, found, None)
        chosen = {
            name: stack.candidate(name, each.objects, each.revision) for name, each in found.items()
        }
        return stack.judged(chosen)
