"""
The blob cache: what became of each file content, on disk.

Rule: a key says everything the answer depends on (blob, routing, recipe = catalog digest), so an
entry never goes stale; it is only forgotten. Losing the whole file costs time, never correctness,
so a cache that cannot be read is thrown away and one that cannot be written is done without.

Rows stand in the order of their last use (`rowid`). Once they take up too much, `tidy` drops the
first of them, but for those of the contents that stand: they were used once, long ago, and a
restart asks for all of them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult

Key: TypeAlias = tuple[str, str, bool]
"""Blob ID, collection by path (or empty), whether the file is JSON."""

KEEP_RECIPES = 3
"""Catalogs whose results are kept: today's, and a few to go back to."""

LARGEST = 512 * 1024 * 1024
"""Bytes that results may take up on disk, unless what stands needs more."""
MANY = 5000
"""Keys from which on all rows are read at once; what asks for so many is a whole revision."""
STEP = 500
"""Rows, or pages of the file, that are let go of in one step: some ten milliseconds."""

log = logging.getLogger("gitsource.snapshot")


class BlobCache:
    """Results by content. Used by one thread at a time."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        """*largest* is how many bytes `tidy` leaves, beside what stands."""
        self._path = path
        self._largest = largest
        self._connection: sqlite3.Connection | None = None
        self._recipe_used = ""
        self._used: dict[tuple[str, str], None] = {}
        """Recipe and key of what was found since rows were put in order."""
        self._at: int | None = None
        """The row that `tidy` has come to; None: it is not dropping any."""
        self._left = 0
        """Bytes that were left the last time, plus what may come before it is worth another."""

    def get(self, recipe: str, keys: Collection[Key]) -> dict[Key, FileResult]:
        """Return the results that are known for *keys* under *recipe*."""
        try:
            rows = self._rows(recipe, keys)
        except sqlite3.Error as error:
            self._abandon(error)
            return {}
        self._recipe_used = recipe
        if len(rows) <= MANY - len(self._used):
            self._used.update(dict.fromkeys((recipe, _flat(key)) for key in rows))
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
            self._recipe_used = recipe
        except sqlite3.Error as error:
            self._abandon(error)

    def tidy(self, standing: Callable[[], Iterable[str]]) -> bool:
        """
        Take one small step towards a file that is not too large; whether more is to be done.

        *standing* gives the IDs of the contents that stand, and is asked only if rows are dropped:
        their results under the recipe used last stay. Each step is a transaction, so whatever ends
        the program in between, the file has all rows but some of those that were to go.
        """
        if self._connection is None:
            return False  # nothing was asked of it, so nothing came to it
        try:
            connection = self._open()
            self._order(connection)
            return self._drop(connection, standing) or self._shrink(connection)
        except sqlite3.Error as error:
            self._abandon(error)
            return False

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
        if len(keys) > MANY:
            wanted = {_flat(key): key for key in keys}
            rows = connection.execute("SELECT key, result FROM results WHERE recipe = ?", (number,))
            return {wanted[flat]: raw for flat, raw in rows if flat in wanted}
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
                PRAGMA auto_vacuum = INCREMENTAL;
                PRAGMA journal_mode = WAL;
                PRAGMA journal_size_limit = 16777216;
                PRAGMA synchronous = NORMAL;
                CREATE TABLE IF NOT EXISTS recipes (number INTEGER PRIMARY KEY, digest TEXT UNIQUE);
                CREATE TABLE IF NOT EXISTS results (
                    recipe INTEGER, key TEXT, result BLOB, UNIQUE (recipe, key));
                """
            )
            self._connection = connection
            if _told(connection, "auto_vacuum") != 2:
                raise sqlite3.DatabaseError("malformed: it was made so that it never gets smaller")
        return self._connection

    def _order(self, connection: sqlite3.Connection) -> None:
        """Put the rows that were found last behind all others."""
        used, self._used = self._used, {}
        if not used:
            return
        numbers = {recipe: self._known(connection, recipe) for recipe, _ in used}
        with connection:
            connection.executemany(
                "UPDATE results SET rowid = (SELECT max(rowid) + 1 FROM results)"
                " WHERE recipe = ? AND key = ?",
                ((numbers[recipe], key) for recipe, key in used),
            )

    def _drop(self, connection: sqlite3.Connection, standing: Callable[[], Iterable[str]]) -> bool:
        """Drop some of the rows that were not used longest; whether there are more to look at."""
        held = _held(connection)
        if self._at is None:
            if held <= max(self._largest, self._left):
                return False
            self._at = 0
        too_much = held - (self._largest - self._largest // 8)
        rows = connection.execute(
            "SELECT rowid, recipe, key, length(result) FROM results"
            " WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (self._at, STEP),
        ).fetchall()
        needed, recipe = frozenset(standing()), self._known(connection, self._recipe_used)
        gone: list[tuple[int]] = []
        for row, number, key, size in rows:
            if too_much <= 0:
                break
            if number != recipe or key.partition(" ")[0] not in needed:
                gone.append((row,))
                too_much -= size
        with connection:
            connection.executemany("DELETE FROM results WHERE rowid = ?", gone)
        self._at = rows[-1][0] if rows else None
        if len(rows) < STEP or too_much <= 0:
            self._at, self._left = None, _held(connection) + self._largest // 8
        return self._at is not None

    def _shrink(self, connection: sqlite3.Connection) -> bool:
        """Give some of the free pages back to the file system; whether there are more."""
        spare = self._largest // 8 // _told(connection, "page_size")
        free = _told(connection, "freelist_count") - spare
        if free <= 0:
            return False
        # As a script, since `execute` ends it after the first page.
        connection.executescript(f"PRAGMA incremental_vacuum({min(free, STEP)})")
        return free > STEP

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
        self._used, self._at = {}, None
        # What is no database, or a damaged one, would be in the way for ever.
        if "malformed" in str(error) or "not a database" in str(error):
            self._path.unlink(missing_ok=True)


def _told(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _held(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages = _told(connection, "page_count") - _told(connection, "freelist_count")
    return pages * _told(connection, "page_size")


def _flat(key: Key) -> str:
    blob, collection, is_json = key
    return f"{blob} {int(is_json)} {collection}"
