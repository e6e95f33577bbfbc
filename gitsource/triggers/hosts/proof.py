"""
Ways in which a sender proves that it knows a secret.

Rule: every secret is tried and compared in constant time, so that how long it takes tells nothing;
an empty or repeated header proves nothing. What is returned is why there is no proof: for the
operator alone, since a sender is told one thing for all causes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote

from gitsource.triggers.delivery import Delivery

MISSING = "it carries no proof"
WRONG = "no secret fits"
SHA1 = "it is signed with SHA-1 only, and webhook.allow_sha1 is off"
STALE = "its timestamp is missing, or too far from this machine's clock"
NOTHING_SIGNED = "the form has no payload that could have been signed"

STANDARD_TOLERANCE = 300.0
"""Seconds between the timestamp of a Standard Webhooks signature and now."""
GITEE_TOLERANCE = 3600.0
"""The same for Gitee's."""
_KEYED = b"whsec_"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def same(given: str, wanted: Iterable[bytes]) -> bool:
    """Whether *given* is one of *wanted*, found in constant time; empty text never is."""
    told, found = _bytes(given), False
    for each in wanted:
        found |= hmac.compare_digest(told, each)
    return found and bool(told)


def hex_signature(
    given: str,
    signed: bytes | None,
    secrets: Iterable[bytes],
    *,
    prefix: str = "sha256=",
    digest: Literal["sha256", "sha1"] = "sha256",
) -> str:
    """Say why *given* is not *prefix* and the HMAC of *signed* in hexadecimal."""
    if not given:
        return MISSING
    if signed is None:
        return NOTHING_SIGNED
    made = (prefix + hmac.new(each, signed, digest).hexdigest() for each in secrets)
    return "" if same(given, map(str.encode, made)) else WRONG


def hub_signature(delivery: Delivery, secrets: tuple[bytes, ...], *, allow_sha1: bool) -> str:
    """Say why the raw body is not signed as GitHub does; the stronger header alone counts."""
    if delivery.has("x-hub-signature-256") or not delivery.has("x-hub-signature"):
        return hex_signature(delivery.header("x-hub-signature-256"), delivery.body, secrets)
    if not allow_sha1:
        return SHA1
    given = delivery.header("x-hub-signature")
    return hex_signature(given, delivery.body, secrets, prefix="sha1=", digest="sha1")


def is_key(secret: bytes) -> bool:
    """Whether *secret* is the key of a Standard Webhooks signature."""
    return secret.startswith(_KEYED)


def standard_signature(delivery: Delivery, secrets: Iterable[bytes], now: float) -> str:
    """Say why the delivery is not signed as Standard Webhooks has it, at a time near *now*."""
    told, stamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    given = delivery.header("webhook-signature").split(" ")
    if not near(stamp, now, STANDARD_TOLERANCE):
        return STALE
    signed = b".".join((_bytes(told), _bytes(stamp), delivery.body))
    found = False
    for secret in filter(is_key, secrets):
        try:
            key = base64.b64decode(secret.removeprefix(_KEYED), validate=True)
        except binascii.Error:
            continue
        made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        for one in given[:16]:  # several while a key is replaced
            found |= same(one, (b"v1," + made,))
    return "" if found else WRONG


def gitee_signature(token: str, stamp: str, secrets: Iterable[bytes], now: float) -> str:
    """Say why *token* is not Gitee's signature over its own timestamp (in milliseconds)."""
    if not near(stamp, now, GITEE_TOLERANCE, unit=1000.0):
        return STALE
    made = [
        base64.b64encode(hmac.new(each, _bytes(stamp) + b"\n" + each, hashlib.sha256).digest())
        for each in secrets
    ]
    plain, quoted = same(token, made), same(unquote(token), made)
    return "" if plain or quoted else WRONG


def near(stamp: str, now: float, tolerance: float, unit: float = 1.0) -> bool:
    """Whether *stamp*, a number of seconds times *unit*, is within *tolerance* of *now*."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 16):
        return False
    return abs(int(stamp) / unit - now) <= tolerance


def basic(delivery: Delivery, secrets: tuple[bytes, ...]) -> str:
    """Say why basic authentication does not carry a secret: ``user:password``, or the password."""
    scheme, _, told = delivery.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return MISSING
    try:
        pair = base64.b64decode(told.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return WRONG
    whole, password = same(pair, secrets), same(pair.partition(":")[2], secrets)
    return "" if whole or password else WRONG
