"""Whose commits go out, layer by layer: real keys, real repositories, up to the snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.reconcile.mirrors import mirrors
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import LayerRow, PathSigners, Repository, Trust
from gitsource.settings.units import FilePath, Words
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream
from running import route
from signing import SshKey, signed


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SshKey]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: SshKey(folder, name) for name in ("ann", "bob")}


@pytest.fixture
def scene(tmp_path: Path, keys: dict[str, SshKey]) -> tuple[Upstream, Upstream, Settings]:
    """Return two layers with a first, signed commit each, and settings that ask for signatures."""
    low, team = (Upstream(tmp_path / f"{name}.git") for name in ("low", "team"))
    starts = [
        signed(each, keys["ann"].signer(), {"a.yaml": route(f"a{at}", "x")})
        for at, each in enumerate((low, team))
    ]
    allowed = tmp_path / "allowed"
    told = [keys[name].allowed(f"{name}@example.org", 'namespaces="git"') for name in keys]
    allowed.write_text("".join(told))
    (tmp_path / "state").mkdir()
    settings = Settings(
        layers=(
            LayerRow("low", Repository(low.url), since=starts[0]),
            LayerRow("team", Repository(team.url), since=starts[1]),
        ),
        trust=Trust(mode="since", allowed_signers=FilePath(str(allowed))),
        state_dir=FilePath(str(tmp_path / "state")),
        folder=FilePath(str(tmp_path)),
    )
    return low, team, settings


async def looks(settings: Settings, *moves: Any) -> list[Outcome]:
    """Return what a look comes to first, and after each of *moves*."""
    state = Path(settings.state_dir)
    catalog = catalog_for(settings, None)
    made = Reconciler(
        settings,
        mirrors(settings),
        History(state / "history"),
        BlobCache(state / "blobs.sqlite"),
        SnapshotCache(),
        lambda *_: catalog,
    )
    made.restore()
    found = [await made.sync()]
    for move in moves:
        move()
        found.append(await made.sync())
    await made.close()
    return found


def held(outcome: Outcome) -> dict[str, str]:
    """Return the first code that each layer is held by."""
    return {name: why.findings[0].code for name, why in outcome.held}


async def test_a_commit_that_nobody_signed_holds_its_own_layer(scene, keys) -> None:
    low, team, settings = scene

    def both() -> None:
        team.commit({"t.yaml": route("t", "x")})
        signed(low, keys["ann"].signer(), {"b.yaml": route("b", "x")})

    first, second = await looks(settings, both)
    (again,) = await looks(settings)

    assert ("published", {}) == (first.result, held(first))
    assert ("published", {"team": "GS211"}) == (second.result, held(second))
    assert second.signer.startswith("low: ")
    assert "ann@example.org" in second.signer
    assert ("held", {"team": "GS211"}) == (again.result, held(again))


async def test_a_policy_of_paths_is_about_one_layer(scene, keys) -> None:
    low, team, settings = scene
    rows = (PathSigners("team:**", Words(("bob@example.org",))),)
    settings = replace(settings, trust=replace(settings.trust, paths=rows))

    def both() -> None:
        for upstream in (low, team):
            signed(upstream, keys["ann"].signer(), {"b.yaml": route("b", "x")})

    _, second = await looks(settings, both)

    assert ("published", {"team": "GS213"}) == (second.result, held(second))
    assert "team:b.yaml" == second.held[0][1].findings[0].file
