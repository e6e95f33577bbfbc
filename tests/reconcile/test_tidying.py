"""What is remembered of contents stays small while commits keep coming."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gitsource.configuration.catalogs import catalog_for
from gitsource.git.mirror import Mirror
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import Repository
from gitsource.settings.judging import CollectionRow
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

FLAGS = CollectionRow("acme/v1/flags", api_version="acme/v1", kind="Flag")
LARGEST = 200_000


def flag(name: str, value: str) -> str:
    return f"apiVersion: acme/v1\nkind: Flag\nmetadata: {{name: {name}}}\nspec: {{v: {value}}}\n"


async def followed(folder: Path, upstream: Upstream, commits: int) -> Settings:
    """Follow *commits* commits that change one file of two."""
    settings = Settings(
        collections=(FLAGS,),
        repository=Repository(upstream.url),
        state_dir=FilePath(str(folder / "state")),
    )
    reconciler = Reconciler(
        settings,
        Mirror(folder / "state/mirror.git", settings.repository),
        History(folder / "state/history"),
        BlobCache(folder / "state/blobs.sqlite", LARGEST),
        SnapshotCache(),
        lambda told, _objects, _at: catalog_for(told, lambda _name: None),
    )
    upstream.commit({"stays.yaml": flag("stays", "s" * 2000)})
    for number in range(commits):
        upstream.commit({"changes.yaml": flag("changes", f"v{number:x}" * 5000)})
        assert "published" == (await reconciler.sync()).result
    await reconciler.known("HEAD")  # asked in the same thread, after what follows the last look
    await reconciler.close()
    return settings


def test_results_of_contents_are_bounded_and_what_stands_is_among_them(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream.git")
    settings = asyncio.run(followed(tmp_path, upstream, 40))
    path = tmp_path / "state/blobs.sqlite"
    catalog = catalog_for(settings, lambda _name: None)
    names = ("stays.yaml", "changes.yaml")
    standing = {(upstream.git("rev-parse", f"HEAD:{name}").strip(), "", False) for name in names}

    assert LARGEST * 3 // 2 > path.stat().st_size
    assert standing == BlobCache(path).get(catalog.digest, standing).keys()
