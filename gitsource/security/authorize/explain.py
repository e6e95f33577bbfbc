"""
Why a peer may receive what it may: every rule, whether it is about the peer, and if not, why.

Rule: this is for operators alone; nothing of it ever reaches a sink. It decides nothing: the rights
in it are those of the policy itself. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gitsource.security.authorize.rights import Rights
from gitsource.security.authorize.rules import Book
from gitsource.security.peer import Peer
from gitsource.selectors import Claims


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule, asked about one peer."""

    where: str
    """``settings``, ``repository`` or ``ceiling``."""
    title: str
    effect: str
    what: str
    """The resources it is about, in words."""
    mismatch: str = ""
    """Why it is not about the peer; empty: it is."""

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return {
            "where": self.where,
            "rule": self.title,
            "effect": self.effect,
            "resources": self.what,
            "matches": not self.mismatch,
            "why_not": self.mismatch,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a peer may receive, and by which rules."""

    rights: Rights
    rules: tuple[Judged, ...]

    @property
    def matched(self) -> tuple[str, ...]:
        """Titles of the rules that are about the peer."""
        return tuple(rule.title for rule in self.rules if not rule.mismatch)


def explain(book: Book, peer: Peer, node: Claims | None, protocol: str) -> Explanation:
    """Return why *peer*, which says to be *node* and speaks *protocol*, may receive what it may."""
    rules = tuple(
        Judged(
            where,
            row.title,
            row.rule.effect,
            str(row.rights),
            row.mismatch(peer, node, protocol),
        )
        for where, listed in book.lists()
        for row in listed.rows
    )
    return Explanation(book.policy.allows(peer, node, protocol), rules)
