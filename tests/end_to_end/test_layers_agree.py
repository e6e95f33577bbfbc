"""However commits come in, layers come to what they come to when all is judged from nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.model import Snapshot
from gitsource.reconcile.mirrors import mirrors
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

LAYERS = ("low", "mid", "top")
HOST = "{}.shop.svc.cluster.local"
WORDS = ("web", "pay", "cart")


def document(random: Random, path: str) -> str:
    """Return a document, called after its path, that others may refer to or that refers to them."""
    name, subset = path.removesuffix(".yaml"), random.choice(("v1", "v2"))
    meta = f"metadata: {{name: {name}, namespace: shop}}\n"
    if random.random() < 0.5:
        return (
            f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\n{meta}"
            f"spec: {{host: {HOST.format(name)}, subsets: [{{name: {subset}}}]}}\n"
        )
    where = f"{{host: {HOST.format(random.choice(WORDS))}, subset: {subset}}}"
    gateways = random.choice(("[mesh]", "[mesh, gone]", "[shop/gate]"))
    return (
        f"apiVersion: networking.istio.io/v1\nkind: VirtualService\n{meta}"
        f"spec: {{hosts: [{name}.example.com], gateways: {gateways}, "
        f"http: [{{route: [{{destination: {where}}}]}}]}}\n"
    )


def settings_in(folder: Path, upstreams: dict[str, Upstream]) -> Settings:
    (folder / "state").mkdir(parents=True, exist_ok=True)
    rows = tuple(LayerRow(name, Repository(one.url)) for name, one in upstreams.items())
    return Settings(
        layers=rows, state_dir=FilePath(str(folder / "state")), folder=FilePath(str(folder))
    )


def reconciler(settings: Settings) -> Reconciler:
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
    return made


async def from_nothing(folder: Path, upstreams: dict[str, Upstream]) -> Snapshot:
    made = reconciler(settings_in(folder, upstreams))
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
    settings = settings_in(tmp_path / "chained", upstreams)
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
