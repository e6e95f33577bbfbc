"""
What each sink is shown: by the policy that is in force, and by the views of the settings.

Rule: the policy that is in force belongs to the snapshot that is served. The rules in the
repository come out of that very snapshot, so they and what they are about change in one step; rules
of it that cannot be read grant nothing. What is told of rights is for operators alone, and the
collection that holds the rules is in nothing that is served. An `Era` is one policy with the views
under it: streams whose rights are equal share what they are shown there. No I/O.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gitsource.model import Collection, Snapshot
from gitsource.observe.happenings import Fact, Happening
from gitsource.observe.neutral import neutral
from gitsource.publish.showing.views import Gone, Kept, Views
from gitsource.publish.words import Node
from gitsource.security.authorize.documents import COLLECTION, in_force
from gitsource.security.authorize.rights import EVERYTHING, Rights
from gitsource.security.authorize.rules import Book, Listed, Rules, book
from gitsource.security.authorize.subjects import claimed
from gitsource.security.peer import Peer
from gitsource.settings.rights import Authorization
from gitsource.settings.views import ViewNodes, ViewRow

log = logging.getLogger("gitsource.publish")

LIVE = 2
"""Policies of which the views are kept: those of snapshots that are asked for in turns."""
GROUPS = 4096
"""Sets of matching rules of which the rights are remembered."""
SNAPSHOTS = 4
"""Snapshots of which is remembered what is left of them without the rules."""


@dataclass(eq=False)
class Era:
    """One policy, and what it shows."""

    book: Book
    views: Views
    digest: str
    """Of the rules: the same on every replica. Empty: there are none, and everything is allowed."""
    names: bool
    """Whether there are views, so that the status names those that take a node."""
    fault: str = ""
    """Why the rules in the repository cannot be read, and none of them counts; empty: they can."""
    _rights: dict[tuple[tuple[bool, ...], ...], Rights] = field(default_factory=dict, repr=False)
    """By which rules are about a peer, and which might be once its node has spoken."""
    _proved: dict[tuple[object, ...], tuple[bool, ...]] = field(default_factory=dict, repr=False)
    """By what a peer proved: which rules are about it, whatever its node says."""

    @property
    def open(self) -> bool:
        """Whether everybody may receive everything."""
        return not self.digest

    def rights(
        self, who: Peer, node: Node | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """
        Return what *who*, which says to be *node* and speaks *protocol*, may receive.

        *hopeful*: the most it may receive, whatever its node will say.
        """
        if self.open:
            return EVERYTHING
        hits = [self._hits(who, None if hopeful else node, protocol)]
        if hopeful:
            hits.append(self._hits(who, node, protocol, hopeful=True))
        found = self._rights.get(key := tuple(hits))
        if found is None:
            found = self.book.policy.allows(who, node, protocol, hopeful=hopeful)
            if len(self._rights) >= GROUPS:
                self._rights.clear()
            self._rights[key] = found
        return found

    def _hits(
        self, who: Peer, node: Node | None, protocol: str, *, hopeful: bool = False
    ) -> tuple[bool, ...]:
        """Return of each rule whether it is about *who*."""
        told = tuple(tuple(claimed(who.claims, key)) for key in self._claims)
        proof = (who.means, who.spiffe_id, who.dns, who.ips, who.identity, told, protocol)
        hits = self._proved.get(proof)
        if hits is None:
            hits = tuple(not row.mismatch(who, None, protocol, hopeful=True) for row in self._rows)
            if len(self._proved) >= GROUPS:
                self._proved.clear()
            self._proved[proof] = hits
        if hopeful or not self._noding:
            return hits
        found = list(hits)
        for at in self._noding:
            found[at] = hits[at] and not self._rows[at].mismatch(who, node, protocol)
        return tuple(found)

    @cached_property
    def _rows(self) -> tuple[Listed, ...]:
        return tuple(row for _, rules in self.book.lists() for row in rules.rows)

    @cached_property
    def _noding(self) -> tuple[int, ...]:
        """Which rules ask a node as well."""
        asking = (at for at, row in enumerate(self._rows) if row.rule.to.nodes != ViewNodes())
        return tuple(asking)

    @cached_property
    def _claims(self) -> tuple[str, ...]:
        """The claims that rules ask for."""
        return tuple(sorted({key for row in self._rows for key, _ in row.rule.to.claims}))

    def seen(self, snapshot: Snapshot, node: Node | None, rights: Rights) -> Snapshot:
        """Return what a *node* that has *rights* is shown of *snapshot*."""
        return self.views.seen(snapshot, node, rights)

    def within(
        self, collection: Collection, rights: Rights, now: Snapshot, node: Node | None, gone: Gone
    ) -> Collection:
        """Return what a *node* has *rights* to of *collection* of any time; *now* is served."""
        if rights.everything:
            return collection
        shown = self.views.seen(now, node, rights)
        return self.views.within(collection, rights, now, shown, gone)

    def told(
        self, who: Peer, node: Node | None, protocol: str, rights: Rights
    ) -> dict[str, Any] | None:
        """Return what operators are told of a stream's rights; None where everybody has all."""
        if self.open:
            return None
        return {
            "identity": who.identity or None,
            "group": rights.group,
            "rights": str(rights),
            "rules": list(self.book.matched(who, node, protocol)),
        }


class Access:
    """The policies in force for the snapshots of one group."""

    def __init__(
        self,
        kept: Kept,
        views: Sequence[ViewRow] = (),
        authorization: Authorization | None = None,
        *,
        guarded: bool = False,
    ) -> None:
        """With *guarded*, sinks have to prove who they are: without rules none gets anything."""
        self._kept = kept
        self._eras: OrderedDict[str, Era] = OrderedDict()
        self._published: deque[tuple[Snapshot, Snapshot]] = deque(maxlen=SNAPSHOTS)
        self._told: str | None = None
        """Digest of the policy that was told last; None: none was."""
        self._views: tuple[ViewRow, ...] = ()
        self._settings = Authorization()
        self._guarded = False
        self.configure(views, authorization or Authorization(), guarded=guarded)

    def __repr__(self) -> str:
        return f"<Access eras={[era.digest[:10] or 'open' for era in self._eras.values()]}>"

    def configure(
        self, views: Sequence[ViewRow], authorization: Authorization, *, guarded: bool
    ) -> None:
        """Go by other settings from now on."""
        self._views, self._settings, self._guarded = tuple(views), authorization, guarded
        for era in self._eras.values():
            era.views.retire()
        self._eras.clear()

    @property
    def gone(self) -> Gone:
        """What is served no longer, as it was last."""
        return self._kept.gone

    def published(self, snapshot: Snapshot) -> Snapshot:
        """Return *snapshot* without the rules in it: no sink is sent them, whatever its rights."""
        if COLLECTION not in snapshot.collections:
            return snapshot
        for whole, result in self._published:
            if whole is snapshot:
                return result
        left = {name: one for name, one in snapshot.collections.items() if name != COLLECTION}
        result = Snapshot.of(snapshot.revision, left, snapshot.findings)
        self._published.append((snapshot, result))
        return result

    def start(self) -> Era | None:
        """Return the policy that holds before the first snapshot; None: that one will say."""
        return None if self._settings.repository_file else self._era(None)

    def at(self, snapshot: Snapshot) -> Era:
        """Return the policy that *snapshot* is served by."""
        if not self._settings.repository_file:
            return self._era(None)
        return self._era(snapshot.collections.get(COLLECTION))

    def _era(self, policies: Collection | None) -> Era:
        version = policies.version if policies is not None else ""
        era = self._eras.get(version)
        if era is None:
            era = self._eras[version] = self._begun(policies)
            if len(self._eras) > LIVE:
                self._eras.popitem(last=False)[1].views.retire()
        self._eras.move_to_end(version)
        return era

    def news(self, snapshot: Snapshot) -> Happening | None:
        """Return that another policy is in force with *snapshot* than was told last, if so."""
        era, before = self.at(snapshot), self._told
        if era.digest == before:
            return None
        self._told = era.digest
        by, revision = bool(self._settings.repository_file), snapshot.revision
        facts: dict[str, Fact] = {
            "before": before or "",
            "after": era.digest,
            "rules": sum(len(rules.rows) for _, rules in era.book.lists()),
            "commit": revision.commit if by else "",
            "author": neutral(revision.author) if by else "",
        }
        return Happening("policy", outcome="ok" if era.digest else "open", facts=facts)

    def status(self, snapshot: Snapshot | None) -> dict[str, Any]:
        """Return how the status tells what is in force."""
        era = self.at(snapshot) if snapshot is not None else self.start()
        lists = era.book.lists() if era is not None else ()
        return {
            "open": era is not None and era.open,
            "policy": era.digest[:12] if era is not None and era.digest else None,
            "rules": sum(len(rules.rows) for _, rules in lists),
            "fault": (era.fault or None) if era is not None else None,
        }

    def _begun(self, policies: Collection | None) -> Era:
        settings = self._settings
        repository: tuple[Rules, ...] = ()
        fault = ""
        if policies is not None:
            try:
                repository = in_force(policies, self._views)
            except ValueError as error:
                fault = neutral(str(error))
                log.error("the rules in the repository cannot be read, none counts: %s", fault)
        rules = book(settings, self._views, repository)
        guarded = bool(settings.policy or settings.repository_file or self._guarded)
        views = Views(self._views, self._kept, rules.selectors())
        digest = _digest(rules) if guarded else ""
        return Era(rules, views, digest, bool(self._views), fault)


def _digest(rules: Book) -> str:
    told = [(where, row.title, row.rule, row.rights.group) for where, listed in rules.lists()
            for row in listed.rows]  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()
