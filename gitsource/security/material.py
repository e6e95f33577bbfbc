"""
Certificates, keys and authorities: read, compared, taken over, without a connection being dropped.

Rule: what is in force is always whole and good. Everything is read, tried out together, and only
then takes the place of what was there; what is no good leaves the old in force and raises an alarm
that names the file. Contents are compared, not times: Kubernetes swaps a symlink, others rename or
write in place. A key is never on disk by our doing, nor in any text.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Happening, Record, unrecorded
from gitsource.security.revocation import Revocations, revocations_of

log = logging.getLogger("gitsource.security")

LARGEST = 4 * 1024 * 1024
"""Bytes of one file; bundles of all public authorities have a quarter of a megabyte."""
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SOON = 0.1
"""The part of a certificate's life that is left when it is time to worry."""


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


class Material:
    """
    The papers of one door, kept up to date by `watch`.

    *read* is called in a thread and raises `Unusable`; *door* names it in the log.
    """

    def __init__(
        self,
        read: Callable[[], Papers],
        needs: Needs,
        *,
        door: str = "sinks",
        every: float = 5.0,
        record: Record = unrecorded,
    ) -> None:
        self._read = read
        self._needs = needs
        self._door = door
        self._every = every
        self._record = record
        self._now: InForce | None = None
        self._bad = b""
        """Digest of papers, or text of why they cannot be read, met at the last look."""
        self.alarm = ""
        """What is wrong with the newest papers; empty while they are in force."""
        self.reloads = 0
        self.failures = 0
        self.changed: list[Callable[[], None]] = []
        """Called, on the event loop, when other papers are in force."""

    def __repr__(self) -> str:
        return f"<Material {self._door} reloads={self.reloads} alarm={self.alarm!r}>"

    @property
    def in_force(self) -> InForce:
        """What counts now, once `load` has returned."""
        if self._now is None:
            raise AssertionError("papers are loaded before a door is opened")
        return self._now

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is made with."""
        return self.in_force.context

    def load(self) -> None:
        """Read the papers for the first time; raises ConfigurationError if they are no good."""
        try:
            self._now = tried(self._read(), self._needs)
        except Unusable as error:
            raise ConfigurationError(
                f"TLS for {self._door}: {error}",
                hint="name PEM files that fit together; see docs/identity.md",
            ) from error

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Look once, and take over what is new and good."""
        seen, found = b"", None
        try:
            papers = await asyncio.to_thread(self._read)
            seen = papers.digest
            if seen != self.in_force.digest:
                found = await asyncio.to_thread(tried, papers, self._needs)
        except Unusable as error:
            told = str(error)
            seen = seen or told.encode()
            # Files that are written one after the other do not fit together for a moment.
            if self._bad == seen:
                self._alarmed(told)
            self._bad = seen
            return
        if found is None:
            self._mended()
            return
        self._now = found
        self.reloads += 1
        self._mended()
        ends = datetime.fromtimestamp(found.ends, UTC).isoformat()
        log.info("TLS for %s: new papers are in force, until %s", self._door, ends)
        facts = {"door": self._door, "serial": found.serial, "ends": ends}
        self._record(Happening("certificate", outcome="ok", facts=facts))
        for call in self.changed:
            call()

    def _mended(self) -> None:
        self._bad = b""
        if self.alarm:
            log.info("TLS for %s: its files are good again", self._door)
        self.alarm = ""

    def _alarmed(self, why: str) -> None:
        if self.alarm == why:
            return
        self.alarm = why
        self.failures += 1
        log.error("TLS for %s: %s; the last good papers stay in force", self._door, why)
        facts = {"door": self._door}
        self._record(Happening("certificate", outcome="failed", why=why, facts=facts))


# --------------------------------------------------------------------------- reading


def read_file(path: Path, setting: str) -> bytes:
    """Return the content of *path*; raises `Unusable`, which names *setting* and file."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unusable(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise Unusable(f"{setting}: {path} has more than {LARGEST} bytes")
    return content


def files(
    chain: Path, key: Path, *, ca: Mapping[str, Path], crl: Path | None, group: str = "tls"
) -> Callable[[], Papers]:
    """Return what reads papers from files; *ca* is by trust domain, *group* names the settings."""

    def once() -> Papers:
        return Papers(
            read_file(chain, f"{group}.cert"),
            read_file(key, f"{group}.key"),
            {domain: read_file(path, _setting(domain, group)) for domain, path in ca.items()},
            read_file(crl, f"{group}.crl") if crl else b"",
            {
                "chain": f"{group}.cert ({chain})",
                "key": f"{group}.key ({key})",
                "crl": f"{group}.crl ({crl})",
                **{f"bundle {name}": f"{_setting(name, group)} ({ca[name]})" for name in ca},
            },
        )

    def read() -> Papers:
        # A folder may be swapped between two files; what is read twice alike belongs together.
        papers = once()
        for _ in range(3):
            again = once()
            if again.digest == papers.digest:
                break
            papers = again
        return papers

    return read


def _setting(domain: str, group: str) -> str:
    return f"{group}.ca" if not domain else f"identity.trust_domains[{domain}].ca"


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
    return InForce(
        context,
        papers.digest,
        authorities,
        _named(revocations),
        revocations,
        f"{leaf.serial_number:x}",
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
    )


def _show(context: ssl.SSLContext, papers: Papers) -> None:
    """Have *context* show the chain with its key."""
    chain, key = papers.names.get("chain", "the certificate"), papers.names.get("key", "the key")
    if not _CERTIFICATE.search(papers.chain):
        raise Unusable(f"{chain} holds no certificate (PEM)")
    if b"PRIVATE KEY-----" not in papers.key:
        raise Unusable(f"{key} holds no private key (PEM)")
    with _Memory(papers.chain) as shown, _Memory(papers.key) as secret:
        try:
            context.load_cert_chain(shown, secret, password=_unasked)
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
        with _Memory(papers.crl) as path:
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


def _unasked() -> str:
    """Return no password: OpenSSL would ask the terminal for one."""
    return ""


class _Memory:
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
