"""
TLS towards clients, as Gateway and the ingress of Sidecar set it.

Rule: the codes are those of Gateway (GW-30 to GW-42), whichever kind the settings stand in. What is
wrong with the settings as a whole, or missing from them, is told at the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import camel, error, warning

PASSTHROUGH, SIMPLE, MUTUAL, AUTO_PASSTHROUGH, ISTIO_MUTUAL, OPTIONAL_MUTUAL = range(6)
"""The modes, by number."""
MODES = (
    *("PASSTHROUGH", "SIMPLE", "MUTUAL"),
    *("AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"),
)
PASSING = (PASSTHROUGH, AUTO_PASSTHROUGH)
"""Modes in which the proxy does not end TLS."""
_OWN_CERTIFICATE = (SIMPLE, MUTUAL, OPTIONAL_MUTUAL)
_ASKS_CLIENTS = (MUTUAL, OPTIONAL_MUTUAL)

_TLSV1_1 = 2
_EXCHANGED = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
_CIPHERS = frozenset(
    (
        *_EXCHANGED,
        *(
            f"ECDHE-{key}-{cipher}"
            for key in ("ECDSA", "RSA")
            for cipher in (*_EXCHANGED, "CHACHA20-POLY1305")
        ),
        "DES-CBC3-SHA",
    )
)

_CERTIFICATES = (
    *("server_certificate", "private_key", "ca_certificates"),
    *("tls_certificates", "credential_name", "credential_names"),
)


def server_tls(path: FieldPath, tls: Any) -> Iterator[Problem]:
    """Judge ServerTLSSettings: the versions and ciphers, and the certificates its mode needs."""
    yield from _ciphers(path, tls)
    if tls.mode == ISTIO_MUTUAL:
        yield from _no_certificates(path, tls)
        return
    if tls.mode in PASSING:
        yield from _unused_certificates(path, tls)
    yield from _one_source(path, tls)
    if tls.mode in _OWN_CERTIFICATE:
        if tls.credential_name or tls.credential_names:
            return
        yield from _certificates(path, tls)
    yield from _revocations(path, tls)


def _ciphers(path: FieldPath, tls: Any) -> Iterator[Problem]:
    if 0 < tls.min_protocol_version <= _TLSV1_1 and not tls.cipher_suites:
        yield warning(
            "GW-30",
            (*path, "minProtocolVersion"),
            "the default ciphers are for TLS 1.2 and above: name cipherSuites that fit TLS "
            f"1.{tls.min_protocol_version - 1}, or raise minProtocolVersion",
        )
    seen = set()
    for index, cipher in enumerate(tls.cipher_suites):
        at = (*path, "cipherSuites", index)
        if not _is_cipher(cipher):
            yield warning("GW-31", at, f"{shown(cipher)} is no cipher that proxies know: remove it")
        elif cipher in seen:
            yield warning("GW-32", at, f"{shown(cipher)} is given twice: keep one")
        seen.add(cipher)


def _is_cipher(cipher: str) -> bool:
    """Say whether *cipher* is known, or an expression of OpenSSL's such as ``-ALL``."""
    return cipher in _CIPHERS or cipher in ("", "ALL") or not cipher[0].isalnum()


def _no_certificates(path: FieldPath, tls: Any) -> Iterator[Problem]:
    for field in _CERTIFICATES:
        if getattr(tls, field):
            name = camel(field)
            message = f"in mode ISTIO_MUTUAL the mesh brings the certificates: remove {name}"
            yield error("GW-33", (*path, name), message)


def _unused_certificates(path: FieldPath, tls: Any) -> Iterator[Problem]:
    for field in ("ca_crl", *_CERTIFICATES):
        if getattr(tls, field):
            name = camel(field)
            yield warning(
                "GW-34",
                (*path, name),
                f"mode {MODES[tls.mode]} leaves TLS to the workload, so {name} is not used: "
                "remove it, or change mode",
            )


def _one_source(path: FieldPath, tls: Any) -> Iterator[Problem]:
    first = "serverCertificate" if tls.server_certificate and tls.private_key else ""
    for field in ("credential_name", "credential_names", "tls_certificates"):
        if not getattr(tls, field):
            continue
        name = camel(field)
        if first:
            message = f"{name} and {first} both bring certificates: keep one of them"
            yield error("GW-35", (*path, name), message)
        first = first or name


def _certificates(path: FieldPath, tls: Any) -> Iterator[Problem]:
    mode = MODES[tls.mode]
    if tls.mode in _ASKS_CLIENTS and not tls.ca_certificates:
        message = f"mode {mode} needs caCertificates, by which clients are judged: set it"
        yield error("GW-37", (*path, "caCertificates"), message)
    if len(tls.tls_certificates) > 2:
        yield error(
            "GW-38",
            (*path, "tlsCertificates"),
            f"there are {len(tls.tls_certificates)} certificates: keep an RSA and an ECDSA one",
        )
    pairs = [((*path, "tlsCertificates", i), p) for i, p in enumerate(tls.tls_certificates)]
    for at, pair in pairs or [(path, tls)]:
        if not pair.server_certificate:
            yield error(
                "GW-39",
                (*at, "serverCertificate"),
                f"mode {mode} needs a serverCertificate: set it",
            )
        if not pair.private_key:
            yield error("GW-40", (*at, "privateKey"), f"mode {mode} needs a privateKey: set it")


def _revocations(path: FieldPath, tls: Any) -> Iterator[Problem]:
    if not tls.ca_crl:
        return
    at = (*path, "caCrl")
    if tls.credential_name:
        yield error("GW-41", at, "with credentialName the list is in the secret: remove caCrl")
    if tls.mode == SIMPLE:
        message = "mode SIMPLE judges no client certificates: remove caCrl, or use MUTUAL"
        yield error("GW-42", at, message)
