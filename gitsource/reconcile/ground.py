"""
What following stands on, whether it is one repository or several: the last good revision and what
a look hands back.

Rule: for the worker thread, which owns history and standing revision. The event loop reads
`LastGood.snapshot` alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeVar

from gitsource.catalog.whole import Catalog
from gitsource.errors import GitsourceError
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.git.refs import Chosen
from gitsource.model import Revision, Snapshot
from gitsource.reconcile.archive import Archive
from gitsource.reconcile.outcomes import Condition, Outcome
from gitsource.rollout.decide import Decision, Publish
from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Proposal, Standing, accept, nothing
from gitsource.snapshot.history import Loaded

if TYPE_CHECKING:
    from gitsource.build.builder import Builder

log = logging.getLogger("gitsource.reconcile")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """What the worker thread hands back to the event loop."""

    outcome: Outcome
    snapshot: Snapshot | None = None
    """To be served from now on, if there is news."""
    unsaved: str = ""
    ignored: int = 0


def failed(error: GitsourceError, head: Revision | None) -> Outcome:
    """Return the outcome of a look that *error* ended."""
    return Outcome("failed", head, str(error), error.hint, error.fault)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a commit belongs that somebody asks for."""

    layer: str
    """Empty if a single repository is followed."""
    mirror: Mirror | None
    """None if nobody looked yet."""
    repository: Repository
    spec: str
    """Which commit of it, as it was asked."""
    head: Revision | None


class LastGood:
    """The last good revision: as found on disk, then as it stands in memory."""

    def __init__(self) -> None:
        self._standing: Standing | None = None
        self._loaded: Loaded | None = None
        self._recipe = ""

    def __repr__(self) -> str:
        return f"<LastGood {self._standing or self._loaded!r}>"

    def found(self, loaded: Loaded) -> None:
        """Take over what is on disk."""
        self._loaded, self._recipe = loaded, loaded.recipe

    @property
    def snapshot(self) -> Snapshot | None:
        """What the next revision would replace, whatever it was made by."""
        last = self._standing or self._loaded
        return last.snapshot if last is not None else None

    @property
    def standing(self) -> Standing | None:
        """What stands with its files, if anybody needed those yet."""
        return self._standing

    def blobs(self) -> Iterable[str]:
        """Return the IDs of the contents of what stands; none if its files are not needed yet."""
        files = self._standing.files if self._standing is not None else {}
        return (state.blob for state in files.values())

    def base(self, recipe: str) -> Standing | None:
        """Return what a head is compared with, or None if everything has to be judged anew."""
        if self._recipe != recipe:
            return None
        if self._standing is None and self._loaded is not None:
            self._standing, self._loaded = self._loaded.standing(), None
        return self._standing

    def keep(self, standing: Standing, proposal: Proposal, recipe: str) -> None:
        """Make *proposal*, which is on disk, what stands in place of *standing*."""
        accept(standing, proposal)
        self._standing, self._loaded, self._recipe = standing, None, recipe


@dataclass(frozen=True)
class Ground:
    """What a following works with."""

    archive: Archive
    blobs: BlobCache
    good: LastGood
    catalog_at: Callable[[Settings, Objects | None, Revision | None], Catalog]
    now: Callable[[], Condition]
    """How things stand."""
    clock: Callable[[], float]
    stopping: Event

    def builder(self, catalog: Catalog, settings: Settings) -> Builder:
        """Return what judges files, giving way to sinks if any are served."""
        # Here and not above: a restart serves what is on disk before it needs to judge anything.
        from gitsource.build.builder import Builder

        serving = self.now().serving is not None
        return Builder(catalog, settings.build, self.blobs, self.stopping, serving=serving)

    def decided(self, proposal: Proposal, recipe: str) -> tuple[Decision | None, str]:
        """
        Decide about *proposal*; if it goes out, it is on disk and stands from now on.

        Returns the decision (None: operators want nothing new) and why it is not on disk, if so.
        """
        standing = self.good.standing or nothing()
        decision, unsaved = self.archive.publish(standing, proposal, recipe, self.clock())
        if isinstance(decision, Publish):
            if unsaved:
                log.error("published, but not kept on disk: %s", unsaved)
            self.good.keep(standing, decision.proposal, recipe)
        return decision, unsaved


class Following(Protocol):
    """What is followed, as the reconciler asks it; in the worker thread, but for `chosen`."""

    @property
    def chosen(self) -> Chosen:
        """What is followed, as it was last found at the remote. Any thread may ask."""

    def look(self, triggers: tuple[str, ...]) -> Look:
        """Look once, because of *triggers*; raises GitsourceError for a look that failed."""

    def afterwards(self) -> None:
        """Do what nobody waits for: remember what was judged, keep mirrors small."""

    def earlier(self, spec: str) -> Snapshot:
        """Return what the revision *spec* comes to now; ConfigurationError if it is not fit."""

    def known(self, spec: str) -> str | None:
        """Return the commit that *spec* names, if it is known."""

    def contains(self, head: str, commit: str) -> bool:
        """Whether *commit* is *head* or one of its ancestors."""

    def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to *head* that changed *path*; None if nobody can tell."""

    def asked(self, spec: str, question: Callable[[Place], T]) -> T:
        """
        Return the answer to *question* about where the commit *spec* belongs.

        Raises ConfigurationError if nobody can tell which layer that is.
        """

    def forget(self) -> None:
        """Have heads judged anew at the next look."""

    def stop(self) -> None:
        """Have Git end what it does, for good. Any thread may say so."""

    def close(self) -> None:
        """Let go of everything."""
