"""
What the offline commands share: settings, a catalog and a revision, without a server.

Rule: nothing is written and nothing is fetched; the pipeline is the server's own (`reconcile`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gitsource.build.builder import Builder
from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from gitsource.model import Revision
from gitsource.reconcile.judging import evaluate, schema_reader
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal, Standing


def settings_for(config: Path | None, flags: dict[str, str | None] | None = None) -> Settings:
    """Return the settings of *config* (built-in defaults without one) under flags."""
    return load(config, os.environ, flags or {})


def catalog_in(settings: Settings, objects: Objects | None, revision: Revision | None) -> Catalog:
    """Return the catalog in force at *revision*."""
    return catalog_for(settings, schema_reader(objects, revision, settings))


def judge(
    repository: LocalRepository,
    revision: Revision,
    settings: Settings,
    base: Standing | None = None,
) -> Proposal:
    """Return what *revision* of a local repository comes to."""
    objects = repository.objects
    builder = Builder(catalog_in(settings, objects, revision), settings.build)
    return evaluate(objects, base, revision, builder, settings)


def kept_to(settings: Settings, path: str | None) -> Settings:
    """Return *settings* kept to a folder of the repository, if one is named."""
    if path is None:
        return settings
    return replace(settings, repository=replace(settings.repository, path=path))
