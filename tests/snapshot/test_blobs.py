"""The blob cache forgets, but never lies."""

from __future__ import annotations

from pathlib import Path

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
from gitsource.snapshot.blobs import KEEP_RECIPES, BlobCache

KEY = ("a" * 40, "", False)
RESULT = FileResult(ignored=3).SerializeToString()


def test_what_was_put_is_found_again_by_another_process(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs")
    cache.put("r", {KEY: RESULT})
    cache.close()

    assert {KEY: FileResult(ignored=3)} == BlobCache(tmp_path / "blobs").get("r", {KEY})


def test_another_recipe_or_routing_is_another_key(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs")
    cache.put("r", {KEY: RESULT})

    assert {} == cache.get("other", {KEY})
    assert {} == cache.get("r", {("a" * 40, "by/path", False), ("a" * 40, "", True)})


def test_many_keys_are_found_as_few_are(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs")
    results = {(f"{n:040x}", "", False): FileResult(ignored=n) for n in range(6000)}
    cache.put("r", {key: result.SerializeToString() for key, result in results.items()})

    assert results == cache.get("r", results.keys())


def test_old_recipes_are_forgotten(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "blobs")
    for number in range(KEEP_RECIPES + 2):
        cache.put(f"r{number}", {KEY: RESULT})

    found = [number for number in range(KEEP_RECIPES + 2) if cache.get(f"r{number}", {KEY})]

    assert KEEP_RECIPES + 1 in found
    assert 0 not in found


def test_a_file_that_is_no_cache_is_done_without(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    path.write_bytes(b"this is no database" * 100)
    cache = BlobCache(path)

    assert {} == cache.get("r", {KEY})
    cache.put("r", {KEY: RESULT})
    assert {} == cache.get("r", {("b" * 40, "", False)})


def test_a_file_that_is_no_cache_gives_way_to_one(tmp_path: Path) -> None:
    path = tmp_path / "blobs"
    path.write_bytes(b"this is no database" * 100)
    cache = BlobCache(path)
    cache.get("r", {KEY})

    cache.put("r", {KEY: RESULT})

    assert {KEY: FileResult(ignored=3)} == cache.get("r", {KEY})


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "missing" / "blobs")

    cache.put("r", {KEY: RESULT})

    assert {} == cache.get("r", {KEY})
