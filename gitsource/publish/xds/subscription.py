"""
What a client wants of one type: names, all, or nothing any more.

Rule: no names mean all only if the client never gave a name on this stream; after that, no names
mean nothing. `*` always means all. Over delta, a name that is given again is owed again, and so is
one that was given up while all are wanted: the client dropped it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gitsource.publish.xds.types import Type
from gitsource.publish.xds.words import ALL

NO_NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is wanted; equal ones select the same."""

    names: frozenset[str] = NO_NAMES
    """Those it gave, but for `*`."""
    all: bool = False
    named: bool = False
    """Whether it ever gave a name."""
    globs: frozenset[str] = field(default=NO_NAMES, compare=False)
    """Those of the names that stand for whole lists."""
    aliased: bool = field(default=False, compare=False)
    """Whether resources may be asked for by other names than their own."""

    @property
    def nothing(self) -> bool:
        """Whether nothing can ever match."""
        return not self.all and not self.names

    @property
    def wildcard(self) -> bool:
        """Whether it is all, and nothing by name."""
        return self.all and not self.names


def sotw(before: Subscription | None, kind: Type, names: frozenset[str]) -> Subscription:
    """Return what a SotW request with *names* asks for, after *before* (None: it is the first)."""
    if names:
        given = names - {ALL} if ALL in names else names
        lists = globs(given, before)
        return Subscription(given, ALL in names, named=True, globs=lists, aliased=bool(kind.under))
    if before is None:
        return Subscription(all=kind.wildcard)
    return Subscription(named=True) if before.named else before


def delta(
    before: Subscription | None,
    kind: Type,
    subscribe: frozenset[str],
    unsubscribe: frozenset[str],
) -> tuple[Subscription, frozenset[str]]:
    """
    Return what is wanted after a delta request, and the names owed whatever the client has.

    A name that is both given and given up in one request is given.
    """
    if before is None:
        everything = ALL in subscribe or (not subscribe and kind.wildcard)
        names = subscribe - {ALL} if ALL in subscribe else subscribe
        wanted = Subscription(
            names, everything, bool(subscribe), globs(names, None), bool(kind.under)
        )
        return wanted, NO_NAMES
    if not subscribe and not unsubscribe:
        return before, NO_NAMES
    dropped = unsubscribe - subscribe
    given = subscribe - {ALL} if ALL in subscribe else subscribe
    everything = ALL in subscribe or (before.all and ALL not in dropped)
    owed = given | (before.names & dropped) if everything else given
    names = (before.names - dropped if dropped else before.names) | given
    # Only what is new is looked at: names may come one by one, and be many.
    lists = (before.globs - dropped) | globs(given, None) if given or dropped else before.globs
    return replace(before, names=names, all=everything, named=True, globs=lists), owed


def globs(names: frozenset[str], before: Subscription | None) -> frozenset[str]:
    """Return those of *names* that stand for whole lists, as LEDS asks for them."""
    if before is None:
        # Nearly never there is one, and names are many: one look at all of them says so.
        return frozenset(filter(is_glob, names)) if _GLOB in "\n".join(names) else NO_NAMES
    if names is before.names:
        return before.globs
    return (before.globs & names) | globs(names - before.names, None)


def is_glob(name: str) -> bool:
    """Say whether *name* is that of a whole list."""
    return name.endswith("/*") and name.startswith(_GLOB)


_GLOB = "xdstp:"
"""How the name of a whole list begins."""
