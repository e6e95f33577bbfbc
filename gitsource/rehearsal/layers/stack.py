"""
Layers at hand, composed as `serve` composes those that it follows: the same code, and nothing else.

Rule: each layer is judged by itself (`member.proposed`), then what they come to together
(`composing.Composer`). Where a layer's documents are not at hand, what documents say of each other
is not judged at all: half of it would be told as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from gitsource.build.builder import Builder
from gitsource.catalog.whole import Catalog
from gitsource.git.objects import Objects
from gitsource.model import Revision, Snapshot
from gitsource.reconcile.layers.composing import Composer
from gitsource.reconcile.layers.member import Candidate, confirmations, proposed
from gitsource.rehearsal.layers.at_hand import AsServed, Found, InRepository
from gitsource.settings.following import LayerRow
from gitsource.settings.units import Severities
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import Proposal, Standing, accept, nothing
from gitsource.snapshot.compose import Part


class Participant:
    """One layer at hand; see `member.Member`."""

    def __init__(self, row: LayerRow, objects: Objects | None, standing: Standing | None) -> None:
        self.name = row.name
        self.standing = standing
        self.objects = objects
        self._overrides = row.overrides
        self.counts: Callable[[str], bool] | None = None
        """Tells of a commit whether its word counts; None: everybody's does."""

    def __repr__(self) -> str:
        return f"<Participant {self.name}>"

    def part(self, candidate: Candidate | None) -> Part:
        """Return how it takes part, with *candidate* in the place of what stands."""
        after = candidate.proposal if candidate is not None else None
        return Part(self.name, self.standing or nothing(), after, self._overrides)

    def confirmations(self, before: Snapshot, after: Snapshot) -> str:
        """Return what its commits between two compositions confirm."""
        if self.objects is None:
            return ""
        return confirmations(self.objects, self.name, before, after, self.counts)


class Stack:
    """The layers of some settings, the lowest first, those left out that nobody has."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        found: Mapping[str, Found],
        results: BlobCache | None,
    ) -> None:
        rows = [row for row in settings.layers if row.name in found]
        whole = len(rows) == len(settings.layers)
        self.complete = whole and all(isinstance(each, InRepository) for each in found.values())
        """Whether the documents of every layer are at hand."""
        if not self.complete:
            silent = replace(settings.references, severity="off", codes=Severities(()))
            settings = replace(settings, references=silent)
        self._settings = settings
        self._rows = {row.name: row for row in rows}
        self._builder = Builder(catalog, settings.build, results)
        self._members = {row.name: _participant(row, found[row.name]) for row in rows}

    def __repr__(self) -> str:
        return f"<Stack {list(self._members)}>"

    def candidate(self, name: str, objects: Objects, revision: Revision) -> Candidate:
        """Return what *revision* of the layer *name* comes to by itself, on what stands of it."""
        settings = self._settings.of_layer(self._rows[name])
        member = self._members[name]
        return proposed(objects, revision, member.standing, self._builder, settings, name)

    def judged(
        self,
        chosen: Mapping[str, Candidate],
        base: Standing | None = None,
        served: Snapshot | None = None,
    ) -> Proposal:
        """
        Return what the layers come to with *chosen*, as a change of *base*, over *served*.

        `serve` composes nothing of a layer that is unsound by itself; here the sound part of it
        shows what it would come to, and its errors are told with the rest.
        """
        errors = [
            finding
            for candidate in chosen.values()
            for finding in candidate.proposal.findings
            if finding.severity == "error"
        ]
        # As with one repository: of what is unsound anyway, no guard is asked.
        replaced = None if errors else served
        composer = Composer(self._members, base, replaced, self._builder, self._settings)
        found = composer.judged(chosen)
        self._builder.flush()
        return replace(found, findings=tuple(sorted((*found.findings, *errors))))

    def counting(self, name: str, counts: Callable[[str], bool] | None) -> None:
        """Let only the word of those commits of the layer *name* count that *counts* tells."""
        if name in self._members:
            self._members[name].counts = counts

    def accept(self, chosen: Mapping[str, Candidate]) -> None:
        """Make *chosen* what stands."""
        for name, candidate in chosen.items():
            member = self._members[name]
            member.standing = member.standing or nothing()
            accept(member.standing, candidate.proposal)

    @property
    def names(self) -> Iterable[str]:
        """What the layers are called, the lowest first."""
        return self._members.keys()


def _participant(row: LayerRow, found: Found) -> Participant:
    if isinstance(found, AsServed):
        return Participant(row, None, found.standing)
    return Participant(row, found.objects, None)
