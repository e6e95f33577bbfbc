"""
The catalog that counts at a revision.

Rule: a catalog is made anew only when the settings are other ones or a schema in the repository
differs; everybody who asks in between gets the same one.
"""

from __future__ import annotations

from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.git.objects import Objects
from gitsource.model import Revision
from gitsource.settings.whole import Settings


class Catalogs:
    """The catalogs of one gitsource; the newest is `now`."""

    def __init__(self, settings: Settings) -> None:
        # Schemas may live in a repository that nobody has looked at yet; names are known already.
        self.now = named(settings)
        self._made: dict[tuple[int, tuple[bytes | None, ...]], Catalog] = {}
        self._schemas: tuple[str, dict[str, bytes | None]] = ("", {})
        """Of which tree, and by name, the schemas were read last."""

    def at(self, settings: Settings, objects: Objects | None, revision: Revision | None) -> Catalog:
        """Return the catalog at *revision*; raises ConfigurationError for schemas that are none."""
        from gitsource.reconcile.judging import schema_reader

        read = schema_reader(objects, revision, settings)
        named = ((row.schema, row.descriptor_set) for row in settings.collections)
        rows = [name for pair in named for name in pair if name]
        tree = revision.tree if revision is not None else ""
        if self._schemas[0] != tree or not tree:
            self._schemas = (tree, {name: read(name) for name in rows})
        told = self._schemas[1]
        key = (id(settings), tuple(told[name] for name in rows))
        if key not in self._made:
            catalog = catalog_for(settings, read)
            self._made = {key: catalog}
            self.now = catalog
        return self._made[key]


def named(settings: Settings) -> Catalog:
    """
    Return the catalog as far as no repository has a say; with layers, none ever has.

    Raises ConfigurationError for what is not beside the config file and cannot be elsewhere.
    """
    return catalog_for(settings, (lambda _name: None) if settings.layers else None)
