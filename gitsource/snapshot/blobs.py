"""
The blob cache: what became of each file content, on disk.

Rule: a key says everything the answer depends on (blob, routing, recipe = catalog digest), so an
entry never goes stale; it is only forgotten. Losing the whole file costs time, never correctness,
so a cache that cannot be read is thrown away and one that cannot be written is done without.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult

Key: TypeAlias = tuple[str, str, bool]
"""Blob ID, collection by path (or empty), whether the file is JSON."""

KEEP_RECIPES = 3
"""Catalogs whose results are kept: today's, and a few to go back to."""

log = logging.getLogger("gitsource.snapshot")


class BlobCache:
    """Results by content. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def get(self, recipe: str, keys: Collection[Key]) -> dict[Key, FileResult]:
        """Return the results that are known for *keys* under *recipe*."""
        try:
            rows = self._rows(recipe, keys)
        except sqlite3.Error as error:
            self._abandon(error)
            return {}
        return {key: FileResult.FromString(raw) for key, raw in rows.items()}

    def put(self, recipe: str, results: Mapping[Key, bytes]) -> None:
        """Remember *results*, each a serialized `FileResult`."""
        try:
            connection = self._open()
            with connection:
                number = self._recipe(connection, recipe)
                connection.executemany(
                    "INSERT OR IGNORE INTO results (recipe, key, result) VALUES (?, ?, ?)",
                    # In the order of the index: it is written several times as fast.
                    ((number, _flat(key), results[key]) for key in sorted(results)),
                )
        except sqlite3.Error as error:
            self._abandon(error)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self, recipe: str, keys: Collection[Key]) -> dict[Key, bytes]:
        if not self._path.exists() and self._connection is None:
            return {}
        connection = self._open()
        number = self._known(connection, recipe)
        if number is None:
            return {}
        if len(keys) > 5000:
            everything = dict(
                connection.execute("SELECT key, result FROM results WHERE recipe = ?", (number,))
            )
            return {key: everything[flat] for key in keys if (flat := _flat(key)) in everything}
        found = {}
        for key in keys:
            row = connection.execute(
                "SELECT result FROM results WHERE recipe = ? AND key = ?", (number, _flat(key))
            ).fetchone()
            if row is not None:
                found[key] = row[0]
        return found

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Handed from the thread that builds to the one that closes, never used by two at once.
            connection = sqlite3.connect(self._path, check_same_thread=False)
            connection.executescript(
                """
                PRAGMA journal_mode = WAL;
                PRAGMA synchronous = NORMAL;
                CREATE TABLE IF NOT EXISTS recipes (number INTEGER PRIMARY KEY, digest TEXT UNIQUE);
                CREATE TABLE IF NOT EXISTS results (
                    recipe INTEGER, key TEXT, result BLOB, UNIQUE (recipe, key));
                """
            )
            self._connection = connection
        return self._connection

    def _known(self, connection: sqlite3.Connection, digest: str) -> int | None:
        row = connection.execute("SELECT number FROM recipes WHERE digest = ?", (digest,))
        found = row.fetchone()
        return int(found[0]) if found is not None else None

    def _recipe(self, connection: sqlite3.Connection, digest: str) -> int:
        known = self._known(connection, digest)
        if known is not None:
            return known
        with connection:
            cursor = connection.execute("INSERT INTO recipes (digest) VALUES (?)", (digest,))
            number = int(cursor.lastrowid or 0)
            oldest = number - KEEP_RECIPES
            connection.execute("DELETE FROM results WHERE recipe <= ?", (oldest,))
            connection.execute("DELETE FROM recipes WHERE number <= ?", (oldest,))
        return number

    def _abandon(self, error: sqlite3.Error) -> None:
        log.warning("the blob cache %s is left out: %s", self._path, error)
        self.close()
        # What is no database, or a damaged one, would be in the way for ever.
        if "malformed" in str(error) or "not a database" in str(error):
            self._path.unlink(missing_ok=True)


def _flat(key: Key) -> str:
    blob, collection, is_json = key
    return f"{blob} {int(is_json)} {collection}"
