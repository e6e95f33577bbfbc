"""
Several layers as one snapshot: whose word counts, name by name.

Rule: pure, and a change rather than a sum. A resource comes whole from the highest layer that has
one of its name; what lies below is covered, stands in its file's state all the same, and is served
again when nothing covers it any more. Only names that a layer's change touches are looked at, so a
commit costs what it changes, and the outcome is that of composing everything from nothing.

Layers name their files ``NAME:path``, in their own standing revisions too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gitsource.model import Collection, Finding, Resource, Revision, Snapshot, empty_collection
from gitsource.references.index import CODES, Draft
from gitsource.snapshot.build import FileState, Proposal, Standing, nothing

OVERRIDES = "GS215"
"""Code of a document that has the place of a lower layer's."""


@dataclass(frozen=True, slots=True)
class Part:
    """One layer, as it takes part in a composition."""

    name: str
    before: Standing
    """The last good revision of it that is part of what is composed so far."""
    after: Proposal | None = None
    """What takes its place, without an error; None: nothing does."""
    overrides: Literal["warning", "error", "off"] = "warning"
    """What it is to have another's place."""

    @property
    def snapshot(self) -> Snapshot:
        """Its resources after the change."""
        return self.after.snapshot if self.after is not None else self.before.snapshot

    def get(self, collection: str, name: str) -> Resource | None:
        """Return its resource of that name, after the change."""
        found = self.snapshot.collections.get(collection)
        return found.get(name) if found is not None else None

    def file(self, path: str) -> FileState | None:
        """Return what is at *path* after the change, with all its resources."""
        if self.after is not None and (self.after.full or path in self.after.changed):
            return self.after.changed.get(path)
        return self.before.files.get(path)

    def changed(self) -> Iterable[str]:
        """Return the files that differ."""
        if self.after is None:
            return ()
        gone = self.before.files.keys() - self.after.changed.keys() if self.after.full else ()
        return (*self.after.changed, *gone)


@dataclass(frozen=True, slots=True)
class Composition:
    """What a change of some layers makes of the whole, before references are judged."""

    changed: Mapping[str, FileState | None] = field(repr=False)
    """Files that differ, in content or in what of them is served."""
    collections: Mapping[str, Collection] = field(repr=False)
    findings: tuple[Finding, ...]
    """What the layers have to say of themselves, and what overrides what."""
    covered: tuple[tuple[str, Resource], ...] = field(repr=False)
    """All that is not served, since a higher layer has another; see `Snapshot.covered`."""
    full: bool

    def proposal(
        self,
        base: Standing,
        revision: Revision,
        references: Draft | None = None,
        told: Iterable[Finding] = (),
        told_anew: Iterable[str] = (),
    ) -> Proposal:
        """
        Return the composition as a change of *base*.

        *told* is what the files *told_anew* have to say of others; what the rest had, stands.
        """
        anew = {*told_anew, *self.changed}
        kept = (
            each
            for each in (() if self.full else base.snapshot.findings)
            if each.code in CODES and each.file not in anew
        )
        everything = tuple(sorted((*self.findings, *kept, *told)))
        warnings = tuple(each for each in everything if each.severity == "warning")
        snapshot = Snapshot.of(revision, self.collections, warnings, self.covered)
        return Proposal(snapshot, self.changed, everything, self.full, references)


def compose(
    base: Standing | None,
    parts: Sequence[Part],
    kinds: Callable[[str], str] = str,
    let_alone: Callable[[Resource], bool] = lambda _resource: False,
) -> Composition:
    """
    Return what *parts*, the lowest first, come to on top of *base* (None: all of it, from nothing).

    *base* has to be the composition of what each part was before. *kinds* says what a resource of a
    collection is called in findings, *let_alone* whether it asks for no warning of an override.
    """
    full = base is None
    base = base or nothing()
    touched: set[tuple[str, str]] = set()
    looked: dict[str, Part] = {}
    """Files that may differ, each with its layer."""
    for part in parts:
        for path in part.before.files.keys() | set(part.changed()) if full else part.changed():
            looked[path] = part
            for state in (part.before.files.get(path), part.file(path)):
                touched.update((c, r.name) for c, r in (state.resources if state else ()))
    winners: dict[str, dict[str, Resource]] = defaultdict(dict)
    gone: dict[str, set[str]] = defaultdict(set)
    for collection, name in touched:
        holders = [(part, found) for part in parts if (found := part.get(collection, name))]
        looked.update((found.origin.path, part) for part, found in holders)
        if holders:
            winners[collection][name] = holders[-1][1]
        else:
            gone[collection].add(name)
    changed: dict[str, FileState | None] = {}
    findings: list[Finding] = []
    for path in sorted(looked):
        part = looked[path]
        above, below = _around(parts, part)
        state = _covered(part.file(path), above)
        if state != base.files.get(path):
            changed[path] = state
        findings += _overriding(state, part, below, kinds, let_alone)
    kept = (f for f in base.snapshot.findings if f.code == OVERRIDES and f.file not in looked)
    own = (finding for part in parts for finding in part.snapshot.findings)
    return Composition(
        changed,
        _put(base, winners, gone),
        (*own, *kept, *findings),
        _all_covered(base, changed),
        full,
    )


def _around(parts: Sequence[Part], part: Part) -> tuple[Sequence[Part], Sequence[Part]]:
    """Return the layers above *part*, the highest first, and those below it, the highest first."""
    at = next(at for at, each in enumerate(parts) if each.name == part.name)
    return parts[:at:-1], parts[:at][::-1]


def _covered(state: FileState | None, above: Sequence[Part]) -> FileState | None:
    """Return *state* with its resources told apart by whether one of *above* covers them."""
    if state is None:
        return None
    served: list[tuple[str, Resource]] = []
    covered: list[tuple[str, Resource]] = []
    for collection, resource in state.resources:
        hidden = any(part.get(collection, resource.name) is not None for part in above)
        (covered if hidden else served).append((collection, resource))
    return replace(state, resources=tuple(served), covered=tuple(covered)) if covered else state


def _all_covered(
    base: Standing, changed: Mapping[str, FileState | None]
) -> tuple[tuple[str, Resource], ...]:
    """Return all that is covered once *changed* is part of *base*, sorted."""
    kept = (each for each in base.snapshot.covered if each[1].origin.path not in changed)
    states = (state for state in changed.values() if state is not None)
    found = (*kept, *(each for state in states for each in state.covered))
    return tuple(sorted(found, key=lambda each: (each[0], each[1].name, each[1].origin.path)))


def _overriding(
    state: FileState | None,
    part: Part,
    below: Sequence[Part],
    kinds: Callable[[str], str],
    let_alone: Callable[[Resource], bool],
) -> Iterator[Finding]:
    """Yield which resources that are served of *state* have the place of one of *below*."""
    if state is None or part.overrides == "off":
        return
    for collection, resource in state.resources:
        for other in below:
            loser = other.get(collection, resource.name)
            if loser is None:
                continue
            label = f"{kinds(collection)}/{resource.name}"
            # Without the line of the other one, which moves with every edit above it.
            text = (
                f"{kinds(collection)} {resource.name} has the place of the one of layer "
                f"{other.name}, in {loser.origin.path}, which is not served"
            )
            warned = part.overrides == "warning"
            yield Finding(
                resource.origin.path, resource.origin.line, 1, part.overrides, OVERRIDES, text,
                label, suppressed=warned and let_alone(resource),
            )  # fmt: skip
            break


def _put(
    base: Standing,
    winners: Mapping[str, Mapping[str, Resource]],
    gone: Mapping[str, set[str]],
) -> dict[str, Collection]:
    collections = dict(base.snapshot.collections)
    for name in winners.keys() | gone.keys():
        before = collections.get(name) or empty_collection(name)
        put = {
            each: resource
            for each, resource in winners.get(name, {}).items()
            if before.get(each) is not resource
        }
        collections[name] = before.changed(gone.get(name, ()), put)
    return collections


def parted(base: Standing, names: Iterable[str]) -> dict[str, Standing]:
    """Return the layers *names* that *base* is the composition of, as far as it knows them."""
    files: dict[str, dict[str, FileState]] = {name: {} for name in names}
    found: dict[str, dict[str, list[Resource]]] = {name: defaultdict(list) for name in files}
    for path, state in base.files.items():
        layer = layer_of(path)
        if layer not in files:
            continue
        whole = state
        if state.covered:
            whole = replace(state, resources=(*state.resources, *state.covered), covered=())
        files[layer][path] = whole
        for collection, resource in whole.resources:
            found[layer][collection].append(resource)
    told: dict[str, list[Finding]] = defaultdict(list)
    for finding in base.snapshot.findings:
        if finding.code not in CODES and finding.code != OVERRIDES:
            told[layer_of(finding.file)].append(finding)
    standing: dict[str, Standing] = {}
    for name, content in files.items():
        collections = {each: Collection.of(each, of) for each, of in found[name].items()}
        commit = base.snapshot.revision.commit_of(name)
        snapshot = Snapshot.of(Revision(commit, "", 0), collections, tuple(told[name]))
        ignored = sum(state.ignored for state in content.values())
        standing[name] = Standing(snapshot, content, ignored)
    return standing


def opened_up(snapshot: Snapshot) -> Standing:
    """
    Return a composition that came without its files, so that `parted` can take it apart.

    Of the files only what they came to is known: neither contents nor when they came to be.
    """
    served: dict[str, list[tuple[str, Resource]]] = defaultdict(list)
    covered: dict[str, list[tuple[str, Resource]]] = defaultdict(list)
    for collection in snapshot.collections.values():
        for resource in collection:
            served[resource.origin.path].append((collection.name, resource))
    for name, resource in snapshot.covered:
        covered[resource.origin.path].append((name, resource))
    files = {
        path: FileState("", 0, tuple(served.get(path, ())), covered=tuple(covered.get(path, ())))
        for path in sorted(served.keys() | covered.keys())
    }
    return Standing(snapshot, files)


def layer_of(path: str) -> str:
    """Return the name of the layer that ``NAME:path`` is of."""
    return path.partition(":")[0]
