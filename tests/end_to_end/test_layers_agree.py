"""However commits come in, layers come to what they come to when all is judged from nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gitsource.model import Snapshot
from gitsource.settings.whole import Settings
from layers_in_process import LAYERS, WORDS, document, reconciler, settings_in
from repositories import Upstream


def lenient(folder: Path, upstreams: dict[str, Upstream]) -> Settings:
    """Return settings that let a layer empty itself, which a first look would hold."""
    settings = settings_in(folder, upstreams)
    return replace(settings, guard=replace(settings.guard, empty="allow"))


async def from_nothing(folder: Path, upstreams: dict[str, Upstream]) -> Snapshot:
    made = reconciler(lenient(folder, upstreams))
    await made.sync()
    await made.close()
    found = made.condition.serving
    assert found is not None
    return found


def told(snapshot: Snapshot) -> tuple[object, ...]:
    """Return all that replicas have to agree on, create_times and places among it."""
    wires = [(r.name, r.wire, r.origin) for c in snapshot.collections.values() for r in c]
    return snapshot.revision.commit, snapshot.version, sorted(wires), snapshot.findings


@pytest.mark.parametrize("seed", range(4))
async def test_a_chain_of_commits_comes_to_the_same_as_one_look(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    upstreams = {name: Upstream(tmp_path / f"{name}.git") for name in LAYERS}
    for upstream in upstreams.values():
        upstream.commit({"web.yaml": document(random, "web.yaml")})
    settings = lenient(tmp_path / "chained", upstreams)
    chained, codes = reconciler(settings), set()
    await chained.sync()
    for number in range(18):
        for name in random.sample(LAYERS, random.choice((1, 1, 2, 3))):
            path = f"{random.choice(WORDS)}.yaml"
            there = upstreams[name].git("ls-tree", "--name-only", "main").split()
            gone = random.random() < 0.3 and path in there
            upstreams[name].commit({path: None if gone else document(random, path)})
        outcome = await chained.sync()
        if number % 6 == 3:
            await chained.close()
            chained = reconciler(settings)
            await asyncio.sleep(0)
        if outcome.result == "published" and number % 3 == 2:
            found = await from_nothing(tmp_path / f"anew{number}", upstreams)
            serving = chained.condition.serving
            assert serving is not None
            codes |= {each.code for each in found.findings}

            assert told(found) == told(serving)
    await chained.close()

    assert codes & {"GS401", "GS403"}
    assert "GS215" in codes
