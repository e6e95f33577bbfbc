"""Layers that are looked at: when which of them is asked, and what a look leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.reconcile.mirrors import mirrors
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

DOCUMENT = (
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
    "metadata: {name: %s, namespace: shop}\n"
    "spec: {hosts: [%s.example.com], ports: [{number: 80, name: http, protocol: HTTP}]}\n"
)


class Scene:
    """Two layers that a test moves, and a clock that it sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.low, self.top = (Upstream(folder / f"{name}.git") for name in ("low", "top"))
        self.change(self.low, "a")
        self.change(self.top, "b")
        state = folder / "state"
        state.mkdir()
        settings = Settings(
            layers=(
                LayerRow("low", Repository(self.low.url)),
                LayerRow("top", Repository(self.top.url)),
            ),
            state_dir=FilePath(str(state)),
            folder=FilePath(str(folder)),
        )
        catalog = catalog_for(settings, None)
        self.reconciler = Reconciler(
            settings,
            mirrors(settings),
            History(state / "history"),
            BlobCache(state / "blobs.sqlite"),
            SnapshotCache(),
            lambda *_: catalog,
            lambda: self.now,
        )

    def change(self, upstream: Upstream, name: str) -> str:
        return upstream.commit({f"{name}.yaml": DOCUMENT % (name, name)})

    def away(self) -> Path:
        """Take the higher layer out of reach; returns where it is meanwhile."""
        return self.top.folder.rename(self.top.folder.with_name("away.git"))

    async def look(self, *triggers: str) -> str:
        return (await self.reconciler.sync(triggers)).result

    @property
    def errors(self) -> list[bool]:
        return [bool(layer.error) for layer in self.reconciler.condition.layers]


@pytest.fixture
async def scene(tmp_path: Path):
    made = Scene(tmp_path)
    await made.look("start")
    yield made
    await made.reconciler.close()


async def test_the_poll_asks_a_layer_out_of_reach_ever_less_often(scene: Scene) -> None:
    away = scene.away()
    seen = [await scene.look("poll")]
    away.rename(scene.top.folder)
    seen.append(await scene.look("poll"))
    scene.now += 31
    seen.append(await scene.look("poll"))

    assert ["failed", "failed", "unchanged"] == seen
    assert [False, False] == scene.errors


async def test_who_waits_for_the_answer_has_every_layer_asked(scene: Scene) -> None:
    away = scene.away()
    await scene.look("poll")
    away.rename(scene.top.folder)

    assert "unchanged" == await scene.look("poll", "sync")


async def test_news_of_one_layer_do_not_wait_for_another_that_did_not_answer(scene: Scene) -> None:
    away = scene.away()
    await scene.look("poll")
    away.rename(scene.top.folder)
    scene.now += 31
    scene.change(scene.low, "c")
    first = await scene.look("poll"), scene.errors
    second = await scene.look("poll"), scene.errors

    assert ("published", [False, True]) == first
    assert ("unchanged", [False, False]) == second


async def test_a_hold_counts_from_when_it_was_found_first(scene: Scene) -> None:
    scene.top.commit({"bad.yaml": DOCUMENT.replace("hosts: [", "hosts: no[") % ("x", "x")})
    seen = []
    for _ in range(3):
        seen.append(await scene.look("poll"))
        scene.now += 60
    held = scene.reconciler.condition.layers[1].held

    assert ["held"] * 3 == seen
    assert 1000.0 == held.since


async def test_compositions_know_what_they_have(scene: Scene) -> None:
    before = scene.reconciler.condition.serving.revision.commit
    low, top = scene.low.tip(), scene.change(scene.top, "c")
    await scene.look("poll")
    now = scene.reconciler.condition.serving.revision.commit
    asked = [(now, before), (before, now), (now, low), (now, top), (before, top), (now, "f" * 40)]

    found = [await scene.reconciler.contains(*pair) for pair in asked]

    assert [True, False, True, True, False, False] == found


async def test_a_clock_that_is_set_back_keeps_no_layer_from_being_asked(scene: Scene) -> None:
    away = scene.away()
    await scene.look("poll")
    away.rename(scene.top.folder)
    scene.now -= 86_400

    assert "unchanged" == await scene.look("poll")
