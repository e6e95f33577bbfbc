"""
Which certificates were taken back: lists of authorities, and what they say of a whole chain.

Rule: pure. Every certificate of a chain is looked up, not only the peer's own. A list counts if the
authority above the certificate signed it; one that has run out lets nobody in below it. The last of
a verified chain is trusted as it stands, so it needs no list, but one that names it counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cryptography import x509

REMEMBERED = 1024
"""Authorities of which is remembered whether they signed a list."""

Name: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Whose list it is, however it is encoded."""

_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """What one authority has taken back."""

    told: x509.CertificateRevocationList = field(repr=False)
    serials: frozenset[int]
    starts: float
    """From when on it counts, in seconds since the epoch."""
    ends: float
    """When the next one is due, likewise; 0: that is not said."""
    _signed: dict[bytes, bool] = field(default_factory=dict, repr=False)

    def is_of(self, authority: bytes) -> bool:
        """Whether *authority* (DER) signed it."""
        known = self._signed.get(authority)
        if known is None:
            from cryptography import x509

            key = x509.load_der_x509_certificate(authority).public_key()
            try:
                known = self.told.is_signature_valid(key)  # type: ignore[arg-type] # or it raises
            except TypeError:
                known = False
            if len(self._signed) >= REMEMBERED:
                self._signed.clear()
            self._signed[authority] = known
        return known


@dataclass(frozen=True, slots=True)
class Revocations:
    """All lists that are in force."""

    by_issuer: Mapping[Name, tuple[RevocationList, ...]] = field(default_factory=dict)
    every: bool = False
    """Whether each certificate of a chain but the last needs the list of who issued it; if not,
    what is above the peer's own is looked up where there is a list."""

    def fault(self, chain: Sequence[bytes], now: float) -> str:
        """
        Return why *chain* (DER, verified, the peer's own first) counts no more; empty: it does.

        *now* is in seconds since the epoch; 0: whether lists have run out does not matter.
        """
        if not self.by_issuer:
            return ""
        from cryptography import x509

        certificates = [x509.load_der_x509_certificate(one) for one in chain]
        for at, one in enumerate(certificates):
            last = at == len(chain) - 1
            lists = self.by_issuer.get(_name(one.issuer), ())
            if not last:
                lists = tuple(each for each in lists if each.is_of(chain[at + 1]))
            if any(one.serial_number in each.serials for each in lists):
                return _revoked(one, at)
            if last:
                continue
            if not lists and self.every:
                return f"there is no revocation list of {_shown(one.issuer)} (tls.crl)"
            if lists and now and all(each.ends and each.ends < now for each in lists):
                return f"the revocation list of {_shown(one.issuer)} has run out (tls.crl)"
        return ""


def spans(revocations: Revocations) -> Iterator[tuple[str, float, float]]:
    """Yield whose lists there are, from when on and until when one of them counts (0: for ever)."""
    for lists in revocations.by_issuer.values():
        ends = 0.0 if any(not one.ends for one in lists) else max(one.ends for one in lists)
        yield _shown(lists[0].told.issuer), min(one.starts for one in lists), ends


def revocations_of(pem: bytes, *, every: bool = False) -> Revocations:
    """Return the lists in *pem*; raises ValueError if one is broken or there is none."""
    found: dict[Name, tuple[RevocationList, ...]] = {}
    for one in _read(pem):
        due = one.next_update_utc
        made = RevocationList(
            one,
            frozenset(entry.serial_number for entry in one),
            one.last_update_utc.timestamp(),
            due.timestamp() if due else 0.0,
        )
        name = _name(one.issuer)
        found[name] = (*found.get(name, ()), made)
    if not found:
        raise ValueError("there is no revocation list (PEM)")
    return Revocations(found, every)


def _read(pem: bytes) -> Iterator[x509.CertificateRevocationList]:
    from cryptography import x509

    for part in _LIST.findall(pem):
        yield x509.load_pem_x509_crl(part)


def _name(name: x509.Name) -> Name:
    return tuple((each.oid.dotted_string, each.value) for each in name)


def _shown(name: x509.Name) -> str:
    return name.rfc4514_string()[:200] or "a nameless authority"


def _revoked(one: x509.Certificate, at: int) -> str:
    if not at:
        return "certificate revoked"
    return f"certificate revoked: that of {_shown(one.subject)}, above the peer's own"
