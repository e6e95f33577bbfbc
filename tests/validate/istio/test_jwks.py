"""Keys are looked at member by member; what they are worth is not asked."""

import json

import pytest

from gitsource.validate.istio import jwks
from gitsource.validate.istio.jwks import Keys

RSA = {"kty": "RSA", "n": "sXchDaQe", "e": "AQAB"}
EC = {"kty": "EC", "crv": "P-256", "x": "f83O", "y": "x_FE"}
FLAWS = {
    "": "is not JSON",
    "keys": "is not JSON",
    '{"keys": [}': "is not JSON",
    '{"keys": NaN}': "is not JSON",
    "[" * 100_000: "is not JSON",
    "null": "has to be a JSON object, not null",
    "[]": "has to be a JSON object, not a list of 0",
    "{}": "the key has no kty",
    '{"keys": {}}': "keys has to be a list",
    '{"keys": [1]}': "key 1 of 1 has to be a JSON object, not 1",
    '{"keys": [null]}': "key 1 of 1 has to be a JSON object",
    '{"kty": 7}': "the key has kty 7",
    '{"kty": "rsa"}': "the key has kty 'rsa'",
    json.dumps({"keys": [RSA, {**RSA, "n": None}]}): "key 2 of 2 has no n",
    json.dumps({**EC, "y": "a+b_"}): "as y, which is not base64",
    json.dumps({**EC, "y": "abcde"}): "as y, which is not base64",
    json.dumps({**EC, "y": "abc=="}): "as y, which is not base64",
    json.dumps({**RSA, "e": 65537}): "65537 as e, which has to be text",
    json.dumps({**RSA, "kid": 1}): "1 as kid, which has to be text",
    json.dumps({"kty": "OKP", "crv": "Ed25519"}): "the key has no x",
    json.dumps({"kty": "oct"}): "the key has no k",
}


@pytest.mark.parametrize("text", FLAWS, ids=lambda text: text[:40])
def test_what_cannot_be_read_says_which_key_and_why(text):
    keys = jwks.read(text)

    assert FLAWS[text] in keys.flaw
    assert "" == keys.secret


@pytest.mark.parametrize(
    "value",
    [
        RSA,
        EC,
        {"keys": []},
        {"keys": None},
        {"keys": [RSA, EC], "next": [1.5]},
        {**RSA, "n": "ab+/", "e": "AQ==", "alg": "none", "x5c": ["not looked at"], "use": "sig"},
        {**RSA, "n": "sXch\nDaQe"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    ],
)
def test_public_keys_are_taken(value):
    assert Keys() == jwks.read(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ({"kty": "oct", "k": "c2hvcA"}, "symmetric"),
        ({**RSA, "d": "AAAA"}, "private"),
        ({"keys": [EC, {**EC, "d": "AAAA"}]}, "private"),
        ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "priv": "AAAA"}, "private"),
    ],
)
def test_a_secret_is_noticed(value, secret):
    assert Keys(secret=secret) == jwks.read(json.dumps(value))
