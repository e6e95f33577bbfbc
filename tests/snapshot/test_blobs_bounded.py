"""The blob cache on disk does not grow for ever, and does not forget what stands."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
from gitsource.snapshot.blobs import STEP, BlobCache, Key

LARGEST = 400_000
FILES, GENERATIONS = 20, 150
"""A hundred and fifty commits that change twenty files come to 3 MB of results."""


def key(generation: int, file: int) -> Key:
    return (f"{generation:020x}{file:020x}", "", False)


def result(generation: int, file: int) -> bytes:
    made = FileResult(ignored=generation * FILES + file)
    made.findings.add(message="x" * 1000)
    return made.SerializeToString()


def put(cache: BlobCache, generation: int, files: int = FILES) -> None:
    cache.put("r", {key(generation, file): result(generation, file) for file in range(files)})


def tidied(cache: BlobCache, *standing: Key) -> None:
    while cache.tidy(lambda: (blob for blob, _, _ in standing)):
        pass


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])


def test_the_file_stays_small_over_many_generations(tmp_path: Path) -> None:
    cache, sizes = BlobCache(tmp_path / "blobs", LARGEST), []
    for generation in range(GENERATIONS):
        put(cache, generation)
        tidied(cache)
        sizes.append(sum(each.stat().st_size for each in tmp_path.iterdir()))
    cache.close()
    newest = {key(GENERATIONS - 1, file) for file in range(FILES)}
    found = BlobCache(tmp_path / "blobs").get("r", newest)

    assert LARGEST * 5 // 4 > (tmp_path / "blobs").stat().st_size
    assert max(sizes[:75]) * 5 // 4 > max(sizes[75:]), "with its log, it grows no more"
    assert newest == found.keys()


def test_a_file_that_was_large_once_gets_smaller_again(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    large = BlobCache(path, 1 << 30)
    for generation in range(GENERATIONS):
        put(large, generation)
    large.close()
    before = path.stat().st_size
    cache = BlobCache(path, LARGEST)
    cache.get("r", {key(0, 0)})
    tidied(cache)
    cache.close()

    assert LARGEST * 5 // 4 > path.stat().st_size
    assert LARGEST * 5 < before


def test_what_stands_is_never_dropped_though_nobody_asked_for_it_since(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs", LARGEST)
    standing = [key(0, file) for file in range(FILES)]
    for generation in range(GENERATIONS):
        put(cache, generation)
        tidied(cache, *standing)

    assert set(standing) == cache.get("r", standing).keys()
    assert {} == cache.get("r", {key(1, file) for file in range(FILES)})


def test_what_stands_stays_even_if_it_takes_more_than_there_is(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs", LARGEST)
    put(cache, 0, 1000)
    standing = [key(0, file) for file in range(1000)]
    tidied(cache, *standing)
    asked = []
    cache.tidy(lambda: asked.append(1) or ())  # type: ignore[func-returns-value]

    assert set(standing) == cache.get("r", standing).keys()
    assert [] == asked, "nothing is looked for again before more has come"


def test_what_other_catalogs_made_of_what_stands_goes_first(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs", LARGEST)
    standing = [key(0, file) for file in range(FILES)]
    cache.put("older", {each: result(0, 0) for each in standing})
    for generation in range(GENERATIONS):
        put(cache, generation)
        tidied(cache, *standing)

    assert {} == cache.get("older", standing)


@pytest.mark.parametrize("asked", [True, False])
def test_what_was_used_of_late_outlives_what_was_not(tmp_path: Path, asked: bool) -> None:  # noqa: FBT001 - a parameter
    cache = BlobCache(tmp_path / "blobs", LARGEST)
    for generation in range(GENERATIONS):
        put(cache, generation)
        if asked:
            cache.get("r", {key(0, 0)})
        tidied(cache)

    assert asked == bool(cache.get("r", {key(0, 0)}))


def test_a_step_is_small_however_much_is_to_go(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    cache = BlobCache(path, LARGEST)
    put(cache, 0, STEP * 4)
    before = rows(path)

    assert cache.tidy(tuple) is True
    assert before - STEP <= rows(path) < before


KILLED = """
import os, signal, sys
from pathlib import Path
from gitsource.snapshot.blobs import BlobCache
cache = BlobCache(Path(sys.argv[1]), int(sys.argv[2]))
cache.get("r", {(sys.argv[3], "", False)})
for _ in range(int(sys.argv[4])):
    cache.tidy(lambda: sys.argv[3:4])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_kill_in_between_costs_nothing_but_rows_that_were_to_go(
    tmp_path: Path, steps: int
) -> None:
    path = tmp_path / "blobs"
    cache = BlobCache(path, 1 << 30)
    for generation in range(GENERATIONS):
        put(cache, generation)
    cache.close()
    told = [str(path), str(LARGEST), key(0, 0)[0], str(steps)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *told], check=False, env=os.environ)
    left = rows(path)
    again = BlobCache(path, LARGEST)
    newest = {key(GENERATIONS - 1, file) for file in range(FILES)}
    found = again.get("r", {*newest, key(0, 0)})
    tidied(again, key(0, 0))
    again.close()
    with closing(sqlite3.connect(path)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone()

    assert -signal.SIGKILL == killed.returncode
    assert left < FILES * GENERATIONS
    assert {*newest, key(0, 0)} == found.keys()
    assert ("ok",) == sound
    assert LARGEST * 5 // 4 > path.stat().st_size


def test_a_file_that_could_never_get_smaller_gives_way_to_one_that_can(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (number INTEGER PRIMARY KEY, digest TEXT UNIQUE)")
    cache = BlobCache(path, LARGEST)
    cache.put("r", {key(0, 0): result(0, 0)})
    cache.put("r", {key(0, 0): result(0, 0)})
    cache.close()
    with closing(sqlite3.connect(path)) as connection:
        incremental = connection.execute("PRAGMA auto_vacuum").fetchone()

    assert (2,) == incremental
    assert {key(0, 0)} == cache.get("r", {key(0, 0)}).keys()


def test_a_disk_that_is_full_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    cache = BlobCache(path, LARGEST)
    put(cache, 0, STEP * 4)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")  # as little can be written as on a full disk
        cache._open().execute("PRAGMA busy_timeout = 10")

        assert cache.tidy(tuple) is False
    tidied(cache)
    assert key(0, STEP * 4 - 1) in cache.get("r", {key(0, STEP * 4 - 1)})
