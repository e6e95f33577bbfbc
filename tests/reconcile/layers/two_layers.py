"""Two layers that are followed in this very process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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

ENTRIES = "istio/networking/v1alpha3/serviceentries"
DOCUMENT = (
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
    "metadata: {name: %s, namespace: shop}\n"
    "spec: {hosts: [%s.example.com], ports: [{number: 80, name: http, protocol: HTTP}]}\n"
)


class Scene:
    """Two layers that a test moves, and a clock that it sets; *settings* are more of them."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.now = 1000.0
        self.low, self.top = (Upstream(folder / f"{name}.git") for name in ("low", "top"))
        self.change(self.low, "a")
        self.change(self.top, "b")
        state = folder / "state"
        state.mkdir()
        self.settings = Settings(
            layers=(
                LayerRow("low", Repository(self.low.url)),
                LayerRow("top", Repository(self.top.url)),
            ),
            state_dir=FilePath(str(state)),
            folder=FilePath(str(folder)),
            **settings,
        )
        catalog = catalog_for(self.settings, None)
        self.reconciler = Reconciler(
            self.settings,
            mirrors(self.settings),
            History(state / "history"),
            BlobCache(state / "blobs.sqlite"),
            SnapshotCache(),
            lambda *_: catalog,
            lambda: self.now,
        )

    def change(self, upstream: Upstream, name: str) -> str:
        return upstream.commit({f"{name}.yaml": DOCUMENT % (name, name)})

    async def reconfigure(self, **changes: object) -> None:
        """Go on with other settings, as after they were read again."""
        self.settings = replace(self.settings, **changes)
        await self.reconciler.reconfigure(self.settings, mirrors(self.settings))

    def served(self, name: str) -> str:
        """Return where what is served by that name stands."""
        snapshot = self.reconciler.condition.serving
        found = snapshot.collection(ENTRIES).get(name)
        return found.origin.path

    def away(self) -> Path:
        """Take the higher layer out of reach; returns where it is meanwhile."""
        return self.top.folder.rename(self.top.folder.with_name("away.git"))

    async def look(self, *triggers: str) -> str:
        return (await self.reconciler.sync(triggers)).result

    @property
    def errors(self) -> list[bool]:
        return [bool(layer.error) for layer in self.reconciler.condition.layers]
