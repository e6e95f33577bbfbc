"""Whom a rule is about: by what was proved, and never by what a node says alone."""

import pytest

from gitsource.publish.words import Node
from gitsource.security.authorize.subjects import faults, mismatch
from gitsource.security.peer import NOBODY, Peer
from gitsource.settings.rights import Subject
from gitsource.settings.views import ViewNodes

ISTIOD = Peer(
    means="mtls",
    spiffe_id="spiffe://prod/ns/istio-system/sa/istiod",
    dns=("istiod.istio-system.svc",),
    ips=("10.1.2.3", "fd00::1"),
    identity="spiffe://prod/ns/istio-system/sa/istiod",
)
TOKEN = Peer(
    means="jwt",
    claims={
        "sub": "system:serviceaccount:foo:web",
        "aud": ["gitsource", "other"],
        "kubernetes.io": {"namespace": "foo"},
        "admin": True,
        "level": 3,
    },
    identity="jwt:system:serviceaccount:foo:web@https://issuer",
)


def about(peer, node=None, protocol="xds", *, hopeful=False, **parts):
    return "" == mismatch(Subject(**parts), peer, node, protocol, hopeful=hopeful)


@pytest.mark.parametrize(
    "pattern",
    [
        "spiffe://prod/ns/istio-system/sa/istiod",
        "spiffe://prod/ns/*/sa/istio*",
        "spiffe://*/ns/istio-system/sa/istiod",
        "spiffe://prod/**",
        "spiffe://prod/ns/**",
    ],
)
def test_a_pattern_of_a_spiffe_id_matches_part_by_part(pattern):
    assert about(ISTIOD, spiffe=(pattern,))
    assert [] == list(faults(Subject(spiffe=(pattern,))))


@pytest.mark.parametrize(
    "pattern",
    [
        "spiffe://prod/*",
        "spiffe://prod",
        "spiffe://prod/ns/istio-system",
        "spiffe://prod/*/sa/istiod",
        "spiffe://pro/ns/istio-system/sa/istiod",
        "spiffe://prod/ns/istio-system/sa/istiod/**",
        "spiffe://prod/ns/istio-system/sa/ISTIOD",
        "spiffe://prod.evil/**",
    ],
)
def test_a_star_never_crosses_a_part_of_a_spiffe_id(pattern):
    assert not about(ISTIOD, spiffe=(pattern,))


def test_a_star_between_dots_stays_there():
    assert about(ISTIOD, dns=("*.istio-system.svc",))
    assert about(ISTIOD, dns=("ISTIOD.istio-system.svc",))
    assert not about(ISTIOD, dns=("*.svc",))
    assert not about(ISTIOD, dns=("istiod.istio-system.svc.evil",))


def test_networks_take_addresses_of_their_own_family():
    assert about(ISTIOD, ips=("10.0.0.0/8",))
    assert about(ISTIOD, ips=("fd00::/8",))
    assert not about(ISTIOD, ips=("10.2.0.0/16",))
    assert not about(Peer(means="mtls", ips=("no address",)), ips=("0.0.0.0/0",))


def test_claims_are_compared_as_text_also_inside_mappings_and_lists():
    assert about(TOKEN, claims=(("sub", "system:serviceaccount:foo:*"), ("aud", "gitsource")))
    assert about(TOKEN, claims=(("kubernetes.io.namespace", "foo"),))
    assert about(TOKEN, claims=(("admin", "true"), ("level", "3")))
    assert not about(TOKEN, claims=(("aud", "gitsourc"),))
    assert not about(TOKEN, claims=(("kubernetes.io.name", "*"),))
    assert not about(TOKEN, claims=(("kubernetes.io", "*"),))
    assert not about(ISTIOD, claims=(("sub", "*"),))


def test_every_part_that_is_given_has_to_match():
    spiffe = ("spiffe://prod/**",)

    assert about(ISTIOD, spiffe=spiffe, trust_domains=("prod",), protocols=("xds*",))
    assert not about(ISTIOD, spiffe=spiffe, trust_domains=("test",))
    assert not about(ISTIOD, spiffe=spiffe, protocols=("mcp*",))


@pytest.mark.parametrize("part", ["spiffe", "trust_domains", "dns", "ips", "identities"])
def test_whoever_proved_nothing_matches_no_pattern(part):
    pattern = "0.0.0.0/0" if part == "ips" else "*"

    assert not about(NOBODY, **{part: (pattern,)})


def test_any_takes_those_who_are_known_or_everybody():
    assert about(TOKEN, any="known")
    assert not about(NOBODY, any="known")
    assert not about(Peer(spiffe_id="spiffe://prod/a"), any="known")
    assert about(NOBODY, any="all")


def test_what_a_node_says_makes_a_rule_be_about_fewer():
    nodes = ViewNodes(ids=("istiod-*",))
    told = {"spiffe": ("spiffe://prod/**",), "nodes": nodes}

    assert about(ISTIOD, Node("istiod-1"), **told)
    assert not about(ISTIOD, Node("other"), **told)
    assert not about(ISTIOD, None, **told)
    assert about(ISTIOD, None, hopeful=True, **told)
    assert not about(NOBODY, Node("istiod-1"), hopeful=True, **told)


def test_why_it_does_not_match_is_said_for_operators():
    def why(peer=ISTIOD, **parts):
        return mismatch(Subject(**parts), peer, None, "mcp")

    assert "SPIFFE ID spiffe://prod/ns/istio-system/sa/istiod is not spiffe://test/**" == why(
        spiffe=("spiffe://test/**",)
    )
    assert "it proved no DNS name" == why(TOKEN, dns=("a",))
    assert "claim aud is gitsource or other, not x" == why(TOKEN, claims=(("aud", "x"),))
    assert "its token has no claim x" == why(TOKEN, claims=(("x", "*"),))
    assert "it showed no token" == why(claims=(("x", "*"),))
    assert "it speaks mcp, not xds or xds-delta" == why(any="known", protocols=("xds", "xds-delta"))
    assert "the node has not said who it is" == why(any="known", nodes=ViewNodes(ids=("a",)))


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({}, ()),
        ({"nodes": ViewNodes(ids=("a",))}, ()),
        ({"any": "all", "nodes": ViewNodes(ids=("a",))}, ("nodes",)),
        ({"any": "known", "dns": ("a",)}, ("any",)),
        ({"spiffe": ("prod/ns/a",)}, ("spiffe", 0)),
        ({"spiffe": ("spiffe://prod/**/sa/istiod",)}, ("spiffe", 0)),
        ({"spiffe": ("spiffe://prod/a", "spiffe://PROD/a")}, ("spiffe", 1)),
        ({"spiffe": ("spiffe://prod/../a",)}, ("spiffe", 0)),
        ({"trust_domains": ("prod/a",)}, ("trust_domains", 0)),
        ({"dns": ("a..b",)}, ("dns", 0)),
        ({"dns": ("shop.**",)}, ("dns", 0)),
        ({"ips": ("10.0.0.300",)}, ("ips", 0)),
        ({"any": "known", "protocols": ("http",)}, ("protocols", 0)),
    ],
)
def test_a_subject_that_proves_nothing_or_cannot_match_is_wrong(parts, path):
    assert [path] == [place for place, _ in faults(Subject(**parts))]


def test_a_hostile_pattern_takes_no_longer_than_others():
    """It would be minutes for a matcher that goes back and forth."""
    pattern = "spiffe://prod/" + "*a" * 60 + "*b"
    long = Peer(means="mtls", spiffe_id="spiffe://prod/" + "a" * 1900, identity="x")

    assert not about(long, spiffe=(pattern,))
