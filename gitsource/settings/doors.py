"""
Who reaches gitsource, where, and by what they prove who they are.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitsource.settings.units import Address, Door, FilePath, Seconds, Words


@dataclass(frozen=True, slots=True)
class Listen:
    """Where sinks and operators reach gitsource."""

    mcp: Address = Address("127.0.0.1:9901")
    """The gRPC server for sinks. On a network it needs `tls.cert` (or `tls.workload_api`), or
    `insecure`."""
    admin: Door = Door("127.0.0.1:9902")
    """HTTP for operators: health, metrics, status and commands. Also `unix:/run/gitsource.sock`,
    for this user and root alone. On a network it needs `admin.cert`, and `admin.tokens` or
    `admin.identities`; or `insecure`."""


@dataclass(frozen=True, slots=True)
class AdminToken:
    """Whoever has one of these tokens is let in at `listen.admin`."""

    name: str
    """Who that is, in status and audit log."""
    file: FilePath | None = None
    """File with the token, 16 characters at least; several, one a line, while rotating. Looked at
    again at each request. Required."""
    role: Literal["viewer", "operator"] = "viewer"
    """`viewer` reads, `operator` also gives orders."""


@dataclass(frozen=True, slots=True)
class AdminIdentity:
    """Whoever shows a certificate of such a name is let in at `listen.admin`."""

    identity: str = ""
    """Pattern of the identity (`spiffe://prod/ns/ops/sa/*`, `dns:ada.example.com`): `*` is any text
    without a slash, `**` any. The trust domain is written out. Required."""
    role: Literal["viewer", "operator"] = "viewer"
    """`viewer` reads, `operator` also gives orders."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Who may do what at `listen.admin`. Without tokens and identities: whoever reaches it."""

    cert: FilePath | None = None
    """File with the certificate chain (PEM) that is shown there. Absent: plaintext. Files of TLS
    are looked at again and again, as those of `tls`."""
    key: FilePath | None = None
    """File with its private key. Required with `cert`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for operators. Required for `identities`."""
    crl: FilePath | None = None
    """File with certificates of operators that were revoked."""
    tokens: tuple[AdminToken, ...] = ()
    """Bearer tokens, each with a role."""
    identities: tuple[AdminIdentity, ...] = ()
    """Certificates, each with a role. The first that fits counts."""
    open: Words = Words(("/healthz", "/readyz"))
    """Paths that need neither: any of `/healthz`, `/readyz` and `/metrics`. What stands in the way
    of readiness is told to nobody but who may read."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What gitsource shows to sinks at `listen.mcp`, and whose certificates it takes there."""

    cert: FilePath | None = None
    """File with the certificate chain (PEM) that is shown. Absent: plaintext, which needs a
    loopback address or `insecure`. All files of TLS are looked at again and again; a change counts
    for new connections, and files that are no good leave the last good ones in force."""
    key: FilePath | None = None
    """File with its private key (PEM, no passphrase). Required with `cert`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for sinks. Required unless `clients` is `none`."""
    crl: FilePath | None = None
    """File with certificates that were revoked (PEM): a list of each authority that issues to
    sinks. Open connections of what is revoked, or of what stands below it, are ended. A list that
    has run out lets nobody in."""
    crl_chain: Literal["given", "all"] = "given"
    """Authorities between a sink's certificate and one that is trusted as it stands. `given`: they
    are looked up in the lists that `crl` has. `all`: each certificate of a chain but the last needs
    the list of who issued it; without it, who is below is not let in, and is told so."""
    workload_api: str | None = None
    """In place of `cert`, `key` and `ca`: the SPIFFE Workload API (`unix:///run/spire/agent.sock`).
    Needs `gitsource[spiffe]`."""
    clients: Literal["require", "optional", "none"] = "require"
    """`require`: who has no good certificate is not let in. `optional`: who shows none needs a
    token if `tokens.jwks_file` is set, and else is nobody in particular. `none`: none is asked
    for; the same then."""
    min_version: Literal["1.2", "1.3"] = "1.3"
    """The oldest TLS that is spoken. Sinks of classic MCP may need `1.2`."""
    reload: Seconds = Seconds(5.0)
    """How often files (or the Workload API) are looked at."""


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """A SPIFFE trust domain whose IDs count."""

    name: str
    """`prod.example.org`: what stands between `spiffe://` and the next slash."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for IDs of this domain, and for nothing else.
    Absent: `tls.ca`, or the bundle of the Workload API."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What of a certificate says who a sink is."""

    names: Words = Words(("spiffe",))
    """What counts, best first: `spiffe` (an X.509-SVID of `trust_domains`), `dns`, `ip`, `cn`. Who
    has none of them is not let in."""
    trust_domains: tuple[TrustDomain, ...] = ()
    """The SPIFFE trust domains whose IDs count. With the Workload API and without any: its own."""
    expired: Literal["end", "keep"] = "end"
    """What becomes of a stream when the certificate or token by which it was let in runs out.
    `keep`: it goes on; only new ones are not let in."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens (JWT, in `authorization`) for sinks that cannot show a certificate."""

    jwks_file: FilePath | None = None
    """File with the public keys (a JWKS) of who issues them; looked at again and again. Absent:
    tokens say nothing."""
    issuer: str = ""
    """What `iss` has to be. Required with `jwks_file`."""
    audience: str = ""
    """What `aud` has to name. Required with `jwks_file`: a token for another server is no good."""
    algorithms: Words = Words(("RS256", "ES256", "PS256", "EdDSA"))
    """How they may be signed; only with keys whose public part is enough."""
    skew: Seconds = Seconds(30.0)
    """By how much clocks may differ; at most 5m."""
