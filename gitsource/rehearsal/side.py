"""
One side of a dry-run: a revision, and the settings and the catalog that judge it.

Rule: a config file that the repository itself has is taken as the revision has it, and so are the
schemas and messages beside it: each side is judged by its own. What lies elsewhere on this machine
is the same for both.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.git import changes
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from gitsource.model import Revision, shown
from gitsource.settings.judging import CollectionRow
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings

LARGEST = 4 * 1024 * 1024
"""Bytes of a config file, a schema or a descriptor set in the repository."""


@dataclass(frozen=True, slots=True)
class Configured:
    """Where settings come from."""

    file: Path | None
    """The config file, on this machine."""
    path: str | None
    """Folder of the repository to keep to; None: as the settings have it."""
    environ: Mapping[str, str]
    inside: str = ""
    """The config file's name in the repository; empty if it is not in it."""

    @classmethod
    def of(
        cls,
        repository: LocalRepository,
        file: Path | None,
        path: str | None,
        environ: Mapping[str, str],
    ) -> Configured:
        """Return how to configure *repository*; *file* may lie in its working tree."""
        inside = ""
        if file is not None and repository.top is not None:
            real, top = os.path.realpath(file), os.path.realpath(repository.top)
            if real.startswith(f"{top}{os.sep}"):
                inside = os.path.relpath(real, top)
        return cls(file, path, environ, inside)

    def settings(self, objects: Objects, revision: Revision | None) -> Settings:
        """Return the settings in force at *revision*: its own, if the repository has them."""
        data = None
        if self.inside and revision is not None:
            data = objects.file(revision.tree, self.inside, LARGEST)
        found = load(self.file, self.environ, {}, data)
        if data is not None:
            _keep_inside(found)
        if data is not None and not any(row.protos for row in found.collections):
            # What lies beside the file is the revision's as well, see `side`.
            found = replace(found, folder=FilePath(os.devnull))
        if self.path is not None:
            found = replace(found, repository=replace(found.repository, path=self.path))
        return found

    @property
    def folder(self) -> str:
        """The folder of the repository that the config file is in, empty or ending in a slash."""
        folder = os.path.dirname(self.inside)  # noqa: PTH120 - a path of the repository
        return f"{folder}/" if folder else ""


def _keep_inside(settings: Settings) -> None:
    """Refuse what a config file of the repository names elsewhere: whoever proposes it reads it."""
    for row in settings.collections:
        for name in (row.schema, row.descriptor_set):
            if name is not None and changes.safe_path(name) is not None:
                raise ConfigurationError(
                    f"collections: {row.name}: {shown(name)} is no path inside the repository",
                    hint="name a file of the repository, or give a config file that is not in it",
                )


@dataclass(slots=True)
class Side:
    """A revision with all that judges it."""

    revision: Revision
    objects: Objects
    settings: Settings
    catalog: Catalog
    files: dict[str, str]
    """Digests of the files of the repository that settings and catalog were made from."""
    users: dict[str, tuple[str, ...]]
    """Which collections each of those is for; none: all."""

    @property
    def selecting(self) -> str:
        """The folder of the repository that is kept to; empty: all of it."""
        return self.settings.repository.path

    @property
    def recipe(self) -> str:
        """What judging depends on beside the contents of files."""
        settings = self.settings
        selecting = settings.repository
        told = (
            *(self.catalog.digest, selecting.path, repr(settings.references)),
            *(repr(selecting.include), repr(selecting.ignore), repr(settings.limits)),
            repr(settings.layers),
        )
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def side(configured: Configured, objects: Objects, revision: Revision) -> Side:
    """
    Return *revision* of *objects* with its settings and catalog.

    Raises ConfigurationError if they cannot be used.
    """
    settings = configured.settings(objects, revision)
    files: dict[str, str] = {}
    users: dict[str, tuple[str, ...]] = {}

    def noted(name: str) -> bytes | None:
        data = objects.file(revision.tree, name, LARGEST)
        if data is not None:
            files[name] = hashlib.sha256(data).hexdigest()
        return data

    def read(name: str) -> bytes | None:
        if settings.layers and not configured.inside:
            return None  # of several repositories none counts more than another
        beside = f"{configured.folder}{name}"
        data = noted(beside)
        if data is not None or beside == name:
            return data
        return noted(name)

    if configured.inside:
        noted(configured.inside)
        users[configured.inside] = ()
    catalog = catalog_for(settings, read)
    for name in files.keys() - users.keys():
        rows = [row.name for row in settings.collections if _named(row, name, configured.folder)]
        users[name] = tuple(rows)
    return Side(revision, objects, settings, catalog, files, users)


def _named(row: CollectionRow, name: str, folder: str) -> bool:
    given = {row.schema, row.descriptor_set} - {None}
    return name in given or name.removeprefix(folder) in given
