"""
Policies as people write them: lists of rules, in the settings and in the repository.

Rule: rules are put together once, into one policy. Of one list: what the rules with `allow` and
`only` grant, less what those with `deny` and the `only` of others take. Of all: what the settings
grant, and what the repository grants within the ceiling that the settings set; the denials of the
settings hold for both. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gitsource.model import FieldPath
from gitsource.security.authorize import subjects
from gitsource.security.authorize.policy import AllOf, AnyOf, Granted, Not, Policy
from gitsource.security.authorize.rights import EVERYTHING, Rights
from gitsource.security.peer import Peer
from gitsource.selectors import Claims
from gitsource.settings.rights import Authorization, Rule, RuleResources
from gitsource.settings.units import Words
from gitsource.settings.views import ViewResources, ViewRow

MOST = 200
"""Rules of one list, so that no policy takes long to decide."""
BESIDE = ("namespaces", "labels", "annotations", "collections")
"""What a grant of views cannot ask for as well."""
GIVEN_UP = ViewResources(collections=Words(("",)))
"""What a grant of views means of which none is known: no collection has this name."""


@dataclass(frozen=True)
class Listed:
    """One rule, as it is in force."""

    rule: Rule
    title: str
    """Its own, or its place: ``policy[2]``."""
    rights: Rights
    """What it grants or denies."""

    def mismatch(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> str:
        """Return why it is not about *peer*; empty if it is."""
        return subjects.mismatch(self.rule.to, peer, node, protocol, hopeful=hopeful)

    @property
    def granted(self) -> Granted:
        """What it says, as a policy."""
        return Granted(self.rights, self.rule.to)


@dataclass(frozen=True)
class Rules:
    """One list of rules."""

    rows: tuple[Listed, ...] = ()

    @cached_property
    def grants(self) -> Policy:
        """What is granted, before anything is denied."""
        return AnyOf(tuple(row.granted for row in self.rows if row.rule.effect != "deny"))

    @cached_property
    def limits(self) -> Policy:
        """What nobody is denied."""
        return AllOf(tuple(map(_limit, (row for row in self.rows if row.rule.effect != "allow"))))

    @cached_property
    def policy(self) -> Policy:
        """Both."""
        return AllOf((self.grants, self.limits))


def _limit(row: Listed) -> Policy:
    """Return what is left to a peer by a rule that denies, to it or to all others."""
    if row.rule.effect == "deny":
        return Not(row.granted)
    return AnyOf((Granted(EVERYTHING, row.rule.to), Not(Granted(row.rights))))


@dataclass(frozen=True)
class Book:
    """All rules that are in force together; without any, nobody may receive anything."""

    settings: Rules = Rules()
    repository: Rules = Rules()
    ceiling: Rules = Rules()

    @cached_property
    def policy(self) -> Policy:
        """The one policy that they are."""
        within = AllOf((self.ceiling.policy, self.repository.policy))
        return AllOf((AnyOf((self.settings.grants, within)), self.settings.limits))

    def lists(self) -> Iterator[tuple[str, Rules]]:
        """Yield each list with what it is called."""
        yield "settings", self.settings
        yield "repository", self.repository
        yield "ceiling", self.ceiling

    def matched(self, peer: Peer, node: Claims | None, protocol: str) -> tuple[str, ...]:
        """Return the titles of the rules that are about *peer*."""
        return tuple(
            row.title
            for _, rules in self.lists()
            for row in rules.rows
            if not row.mismatch(peer, node, protocol)
        )

    def selectors(self) -> tuple[ViewResources, ...]:
        """Return every selector that rights by these rules can ask, each once."""
        rows = (row for _, rules in self.lists() for row in rules.rows)
        return tuple(dict.fromkeys(one for row in rows for one in row.rights.selectors()))


def book(
    settings: Authorization, views: Sequence[ViewRow], repository: Iterable[Rules] = ()
) -> Book:
    """Return the rules of *settings*, with those of the *repository*."""
    rows = tuple(row for rules in repository for row in rules.rows)
    return Book(
        listed(settings.policy, views, "policy"),
        Rules(rows),
        listed(settings.ceiling, views, "ceiling"),
    )


def listed(rules: Iterable[Rule], views: Sequence[ViewRow], place: str) -> Rules:
    """Return *rules*, which stand at *place*, as they are in force with *views*."""
    known = {view.name: view.resources for view in views}
    return Rules(
        tuple(
            Listed(rule, rule.title or f"{place}[{at}]", _rights(rule.resources, known))
            for at, rule in enumerate(rules)
        )
    )


def _rights(grant: RuleResources, views: Mapping[str, ViewResources]) -> Rights:
    if grant.views:
        shown = [views[name] for name in grant.views if name in views]
        return Rights.to(*(shown or [GIVEN_UP]))
    return Rights.to(
        ViewResources(grant.namespaces, grant.labels, grant.annotations, grant.collections)
    )


# --------------------------------------------------------------------------- what is wrong


def faults(rules: Sequence[Rule], views: Iterable[str] | None) -> Iterator[tuple[FieldPath, str]]:
    """
    Yield what is wrong with *rules*, each with its place in the list.

    *views* are the names of those that there are; None: that is not known.
    """
    if len(rules) > MOST:
        yield (), f"{len(rules)} rules are more than {MOST}: name several sinks in one rule"
        return
    known = None if views is None else set(views)
    titles: dict[str, int] = {}
    for at, rule in enumerate(rules):
        for path, text in subjects.faults(rule.to):
            yield (at, "to", *path), text
        if rule.effect == "deny" and rule.to.nodes != Rule().to.nodes:
            text = "a node that may not receive something would say otherwise: deny what is proved"
            yield (at, "to", "nodes"), text
        if rule.title and titles.setdefault(rule.title, at) != at:
            yield (at, "title"), f"rule {titles[rule.title]} has the title {rule.title} already"
        if rule.resources == RuleResources():
            yield (at,), 'expected the resources it is about; all of them: {collections: ["*"]}'
        beside = [name for name in BESIDE if getattr(rule.resources, name)]
        if rule.resources.views and beside:
            yield (at, "resources", "views"), f"views stand alone, without {beside[0]}"
        for index, name in enumerate(rule.resources.views):
            if known is not None and name not in known:
                yield (at, "resources", "views", index), f"there is no view {name}"
