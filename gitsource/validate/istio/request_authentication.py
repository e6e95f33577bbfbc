"""
Istio's rules for RequestAuthentication: who issues tokens, where keys and tokens are found.

Rule: nothing is fetched; what a URL or a key says of itself is all there is to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import jwks, policies, urls
from gitsource.validate.istio.authorization_source import empty
from gitsource.validate.istio.subject import SPEC, Subject, error, warning
from gitsource.validate.istio.values import duration

NULLS = {
    "jwtRules.*.fromHeaders.*": "RA-15",
    "jwtRules.*.outputClaimToHeaders.*": "RA-18",
}
_HEADER = re.compile("[-_A-Za-z0-9]+")
_LARGEST = 2**63 - 1
"""What Istio reads the number of a port into."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with a RequestAuthentication."""
    spec = subject.spec
    yield from policies.applies_to(("RA-01", "RA-02", "RA-03"), subject)
    for index, rule in enumerate(spec.jwt_rules):
        yield from _rule(subject, (*SPEC, "jwtRules", index), rule)


def _rule(subject: Subject, path: FieldPath, rule: Any) -> Iterator[Problem]:
    yield from empty("RA-10", (*path, "audiences"), rule.audiences)
    if not rule.issuer and not rule.jwks_uri:
        yield error("RA-11", path, "the rule has neither issuer nor jwksUri: name the issuer")
    if rule.jwks_uri:
        yield from _jwks_uri((*path, "jwksUri"), rule.jwks_uri)
    if rule.jwks:
        yield from _jwks((*path, "jwks"), rule.jwks)
    for index, header in enumerate(rule.from_headers):
        if not header.name:
            at = subject.place((*path, "fromHeaders", index, "name"))
            yield error("RA-15", at, "the header has no name: write the one that has the token")
    yield from empty("RA-16", (*path, "fromParams"), rule.from_params)
    yield from empty("RA-17", (*path, "fromCookies"), rule.from_cookies)
    for index, copied in enumerate(rule.output_claim_to_headers):
        yield from _claim(subject, (*path, "outputClaimToHeaders", index), copied)
    if rule.HasField("timeout"):
        yield from duration("RA-20", (*path, "timeout"), rule.timeout)


def _jwks_uri(path: FieldPath, text: str) -> Iterator[Problem]:
    try:
        scheme, port = urls.scheme(text), urls.port(text)
    except urls.NoUrl as flaw:
        yield error("RA-12", path, f"{shown(text)} is no URL: it {flaw}")
        return
    if scheme not in ("http", "https"):
        told = f"has the scheme {shown(scheme)}" if scheme else "has no scheme"
        yield error("RA-12", path, f"{shown(text)} {told}: use https:// or http://")
    elif len(port.lstrip("0")) > len(str(_LARGEST)) or int(port or "0") > _LARGEST:
        yield error("RA-12", path, f"{shown(text)} names a port that is no number Istio can read")


def _jwks(path: FieldPath, text: str) -> Iterator[Problem]:
    keys = jwks.read(text)
    if keys.flaw:
        yield error("RA-13", path, f"jwks is no JSON Web Key or set of them: {keys.flaw}")
    elif keys.secret:
        message = f"jwks holds a {keys.secret} key, with which anybody can sign: keep it secret"
        yield warning("RA-14", path, message)


def _claim(subject: Subject, path: FieldPath, copied: Any) -> Iterator[Problem]:
    missing = [name for name in ("header", "claim") if not getattr(copied, name)]
    if missing:
        at = subject.place((*path, missing[0]))
        yield error("RA-18", at, f"the entry has no {' and no '.join(missing)}: write both")
    elif not _HEADER.fullmatch(copied.header):
        message = f"{shown(copied.header)} is no header: use letters, digits, '-' and '_'"
        yield error("RA-19", (*path, "header"), message)
