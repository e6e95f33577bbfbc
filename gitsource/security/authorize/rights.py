"""
What a sink may receive, as one canonical value.

Rule: rights are what several clauses allow all together, each of them one of its terms: a selector
of resources, or everything but that. Equal rights are equal values with equal hashes, so streams
that have them share what is worked out for one. They are combined with `&`, `|` and `~` and never
changed. No I/O.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import product
from operator import or_
from typing import TypeAlias

from gitsource.selectors import ResourceSelector
from gitsource.settings.units import Globs, Words
from gitsource.settings.views import ViewResources

_GLOBBING = frozenset("*?[")

ALL_OF_IT = ViewResources()
"""The selector of every resource."""


@dataclass(frozen=True, slots=True)
class Term:
    """The resources that a selector means, or all others."""

    resources: ViewResources
    meant: bool = True
    """False: all resources but those."""

    @property
    def always(self) -> bool:
        """Whether every resource is meant."""
        return self.meant and self.resources == ALL_OF_IT

    @property
    def never(self) -> bool:
        """Whether no resource is."""
        return not self.meant and self.resources == ALL_OF_IT

    def __invert__(self) -> Term:
        return Term(self.resources, not self.meant)

    def __str__(self) -> str:
        return described(self.resources) if self.meant else f"not {described(self.resources)}"


Clause: TypeAlias = frozenset[Term]


@dataclass(frozen=True)
class Rights:
    """What may be received: what every clause has a term for. Made by `of`, `&`, `|` and `~`."""

    clauses: frozenset[Clause] = frozenset()

    @classmethod
    def of(cls, clauses: Iterable[Clause]) -> Rights:
        """Return the one value for *clauses*: those that say nothing of their own are left out."""
        short: set[Clause] = set()
        for clause in clauses:
            terms = frozenset(term for term in clause if not term.never)
            if not any(term.always or ~term in terms for term in terms):
                short.add(terms)
        # What must hold by itself settles every clause that speaks of it.
        settled: set[Term] = set()
        while alone := {term for one in short if len(one) == 1 for term in one} - settled:
            settled |= alone
            false = {~term for term in alone}
            short = {one if one.isdisjoint(false) else one - false for one in short}
        return cls(frozenset(_least(short)))

    @classmethod
    def all(cls, several: Iterable[Rights]) -> Rights:
        """Return what every one of *several* allows; everything if there are none."""
        return cls.of(clause for one in several for clause in one.clauses)

    @classmethod
    def any(cls, several: Iterable[Rights]) -> Rights:
        """Return what at least one of *several* allows; nothing if there are none."""
        # Most have one clause, and those are one together: only the others are multiplied.
        plain: set[Term] = set()
        product_of = []
        for one in several:
            if len(one.clauses) == 1:
                plain.update(*one.clauses)
            else:
                product_of.append(one)
        return reduce(or_, product_of, cls.of((frozenset(plain),)))

    @classmethod
    def to(cls, *resources: ViewResources) -> Rights:
        """Return the rights to all that one of *resources* means."""
        return cls.of((frozenset(Term(ordered(one)) for one in resources),))

    def __and__(self, other: Rights) -> Rights:
        return Rights.of(self.clauses | other.clauses)

    def __or__(self, other: Rights) -> Rights:
        return Rights.of(one | two for one, two in product(self.clauses, other.clauses))

    def __invert__(self) -> Rights:
        return Rights.of(frozenset(choice) for choice in product(*(map(_turned, self.clauses))))

    @property
    def everything(self) -> bool:
        """Whether there is nothing that may not be received."""
        return not self.clauses

    @cached_property
    def nothing(self) -> bool:
        """Whether there is nothing that may be received, as far as the rules alone tell."""
        return frozenset() in self.clauses or any(map(self._apart, ("namespaces", "collections")))

    def _apart(self, part: str) -> bool:
        """Whether clauses ask for names that no resource has all of at once."""
        left: set[str] | None = None
        for clause in self.clauses:
            asked = [getattr(term.resources, part) if term.meant else () for term in clause]
            names = {name for globs in asked for name in globs}
            if all(asked) and not any(set(name) & _GLOBBING for name in names):
                left = names if left is None else left & names
        return left is not None and not left

    @cached_property
    def group(self) -> str:
        """Short name of these rights, the same on every replica: equal rights have equal names."""
        if self.everything:
            return "everything"
        if self.nothing:
            return "nothing"
        told = sorted(sorted(map(repr, clause)) for clause in self.clauses)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:10]

    def selectors(self) -> Iterator[ViewResources]:
        """Yield every selector that these rights ask; some more than once."""
        return (term.resources for clause in self.clauses for term in clause)

    def admits(
        self,
        collection: str,
        namespace: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> bool:
        """Whether a resource of *collection* with these may be received."""

        def holds(term: Term) -> bool:
            selector = compiled(term.resources)
            meant = selector.concerns(collection) and selector.shows(namespace, labels, annotations)
            return meant is term.meant

        return all(any(map(holds, clause)) for clause in self.clauses)

    def __str__(self) -> str:
        if self.everything:
            return "everything"
        clauses = sorted(" or ".join(sorted(map(str, one))) or "nothing" for one in self.clauses)
        return clauses[0] if len(clauses) == 1 else " and ".join(f"({one})" for one in clauses)


def _least(clauses: set[Clause]) -> Iterator[Clause]:
    """Yield those of *clauses* that no other one is a part of, and so says already."""
    if len(clauses) < 2 or frozenset() in clauses:
        yield from clauses if len(clauses) < 2 else (frozenset(),)
        return
    # A part of a clause is found under the rarest of its own terms, so few are looked at.
    count = Counter(term for clause in clauses for term in clause)
    kept: dict[Term, list[Clause]] = defaultdict(list)
    for clause in sorted(clauses, key=len):
        if not any(part <= clause for term in clause for part in kept.get(term, ())):
            kept[min(clause, key=count.__getitem__)].append(clause)
            yield clause


def _turned(clause: Clause) -> tuple[Term, ...]:
    return tuple(~term for term in sorted(clause, key=str))


EVERYTHING = Rights()
NOTHING = Rights.of((frozenset(),))


@lru_cache(maxsize=4096)
def compiled(resources: ViewResources) -> ResourceSelector:
    """Return the selector of *resources*."""
    return ResourceSelector(resources)


def ordered(resources: ViewResources) -> ViewResources:
    """Return *resources* as all that mean the same are written."""
    return ViewResources(
        namespaces=_once(resources.namespaces),
        labels=Globs(tuple(sorted(resources.labels))),
        annotations=Globs(tuple(sorted(resources.annotations))),
        collections=_once(resources.collections),
    )


def _once(globs: Words) -> Words:
    kept = sorted(set(globs))
    return Words(()) if "*" in kept else Words(tuple(kept))


def described(resources: ViewResources) -> str:
    """Return *resources* in words, on one line."""
    parts = [
        f"{what} {'|'.join(globs)}"
        for what, globs in (
            ("collection", resources.collections),
            ("namespace", resources.namespaces),
        )
        if globs
    ]
    for what, pairs in (("label", resources.labels), ("annotation", resources.annotations)):
        parts += [f"{what} {key}={glob}" for key, glob in pairs]
    return ", ".join(parts) or "everything"
