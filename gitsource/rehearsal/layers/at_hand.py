"""
Where layers are that are composed: which of them the repository is, and what there is of others.

Rule: nothing is fetched. What is at hand is taken in this order: a repository that was named, the
mirror in a state directory, what is served as they tell it who serve it. The commit is the one that
is served, if anybody says which. A layer of which there is nothing is an error that says what
cannot be known then, unless the plan was asked to do without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from gitsource.errors import ConfigurationError, GitsourceError, RefMissing
from gitsource.git.local import LocalRepository
from gitsource.git.mirror_files import folder_of, marker
from gitsource.git.objects import Objects
from gitsource.git.verbs import HEAD_REF
from gitsource.model import Revision, shown
from gitsource.rehearsal.question import Others, TakenApart
from gitsource.settings.following import LayerRow
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Standing
from gitsource.snapshot.history import History
from gitsource.triggers.same_repository import key


@dataclass(frozen=True, slots=True)
class InRepository:
    """A layer whose commit can be judged."""

    objects: Objects = field(repr=False)
    revision: Revision
    source: str


@dataclass(frozen=True, slots=True)
class AsServed:
    """A layer of which nobody has the documents, but what they came to where it is served."""

    standing: Standing = field(repr=False)
    source: str
    bodies: bool
    """Whether more than names and versions is known."""


Found: TypeAlias = InRepository | AsServed


def named(settings: Settings, names: Iterable[str], option: str) -> None:
    """Raise ConfigurationError for one of *names* that *settings* have no layer of."""
    there = [row.name for row in settings.layers]
    for name in names:
        if name not in there:
            raise ConfigurationError(
                f"{option}: there is no layer {shown(name)}", hint=f"there are {', '.join(there)}"
            )


# --------------------------------------------------------------------------- under review


def reviewed(
    repository: LocalRepository, settings: Settings, names: Sequence[str]
) -> tuple[LayerRow, ...]:
    """
    Return the layers that *repository* is: those called *names*, or else those that come from where
    its remotes point.

    Raises ConfigurationError if that is none, or not all of them follow one ref.
    """
    if names:
        named(settings, names, "--layer")
        return tuple(row for row in settings.layers if row.name in names)
    here = _addresses(repository)
    rows = [row for row in settings.layers if _known_as(row.repository.url) in here]
    if not rows:
        raise ConfigurationError(
            "no layer comes from where the remotes of this repository point",
            hint="say which one it is with --layer: "
            f"{', '.join(row.name for row in settings.layers)}",
        )
    refs = {repository.followed(row.repository) for row in rows}
    if len(refs) > 1:
        raise ConfigurationError(
            f"{len(rows)} layers come from this repository, and follow different refs",
            hint=f"say for which it is with --layer: {', '.join(row.name for row in rows)}",
        )
    return tuple(rows)


def layers_in(folder: Path, settings: Settings) -> tuple[str, ...]:
    """Return which layers the repository in *folder* is, by its remotes; none if it is none."""
    try:
        with LocalRepository(folder) as repository:
            here = _addresses(repository)
    except ConfigurationError:
        return ()
    return tuple(row.name for row in settings.layers if _known_as(row.repository.url) in here)


def _addresses(repository: LocalRepository) -> set[tuple[str, str]]:
    own = str(repository.top or repository.git_dir)
    return {_known_as(each) for each in (*repository.remotes(), own)}


def _known_as(address: str) -> tuple[str, str]:
    """Return *address* so that it is the same however it is written."""
    told = key(address)
    if told is not None:
        return told
    path = unquote(address.removeprefix("file://")) if address.startswith("file:") else address
    return "", os.path.realpath(path).removesuffix("/.git").removesuffix(".git")


# --------------------------------------------------------------------------- the others


class Search:
    """Looks for layers; what it opens is closed with *opened*."""

    def __init__(self, settings: Settings, others: Others, opened: ExitStack) -> None:
        self._settings = settings
        self._others = others
        self._opened = opened
        self._state = others.state or Path(settings.state_dir)
        self._commits = dict(_commits(others.served, self._state))

    def __repr__(self) -> str:
        return f"<Search {self._others!r}>"

    def all(self, rows: Iterable[LayerRow]) -> dict[str, Found]:
        """Return what there is of each of *rows*; ConfigurationError if that is too little."""
        named(self._settings, self._others.checkouts, "--with")
        named(self._settings, self._others.without, "--without")
        waiting = {row.name: row for row in rows}
        found: dict[str, Found] = {}
        for name, row in waiting.items():
            one = self._checkout(row) or self._mirror(row)
            if one is not None:
                found[name] = one
        left = waiting.keys() - found.keys()
        served = self._others.served
        if left and served is not None and served.commits:
            for name, standing in served.layers(left).items():
                found[name] = AsServed(standing, served.source, served.bodies)
        missing = [n for n in waiting if n not in found and n not in self._others.without]
        if missing:
            raise self._missing(missing)
        return found

    def at(self, row: LayerRow, commit: str) -> InRepository:
        """Return *commit* of a layer, from a repository; ConfigurationError if none has it."""
        tried = []
        for repository, source in self._repositories(row):
            try:
                return InRepository(repository.objects, repository.revision(commit), source)
            except RefMissing:
                tried.append(source)
        where = f"; {' and '.join(tried)} do not have it" if tried else ""
        raise ConfigurationError(
            f"layer {row.name} is not at hand at {commit[:12]}{where}",
            hint=f"name a repository that has it: --with {row.name}=DIR",
        )

    def _repositories(self, row: LayerRow) -> Iterator[tuple[LocalRepository, str]]:
        given = self._others.checkouts.get(row.name)
        if given is not None:
            yield self._open(given[0]), str(given[0])
        if marker(folder_of(self._state, row.name)) is not None:
            yield self._open(folder_of(self._state, row.name)), f"the mirror in {self._state}"

    def _open(self, folder: Path) -> LocalRepository:
        return self._opened.enter_context(LocalRepository(folder))

    def _checkout(self, row: LayerRow) -> InRepository | None:
        given = self._others.checkouts.get(row.name)
        if given is None:
            return None
        folder, spec = given
        repository = self._open(folder)
        if spec is not None:
            return InRepository(repository.objects, repository.revision(spec), f"{folder}@{spec}")
        commit = self._commits.get(row.name, "")
        if commit and repository.objects.has(commit):
            told = repository.revision(commit)
            return InRepository(repository.objects, told, f"{folder}, as it is served")
        ref = repository.main(repository.followed(row.repository)) or "HEAD"
        lacks = f", which does not have {commit[:12]} that is served" if commit else ""
        return InRepository(repository.objects, repository.revision(ref), f"{folder}@{ref}{lacks}")

    def _mirror(self, row: LayerRow) -> InRepository | None:
        folder = folder_of(self._state, row.name)
        if marker(folder) is None:
            return None
        try:
            repository = self._open(folder)
            spec = self._commits.get(row.name) or HEAD_REF
            if not repository.objects.at(spec):
                return None
            told = repository.revision(spec)
        except GitsourceError:
            return None  # damaged, or being made anew: what else there is may do
        return InRepository(repository.objects, told, f"the mirror in {self._state}")

    def _missing(self, names: Sequence[str]) -> ConfigurationError:
        first = names[0]
        layers = f"layers {', '.join(names)} are" if len(names) > 1 else f"layer {first} is"
        return ConfigurationError(
            f"{layers} not at hand: what would be overridden, what conflicts, and which versions "
            "sinks would get cannot be known",
            hint=f"name a checkout (--with {first}=DIR), what is served (--against), or a state "
            f"directory (--state-dir); or plan without it (--without {first})",
        )


def _commits(served: TakenApart | None, state: Path) -> Mapping[str, str]:
    """Return which commit of each layer is served, as far as anybody says."""
    if served is not None and served.commits:
        return served.commits
    folder = state / "history"
    if not folder.is_dir():
        return {}
    entries = History(folder, readonly=True).entries()
    return {each.name: each.commit for each in entries[-1].revision.layers} if entries else {}
