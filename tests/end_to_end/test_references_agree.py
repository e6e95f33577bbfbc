"""`validate`, `validate --repo`, a dry-run and a running gitsource say the same of references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.cli.offline import judge
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.files import judge_files
from gitsource.git.local import LocalRepository
from gitsource.git.mirror import Mirror
from gitsource.model import Finding
from gitsource.reconcile.judging import schema_reader
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import Repository
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import standing_of
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

CASES = Path(__file__).parents[1] / "references" / "cases"
FOLDERS = sorted(
    folder
    for folder in CASES.iterdir()
    # Of two files that define one name it is the newer one that is told, where there is a newer.
    if folder.is_dir() and "defined-twice" not in folder.name
)


def settings_of(folder: Path) -> Settings:
    """Return the settings that lie beside the files, or the defaults."""
    file = folder / "settings.txt"
    return load(file if file.exists() else None, {}, {})


def on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Finding, ...]:
    """Return what `gitsource validate .` finds in *folder*."""
    with monkeypatch.context() as inside:
        inside.chdir(folder)
        return judge_files([Path()], settings_of(folder))[0]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_way_to_judge_a_folder_says_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its files come one by one, in any order, as a dry-run sees them."""
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}
    expected = on_disk(folder, monkeypatch)
    settings = settings_of(folder)
    upstream = Upstream(tmp_path / "upstream.git")
    whole = upstream.commit(files, whole=True)
    dry_runs = []
    for name in files:
        without = {other: text for other, text in files.items() if other != name}
        before = upstream.commit({**without, "empty.yaml": ""}, whole=True)
        after = upstream.commit(files, whole=True)
        with LocalRepository(upstream.folder) as repository:
            base = judge(repository, repository.objects.revision(before), settings)
            standing = standing_of(base) if base.acceptable else None
            revision = repository.objects.revision(after)
            dry_runs.append(judge(repository, revision, settings, standing).findings)
    with LocalRepository(upstream.folder) as repository:
        from_nothing = judge(repository, repository.objects.revision(whole), settings).findings

    assert expected == from_nothing
    assert [expected] * len(files) == dry_runs


async def test_a_running_gitsource_says_the_same_after_a_restart(tmp_path: Path) -> None:
    """The findings come from the record, and what a commit changes is seen from then on."""
    folder = CASES / "gateway-without-the-hosts"
    files = {path.name: path.read_bytes() for path in folder.glob("*.yaml")}
    upstream = Upstream(tmp_path / "upstream.git")
    upstream.commit(files)
    settings = replace(
        Settings(), repository=Repository(upstream.url), state_dir=FilePath(str(tmp_path))
    )
    told = []
    for change in ({}, {"gateway.yaml": None}, {"gateway.yaml": files["gateway.yaml"]}, {}):
        if change:
            upstream.commit(change)
        reconciler = Reconciler(
            settings,
            Mirror(tmp_path / "mirror.git", settings.repository),
            History(tmp_path / "history"),
            BlobCache(tmp_path / "blobs.sqlite"),
            SnapshotCache(),
            lambda told, objects, at: catalog_for(told, schema_reader(objects, at, told)),
        )
        reconciler.restore()
        await reconciler.sync()
        told.append([(f.line, f.code) for f in reconciler.condition.findings])
        await reconciler.close()

    assert [[(7, "GS402")], [(7, "GS401"), (19, "GS401")], [(7, "GS402")], [(7, "GS402")]] == told
