"""What a dry-run is asked, what it answers, and what it may remember: values, and two contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from gitsource.model import Snapshot
from gitsource.plan.values import Plan
from gitsource.rehearsal.side import Side
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Standing

Head: TypeAlias = Literal["commit", "worktree", "staged"]
"""What is tried: a commit, the working tree, or what is staged."""


class Memory(Protocol):
    """What earlier runs found out."""

    def results(self) -> BlobCache | None:
        """Return where results of contents are; None if nothing is remembered."""

    def near(self, of: Side) -> Standing | None:
        """Return the base itself, or a revision like it to start from; None if there is none."""

    def keep(self, of: Side, standing: Standing) -> None:
        """Remember *standing*."""

    def close(self) -> None:
        """Put what came to be known where the next run finds it."""


class TakenApart(Protocol):
    """What is served somewhere, told by those who serve it: its layers, as far as they tell."""

    @property
    def source(self) -> str:
        """Its address, or file."""

    @property
    def commits(self) -> Mapping[str, str]:
        """Which commit of each layer is served; nothing where one repository is."""

    @property
    def bodies(self) -> bool:
        """Whether it tells what is in resources, and not their versions alone."""

    def layers(self, names: Iterable[str]) -> Mapping[str, Standing]:
        """Return what it tells of the layers *names*; nothing if that is not all of each."""


@dataclass(frozen=True, slots=True)
class Others:
    """Where the layers are that are not under review."""

    checkouts: Mapping[str, tuple[Path, str | None]] = field(default_factory=dict)
    """By the name of a layer: a repository on this machine, and which revision of it is meant.
    None: the one that is served, or else what is followed."""
    without: frozenset[str] = frozenset()
    """Layers that the plan is to do without, if nothing is known of them."""
    state: Path | None = None
    """State directory of a gitsource; None: that of the settings, if it is on this machine."""
    served: TakenApart | None = None
    """What is served, by whom the plan is compared with."""

    @property
    def named(self) -> bool:
        """Whether anything is said of layers by name."""
        return bool(self.checkouts or self.without)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    base: str | None = None
    """None: where the head left the followed branch."""
    head: str = "HEAD"
    kind: Head = "commit"
    config: Path | None = None
    path: str | None = None
    """Folder of the repository to keep to."""
    layers: tuple[str, ...] = ()
    """Which layers the repository is; none: those that come from where its remotes are."""
    others: Others = field(default_factory=Others)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The plan, and what it was made from."""

    plan: Plan
    base: Snapshot
    head: Snapshot
    settings: Settings
    """Those of the base, or of the head if there is none."""
