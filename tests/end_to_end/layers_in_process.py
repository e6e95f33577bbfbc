"""Layers that are followed in this very process, and documents that refer to each other."""

from __future__ import annotations

from pathlib import Path
from random import Random

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
    """Return settings with a state directory in *folder*."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    rows = tuple(LayerRow(name, Repository(one.url)) for name, one in upstreams.items())
    return Settings(
        layers=rows, state_dir=FilePath(str(folder / "state")), folder=FilePath(str(folder))
    )


def reconciler(settings: Settings) -> Reconciler:
    """Return what follows the layers of *settings*, from where it left off."""
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
