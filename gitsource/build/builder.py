"""
Many files judged, each content once: looked up, judged here or in worker processes, kept.

Rule: what is known is not judged again, in memory as long as a build runs and on disk for good
(`snapshot.blobs`). One form (`FileResult`, a protobuf message) serves in memory, between processes
and on disk. Small work is done where it is asked for; from `settings.build.bulk` files on, worker
processes take it in chunks, each reading its own blobs from Git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.errors import StateError
from gitsource.model import TreeEntry
from gitsource.settings.judging import Build
from gitsource.snapshot.blobs import BlobCache, Key

Read: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, bytes | None]]]
"""Yields each blob's content in turn, None above the size limit. Picklable for bulk work."""

CHUNK = 250
"""Files a worker takes at a time: enough to keep it busy, too few for the last one to wait for."""

SHORT = 2000
"""Files that are judged within about a second: for so long, niced workers may have every core."""

FRESH_BYTES = 24 * 1024 * 1024
"""Results that wait for `Builder.flush` at most; more than that is written while others wait."""


class Builder:
    """Judges files with one catalog, looking each content up before judging it."""

    def __init__(
        self,
        catalog: Catalog,
        build: Build,
        cache: BlobCache | None = None,
        stopping: Event | None = None,
        *,
        serving: bool = False,
    ) -> None:
        """With *serving* bulk work gives way to sinks: niced, and a core is left if it is long."""
        self.catalog = catalog
        self._build = build
        self._cache = cache
        self._stopping = stopping
        self._serving = serving
        self.ensure: Callable[[Sequence[str]], None] | None = None
        """What has contents come that a partial mirror lacks, before they are read."""
        self._fresh: dict[Key, bytes] = {}
        self._fresh_bytes = 0

    def expect(self, files: int) -> None:
        """Start what bulk work needs, if *files* are that: it comes up while Git is asked."""
        if files >= self._build.bulk and self._build.workers > 1:
            from gitsource import workers  # what judges a few files does not wait for it

            workers.get_ready()

    def results(
        self, files: Sequence[TreeEntry], read: Read, bulk_read: Read
    ) -> Iterator[tuple[TreeEntry, FileResult]]:
        """
        Yield the result of each of *files*, in no particular order.

        *read* serves small work in this process; *bulk_read*, picklable, serves worker processes.
        Raises StateError if those are killed, or if gitsource is stopping.
        """
        wanted: dict[Key, list[TreeEntry]] = {}
        for entry in files:
            wanted.setdefault(self._key(entry), []).append(entry)
        known: dict[Key, FileResult] = {}
        if self._cache is not None:
            known = self._cache.get(self.catalog.digest, wanted.keys())
        # In the order of the tree, since that is about the order of the pack: git then finds what
        # a content is a delta of still in memory, and needs a quarter of the time.
        missing = [key for key in wanted if key not in known]
        # One by one: letting go of all at once would stop every other thread for a second.
        for key in list(known):
            result = known.pop(key)
            for entry in wanted[key]:
                yield entry, result
        if self.ensure is not None:
            self.ensure([blob for blob, _, _ in missing])
        for key, raw in self._judged(missing, read, bulk_read):
            if self._cache is not None:
                self._keep(key, raw)
            result = FileResult.FromString(raw)
            for entry in wanted[key]:
                yield entry, result

    def _keep(self, key: Key, raw: bytes) -> None:
        self._fresh[key] = raw
        self._fresh_bytes += len(raw)
        if self._fresh_bytes >= FRESH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Put what was judged into the cache; for a moment when nobody waits."""
        if self._cache is not None and self._fresh:
            self._cache.put(self.catalog.digest, self._fresh)
        self._fresh, self._fresh_bytes = {}, 0

    def _key(self, entry: TreeEntry) -> Key:
        kind = self.catalog.route(entry.path)
        collection = kind.collection if kind else ""
        return (entry.blob, collection, entry.path.lower().endswith(".json"))

    def _judged(
        self, keys: Sequence[Key], read: Read, bulk_read: Read
    ) -> Iterator[tuple[Key, bytes]]:
        if len(keys) < self._build.bulk or self._build.workers < 2:
            yield from zip(keys, judge_blobs(keys, read, self.catalog), strict=True)
            return
        from gitsource import workers

        chunks = [keys[at : at + CHUNK] for at in range(0, len(keys), CHUNK)]
        work = partial(_judged_chunk, self.catalog, bulk_read)
        leaves_a_core = self._serving and len(keys) > SHORT
        allowed = workers.beside(self._build.workers) if leaves_a_core else self._build.workers
        count = min(allowed, len(chunks))
        with workers.Workers(count, work, humble=self._serving) as pool:
            for chunk, results in pool.run(chunks):
                yield from zip(chunk, results, strict=True)
                if self._stopping is not None and self._stopping.is_set():
                    raise StateError("gitsource is stopping")


def _judged_chunk(catalog: Catalog, read: Read, keys: Sequence[Key]) -> list[bytes]:
    return list(judge_blobs(keys, read, catalog))


def judge_blobs(keys: Sequence[Key], read: Read, catalog: Catalog) -> Iterator[bytes]:
    """Yield the serialized result of each (blob, collection by path, is JSON) of *keys*."""
    limits = bounds(catalog)
    contents = read([blob for blob, _, _ in keys])
    for (wanted, collection, json), (blob, data) in zip(keys, contents, strict=True):
        if blob != wanted:
            raise AssertionError(f"asked for {wanted}, was given {blob}")
        route = catalog.by_collection[collection] if collection else None
        yield judge(data, route, catalog, limits, json=json).SerializeToString()
