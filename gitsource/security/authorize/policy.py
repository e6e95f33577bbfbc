"""
Policies: who may receive what, as small pure values that are put together.

Rule: each of them answers `allows`, and decides by its arguments alone: what a peer proved, what
its node says, what it speaks. `AnyOf` nothing allows nothing, `AllOf` nothing allows everything.
Whatever no policy allows is denied.

    AllOf((AnyOf((istiod, gateways)), Not(secrets)))
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gitsource.security.authorize.rights import EVERYTHING, NOTHING, Rights
from gitsource.security.authorize.subjects import mismatch
from gitsource.security.peer import Peer
from gitsource.selectors import Claims
from gitsource.settings.rights import Subject


class Policy(Protocol):
    """Decides what a peer may receive."""

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """
        Return what *peer*, which says to be *node* and speaks *protocol*, may receive.

        *hopeful*: the most that it may receive, whatever its node will say.
        """


@dataclass(frozen=True, slots=True)
class Granted:
    """Those whom *to* is about may receive *rights*; None: everybody may."""

    rights: Rights
    to: Subject | None = None

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """Return the rights if it is about *peer*, else nothing."""
        if self.to is None or not mismatch(self.to, peer, node, protocol, hopeful=hopeful):
            return self.rights
        return NOTHING


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What at least one of *policies* allows."""

    policies: tuple[Policy, ...] = field(default=())

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """Return the union."""
        return Rights.any(
            each.allows(peer, node, protocol, hopeful=hopeful) for each in self.policies
        )


@dataclass(frozen=True, slots=True)
class AllOf:
    """What all of *policies* allow."""

    policies: tuple[Policy, ...] = field(default=())

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """Return the intersection."""
        return Rights.all(
            each.allows(peer, node, protocol, hopeful=hopeful) for each in self.policies
        )


@dataclass(frozen=True, slots=True)
class Not:
    """All that *policy* does not allow."""

    policy: Policy

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        """
        Return the complement.

        What a node will say cannot be hoped for here: nothing that depends on it counts as denied.
        """
        return ~self.policy.allows(peer, None if hopeful else node, protocol)


OPEN: Policy = Granted(EVERYTHING)
"""Everything to everybody."""
CLOSED: Policy = AnyOf()
"""Nothing to anybody."""
