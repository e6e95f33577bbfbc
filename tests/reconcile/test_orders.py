"""Operators' orders while a look is under way: they do not wait for it, and it heeds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.model import Revision
from gitsource.reconcile.judging import schema_reader
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


def flag(value: int) -> dict[str, str | bytes | None]:
    return {
        "f.yaml": f"apiVersion: acme/v1\nkind: Flag\nmetadata: {{name: f}}\nspec: {{v: {value}}}\n"
    }


class Site:
    """A repository, and a reconciler of it whose looks can be stopped half-way."""

    def __init__(self, folder: Path) -> None:
        self.upstream = Upstream(folder / "upstream.git")
        self.go_on, self.half_way = Event(), Event()
        self.go_on.set()
        settings = replace(
            Settings(collections=(FLAGS,)),
            repository=Repository(self.upstream.url, non_fast_forward="hold"),
            state_dir=FilePath(str(folder / "state")),
        )
        self.cache = SnapshotCache()
        self.reconciler = Reconciler(
            settings,
            Mirror(folder / "state/mirror.git", settings.repository),
            History(folder / "state/history"),
            BlobCache(folder / "state/blobs.sqlite"),
            self.cache,
            self._catalog,
        )

    def _catalog(self, told: Settings, objects: Objects | None, at: Revision | None) -> Catalog:
        self.half_way.set()
        self.go_on.wait(30)
        return catalog_for(told, schema_reader(objects, at, told))

    async def publish(self, value: int) -> str:
        """Publish a new commit; returns it."""
        commit = self.upstream.commit(flag(value))
        assert "published" == (await self.reconciler.sync()).result
        return commit

    async def begin(self) -> asyncio.Task[str]:
        """Begin a look, which stops half-way; its result comes once `go_on` is set."""
        self.half_way.clear()
        self.go_on.clear()

        async def look() -> str:
            return (await self.reconciler.sync()).result

        task = asyncio.create_task(look())
        await asyncio.to_thread(self.half_way.wait, 30)
        return task

    @property
    def served(self) -> str:
        """The commit that is served."""
        found = self.cache.get()
        return found.revision.commit if found is not None else ""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    made.reconciler.restore()
    yield made
    made.go_on.set()
    await made.reconciler.close()


async def test_a_pin_is_served_while_a_look_is_under_way_and_holds_what_that_finds(
    site: Site,
) -> None:
    first = await site.publish(1)
    await site.publish(2)
    third = site.upstream.commit(flag(3))
    look = await site.begin()

    await site.reconciler.pin(first, "incident 7", "ann")
    pinned = site.served
    site.go_on.set()
    result = await look

    assert first == pinned == site.served
    assert "held" == result
    held = site.reconciler.condition.held
    assert (third, True) == (held and held.revision.commit, held and "incident 7" in held.reason)


async def test_once_suspended_a_look_that_was_under_way_publishes_nothing(site: Site) -> None:
    first = await site.publish(1)
    second = site.upstream.commit(flag(2))
    look = await site.begin()

    await site.reconciler.suspend("freeze", "ann")
    site.go_on.set()
    result = await look
    meanwhile = site.served
    kept = [entry.revision.commit for entry in await site.reconciler.kept()]
    await site.reconciler.resume("over", "ann")
    after = (await site.reconciler.sync()).result

    assert ("suspended", first, [first]) == (result, meanwhile, kept)
    assert ("published", second) == (after, site.served)


async def test_what_is_allowed_during_a_look_goes_out(site: Site) -> None:
    many = {
        f"{n}.yaml": str(flag(n)["f.yaml"]).replace("name: f", f"name: f{n}") for n in range(20)
    }
    site.upstream.commit(many)
    await site.reconciler.sync()
    removal = site.upstream.commit(dict.fromkeys(list(many)[5:]))
    before = (await site.reconciler.sync()).result
    look = await site.begin()

    allowed = await site.reconciler.allow(removal, "meant", "ann")
    site.go_on.set()
    await look
    await site.reconciler.sync()

    assert ("held", removal) == (before, allowed)
    assert removal == site.served


async def test_orders_that_are_given_together_all_count(site: Site) -> None:
    first = await site.publish(1)
    await site.publish(2)

    await asyncio.gather(
        site.reconciler.pin(first, "incident 7", "ann"),
        site.reconciler.suspend("freeze", "bob"),
    )
    control = site.reconciler.condition.control

    assert control.pin is not None
    assert control.suspension is not None
    assert (first, "freeze") == (control.pin.revision, control.suspension.reason)


async def test_nothing_but_what_is_pinned_is_ever_served_while_a_pin_stands(site: Site) -> None:
    """Also between a revision's way to disk and its way to sinks."""
    first = await site.publish(0)
    wrong = []

    def woken() -> None:
        pin = site.reconciler.condition.control.pin
        if pin is not None and site.served != pin.revision:
            wrong.append(site.served)

    site.cache.watch(woken)
    for value in range(1, 25):
        site.upstream.commit(flag(value))
        look = asyncio.create_task(site.reconciler.sync())
        while not look.done():
            await site.reconciler.pin(first, "incident 7", "ann")
            await site.reconciler.unpin("over", "ann")

    assert [] == wrong


async def test_an_order_that_cannot_be_kept_on_disk_counts_until_the_process_ends(
    site: Site, tmp_path: Path
) -> None:
    """A folder stands where the file would be written: permissions do not stop root."""
    first = await site.publish(1)
    second = await site.publish(2)
    in_the_way = tmp_path / "state/history/control.json.tmp"
    (in_the_way / "x").mkdir(parents=True)

    await site.reconciler.pin(first, "incident 7", "ann")
    pinned, told = site.served, site.reconciler.condition.unkept
    on_disk = History(tmp_path / "state/history", readonly=True).control()
    await site.reconciler.sync()
    still = site.reconciler.condition.unkept
    (in_the_way / "x").rmdir()
    in_the_way.rmdir()
    await site.reconciler.sync()
    kept = History(tmp_path / "state/history", readonly=True)

    assert first == pinned == site.served != second
    assert "cannot be written" in told
    assert (None, told) == (on_disk.pin, still)
    assert "" == site.reconciler.condition.unkept
    assert kept.control().pin is not None
    assert kept.at(first) is not None


async def test_an_order_that_is_taken_back_before_it_could_be_kept_is_not_kept(
    site: Site, tmp_path: Path
) -> None:
    first = await site.publish(1)
    await site.publish(2)
    in_the_way = tmp_path / "state/history/control.json.tmp"
    (in_the_way / "x").mkdir(parents=True)
    await site.reconciler.pin(first, "incident 7", "ann")
    await site.reconciler.unpin("over", "ann")
    (in_the_way / "x").rmdir()
    in_the_way.rmdir()
    await site.reconciler.sync()

    assert History(tmp_path / "state/history", readonly=True).control().pin is None
