"""What the settings say of the repository, as whole gitsources see it: refs, paths, mirrors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.git.mirror import Mirror
from gitsource.reconcile.judging import schema_reader
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import Repository
from gitsource.settings.judging import Build, CollectionRow
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

FLAGS = CollectionRow("acme/v1/flags", api_version="acme/v1", kind="Flag")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream.git")


def flag(name: str, value: int = 1) -> str:
    """Return a document of the user-defined collection."""
    return f"apiVersion: acme/v1\nkind: Flag\nmetadata: {{name: {name}}}\nspec: {{v: {value}}}\n"


def started(
    upstream: Upstream, state: str = "state", bulk: int = 1000, **meant: object
) -> Reconciler:
    """Return a reconciler of *upstream* that keeps its state beside it."""
    work = upstream.folder.parent / state
    settings = replace(
        Settings(collections=(FLAGS,), build=Build(bulk=bulk)),
        repository=Repository(upstream.url, **meant),  # type: ignore[arg-type]
        state_dir=FilePath(str(work)),
    )
    return Reconciler(
        settings,
        Mirror(work / "mirror.git", settings.repository),
        History(work / "history"),
        BlobCache(work / "blobs.sqlite"),
        SnapshotCache(),
        lambda told, objects, at: catalog_for(told, schema_reader(objects, at, told)),
    )


def served(reconciler: Reconciler) -> list[str]:
    """Return the names of the flags that are served."""
    serving = reconciler.condition.serving
    return [one.name for one in serving.collection("acme/v1/flags")] if serving else []


async def test_ignored_files_do_not_count_until_the_settings_change(upstream: Upstream) -> None:
    """What is wrong with them holds nothing; other patterns have everything judged anew."""
    upstream.commit(
        {"a.yaml": flag("a"), "old/b.yaml": flag("b"), "old/c.yaml": "a: [", "docs/d.yaml": "}"}
    )
    told = []
    for patterns in (
        {"ignore": ("/old/", "docs/")},
        {"include": ("*.yaml",), "ignore": ("old/c.yaml", "docs/")},
        {},
    ):
        reconciler = started(upstream, **patterns)
        try:
            reconciler.restore()
            first = (await reconciler.sync()).result
            upstream.commit({"old/c.yaml": f"a: [{len(told)}"})
            told.append((first, (await reconciler.sync()).result, served(reconciler)))
        finally:
            await reconciler.close()

    assert told == [
        ("published", "published", ["default/a"]),
        ("published", "published", ["default/a", "default/b"]),
        ("held", "held", ["default/a", "default/b"]),
    ]


@pytest.mark.parametrize("bulk", [1, 1000])
@pytest.mark.parametrize("kind", [{"depth": 1}, {"filter": "blob:none"}])
async def test_a_partial_mirror_comes_to_the_same_as_a_whole_one(
    upstream: Upstream, kind: dict[str, object], bulk: int
) -> None:
    """Resources with their create_time, whoever reads the contents, and over a restart."""
    upstream.git("config", "uploadpack.allowFilter", "true")
    for number in range(6):
        upstream.commit({f"{number}.yaml": flag(f"f{number}"), "0.yaml": flag("f0", number)})
    wires = []
    for _ in range(2):
        for state, meant in (("whole", {}), ("parts", kind)):
            reconciler = started(upstream, state, bulk=bulk, **meant)
            try:
                reconciler.restore()
                outcome = await reconciler.sync()
                serving = reconciler.condition.serving
            finally:
                await reconciler.close()
            assert (outcome.result, outcome.error) == ("published", "")
            assert serving is not None
            wires.append([one.wire for one in serving.collection("acme/v1/flags")])
        upstream.commit({"late.yaml": flag("late")})

    assert [len(each) for each in wires] == [6, 6, 7, 7]
    assert wires[::2] == wires[1::2]


async def test_each_release_in_the_range_goes_out_and_the_status_says_which(
    upstream: Upstream,
) -> None:
    upstream.commit({"a.yaml": flag("a")})
    upstream.tag("v1.0.0")
    upstream.commit({"b.yaml": flag("b")})
    reconciler = started(upstream, semver="^1")
    told = []
    try:
        for tag in (None, "v1.1.0", "v2.0.0"):
            if tag:
                upstream.tag(tag)
            outcome = await reconciler.sync()
            told.append((outcome.result, served(reconciler), str(reconciler.condition.chosen)))
    finally:
        await reconciler.close()

    assert told == [
        ("published", ["default/a"], "refs/tags/v1.0.0 (the highest tag in ^1, of 1)"),
        ("published", ["default/a", "default/b"], "refs/tags/v1.1.0 (the highest tag in ^1, of 2)"),
        ("unchanged", ["default/a", "default/b"], "refs/tags/v1.1.0 (the highest tag in ^1, of 3)"),
    ]
