"""
SPIFFE IDs, and the certificates that carry them (X.509-SVIDs), by SPIFFE's own rules.

Rule: what breaks one of the rules is no ID; nothing is repaired, folded or guessed. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

SCHEME = "spiffe://"
LONGEST = 2048
"""Bytes of an ID."""
LONGEST_DOMAIN = 255
"""Bytes of a trust domain."""
_DOMAIN = re.compile(r"[a-z0-9._-]+")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def fault_of_domain(name: str) -> str:
    """Return what keeps *name* from being a trust domain; empty if nothing does."""
    if len(name) > LONGEST_DOMAIN:
        return f"a trust domain has at most {LONGEST_DOMAIN} characters"
    if not _DOMAIN.fullmatch(name):
        return "a trust domain is made of a-z, 0-9, dots, dashes and underscores"
    return ""


def fault_of(text: str) -> str:
    """Return what keeps *text* from being the SPIFFE ID of a workload; empty if nothing does."""
    if not text.startswith(SCHEME):
        return "a SPIFFE ID begins with spiffe://"
    if len(text.encode("utf-8", "replace")) > LONGEST:
        return f"a SPIFFE ID has at most {LONGEST} bytes"
    domain, slash, path = text.removeprefix(SCHEME).partition("/")
    if fault := fault_of_domain(domain):
        return fault
    if not slash:
        return "the SPIFFE ID of a workload has a path"
    for segment in path.split("/"):
        if segment in {"", ".", ".."} or not _SEGMENT.fullmatch(segment):
            return "the path of a SPIFFE ID has segments of letters, digits, dots, dashes and _"
    return ""


def fault_of_leaf(certificate: x509.Certificate) -> str:
    """Return what keeps *certificate* from being the X.509-SVID of a workload; empty if nothing."""
    from cryptography import x509

    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return "it is the certificate of an authority"
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "it has no key usage"
    if not usage.digital_signature:
        return "its key usage lacks digitalSignature"
    if usage.key_cert_sign or usage.crl_sign:
        return "its key usage is that of an authority"
    return ""
