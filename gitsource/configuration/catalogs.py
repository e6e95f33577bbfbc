"""
The catalog that settings make: the built-in collections and the user's own.

Rule: what a row names is the file beside the config file if there is one, else the repository's.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gitsource import own_files
from gitsource.catalog.rows import own_kind
from gitsource.catalog.whole import Catalog
from gitsource.own_files import Read
from gitsource.security.authorize import documents
from gitsource.settings.whole import Settings


def catalog_for(settings: Settings, read: Read | None) -> Catalog:
    """
    Return the built-in collections together with the user's own, each with schema and message.

    What a row names is the file beside the config file if there is one, else what *read* has under
    that path: the repository at the revision that is judged. Raises ConfigurationError for what is
    in neither place or cannot be used. With None for *read* there is no revision yet: what is not
    beside the config file is left out, for a catalog that nothing is judged by.
    """
    limits = settings.limits
    base = Catalog(
        default_namespace=settings.default_namespace,
        unknown_kinds=settings.unknown_kinds,
        gateway_api=settings.gateway_api,
        inline_secrets=settings.secrets.inline,
        limits={
            "documents": limits.documents,
            "depth": limits.depth,
            "nodes": limits.nodes,
            "file_bytes": limits.file_bytes,
        },
    )
    own = []
    for row in settings.collections:
        schema = own_files.schema(row, Path(settings.folder), read)
        descriptors = own_files.descriptors(row, Path(settings.folder), read)
        own.append(own_kind(asdict(row), schema, descriptors))
    if settings.authorization.repository_file:
        own.append(documents.kind(settings.authorization.repository_file))
    return base.extended(own)
