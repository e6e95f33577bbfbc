"""
Which news matter: the refs and the repository that the settings name.

Rule: pure, and in the order of `gitsource.git.refs`: what names a ref more exactly wins. Who wants
one commit looks where that commit may come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gitsource.settings.following import Repository
from gitsource.settings.whole import Settings
from gitsource.triggers.same_repository import foreign

TAGS = "refs/tags/"
HEADS = "refs/heads/"


def full_ref(ref: str) -> str:
    """Return the full name of *ref*, a branch or already a full name."""
    return ref if ref.startswith("refs/") or ref == "HEAD" else HEADS + ref


@dataclass(frozen=True, slots=True)
class Followed:
    """Which news matter."""

    ref: str
    """Full name of the ref that is followed. ``HEAD`` stands for any branch, and a name that ends
    in a slash for all refs below it."""
    addresses: tuple[str, ...] = ()
    """All addresses under which the repository may be told of."""
    fixed: bool = False
    """Whether one commit is wanted, wherever the ref may go."""

    def concerns(self, ref: str) -> bool:
        """Whether a move of *ref* is news."""
        if self.ref == "HEAD":
            return ref.startswith(HEADS)
        return ref == self.ref or (self.ref.endswith("/") and ref.startswith(self.ref))

    def awaits(self, ref: str) -> bool:
        """Whether a commit that *ref* is said to be at will be the head, once it is visible."""
        return ref == self.ref and ref.startswith(HEADS) and not self.fixed

    def told_of(self, repositories: Iterable[str]) -> Followed | None:
        """Return what matters of news about *repositories*; None: they are about another one."""
        return None if foreign(repositories, self.addresses) else self


@dataclass(frozen=True, slots=True)
class Several:
    """The same for several layers: what matters to one of them matters."""

    layers: tuple[Followed, ...]

    def concerns(self, ref: str) -> bool:
        """Whether a move of *ref* is news to any of them."""
        return any(layer.concerns(ref) for layer in self.layers)

    def awaits(self, ref: str) -> bool:
        """Whether a commit that *ref* is said to be at will be the head of any of them."""
        return any(layer.awaits(ref) for layer in self.layers)

    def told_of(self, repositories: Iterable[str]) -> Several | None:
        """Return the layers that news about *repositories* matter to; None if there are none."""
        told = tuple(repositories)
        layers = tuple(layer for layer in self.layers if layer.told_of(told) is not None)
        return Several(layers) if layers else None


News: TypeAlias = Followed | Several
"""Which news matter, to a single repository or to several layers."""


def ref_of(repository: Repository) -> str:
    """Return the ref that is followed, as `Followed.ref` has it."""
    if not repository.commit:
        if repository.name:
            return repository.name
        if repository.semver:
            return TAGS
        if repository.tag:
            return TAGS + repository.tag
    return full_ref(repository.branch or repository.ref)


def followed_by(settings: Settings) -> News:
    """Return which news matter to who has these *settings*."""
    others = settings.webhook.repositories
    each = tuple(followed(repository, others) for repository in settings.repositories)
    return Several(each) if settings.layers else each[0]


def followed(repository: Repository, others: tuple[str, ...] = ()) -> Followed:
    """Return which news matter to who follows *repository*, also known as *others*."""
    addresses = (repository.url, *others)
    return Followed(ref_of(repository), addresses, fixed=bool(repository.commit))
