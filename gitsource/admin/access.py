"""
Who is at the operators' door, and what they may do there.

Rule: pure, as far as the tokens it is given are. A token is compared with every one that counts, by
digest and in constant time, so that nothing is told by how long a refusal takes. Whoever proves
nothing is somebody only where the settings ask nobody; what a caller says of itself gives no right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitsource.catalog.whole import path_glob
from gitsource.security.peer import Peer
from gitsource.settings.doors import AdminIdentity

Role: TypeAlias = Literal["viewer", "operator"]

LONGEST_TOKEN = 4096
"""Characters of a token that is looked at at all."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token that counts."""

    name: str
    """Whose it is."""
    role: Role
    digest: bytes
    """SHA-256 of it: the token itself is nowhere in memory for longer than it takes."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    identity: str = ""
    """``token:NAME``, ``spiffe://…``, ``uid:1000``; empty: nobody that is known."""
    role: Role | None = None
    """None: nothing is allowed but what is open to all."""
    why: str = ""
    """Why there is no role, for the log; never told to the caller."""

    def may(self, wanted: Role) -> bool:
        """Whether the caller may do what takes the role *wanted*."""
        return self.role in {"operator", wanted}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a connection and a request show of who is there."""

    authorization: tuple[str, ...] = ()
    """The Authorization headers."""
    peer: Peer | None = None
    """Who a certificate says it is."""
    unproved: str = ""
    """Why a certificate says nothing."""
    user: int | None = None
    """The user at the other end of a Unix socket, which the kernel tells."""


class Access:
    """Decides who a caller is by *tokens* and *identities*."""

    def __init__(
        self,
        tokens: Callable[[], Sequence[Token]] = lambda: (),
        identities: Sequence[AdminIdentity] = (),
        *,
        asked: bool = False,
    ) -> None:
        """*asked*: whether anybody has to prove anything; if not, whoever comes is an operator."""
        self._tokens = tokens
        self._identities = [(path_glob(row.identity), row.role) for row in identities]
        self._asked = asked

    def caller(self, shown: Shown) -> Caller:
        """Return who shows this."""
        if shown.authorization:
            return self._by_token(shown.authorization)
        if shown.user is not None:
            return Caller(f"uid:{shown.user}", "operator")
        if shown.peer is not None and shown.peer.known:
            return self._by_identity(shown.peer.identity)
        if not self._asked:
            return Caller(role="operator")
        return Caller(why=shown.unproved or "neither a token nor a certificate")

    def _by_token(self, headers: Sequence[str]) -> Caller:
        scheme, _, given = headers[0].partition(" ")
        if len(headers) != 1 or scheme.lower() != "bearer" or len(given) > LONGEST_TOKEN:
            return Caller(why="the Authorization header holds no bearer token")
        digest = digest_of(given.strip().encode("utf-8", "surrogateescape"))
        found = Caller(why="the token is not known")
        for token in self._tokens():
            if hmac.compare_digest(token.digest, digest):
                found = Caller(f"token:{token.name}", token.role)
        return found

    def _by_identity(self, identity: str) -> Caller:
        for pattern, role in self._identities:
            if pattern.fullmatch(identity):
                return Caller(identity, role)
        return Caller(identity, why="no role for this identity (admin.identities)")


def digest_of(token: bytes) -> bytes:
    """Return what tokens are compared by."""
    return hashlib.sha256(token).digest()
