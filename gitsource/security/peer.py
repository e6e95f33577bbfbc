"""
Who is at the other end of a connection, as far as that was proved.

Rule: a `Peer` holds what a certificate or a token that was checked says, and the address; nothing
that a sink merely claims (its node ID, its metadata) is ever in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Means: TypeAlias = Literal["none", "mtls", "jwt"]
"""By what a peer proved who it is; ``none``: it did not."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer of a connection."""

    address: str = ""
    """As gRPC writes it: ``ipv4:127.0.0.1:50000``, ``unix:``."""
    means: Means = "none"
    spiffe_id: str = ""
    """Its SPIFFE ID, if its certificate (or token) has a valid one of a trust domain we trust."""
    dns: tuple[str, ...] = ()
    """DNS names of its certificate."""
    ips: tuple[str, ...] = ()
    """IP addresses of its certificate."""
    common_name: str = ""
    """Common name of its certificate's subject; old, and only by setting an identity."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """What its token says, if that is how it proved itself."""
    key: str = field(default="", repr=False)
    """Thumbprint of the key that signed its token; empty: it showed none."""
    expires: float = 0.0
    """Until when that is proved, in seconds since the epoch; 0: no end is known."""
    identity: str = ""
    """
    The one name it goes by in logs, audit and limits, by the settings' order of preference:
    ``spiffe://…``, ``dns:…``, ``ip:…``, ``cn:…``, ``jwt:SUBJECT@ISSUER``, ``dial:NAME`` for
    one that we dialled and that proved to be the server of that name; empty: nobody we know.
    """

    @property
    def trust_domain(self) -> str:
        """The trust domain of its SPIFFE ID; empty without one."""
        return self.spiffe_id.removeprefix("spiffe://").partition("/")[0]

    @property
    def known(self) -> bool:
        """Whether it proved who it is."""
        return self.means != "none" and bool(self.identity)


NOBODY = Peer()
"""Whoever proved nothing."""
