"""Bearer tokens: taken when somebody we know signed them for us and now, and never otherwise."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gitsource.errors import ConfigurationError
from gitsource.security.identity import Unproved
from gitsource.security.tokens import Tokens

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER, AUDIENCE = "https://issuer.example.org", "gitsource"


def jwk(key, kid, **more):
    kind = jwt.algorithms.RSAAlgorithm if key is RSA else jwt.algorithms.ECAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": kid} | more


def jwks(*rows):
    return json.dumps({"keys": list(rows)})


def token(key=KEY, kid="one", algorithm="ES256", headers=None, **claims):
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "envoy", "iat": now, "exp": now + 60} | claims
    told = {name: value for name, value in told.items() if value is not None}
    named = {"kid": kid} if kid is not None else {}
    return jwt.encode(told, key, algorithm, headers=named | (headers or {}))


@pytest.fixture
def told():
    return []


@pytest.fixture
def tokens(tmp_path, told):
    file = tmp_path / "jwks.json"
    file.write_text(jwks(jwk(KEY, "one"), jwk(RSA, "two", alg="RS256")))
    made = Tokens(
        file,
        issuer=ISSUER,
        audience=AUDIENCE,
        algorithms=("ES256", "RS256", "HS256", "none"),
        record=lambda one: told.append((one.event, one.outcome)),
    )
    made.load()
    return made


def why(tokens, text):
    with pytest.raises(Unproved) as raised:
        tokens.peer(f"Bearer {text}", "ipv4:10.0.0.1:5")
    assert text not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "made",
    [
        token,
        lambda: token(RSA, "two", "RS256"),
        lambda: token(aud=["other", AUDIENCE]),
        lambda: token(exp=int(time.time()) - 10),  # within the skew
        lambda: token(nbf=int(time.time()) + 10),
    ],
)
def test_a_good_token_says_who_it_is(made, tokens):
    peer = tokens.peer(f"bearer {made()}", "ipv4:10.0.0.1:5")

    assert f"jwt:envoy@{ISSUER}" == peer.identity
    assert ("jwt", "envoy", True) == (peer.means, peer.claims["sub"], peer.known)
    assert peer.expires == peer.claims["exp"] + 30
    assert "" == peer.spiffe_id


def hmac_with_the_public_key():
    """The old trick: a public key, which everybody has, taken for a shared secret."""
    import base64
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "envoy", "exp": now + 60}
    head = part(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    body = head + b"." + part(json.dumps(claims).encode())
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (body + b"." + part(hmac.new(pem, body, hashlib.sha256).digest())).decode()


def with_another_signature():
    head, body, _ = token().split(".")
    return f"{head}.{body}.{token(OTHER).split('.')[2]}"


BAD = {
    "signed by nobody": (lambda: token(None, algorithm="none"), "its key says"),
    "signed with the public key": (hmac_with_the_public_key, "its key says"),
    "signed by somebody else": (lambda: token(OTHER), "signature is wrong"),
    "with another's signature": (with_another_signature, "signature is wrong"),
    "of an unknown key": (lambda: token(kid="three"), "no key"),
    "of no key, where there are two": (lambda: token(kid=None), "no key"),
    "of another key": (lambda: token(kid="two"), "its key says"),
    "expired": (lambda: token(exp=int(time.time()) - 40), "expired"),
    "of the future": (lambda: token(nbf=int(time.time()) + 40), "counts later"),
    "without an end": (lambda: token(exp=None), "lacks"),
    "without a subject": (lambda: token(sub=None), "lacks"),
    "for somebody else": (lambda: token(aud="other"), "somebody else"),
    "for nobody": (lambda: token(aud=None), "lacks"),
    "of another issuer": (lambda: token(iss="https://evil.example.org"), "issued"),
    "of no issuer": (lambda: token(iss=None), "lacks"),
    "whose subject is a mapping": (lambda: token(sub=""), "no name"),
    "whose subject is a line of a log": (lambda: token(sub="a\nb"), "no name"),
    "with a key of its own": (
        lambda: token(OTHER, headers={"jwk": jwk(OTHER, "one")}),
        "signature is wrong",
    ),
    "with an end that is no time": (lambda: token(exp=10**400), "no JWT"),
    "endless": (lambda: "a" * 20_000, "too long"),
    "nothing": (lambda: "x", "no JWT"),
    "dots": (lambda: "a.b.c", "no JWT"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_token_that_is_no_good_proves_nothing_and_is_in_no_text(case, tokens):
    make, part = BAD[case]

    assert part in why(tokens, make())


@pytest.mark.parametrize("header", ["Basic YTpi", "", "Bearer"])
def test_what_is_no_bearer_token_proves_nothing(header, tokens):
    with pytest.raises(Unproved):
        tokens.peer(header, "ipv4:10.0.0.1:5")


async def test_other_keys_are_in_force_after_the_next_look(tokens, told):
    before = token()
    tokens._file.write_text(jwks(jwk(OTHER, "one")))
    await tokens.look()

    assert "signature" in why(tokens, before)
    assert "envoy" == tokens.peer(f"Bearer {token(OTHER)}", "").claims["sub"]
    assert [("certificate", "ok")] == told


def stands(tokens, peer):
    return "" if not tokens.fallen(peer) else "fallen"


async def test_who_came_in_by_a_key_that_is_gone_has_fallen_and_nobody_else(tokens):
    one = tokens.peer(f"Bearer {token()}", "")
    two = tokens.peer(f"Bearer {token(RSA, 'two', 'RS256')}", "")
    calls = []
    tokens.changed.append(lambda: calls.append([stands(tokens, peer) for peer in (one, two)]))
    tokens._file.write_text(jwks(jwk(RSA, "two", alg="RS256"), jwk(OTHER, "one")))
    await tokens.look()

    assert [["fallen", ""]] == calls


async def test_a_key_that_is_only_called_otherwise_is_the_same_key(tokens):
    peer = tokens.peer(f"Bearer {token()}", "")
    tokens._file.write_text(jwks(jwk(KEY, "renamed", use="sig")))
    await tokens.look()

    assert "" == tokens.fallen(peer)


FILES = {
    "no JSON": "{",
    "no set": "[]",
    "no keys": '{"keys": []}',
    "a secret": jwks({"kty": "oct", "k": "AAAA", "kid": "one"}),
    "a private key": jwks(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY))),
    "two of one kid": jwks(jwk(KEY, "one"), jwk(OTHER, "one")),
    "keys for something else": jwks(jwk(KEY, "one", use="enc")),
    "no mapping": '{"keys": [1]}',
    "nested beyond all measure": "[" * 100_000,
    "half of one": jwks(jwk(KEY, "one"))[:50],
}


@pytest.mark.parametrize("case", FILES)
async def test_a_bad_file_leaves_the_last_good_keys_and_raises_an_alarm(case, tokens, told):
    tokens._file.write_text(FILES[case])
    for _ in range(3):
        await tokens.look()

    assert "jwks.json" in tokens.alarm
    assert [("certificate", "failed")] == told
    assert tokens.peer(f"Bearer {token()}", "").known


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_stops_a_start(case, tmp_path):
    (tmp_path / "jwks.json").write_text(FILES[case])
    made = Tokens(tmp_path / "jwks.json", issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",))

    with pytest.raises(ConfigurationError, match=r"jwks\.json"):
        made.load()
