"""Of somebody supposed is said what the sinks' door does: who it is, or why it is refused."""

from __future__ import annotations

import pytest

from gitsource.security.identity import Unproved
from gitsource.security.peer import NOBODY, Peer
from gitsource.security.supposed import supposed
from gitsource.settings.doors import Identity, Tls, Tokens, TrustDomain
from gitsource.settings.whole import Settings

ISSUER = "https://iss"
PLAIN = Settings()
PROD = Identity(trust_domains=(TrustDomain("prod.example.org"),), names=("spiffe", "cn"))
TOKENS = Tokens(jwks_file="j.json", issuer=ISSUER, audience="g")
FILES = {"cert": "c.pem", "key": "c.key", "ca": "ca.pem"}
BOTH = Settings(tls=Tls(**FILES, clients="optional"), identity=PROD, tokens=TOKENS)
STRICT = Settings(tls=Tls(**FILES), identity=PROD, tokens=TOKENS)
CERTIFICATES = Settings(tls=Tls(**FILES, clients="optional"), identity=PROD)
BEARERS = Settings(tokens=TOKENS)


def spiffe(text):
    return Peer(means="mtls", spiffe_id=text, identity=text)


def token(name, **claims):
    return Peer(means="jwt", identity=f"jwt:{name}", claims=claims)


GOOD = spiffe("spiffe://prod.example.org/ns/foo/sa/x")
NAMED = Peer(means="mtls", dns=("a.example.org",), identity="dns:a.example.org")
BOB = token(f"bob@{ISSUER}", group="ops")

REFUSED = {
    "no SPIFFE ID": (spiffe("spiffe://prod.example.org/ns/foo/../x"), PLAIN, "no X.509-SVID"),
    "an ID of no workload": (spiffe("spiffe://prod.example.org"), BOTH, "no X.509-SVID"),
    "another trust domain": (spiffe("spiffe://evil.org/ns/foo/sa/x"), BOTH, "none of ours"),
    "a name that does not count": (NAMED, BOTH, "none of the names that count (spiffe, cn)"),
    "another issuer": (token("bob@https://other"), BOTH, "somebody else issued it"),
    "a token without its certificate": (BOB, STRICT, "a certificate is needed"),
    "a token where none is taken": (BOB, CERTIFICATES, "no token is taken"),
    "a certificate without TLS": (GOOD, BEARERS, "no certificate is asked for"),
    "nobody, by certificate": (NOBODY, STRICT, "a certificate is needed"),
    "nobody, by token": (NOBODY, BEARERS, "a certificate or a bearer token is needed"),
    "a token of nobody": (token(f"@{ISSUER}"), BOTH, "subject is no name"),
}


@pytest.mark.parametrize(("peer", "settings", "why"), REFUSED.values(), ids=REFUSED)
def test_whoever_the_door_refuses_is_refused(peer, settings, why):
    with pytest.raises(Unproved) as raised:
        supposed(peer, settings)

    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("peer", "settings"),
    [(GOOD, BOTH), (GOOD, STRICT), (GOOD, PLAIN), (NAMED, PLAIN), (NOBODY, PLAIN)],
)
def test_whoever_comes_in_is_who_it_says(peer, settings):
    assert peer == supposed(peer, settings)


def test_nobody_comes_in_where_certificates_are_optional():
    assert NOBODY == supposed(NOBODY, CERTIFICATES)


def test_a_token_has_the_claims_that_its_name_is_made_of():
    claims = {"sub": "bob", "iss": ISSUER}

    assert claims | {"aud": "g", "group": "ops"} == supposed(BOB, BOTH).claims
    assert claims | {"group": "ops"} == supposed(BOB, PLAIN).claims


def test_names_that_do_not_count_are_no_part_of_who_comes_in():
    both = Peer(means="mtls", spiffe_id=GOOD.spiffe_id, dns=("a",), common_name="c", identity="x")

    told = supposed(both, BOTH)
    assert (GOOD.spiffe_id, (), "c", GOOD.spiffe_id) == (
        told.spiffe_id,
        told.dns,
        told.common_name,
        told.identity,
    )
