"""
Where the time of a cold start, a warm start and a commit goes, stage by stage.

    python benchmarks/stages.py 10000

Rule: the real parts in the real order, but one after the other in one process, so that each has its
own figure; workers, threads and gRPC are left out. CPU time counts git's processes, and is what to
go by on a machine that others use; judging is told per file.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import repository
from floors import SecondMirror
from gitsource.build.builder import Builder
from gitsource.build.joining import join
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.encode.resource import encode
from gitsource.git.mirror import Mirror
from gitsource.parse import parse
from gitsource.reconcile.judging import evaluate, load_references
from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Proposal, accept, nothing, propose
from gitsource.snapshot.history import History
from gitsource.validate.metadata import identify
from gitsource.validate.schema import problems
from processes import CLEAN
from repository import Committer

SERVING = (
    "import gitsource.cli.main, gitsource.cli.serve, gitsource.app.whole, gitsource.publish.server"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Say where the time goes.")
    parser.add_argument("size", type=int, nargs="?", default=10_000)
    parser.add_argument("--work", type=Path, default=repository.WORK)
    options = parser.parse_args()
    work = options.work.absolute()
    made = repository.make(options.size, work=work)
    folder = Path(mkdtemp(dir=work, prefix="stages-"))
    try:
        _imports()
        upstream = repository.copy(made, folder / "upstream.git")
        settings = Settings(repository=Repository(url=upstream.url))
        mirror = Mirror(folder / "mirror.git", settings.repository)
        mirror.open()
        mirror.fetch()
        mirror.close()
        print(f"\ncold start, {options.size} files, one process")
        _cold(mirror, settings, folder)
        _warm(folder)
        print("\none-file commit")
        second = SecondMirror(upstream, folder / "second.git")
        for _ in range(3):
            _commit(mirror, settings, folder, Committer(upstream), second)
        mirror.close()
    finally:
        shutil.rmtree(folder)


@contextmanager
def _stage(name: str, per: int = 0) -> Iterator[None]:
    """Print what the body takes; with *per*, also the microseconds of CPU each."""
    wall, before = time.perf_counter(), os.times()
    yield
    after = os.times()
    took = time.perf_counter() - wall
    cpu = sum(after[:4]) - sum(before[:4])
    each = f"  {cpu / per * 1e6:8.1f} us each" if per else ""
    print(f"  {name:42} {took * 1000:9.1f} ms  CPU {cpu * 1000:9.0f} ms{each}")


def _imports() -> None:
    print("imports of `serve` until sinks are served (best of 5; the dearest, own time)")
    codes = {"bare interpreter": "pass", "grpc.aio": "import grpc.aio", "serve": SERVING}
    for name, code in codes.items():
        best = min(_run(code) for _ in range(5))
        print(f"  {name:42} {best * 1000:9.1f} ms")
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", SERVING],
        env=CLEAN, check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    rows = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)", told)
    for own, whole, _, name in sorted(rows, key=lambda row: -int(row[0]))[:14]:
        print(f"    {name:40} {int(own) / 1000:9.1f} ms own, {int(whole) / 1000:.1f} with its own")


def _run(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=CLEAN, check=True)
    return time.perf_counter() - started


def _cold(mirror: Mirror, settings: Settings, folder: Path) -> None:
    with _stage("mirror: open"):
        mirror.open()
    with _stage("mirror: fetch, nothing new"):
        mirror.fetch()
    with _stage("mirror: head"):
        revision = mirror.head()
    objects = mirror.objects
    with _stage("catalog: make, digest"):
        catalog = catalog_for(settings, lambda _name: "true")
        catalog.digest  # noqa: B018 - computed at the first look
    with _stage("git: list the tree"):
        entries = objects.entries(revision.tree)
    count = len(entries)
    with _stage("git: births", count):
        births = objects.births(revision.commit, [entry.path for entry in entries])
    blobs = sorted(entry.blob for entry in entries)
    with _stage("git: read contents", count):
        contents = [data for _, data in objects.read(blobs, settings.limits.file_bytes)]
    _judging([data for data in contents if data is not None], catalog)
    cache = BlobCache(folder / "blobs.sqlite")
    builder = Builder(catalog, settings.build, cache)
    read = partial(objects.read, limit=settings.limits.file_bytes)
    bulk = objects.bulk_reader(settings.limits.file_bytes)
    with _stage(f"build: all of it, {settings.build.workers} workers", count):
        results = list(builder.results(entries, read, bulk))
    with _stage("cache: write", count):
        builder.flush()
    with _stage("cache: read all", count):
        again = list(Builder(catalog, settings.build, cache).results(entries, read, bulk))
    assert len(again) == len(results)
    cache.close()
    with _stage("build: join paths, frame", count):
        files = {e.path: join(e, births[e.path], result)[0] for e, result in results}
    with _stage("snapshot: propose", count):
        proposal = propose(nothing(), revision, dict(files), [], full=True)
    with _stage("history: write, flushed", count):
        History(folder / "history").append(nothing(), proposal, "bench", time.time())


def _judging(contents: list[bytes], catalog: Catalog) -> None:
    contents = contents[:2000]
    count = len(contents)
    limits = bounds(catalog)
    judge(contents[0], None, catalog, limits, json=False)  # compiles schemas and encoders
    with _stage("judge: parse", count):
        values = [parse(data, limits).documents[0].value for data in contents]
    kinds = [catalog.by_document[value["apiVersion"], value["kind"]] for value in values]
    pairs = list(zip(values, kinds, strict=True))
    with _stage("judge: identify", count):
        identities = [identify(value, kind, "default")[0] for value, kind in pairs]
    with _stage("judge: schema", count):
        for value, kind in pairs:
            assert not problems(value, kind)
    with _stage("judge: encode", count):
        for (value, kind), identity in zip(pairs, identities, strict=True):
            assert identity is not None
            encode(value, identity, kind)
    with _stage("judge: all of it", count):
        results = [judge(data, None, catalog, limits, json=False) for data in contents]
    with _stage("judge: serialize and parse the result", count):
        for result in results:
            type(result).FromString(result.SerializeToString())


def _warm(folder: Path) -> None:
    print("\nwarm start")
    history = History(folder / "history")
    with _stage("history: load"):
        loaded = history.load()
    assert loaded is not None
    with _stage("history: resume"):
        history.resume(loaded)
    with _stage("snapshot: one body of all collections"):
        body = [b"".join(r.wire for r in c) for c in loaded.snapshot.collections.values()]
    with _stage("history: standing (before the first commit)"):
        loaded.standing()
    print(f"  {sum(map(len, body)) / 1e6:.1f} MB on the wire")


def _commit(
    mirror: Mirror, settings: Settings, folder: Path, committer: Committer, second: SecondMirror
) -> None:
    history = History(folder / "history")
    loaded = history.load()
    assert loaded is not None
    history.resume(loaded)
    standing = loaded.standing()
    catalog = catalog_for(settings, lambda _name: "true")
    builder = Builder(catalog, settings.build, BlobCache(folder / "blobs.sqlite"))
    with _stage("references: load (behind the first look)"):
        load_references(standing, mirror.objects, builder, settings)
    old = standing.snapshot.revision
    mirror.objects.changes(old.tree, old.tree)  # the processes of a running source are there
    committer.publish(committer.prepare())
    with _stage("git fetch by itself, of this commit"):
        second.fetch()
    with _stage("mirror: fetch"):
        mirror.fetch()
    with _stage("mirror: head"):
        revision = mirror.head()
    with _stage("git: changes"):
        mirror.objects.changes(old.tree, revision.tree)
    with _stage("git: births since"):
        mirror.objects.births_since(old.commit, revision.commit)
    with _stage("evaluate: all of it"):
        proposal: Proposal = evaluate(mirror.objects, standing, revision, builder, settings)
    with _stage("history: append, flushed"):
        history.append(standing, proposal, "bench", time.time())
    with _stage("mirror: keep"):
        mirror.keep(revision.commit)
    with _stage("accept"):
        accept(standing, proposal)
    print()


if __name__ == "__main__":
    main()
