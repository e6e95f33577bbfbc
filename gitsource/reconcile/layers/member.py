"""
What takes part in a composition, wherever it lies: a layer that is followed, or one at hand.

Rule: a revision of a layer is judged by itself here, by the code that judges any revision; what the
others have to say of it is the composer's affair (`composing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gitsource.git.objects import Objects
from gitsource.model import Revision, Snapshot
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal, Standing, nothing, propose
from gitsource.snapshot.compose import Part

if TYPE_CHECKING:
    from gitsource.build.builder import Builder


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision of a layer that is sound by itself."""

    revision: Revision
    proposal: Proposal
    facts: Mapping[str, bytes | None] = field(repr=False)
    """What the files that differ say of others, by path."""


class Member(Protocol):
    """A layer, as compositions are made of it."""

    @property
    def name(self) -> str:
        """What it is called in the settings."""

    @property
    def standing(self) -> Standing | None:
        """What stands of it; None: nothing yet."""

    @property
    def objects(self) -> Objects | None:
        """Where contents of its files are; None: nobody has them, only what they came to."""

    def part(self, candidate: Candidate | None) -> Part:
        """Return how it takes part, with *candidate* in the place of what stands."""

    def confirmations(self, before: Snapshot, after: Snapshot) -> str:
        """Return what its commits between two compositions confirm."""


def proposed(
    objects: Objects,
    revision: Revision,
    base: Standing | None,
    builder: Builder,
    settings: Settings,
    name: str,
) -> Candidate:
    """
    Return what *revision* of the layer *name* comes to by itself, by the *settings* of that layer.

    It is judged against *base* (None: as a whole). Raises MirrorError if *objects* cannot be read.
    """
    # Here and not above: a restart serves what is on disk before it needs to judge anything.
    from gitsource.reconcile.judging import judge_files

    files = judge_files(objects, base, revision, builder, settings, f"{name}:")
    proposal = propose(
        base or nothing(),
        revision,
        files.changed,
        files.findings,
        full=files.full,
        kinds=builder.catalog.called,
    )
    return Candidate(revision, proposal, files.facts)


def confirmations(
    objects: Objects,
    name: str,
    before: Snapshot,
    after: Snapshot,
    counts: Callable[[str], bool] | None = None,
) -> str:
    """
    Return what the commits of the layer *name* between two compositions confirm.

    *counts* tells of which of them the word counts; None: of all.
    """
    old, new = (each.revision.commit_of(name) for each in (before, after))
    return objects.confirmations(old or None, new, counts) if new and new != old else ""
