"""RequestAuthentications drawn from their messages are taken; one thing made worse is refused."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh
from attached import attached, mutations, reattached, warnings

KIND = "RequestAuthentication"
RULE = "istio.security.v1beta1.JWTRule"
HEADER = "istio.security.v1beta1.JWTHeader"
CLAIM = "istio.security.v1beta1.ClaimToHeader"
FEWER = settings(mesh.FEW, max_examples=4)

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
HEADERS = st.text("abcXYZ019-_", min_size=1)
URIS = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    mesh.HOSTS,
    st.just("") | mesh.PORTS.map(":{}".format),
    st.sampled_from(["", "keys", ".well-known/jwks.json", "%7Ea?b=c&d", "k#f"]),
)
BASE64 = st.binary(min_size=1, max_size=40).map(
    lambda raw: urlsafe_b64encode(raw).decode().rstrip("=")
)
KEYS = st.one_of(
    st.fixed_dictionaries(
        {"kty": st.just("RSA"), "n": BASE64, "e": BASE64},
        optional={"kid": WORDS, "alg": WORDS, "x5c": st.just(["MIID"])},
    ),
    st.fixed_dictionaries({"kty": st.just("EC"), "crv": WORDS, "x": BASE64, "y": BASE64}),
    st.fixed_dictionaries({"kty": st.just("OKP"), "crv": WORDS, "x": BASE64}),
)
JWKS = (KEYS | st.lists(KEYS, max_size=3).map(lambda keys: {"keys": keys})).map(json.dumps)


@st.composite
def rules(draw):
    inline = draw(st.booleans())
    must = ["issuer"] if inline else [draw(st.sampled_from(["issuer", "jwksUri"]))]
    return draw(
        mesh.message(
            RULE,
            *must,
            issuer=WORDS,
            audiences=st.lists(WORDS, max_size=2),
            jwksUri=None if inline else URIS,
            jwks=JWKS if inline else None,
            fromHeaders=st.lists(mesh.message(HEADER, "name", name=WORDS, prefix=mesh.TEXT)),
            fromParams=st.lists(WORDS, max_size=2),
            fromCookies=st.lists(WORDS, max_size=2),
            outputPayloadToHeader=mesh.TEXT,
            forwardOriginalToken=st.booleans(),
            outputClaimToHeaders=st.lists(
                mesh.message(CLAIM, "header", "claim", header=HEADERS, claim=WORDS), max_size=2
            ),
            timeout=st.integers(1, 10**7).map("{}ms".format),
            spaceDelimitedClaims=st.lists(WORDS, max_size=2),
        )
    )


def policies():
    return mesh.message(
        KIND,
        selector=None,
        targetRef=None,
        targetRefs=None,
        jwtRules=st.lists(rules(), max_size=3),
    )


@mesh.FEW
@given(attached(policies()))
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(KIND, spec)


@mesh.FEW
@given(attached(policies()), st.sampled_from(mutations("RA-01", "RA-02", "RA-03")))
def test_what_is_attached_in_a_wrong_way_is_refused(spec, mutation):
    code, way = mutation

    assert code in mesh.errors(KIND, reattached(spec, way))


BIG = "http://a:9223372036854775808/"
"""A port that no 64 bits hold."""
FATAL = [
    ("RA-10", {"audiences": ["a", ""]}),
    ("RA-11", {"issuer": ""}),
    ("RA-11", {"issuer": None, "jwks": '{"keys": []}'}),
    *(("RA-12", {"jwksUri": text}) for text in ("a", "ftp://a", "http://a:b", "http://a b", BIG)),
    *(("RA-13", {"jwks": text}) for text in ("a", "[]", "{}", '{"kty": "RSA"}', '{"keys": 1}')),
    ("RA-15", {"fromHeaders": [{}]}),
    ("RA-15", {"fromHeaders": [{"name": ""}]}),
    ("RA-15", {"fromHeaders": [None]}),
    ("RA-16", {"fromParams": [""]}),
    ("RA-17", {"fromCookies": ["a", ""]}),
    ("RA-18", {"outputClaimToHeaders": [{}]}),
    ("RA-18", {"outputClaimToHeaders": [{"header": "a"}]}),
    ("RA-18", {"outputClaimToHeaders": [{"claim": "a", "header": ""}]}),
    ("RA-18", {"outputClaimToHeaders": [None]}),
    *(
        ("RA-19", {"outputClaimToHeaders": [{"header": text, "claim": "a"}]})
        for text in (":path", "a b", "é", "a.b")
    ),
    *(("RA-20", {"timeout": text}) for text in ("0s", "1us", "1.0005s", "-1s")),
]


@pytest.mark.parametrize(("code", "change"), FATAL)
@FEWER
@given(spec=policies())
def test_one_rule_that_is_wrong_is_refused_among_good_ones(spec, code, change):
    worse = {**spec, "jwtRules": [*spec.get("jwtRules", []), {"issuer": "shop", **change}]}

    assert code in mesh.errors(KIND, worse)


@mesh.FEW
@given(rules(), st.sampled_from([{"d": "AAAA"}, {"kty": "oct", "k": "AAAA"}]), KEYS)
def test_a_secret_key_holds_nothing_up_and_is_told(rule, secret, key):
    named = {**rule, "issuer": "shop", "jwks": json.dumps({"keys": [key, {**key, **secret}]})}
    named.pop("jwksUri", None)

    assert set() == mesh.errors(KIND, {"jwtRules": [named]})
    assert {"RA-14"} <= warnings(KIND, {"jwtRules": [named]})
