"""
What papers are (certificate, key, authorities, revocation lists), and trying them out together.

Rule: either all of them make what connections can be made with, or `Unusable` says which file is no
good and why. How long each part counts is told beside. A key is never on disk by our doing, nor in
any text.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gitsource.security.revocation import Revocations, revocations_of, spans

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Papers:
    """What is shown and whom it takes, as it was read."""

    chain: bytes
    """PEM, the leaf first."""
    key: bytes = field(repr=False)
    """PEM."""
    bundles: Mapping[str, bytes] = field(default_factory=dict)
    """Trust domain to the certificates (PEM) that may vouch for it; ``""``: for anybody."""
    crl: bytes = b""
    """PEM."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What each part is called in an alarm: ``chain``, ``key``, ``crl`` and ``bundle DOMAIN``."""

    @property
    def digest(self) -> bytes:
        """What differs when anything of it does."""
        parts = (self.chain, self.key, self.crl, *(p for i in self.bundles.items() for p in i))
        made = hashlib.sha256()
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode()
            made.update(len(data).to_bytes(8, "big") + data)
        return made.digest()


@dataclass(frozen=True, slots=True)
class Span:
    """How long a part of papers counts; seconds since the epoch."""

    part: str
    """Whose span it is; the same in papers that replace each other."""
    called: str
    """What it is called in an alarm."""
    starts: float
    ends: float
    """0: for ever."""

    def fault(self, now: float) -> str:
        """Return why it does not count *now*; empty: it does."""
        if self.ends and self.ends < now:
            return f"{self.called} has run out, at {instant(self.ends)}"
        if self.starts > now:
            return f"{self.called} does not count before {instant(self.starts)}"
        return ""


@dataclass(frozen=True, slots=True)
class InForce:
    """Papers that were tried out."""

    context: ssl.SSLContext
    digest: bytes
    authorities: Mapping[str, frozenset[bytes]]
    """Trust domain (``""``: any) to certificates, DER."""
    revoked: frozenset[tuple[bytes, int]]
    """Issuer (DER) and serial number of what the CRL names."""
    revocations: Revocations
    """The same, for whole chains."""
    serial: str
    """Of the certificate that is shown, hexadecimal."""
    starts: float
    ends: float
    """Seconds since the epoch."""
    spans: tuple[Span, ...] = ()
    """The same for each part."""

    @property
    def crl_ends(self) -> float:
        """When the first list runs out; 0: there is none, or none that does."""
        ends = [one.ends for one in self.spans if one.part.startswith(_LIST_OF) and one.ends]
        return min(ends, default=0.0)

    def faults(self, now: float) -> tuple[str, ...]:
        """Return what of it does not count *now*."""
        return tuple(fault for one in self.spans if (fault := one.fault(now)))

    def worse(self, other: InForce, now: float) -> str:
        """Return what is lost by it *now* that *other* would keep; empty: nothing."""
        had = {one.part: one.fault(now) for one in other.spans}
        if had.get("chain"):
            return ""  # with nothing to show, nobody at all comes in
        told = (
            one.fault(now)
            for one in self.spans
            # A list that is new and has run out keeps those out who came in; a bundle does not.
            if not had.get(one.part, not one.part.startswith(_LIST_OF))
        )
        return "; ".join(filter(None, told))


_LIST_OF = "list of "


def instant(seconds: float) -> str:
    """Return *seconds* since the epoch as people write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class Unusable(Exception):
    """Papers that are no good; the text names the file and says why."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a door makes of papers."""

    clients: str = "none"
    """``require``, ``optional`` or ``none``: whether peers are asked for a certificate."""
    oldest: str = "1.3"
    """Of `VERSIONS`."""
    protocols: tuple[str, ...] = ()
    """ALPN."""
    every_list: bool = False
    """Whether each authority in a chain but the last needs its revocation list."""


# --------------------------------------------------------------------------- trying out

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_END = re.compile(rb"-----END [A-Z0-9 ]+-----")


def certificates(pem: bytes) -> list[bytes]:
    """Return the certificates in *pem*, each DER; raises ValueError if one is broken."""
    _whole(pem)
    return [ssl.PEM_cert_to_DER_cert(one.decode("ascii")) for one in _CERTIFICATE.findall(pem)]


def _whole(pem: bytes) -> None:
    """Raise ValueError for *pem* that ends in the middle: somebody is still writing it."""
    if pem.count(b"-----BEGIN ") != len(_END.findall(pem)):
        raise ValueError("it is cut off")


def tried(papers: Papers, needs: Needs) -> InForce:
    """Return *papers* ready for use; raises `Unusable`."""
    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[needs.oldest]
    # A resumed session would not be verified anew, and a sink stays for days anyway.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if needs.protocols:
        context.set_alpn_protocols(list(needs.protocols))
    _show(context, papers)
    authorities = {
        name: _authorities(context, name, pem, papers) for name, pem in papers.bundles.items()
    }
    if needs.clients != "none":
        if not any(authorities.values()):
            raise Unusable("nobody may vouch for peers: there is no tls.ca")
        required = needs.clients == "require"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        # A bundle may hold an authority that another one vouches for: it is trusted as it is.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    revocations = Revocations()
    if papers.crl:
        revocations = _revocations(context, papers, every=needs.every_list)
    try:
        leaf = x509.load_pem_x509_certificate(papers.chain)
    except ValueError as error:
        raise Unusable(f"{papers.names.get('chain')} cannot be read") from error
    starts, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    shown = Span("chain", f"{papers.names.get('chain', 'tls')}: the certificate", starts, ends)
    asked = authorities if needs.clients != "none" else {}
    return InForce(
        context,
        papers.digest,
        authorities,
        _named(revocations),
        revocations,
        f"{leaf.serial_number:x}",
        starts,
        ends,
        (shown, *_bundle_spans(asked, papers), *_list_spans(revocations, papers)),
    )


def _bundle_spans(authorities: Mapping[str, Iterable[bytes]], papers: Papers) -> Iterable[Span]:
    """Yield how long anybody in each bundle may vouch."""
    from cryptography import x509

    for name, bundle in authorities.items():
        found = [x509.load_der_x509_certificate(one) for one in bundle]
        part = f"bundle {name}"
        called = f"{papers.names.get(part, part)}: whoever may vouch"
        yield Span(
            part,
            called,
            min(one.not_valid_before_utc.timestamp() for one in found),
            max(one.not_valid_after_utc.timestamp() for one in found),
        )


def _list_spans(revocations: Revocations, papers: Papers) -> Iterable[Span]:
    """Yield how long there is a list of each authority."""
    called = papers.names.get("crl", "the CRL")
    for issuer, starts, ends in spans(revocations):
        yield Span(f"{_LIST_OF}{issuer}", f"{called}: the list of {issuer}", starts, ends)


def _show(context: ssl.SSLContext, papers: Papers) -> None:
    """Have *context* show the chain with its key."""
    chain, key = papers.names.get("chain", "the certificate"), papers.names.get("key", "the key")
    if not _CERTIFICATE.search(papers.chain):
        raise Unusable(f"{chain} holds no certificate (PEM)")
    if b"PRIVATE KEY-----" not in papers.key:
        raise Unusable(f"{key} holds no private key (PEM)")
    with Memory(papers.chain) as shown, Memory(papers.key) as secret:
        try:
            context.load_cert_chain(shown, secret, password=unasked)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise Unusable(f"{key} does not fit {chain}") from error
            raise Unusable(f"{chain} or {key} is broken: {error.reason or 'not PEM'}") from error
        except (OSError, ValueError) as error:
            raise Unusable(f"{chain} or {key} is broken, or the key has a passphrase") from error


def _authorities(
    context: ssl.SSLContext, domain: str, pem: bytes, papers: Papers
) -> frozenset[bytes]:
    called = papers.names.get(f"bundle {domain}", f"the bundle of {domain or 'sinks'}")
    try:
        found = certificates(pem)
        if not found:
            raise Unusable(f"{called} holds no certificate (PEM)")
        for one in found:
            context.load_verify_locations(cadata=one)
    except (ValueError, ssl.SSLError) as error:
        raise Unusable(f"{called} holds a broken certificate") from error
    return frozenset(found)


def _revocations(context: ssl.SSLContext, papers: Papers, *, every: bool) -> Revocations:
    called = papers.names.get("crl", "the CRL")
    if b"-----BEGIN X509 CRL-----" not in papers.crl:
        raise Unusable(f"{called} holds no revocation list (PEM)")
    try:
        found = revocations_of(papers.crl, every=every)
        with Memory(papers.crl) as path:
            context.load_verify_locations(cafile=path)
    except (ValueError, OSError) as error:
        raise Unusable(f"{called} is broken") from error
    # OpenSSL's check of whole chains wants a list of whoever is trusted as it stands, too; what is
    # above the peer's own is looked up when it is judged.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return found


def _named(revocations: Revocations) -> frozenset[tuple[bytes, int]]:
    """Return issuer (DER) and serial number of all that was revoked."""
    lists = (one for each in revocations.by_issuer.values() for one in each)
    return frozenset(
        (one.told.issuer.public_bytes(), serial) for one in lists for serial in one.serials
    )


def unasked() -> str:
    """Return no password: OpenSSL would ask the terminal for one."""
    return ""


class Memory:
    """A file that is nowhere on disk: OpenSSL takes some things by path alone."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.memfd_create("papers", os.MFD_CLOEXEC)
        view = memoryview(self._content)
        while view:
            view = view[os.write(self._fd, view) :]
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.close(self._fd)
