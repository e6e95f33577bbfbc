"""Layers that are looked at: when which of them is asked, and what a look leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from two_layers import DOCUMENT, Scene


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


async def test_layers_in_another_order_are_composed_anew(scene: Scene) -> None:
    """Without a commit of any of them."""
    scene.change(scene.low, "b")
    await scene.look("poll")
    before = scene.served("shop/b")
    await scene.reconfigure(layers=scene.settings.layers[::-1])

    assert ("published", "top:b.yaml") == (await scene.look("settings"), before)
    assert "low:b.yaml" == scene.served("shop/b")


async def test_what_a_layer_may_override_is_judged_anew_when_it_changes(scene: Scene) -> None:
    scene.change(scene.low, "b")
    await scene.look("poll")
    before = [one.code for one in scene.reconciler.condition.serving.findings]
    low, top = scene.settings.layers
    await scene.reconfigure(layers=(low, replace(top, overrides="off")))
    await scene.look("settings")

    assert (["GS215"], ()) == (before, scene.reconciler.condition.serving.findings)


async def test_a_look_that_reached_some_layers_is_told_from_one_that_reached_none(
    scene: Scene,
) -> None:
    scene.away()
    some = await scene.reconciler.sync(("sync",))
    scene.low.folder.rename(scene.low.folder.with_name("gone.git"))
    none = await scene.reconciler.sync(("sync",))

    assert [("failed", True), ("failed", False)] == [(o.result, o.partly) for o in (some, none)]
