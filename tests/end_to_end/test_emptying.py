"""A revision that would leave clients without Clusters or Listeners waits for a confirmation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.cli.offline import judge
from gitsource.configuration.catalogs import catalog_for
from gitsource.git.local import LocalRepository
from gitsource.git.mirror import Mirror
from gitsource.plan.compare import plan
from gitsource.reconcile.judging import schema_reader
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import Repository
from gitsource.settings.judging import Guard
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import standing_of
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

CLUSTER = '"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: a\n'
ALLOW = "mean it\n\nGitsource-Allow: empty envoy/clusters\n"
OTHERS = {"other.yaml": "a: b\n"}


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    found = Upstream(tmp_path / "upstream.git")
    found.commit({**OTHERS, "a.yaml": CLUSTER})
    return found


def started(upstream: Upstream, **other: object) -> Reconciler:
    """Return a reconciler that keeps its state beside *upstream*."""
    work = upstream.folder.parent / "state"
    settings = replace(
        Settings(**other),  # type: ignore[arg-type]
        repository=Repository(upstream.url),
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


async def looked(upstream: Upstream, **other: object) -> Outcome:
    """Return what one look of a gitsource comes to that was started for it."""
    reconciler = started(upstream, **other)
    try:
        reconciler.restore()
        return await reconciler.sync()
    finally:
        await reconciler.close()


async def test_it_is_held_until_an_empty_commit_confirms_it(upstream: Upstream) -> None:
    reconciler = started(upstream)
    try:
        await reconciler.sync()
        upstream.commit({"a.yaml": None})
        held = await reconciler.sync()
        upstream.commit({}, message=ALLOW)
        published = await reconciler.sync()
    finally:
        await reconciler.close()

    assert ("held", ["GS206"]) == (held.result, [each.code for each in held.findings])
    assert held.error.startswith("needs a confirmation: ")
    assert "published" == published.result


async def test_any_commit_since_what_is_published_confirms_it(upstream: Upstream) -> None:
    await looked(upstream)
    upstream.commit({"a.yaml": None}, message=ALLOW)
    upstream.commit({"other.yaml": "a: c\n"})

    assert "published" == (await looked(upstream)).result


async def test_what_was_confirmed_before_is_not_confirmed_again(upstream: Upstream) -> None:
    await looked(upstream)
    upstream.commit({"a.yaml": None}, message=ALLOW)
    await looked(upstream)
    upstream.commit({"a.yaml": CLUSTER})
    await looked(upstream)
    upstream.commit({"a.yaml": None})

    assert "held" == (await looked(upstream)).result


async def test_a_confirmation_is_for_what_it_names(upstream: Upstream) -> None:
    await looked(upstream)
    upstream.commit({"a.yaml": None}, message=ALLOW.replace("clusters", "listeners"))

    assert "held" == (await looked(upstream)).result


async def test_the_setting_allows_it(upstream: Upstream) -> None:
    await looked(upstream)
    upstream.commit({"a.yaml": None})

    assert "published" == (await looked(upstream, guard=Guard(empty="allow"))).result


async def test_other_settings_do_not_make_it_forget_what_is_published(upstream: Upstream) -> None:
    """Everything is judged anew then, from nothing."""
    await looked(upstream)
    upstream.commit({"a.yaml": None})

    assert "held" == (await looked(upstream, default_namespace="other")).result


async def test_a_forced_push_without_the_old_commit_is_held_too(upstream: Upstream) -> None:
    await looked(upstream)
    upstream.commit(OTHERS, parents=[], whole=True)

    assert "held" == (await looked(upstream)).result


async def test_nothing_is_emptied_by_a_file_that_cannot_be_read(upstream: Upstream) -> None:
    """The error is told, and nothing about clusters besides."""
    await looked(upstream)
    upstream.commit({"a.yaml": f"{CLUSTER}oops: 1\n"})
    outcome = await looked(upstream)

    assert ["GS310"] == [each.code for each in outcome.findings]


async def test_a_running_one_that_is_told_to_allow_it_judges_anew(upstream: Upstream) -> None:
    reconciler = started(upstream)
    try:
        await reconciler.sync()
        upstream.commit({"a.yaml": None})
        held = await reconciler.sync()
        settings = replace(reconciler.settings, guard=Guard(empty="allow"))
        mirror = Mirror(Path(settings.state_dir) / "mirror.git", settings.repository)
        await reconciler.reconfigure(settings, mirror)
        published = await reconciler.sync()
    finally:
        await reconciler.close()

    assert ("held", "published") == (held.result, published.result)


def test_a_dry_run_says_that_it_would_be_held(upstream: Upstream) -> None:
    before = upstream.tip()
    after = upstream.commit({"a.yaml": None})
    with LocalRepository(upstream.folder) as repository:
        base = standing_of(judge(repository, repository.revision(before), Settings()))
        snapshot = base.snapshot
        head = judge(repository, repository.revision(after), Settings(), base)

    assert plan(snapshot, head).held
    assert ["GS206"] == [each.code for each in head.findings]
