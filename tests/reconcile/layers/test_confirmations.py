"""Whose word lets a removal out: each layer's own, for what is gone of it, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_layers import DOCUMENT, ENTRIES, Scene

from gitsource.errors import ConfigurationError
from gitsource.settings.judging import Guard, Removals
from gitsource.settings.units import Share
from repositories import Upstream

NAMES = [f"n{number}" for number in range(6)]
REMOVALS = f"gone\n\nGitsource-Allow: removals {ENTRIES}\n"


def fill(upstream: Upstream, mark: str) -> None:
    upstream.commit({f"{mark}{n}.yaml": DOCUMENT % (f"{mark}{n}", f"{mark}{n}") for n in NAMES})


def empty(upstream: Upstream, mark: str, message: str = "gone") -> str:
    """Take away most of what `fill` brought."""
    return upstream.commit(dict.fromkeys([f"{mark}{n}.yaml" for n in NAMES[:4]]), message=message)


@pytest.fixture
async def scene(tmp_path: Path):
    made = Scene(tmp_path, guard=Guard(removals=Removals(Share(0.1), 2)))
    fill(made.low, "low")
    fill(made.top, "top")
    await made.look("start")
    yield made
    await made.reconciler.close()


def published(scene: Scene) -> list[bool]:
    """Whether the head of each layer is published."""
    layers = scene.reconciler.condition.layers
    return [layer.head is not None and layer.commit == layer.head.commit for layer in layers]


async def test_what_two_layers_remove_at_once_is_confirmed_by_each(scene: Scene) -> None:
    empty(scene.low, "low", REMOVALS)
    empty(scene.top, "top")
    first = await scene.look("poll"), published(scene)
    scene.top.commit({}, message=REMOVALS)
    second = await scene.look("poll"), published(scene)

    assert (("published", [True, False]), ("published", [True, True])) == (first, second)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (f"removals {ENTRIES}", True),
        ("removals all", True),
        ("removals istio/networking/v1alpha3/gateways", False),
        (f"empty {ENTRIES}", False),
    ],
)
async def test_a_confirmation_is_for_what_it_names(scene: Scene, what: str, expected) -> None:
    empty(scene.low, "low", f"gone\n\nGitsource-Allow: {what}\n")
    await scene.look("poll")

    assert [expected, True] == published(scene)


async def test_an_operator_lets_out_the_layer_that_is_named_and_no_other(scene: Scene) -> None:
    gone = empty(scene.low, "low")
    empty(scene.top, "top")
    held = await scene.look("poll"), published(scene)
    await scene.reconciler.allow(f"low:{gone}", "meant", "ann")
    after = await scene.look("poll"), published(scene)

    assert ("held", [False, False]) == held
    assert ("published", [True, False]) == after


async def test_an_operator_lets_out_all_heads_together(scene: Scene) -> None:
    empty(scene.low, "low")
    empty(scene.top, "top")
    await scene.look("poll")
    await scene.reconciler.allow(scene.reconciler.condition.head.commit, "meant", "ann")

    assert ("published", [True, True]) == (await scene.look("poll"), published(scene))


async def test_what_another_layer_changes_is_none_of_a_removal(scene: Scene) -> None:
    """One that removes nothing confirms nothing, and need not."""
    empty(scene.low, "low", REMOVALS)
    scene.change(scene.top, "c")

    assert ("published", [True, True]) == (await scene.look("poll"), published(scene))


async def test_a_mistake_is_told_before_anything_has_to_be_confirmed(scene: Scene) -> None:
    empty(scene.low, "low")
    scene.low.commit({"bad.yaml": DOCUMENT.replace("hosts: [", "hosts: no[") % ("x", "x")})
    outcome = await scene.reconciler.sync(("poll",))

    assert ("held", []) == (outcome.result, [f for f in outcome.findings if f.code == "GS207"])


def broken(upstream: Upstream) -> None:
    upstream.commit({"bad.yaml": DOCUMENT.replace("hosts: [", "hosts: no[") % ("x", "x")})


async def test_beside_a_head_that_is_broken_a_layer_is_let_out_by_its_own_name(
    scene: Scene,
) -> None:
    """All heads together hold a mistake, which nobody can confirm."""
    gone = empty(scene.low, "low")
    broken(scene.top)
    await scene.look("poll")
    with pytest.raises(ConfigurationError, match="GS102 is not a matter of confirmation"):
        await scene.reconciler.allow(scene.reconciler.condition.head.commit, "meant", "ann")
    await scene.reconciler.allow(f"low:{gone}", "meant", "ann")

    assert ("published", [True, False]) == (await scene.look("poll"), published(scene))


async def test_what_was_allowed_goes_out_whatever_another_layer_breaks_then(scene: Scene) -> None:
    empty(scene.low, "low")
    await scene.look("poll")
    await scene.reconciler.allow(scene.reconciler.condition.head.commit, "meant", "ann")
    broken(scene.top)

    assert ("published", [True, False]) == (await scene.look("poll"), published(scene))
