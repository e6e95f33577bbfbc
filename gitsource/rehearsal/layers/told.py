"""
A plan of a composition as the one reads it who changes one layer.

Rule: what no sink sees is said to have no effect, and why; what cannot be known is said as well,
and no version is told that a missing layer would change. Files of the layers under review are told
as the repository has them, those of others as ``NAME:path``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gitsource.model import Finding, Revision, Snapshot
from gitsource.plan.values import (
    CollectionPlan,
    LayerPlan,
    NoEffect,
    Plan,
    ResourceChange,
    SettingChange,
)
from gitsource.rehearsal.layers.at_hand import AsServed, Found, InRepository
from gitsource.settings.following import LayerRow
from gitsource.snapshot.build import delta, nothing
from gitsource.snapshot.compose import layer_of


@dataclass(frozen=True, slots=True)
class Layered:
    """What is known of the layers of a plan."""

    rows: Sequence[LayerRow]
    """All of them, the lowest first."""
    names: Sequence[str]
    """Those under review."""
    found: Mapping[str, Found] = field(repr=False)
    """What there is of the others."""
    before: Mapping[str, Snapshot] = field(repr=False)
    """What those under review come to by themselves, in the base."""
    after: Mapping[str, Snapshot] = field(repr=False)
    references: bool
    """Whether what documents say of each other was judged."""

    def told(
        self, made: Plan, was: Snapshot, now: Snapshot, base: Revision | None, head: Revision
    ) -> Plan:
        """Return *made*, the plan from *was* to *now*, with all that."""
        missing = [row.name for row in self.rows if row.name not in (*self.names, *self.found)]
        collections = tuple(self._collection(each) for each in made.collections)
        made = replace(
            made,
            base=base or was.revision,
            head=head,
            collections=collections,
            new=self._findings(made.new),
            fixed=self._findings(made.fixed),
            old=self._findings(made.old),
            guards=self._findings(made.guards),
            settings=tuple(self._setting(each) for each in made.settings),
            notes=(*self._notes(missing), *made.notes),
            layers=tuple(self._layer(row, base, head) for row in self.rows),
            no_effect=tuple(self._no_effect(was, now)),
            composition_before=was.revision.commit if base is not None else "",
            composition_after=now.revision.commit if head.commit else "",
        )
        return _unversioned(made) if missing else made

    # ------------------------------------------------------------------ layers

    def _layer(self, row: LayerRow, base: Revision | None, head: Revision) -> LayerPlan:
        if row.name in self.names:
            before = base.commit if base is not None else ""
            return LayerPlan(row.name, "reviewed", before, head.commit, "this repository")
        found = self.found.get(row.name)
        if isinstance(found, InRepository):
            commit = found.revision.commit
            return LayerPlan(row.name, "repository", commit, commit, found.source)
        if isinstance(found, AsServed):
            commit = found.standing.snapshot.revision.commit
            how: Literal["served", "versions"] = "served" if found.bodies else "versions"
            return LayerPlan(row.name, how, commit, commit, found.source)
        return LayerPlan(row.name, "missing")

    def _notes(self, missing: Sequence[str]) -> Iterator[str]:
        if missing:
            told = ", ".join(missing)
            those = f"layers {told} are" if len(missing) > 1 else f"layer {told} is"
            yield (
                f"{those} left out: what would be overridden, what conflicts, and which versions "
                "sinks would get cannot be known"
            )
        if not self.references:
            yield (
                "not all layers' documents are at hand: what documents say of each other is not "
                "judged"
            )
        bare = [
            name
            for name, each in self.found.items()
            if isinstance(each, AsServed) and not each.bodies
        ]
        if bare:
            yield (
                f"of {', '.join(bare)} names and versions alone are known: sizes leave out what "
                "comes from there"
            )

    # ------------------------------------------------------------------ what has no effect

    def _no_effect(self, was: Snapshot, now: Snapshot) -> Iterator[NoEffect]:
        """Yield what the layers change where a higher one has the place."""
        rank = {row.name: at for at, row in enumerate(self.rows)}
        for name in self.names:
            empty = nothing().snapshot
            before, after = self.before.get(name, empty), self.after.get(name, empty)
            for collection in sorted(before.collections.keys() | after.collections.keys()):
                had, has = before.collection(collection), after.collection(collection)
                change = delta(had, has)
                touched = {each.name: each for each in change.put}
                for one in sorted((*touched, *change.removed)):
                    winner = now.collection(collection).get(one)
                    above = layer_of(winner.origin.path) if winner is not None else ""
                    if winner is None or rank.get(above, -1) <= rank[name]:
                        continue
                    served = was.collection(collection).get(one)
                    if served is None or served.version != winner.version:
                        continue  # another layer under review has changed it
                    known = had.get(one)
                    mine = touched.get(one) or known
                    if mine is None:
                        raise AssertionError("what changed was there, or is")
                    what: Literal["added", "changed", "removed"] = (
                        "removed" if one not in touched else "changed" if known else "added"
                    )
                    yield NoEffect(
                        collection, one, what, name, self._own(mine.origin.path), mine.origin.line,
                        above, self._own(winner.origin.path), winner.origin.line,
                    )  # fmt: skip

    # ------------------------------------------------------------------ names of files

    def _own(self, path: str) -> str:
        """Return *path* as the repository under review has it, if it is there."""
        name, colon, inside = path.partition(":")
        return inside if colon and name in self.names else path

    def _findings(self, found: Sequence[Finding]) -> tuple[Finding, ...]:
        return tuple(sorted(replace(each, file=self._own(each.file)) for each in found))

    def _setting(self, change: SettingChange) -> SettingChange:
        return replace(change, file=self._own(change.file))

    def _collection(self, planned: CollectionPlan) -> CollectionPlan:
        return replace(planned, changes=tuple(self._change(each) for each in planned.changes))

    def _change(self, change: ResourceChange) -> ResourceChange:
        return replace(
            change,
            layer_before=layer_of(change.file_before) if change.file_before else "",
            layer=layer_of(change.file) if change.what != "removed" else "",
            file_before=self._own(change.file_before),
            file=self._own(change.file),
        )


def _unversioned(made: Plan) -> Plan:
    """Return *made* without versions of what nobody knows all of."""
    collections = tuple(
        replace(each, version_before="", version_after="") for each in made.collections
    )
    return replace(
        made,
        version_before="",
        version_after="",
        composition_before="",
        composition_after="",
        collections=collections,
    )
