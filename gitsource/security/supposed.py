"""
Who the sinks' door would take somebody for, as far as the settings alone tell.

Rule: pure; what counts of a certificate or a token here is what counts of one at the door
(`security.identity`, `security.tokens`). Where the settings have neither certificates nor tokens,
whatever is supposed holds, but for what is no SPIFFE ID.
"""

from __future__ import annotations

from dataclasses import replace

from gitsource.security.identity import Unproved
from gitsource.security.peer import Peer
from gitsource.security.spiffe_id import fault_of
from gitsource.settings.whole import Settings
from gitsource.settings_checks.sinks_door import over_tls


def supposed(peer: Peer, settings: Settings) -> Peer:
    """Return who *peer*, who shows what it is said to, would be; raises `Unproved`."""
    if peer.identity.startswith("dial:"):
        return peer
    if peer.spiffe_id and (fault := fault_of(peer.spiffe_id)):
        raise Unproved(f"the certificate is no X.509-SVID: {fault}")
    tls, tokens = over_tls(settings), bool(settings.tokens.jwks_file)
    if peer.means == "jwt":
        return _by_token(peer, settings, tls=tls, tokens=tokens)
    if not tls and not tokens:
        return peer
    if not peer.known:
        if tls and settings.tls.clients == "require":
            raise Unproved("a certificate is needed (tls.clients)")
        if tokens:
            raise Unproved("a certificate or a bearer token is needed")
        return peer
    if not tls or settings.tls.clients == "none":
        raise Unproved("no certificate is asked for (tls.cert, tls.clients)")
    return _by_certificate(peer, settings)


def _by_token(peer: Peer, settings: Settings, *, tls: bool, tokens: bool) -> Peer:
    name, issuer = peer.identity.removeprefix("jwt:"), settings.tokens.issuer or ""
    if tls and settings.tls.clients == "require":
        raise Unproved("a certificate is needed (tls.clients), and it counts before a token")
    if tls and not tokens:
        raise Unproved("no token is taken (tokens.jwks_file)")
    if tokens and not name.endswith(f"@{issuer}"):
        raise Unproved(f"the token is no good: somebody else issued it (iss is not {issuer})")
    subject, _, said = name.rpartition("@")
    if tokens:
        subject, said = name.removesuffix(f"@{issuer}"), issuer
    if not subject:
        raise Unproved("the token's subject is no name")
    told = {"sub": subject, "iss": said}
    if settings.tokens.audience:
        told["aud"] = settings.tokens.audience
    return replace(peer, claims=told | dict(peer.claims))


def _by_certificate(peer: Peer, settings: Settings) -> Peer:
    names = settings.identity.names
    domains = [row.name for row in settings.identity.trust_domains]
    spiffe = peer.spiffe_id if "spiffe" in names else ""
    # With the Workload API and no domains, ours is the one that the agent names.
    if spiffe and domains and peer.trust_domain not in domains:
        raise Unproved(f"the trust domain {peer.trust_domain} is none of ours")
    dns = tuple(name.lower() for name in peer.dns) if "dns" in names else ()
    ips = peer.ips if "ip" in names else ()
    common = peer.common_name if "cn" in names else ""
    said = {
        "spiffe": spiffe,
        "dns": f"dns:{dns[0]}" if dns else "",
        "ip": f"ip:{ips[0]}" if ips else "",
        "cn": f"cn:{common}" if common else "",
    }
    identity = next((said[name] for name in names if said.get(name)), "")
    if not identity:
        raise Unproved(f"the certificate has none of the names that count ({', '.join(names)})")
    return replace(peer, spiffe_id=spiffe, dns=dns, ips=ips, common_name=common, identity=identity)
