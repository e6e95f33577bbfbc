"""
Who a certificate says its holder is: a `Peer`, or why nobody.

Rule: pure; the TLS library has verified the chain before, and here is decided what counts of it. A
certificate that begins to claim a SPIFFE ID and does it wrongly is refused, whatever else it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitsource.security.peer import Peer
from gitsource.security.spiffe_id import SCHEME, fault_of, fault_of_leaf

if TYPE_CHECKING:
    from cryptography import x509

LONGEST_NAME = 255
"""Characters of a name that is no SPIFFE ID."""
MOST_CLAIMED = 5
"""Names of a certificate that are told of somebody who is refused."""
LONGEST_CLAIM = 500
"""Characters of what is told so."""


class Unproved(Exception):
    """A peer did not prove who it is; the text says why, and holds nothing that is secret."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts."""

    names: Sequence[str]
    """Of `sink_door_checks.NAMES`, best first."""
    authorities: Mapping[str, frozenset[bytes] | None]
    """Trust domain to who may vouch for it (certificates, DER); None: whom TLS takes."""
    anything: frozenset[bytes] | None = None
    """Who may vouch for names that are no SPIFFE IDs; None: the same."""


def peer_of(chain: Sequence[bytes], rules: Rules, address: str, now: float) -> Peer:
    """
    Return who shows *chain* (DER, verified, the leaf first) at *now*; raises `Unproved`.

    *now* is in seconds since the epoch.
    """
    from cryptography import x509

    try:
        leaf = x509.load_der_x509_certificate(chain[0])
        uris, dns, ips = _alternatives(leaf)
        common = _common_name(leaf)
        ends = leaf.not_valid_after_utc
        spiffe = _spiffe(leaf, uris, chain, rules) if "spiffe" in rules.names else ""
    except Unproved:
        raise
    except Exception as error:  # what X.509's grammar forbids, and OpenSSL let pass
        # NB: of several kinds, which the library does not derive from one.
        kind = type(error).__name__
        raise Unproved(f"the certificate cannot be read ({kind})") from error
    # A resumed session was not verified anew.
    if ends < datetime.fromtimestamp(now, UTC):
        raise Unproved("certificate has expired")
    # What does not count is nowhere in a peer, so no policy can go by it.
    other = rules.anything is None or not rules.anything.isdisjoint(chain[1:])
    dns = dns if other and "dns" in rules.names else ()
    ips = ips if other and "ip" in rules.names else ()
    common = common if other and "cn" in rules.names else ""
    said = {
        "spiffe": spiffe,
        "dns": f"dns:{dns[0]}" if dns else "",
        "ip": f"ip:{ips[0]}" if ips else "",
        "cn": f"cn:{common}" if common else "",
    }
    identity = next((said[name] for name in rules.names if said[name]), "")
    if not identity:
        looked = ", ".join(rules.names)
        raise Unproved(f"the certificate has none of the names that count ({looked})")
    return Peer(
        address=address,
        means="mtls",
        spiffe_id=spiffe,
        dns=dns,
        ips=ips,
        common_name=common,
        identity=identity,
        expires=ends.timestamp(),
    )


def claims_of(leaf: bytes) -> Mapping[str, str]:
    """
    Return what a certificate (DER) says of its holder, whether or not it counts, for an auditor.

    ``claimed``: its URIs, else its DNS names; ``subject`` and ``serial``. Empty: it cannot be read.
    """
    from cryptography import x509

    try:
        read = x509.load_der_x509_certificate(leaf)
        uris, dns, _ = _alternatives(read)
        told = {
            "claimed": ", ".join((uris or dns)[:MOST_CLAIMED]),
            "subject": read.subject.rfc4514_string(),
            "serial": f"{read.serial_number:x}",
        }
    except Exception:  # noqa: BLE001 - what X.509's grammar forbids; of several kinds
        return {}
    return {name: text[:LONGEST_CLAIM] for name, text in told.items() if text}


def _spiffe(
    leaf: x509.Certificate, uris: Sequence[str], chain: Sequence[bytes], rules: Rules
) -> str:
    """Return the SPIFFE ID of *leaf*, empty if it claims none; raises `Unproved`."""
    if not any(uri.lower().startswith(SCHEME) for uri in uris):
        return ""
    if len(uris) > 1:
        raise Unproved(f"the certificate has {len(uris)} URI names: an X.509-SVID has exactly one")
    if fault := fault_of(uris[0]) or fault_of_leaf(leaf):
        raise Unproved(f"the certificate is no X.509-SVID: {fault}")
    domain = uris[0].removeprefix(SCHEME).partition("/")[0]
    if domain not in rules.authorities:
        raise Unproved(f"the trust domain {domain} is none of ours (identity.trust_domains)")
    vouching = rules.authorities[domain]
    if vouching is not None and vouching.isdisjoint(chain[1:]):
        raise Unproved(f"who vouches for the certificate may not do so for {domain}")
    return uris[0]


def _alternatives(
    leaf: x509.Certificate,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return URIs, DNS names and addresses; a DNS name or address that is none is left out."""
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), (), ()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    dns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    ips = names.get_values_for_type(x509.IPAddress)
    return tuple(uris), tuple(filter(_sound, dns)), tuple(map(str, ips))


def _common_name(leaf: x509.Certificate) -> str:
    from cryptography.x509.oid import NameOID

    found = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # Of several nobody knows which counts.
    name = str(found[0].value) if len(found) == 1 else ""
    return name if _sound(name) else ""


def _sound(name: str) -> bool:
    """Whether *name* can stand in a log and a policy: one harmless word."""
    return bool(name) and len(name) <= LONGEST_NAME and name.isascii() and name.isprintable()
