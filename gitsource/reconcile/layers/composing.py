"""
Judging a composition: what layers say of each other, and what is gone from the whole.

Rule: what a higher layer covers is not there, for references as for sinks. A removal is confirmed
by commits of the very layer whose resources are gone: nobody confirms what another one removes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from gitsource._proto.gitsource.state.v1.state_pb2 import FileFacts
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope
from gitsource.build.builder import Builder
from gitsource.model import Resource, Revision, Snapshot, TreeEntry, composition_of
from gitsource.reconcile.layers.member import Candidate, Member
from gitsource.references.index import Index
from gitsource.relate import related
from gitsource.rollout.guard import ALL, confirmed, guarded, layer_emptied
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import FileState, Proposal, Standing, nothing
from gitsource.snapshot.compose import OVERRIDES, compose, layer_of
from gitsource.validate.suppression import suppressed

LOADED = 4000
"""Results that are held in memory at a time while references are loaded."""


@dataclass(frozen=True)
class Composer:
    """What compositions are judged with in one look."""

    layers: Mapping[str, Member]
    """The lowest first."""
    base: Standing | None
    """The composition that stands; None: everything is judged anew."""
    served: Snapshot | None
    """What would be replaced."""
    builder: Builder
    settings: Settings
    allowed: str = ""
    """The commit (of a layer, or a composition's) that an operator lets through."""
    heads: str = ""
    """The composition of all heads."""

    def judged(self, chosen: Mapping[str, Candidate]) -> Proposal:
        """
        Return what the layers come to with *chosen* in the place of what stands of them.

        Raises MirrorError if a repository cannot be read.
        """
        parts = [layer.part(chosen.get(name)) for name, layer in self.layers.items()]
        catalog = self.builder.catalog
        composition = compose(self.base, parts, catalog.called, _lets_alone)
        standing = self.base or nothing()
        facts = dict(self._facts(composition.changed, chosen))
        index = standing.references
        if index is None:
            index = standing.references = self.loaded(standing)
        news = related(
            index,
            facts,
            self.settings.references,
            standing.snapshot.findings,
            lambda path: _place(path, composition.changed.get(path) or standing.files[path]),
            self._read,
            catalog,
            full=self.base is None,
        )
        revision = self.revision(chosen)
        found = composition.proposal(standing, revision, news.draft, news.findings, news.affected)
        return self._guarded(found, chosen)

    def revision(self, chosen: Mapping[str, Candidate]) -> Revision:
        """Return the composition of *chosen* and, of the other layers, what stands."""
        revisions = {
            name: chosen[name].revision
            if name in chosen
            else layer.standing.snapshot.revision
            if layer.standing is not None
            else None
            for name, layer in self.layers.items()
        }
        return composition_of(revisions, chosen.keys())

    # ------------------------------------------------------------------ references

    def _facts(
        self, changed: Mapping[str, FileState | None], chosen: Mapping[str, Candidate]
    ) -> Iterator[tuple[str, bytes | None]]:
        """Yield what the *changed* files say of others, without what is covered in them."""
        asked: dict[str, list[str]] = defaultdict(list)
        for path, state in changed.items():
            candidate = chosen.get(layer_of(path))
            if state is None:
                yield path, None
            elif candidate is not None and candidate.facts.get(path) is not None:
                yield path, self._visible(candidate.facts[path], state)
            else:
                asked[layer_of(path)].append(path)
        for name, paths in asked.items():
            states = {path: state for path in paths if (state := changed[path]) is not None}
            yield from self._results(self.layers[name], states)

    def _results(
        self, layer: Member, states: Mapping[str, FileState]
    ) -> Iterator[tuple[str, bytes | None]]:
        """Yield the same for files of one layer, from the cache of results."""
        prefix, objects = f"{layer.name}:", layer.objects
        if objects is None:
            return  # nobody can tell; see `Member.objects`
        limit = self.settings.limits.file_bytes
        self.builder.ensure = objects.ensure
        entries = [
            TreeEntry(path.removeprefix(prefix), "100644", state.blob)
            for path, state in states.items()
        ]
        for at in range(0, len(entries), LOADED):
            read, bulk = partial(objects.read, limit=limit), objects.bulk_reader(limit)
            for entry, result in self.builder.results(entries[at : at + LOADED], read, bulk):
                path = prefix + entry.path
                yield path, self._visible(result.facts, states[path])

    def _visible(self, facts: bytes | None, state: FileState) -> bytes | None:
        if not (facts and state.covered):
            return facts
        called = self.builder.catalog.called
        covered = {f"{called(collection)}/{one.name}" for collection, one in state.covered}
        told = FileFacts.FromString(facts)
        left = [each for each in told.documents if each.resource not in covered]
        return FileFacts(documents=left).SerializeToString()

    def loaded(self, standing: Standing) -> Index:
        """Return what the files of *standing* say of each other, which a restart left out."""
        facts: dict[str, bytes | None] = {}
        for name, layer in self.layers.items():
            of_layer = {p: state for p, state in standing.files.items() if layer_of(p) == name}
            facts.update(self._results(layer, of_layer))
        return Index().draft(facts).accepted()

    def _read(self, places: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the contents of *places*, each a layer and a blob."""
        limit = self.settings.limits.file_bytes
        for name, group in groupby(places, layer_of):
            objects = self.layers[name].objects
            if objects is None:
                raise AssertionError("what says nothing of others was to be read for what it says")
            yield from objects.read([place.partition(":")[2] for place in group], limit=limit)

    # ------------------------------------------------------------------ guards

    def _guarded(self, proposal: Proposal, chosen: Mapping[str, Candidate]) -> Proposal:
        """Return *proposal* with what has to be confirmed and is not, if it is sound otherwise."""
        before, after = self.served, proposal.snapshot
        if before is None or not proposal.acceptable:
            return proposal
        kinds, bounds = self.builder.catalog.kinds, self.settings.guard
        vital = [kind.collection for kind in kinds if kind.xds is not None and kind.xds.vital]
        emptied = dict(self._emptied(before, after, chosen))
        if not emptied and not any(guarded(before, after, vital, bounds, frozenset())):
            return proposal
        allowed = frozenset(self._confirmed(before, after, chosen))
        found = [*guarded(before, after, vital, bounds, allowed)]
        for name, gone in emptied.items():
            confirmed_all = self._saying(name, before, after, chosen)("empty", ALL)
            said = frozenset({("empty", ALL)} if confirmed_all else ()) | allowed
            found += layer_emptied(name, gone, bounds, said)
        return replace(proposal, findings=tuple(sorted((*proposal.findings, *found))))

    def _emptied(
        self, before: Snapshot, after: Snapshot, chosen: Mapping[str, Candidate]
    ) -> Iterator[tuple[str, list[Resource]]]:
        """Yield the layers of which nothing is left, and what was served of each."""
        if not _resources(after):
            return  # that is told of the whole
        for name, candidate in chosen.items():
            if not _resources(candidate.proposal.snapshot):
                of_all = (one for each in before.collections.values() for one in each.resources)
                gone = [one for one in of_all if layer_of(one.origin.path) == name]
                if gone:
                    yield name, gone

    def _confirmed(
        self, before: Snapshot, after: Snapshot, chosen: Mapping[str, Candidate]
    ) -> Iterator[tuple[str, str]]:
        """Yield what all have confirmed of whose resources something is gone."""
        if self.allowed and self.allowed in {after.revision.commit, self.heads}:
            everything = [*before.collections, ALL]
            yield from ((what, name) for what in ("empty", "removals") for name in everything)
            return
        said: dict[str, Callable[[str, str], bool]] = {}
        owners_of_all: set[str] = set()
        for collection in before.collections:
            owners = set(_owners(before, after, collection))
            owners_of_all |= owners
            for owner in owners - said.keys():
                said[owner] = self._saying(owner, before, after, chosen)
            for what in ("empty", "removals"):
                if owners and all(said[owner](what, collection) for owner in owners):
                    yield what, collection
        if owners_of_all and all(said[owner]("empty", ALL) for owner in owners_of_all):
            yield "empty", ALL

    def _saying(
        self, name: str, before: Snapshot, after: Snapshot, chosen: Mapping[str, Candidate]
    ) -> Callable[[str, str], bool]:
        """Return how to ask whether the layer *name* confirms something of a collection."""
        layer = self.layers.get(name)
        if layer is None:
            return lambda _what, _name: False  # it is a layer no more: an operator's to confirm
        if self.allowed and name in chosen and chosen[name].revision.commit == self.allowed:
            return lambda _what, _name: True
        words = confirmed(layer.confirmations(before, after))
        empty = name in chosen and not _resources(chosen[name].proposal.snapshot)
        if empty and ("empty", ALL) in words:
            return lambda _what, _name: True
        return lambda what, collection: (what, collection) in words or (what, ALL) in words


def _lets_alone(resource: Resource) -> bool:
    """Whether a document asks for no warning of what it overrides."""
    annotations = Envelope.FromString(resource.wire).metadata.annotations
    return OVERRIDES in suppressed(annotations)


def _place(path: str, state: FileState) -> str:
    return f"{layer_of(path)}:{state.blob}"


def _resources(snapshot: Snapshot) -> bool:
    return any(len(content) for content in snapshot.collections.values())


def _owners(before: Snapshot, after: Snapshot, collection: str) -> Iterable[str]:
    """Return the layers of which resources are gone."""
    had, left = before.collection(collection), set(after.collection(collection).names)
    return (layer_of(one.origin.path) for one in had.resources if one.name not in left)
