"""
What must hold of the settings of the sinks' door: TLS, identities, tokens.

Rule: pure. On a network nobody is served in plaintext unless somebody wrote `insecure`; and no
setting is taken that would let in more peers, or fewer, than it says.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitsource.settings.whole import Settings
from gitsource.settings_checks.addresses import is_private

NAMES = ("spiffe", "dns", "ip", "cn")
"""What of a certificate can name its holder."""
ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
"""How tokens may be signed at all: with a key whose public part is enough to check it."""
DOMAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
LARGEST_SKEW = 300.0
"""Seconds."""

Told = tuple[str, tuple[str | int, ...], str]
"""The setting, where in it, and what is wrong."""


def sink_door_faults(settings: Settings) -> Iterator[Told]:
    """Yield what is wrong."""
    yield from _papers(settings)
    yield from _identity(settings)
    yield from _tokens(settings)
    if why := unguarded(settings):
        yield "listen.mcp", (), why


def over_tls(settings: Settings) -> bool:
    """Whether sinks are served over TLS."""
    return bool(settings.tls.cert or settings.tls.workload_api)


def exposed(settings: Settings) -> bool:
    """Whether sinks are served in plaintext on a network, since somebody wanted it so."""
    return settings.insecure and not over_tls(settings) and not is_private(settings.listen.mcp)


def unguarded(settings: Settings) -> str:
    """Return what the sinks' address lacks of what a network asks for; empty if nothing."""
    if over_tls(settings) or is_private(settings.listen.mcp) or settings.insecure:
        return ""
    return (
        "on a network it needs tls.cert, tls.key and tls.ca, or tls.workload_api "
        "(keep it on 127.0.0.1, or set insecure)"
    )


def _papers(settings: Settings) -> Iterator[Told]:
    tls = settings.tls
    if tls.cert and not tls.key:
        yield "tls.cert", (), "needs tls.key, the private key of the certificate"
    if tls.key and not tls.cert:
        yield "tls.key", (), "needs tls.cert, the certificate that it is for"
    if tls.workload_api:
        if not tls.workload_api.startswith(("unix:/", "tcp://")):
            yield "tls.workload_api", (), "expected an address such as unix:///run/spire/agent.sock"
        for name in ("cert", "key", "ca"):
            if getattr(tls, name):
                yield f"tls.{name}", (), "belongs to files; tls.workload_api is in their place"
    domains = settings.identity.trust_domains
    if tls.cert and tls.clients != "none" and not tls.ca and not any(row.ca for row in domains):
        yield "tls.cert", (), "needs tls.ca, which vouches for sinks (or tls.clients: none)"
    yield from _beside_papers(settings)


def _beside_papers(settings: Settings) -> Iterator[Told]:
    """Yield what is of no use without something else."""
    tls = settings.tls
    if tls.crl_chain != "given" and not tls.crl:
        yield "tls.crl_chain", (), "needs tls.crl, the lists that are wanted of them"
    for name in ("ca", "crl", "clients", "min_version"):
        given = getattr(tls, name) not in {None, "require", "1.3"}
        if given and not over_tls(settings):
            yield f"tls.{name}", (), "needs tls.cert: without it there is no TLS"


def _identity(settings: Settings) -> Iterator[Told]:
    identity, tls = settings.identity, settings.tls
    for index, name in enumerate(identity.names):
        if name not in NAMES:
            yield "identity.names", (index,), f"expected some of {', '.join(NAMES)}"
    taken: set[str] = set()
    for index, row in enumerate(identity.trust_domains):
        if not row.name or len(row.name) > 255 or not DOMAIN.issuperset(row.name):
            text = "expected a trust domain: a-z, 0-9, dots, dashes and underscores"
            yield "identity.trust_domains", (index, "name"), text
        elif row.name in taken:
            yield "identity.trust_domains", (index, "name"), f"there is another {row.name}"
        taken.add(row.name)
        if not row.ca and not tls.ca and not tls.workload_api:
            text = f"needs ca (or tls.ca): nobody may vouch for {row.name}"
            yield "identity.trust_domains", (index,), text
        if row.ca and tls.workload_api:
            text = "the Workload API has the bundles: it is either that or files"
            yield "identity.trust_domains", (index, "ca"), text
    asked = over_tls(settings) and tls.clients != "none" and not tls.workload_api
    if asked and "spiffe" in identity.names and not identity.trust_domains:
        text = "needs identity.trust_domains (or identity.names without spiffe)"
        yield "tls.cert", (), text


def _tokens(settings: Settings) -> Iterator[Told]:
    tokens = settings.tokens
    if tokens.jwks_file:
        for name in ("issuer", "audience"):
            if not getattr(tokens, name):
                yield "tokens.jwks_file", (), f"needs tokens.{name}: another's tokens are no good"
    for index, name in enumerate(tokens.algorithms):
        if name not in ALGORITHMS:
            text = f"expected some of {', '.join(sorted(ALGORITHMS))}"
            yield "tokens.algorithms", (index,), text
    if tokens.skew > LARGEST_SKEW:
        yield "tokens.skew", (), "expected at most 5m"
