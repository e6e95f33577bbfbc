"""Who a certificate says its holder is, on certificates that no library would make."""

import time

import pytest

from gitsource.security.identity import Rules, Unproved, peer_of
from gitsource.security.spiffe_id import fault_of
from svids import DOMAIN, Mesh, spiffe

MESH = Mesh()
AUTHORITIES = {DOMAIN: frozenset({MESH.der})}
EVERY_NAME = ("spiffe", "dns", "ip", "cn")


def judged(papers, names=EVERY_NAME, now=None, **how):
    rules = Rules(names, **({"authorities": AUTHORITIES, "anything": frozenset({MESH.der})} | how))
    return peer_of((papers.der, MESH.der), rules, "ipv4:10.0.0.1:5", now or time.time())


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://prod/a",
        "spiffe://prod.example.org/ns/shop/sa/istiod",
        "spiffe://a-b_c.1/A.b_C-9",
        "spiffe://" + "d" * 255 + "/a",
    ],
)
def test_a_well_formed_id_is_one(text):
    assert "" == fault_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "spiffe://prod",
        "spiffe://prod/",
        "spiffe:///a",
        "SPIFFE://prod/a",
        "spiffe://Prod/a",
        "spiffe://prod/a/",
        "spiffe://prod//a",
        "spiffe://prod/./a",
        "spiffe://prod/../a",
        "spiffe://prod/a b",
        "spiffe://prod/a%2fb",
        "spiffe://prod/a?b",
        "spiffe://prod/a#b",
        "spiffe://prod:80/a",
        "spiffe://user@prod/a",
        "spiffe://prod/ä",
        "spiffe://prod/a\n",
        "https://prod/a",
        "spiffe://" + "d" * 256 + "/a",
        "spiffe://prod/" + "a" * 2048,
    ],
)
def test_what_breaks_a_rule_is_no_id(text):
    assert fault_of(text)


def test_an_svid_has_an_id_and_says_until_when():
    peer = judged(MESH.svid(spiffe(), dns=["istiod"], common="x"))

    assert (spiffe(), spiffe(), "mtls") == (peer.identity, peer.spiffe_id, peer.means)
    assert DOMAIN == peer.trust_domain
    assert (("istiod",), "x") == (peer.dns, peer.common_name)
    assert 86_000 < peer.expires - time.time() < 87_000


def test_what_does_not_count_is_nowhere_in_a_peer():
    peer = judged(MESH.svid(spiffe(), dns=["istiod"], common="x"), names=("spiffe",))

    assert ((), (), "") == (peer.dns, peer.ips, peer.common_name)


def test_the_order_of_the_settings_decides_which_name_it_goes_by():
    papers = MESH.svid(spiffe(), dns=["istiod"], common="x")

    assert "cn:x" == judged(papers, names=("cn", "spiffe")).identity
    assert "dns:istiod" == judged(papers, names=("dns", "cn")).identity


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"uris": [spiffe(), spiffe("b")]}, "exactly one"),
        ({"uris": [spiffe(), "https://a/b"]}, "exactly one"),
        ({"uris": ["SPIFFE://prod.example.org/a"]}, "no X.509-SVID"),
        ({"uris": [f"spiffe://{DOMAIN}"]}, "has a path"),
        ({"uris": [spiffe()], "authority": True}, "certificate of an authority"),
        ({"uris": [spiffe()], "usage": False}, "no key usage"),
        ({"uris": [spiffe()], "signs": False}, "digitalSignature"),
        ({"uris": [spiffe(domain="other.org")]}, "none of ours"),
    ],
)
def test_a_certificate_that_claims_an_id_wrongly_has_no_other_name_either(how, why):
    papers = MESH.svid(*how.pop("uris"), dns=["istiod"], common="x", **how)

    with pytest.raises(Unproved, match=why):
        judged(papers)


def test_without_a_name_that_counts_it_is_nobody():
    with pytest.raises(Unproved, match=r"none of the names that count \(spiffe\)"):
        judged(MESH.svid(dns=["istiod"]), names=("spiffe",))


def test_an_authority_vouches_for_its_own_domain_alone():
    partner = Mesh()
    authorities = AUTHORITIES | {"partner.org": frozenset({partner.der})}

    with pytest.raises(Unproved, match=r"may not do so for partner.org"):
        judged(MESH.svid(spiffe(domain="partner.org")), authorities=authorities)


def test_names_that_are_no_ids_need_somebody_who_may_vouch_for_them():
    papers = MESH.svid(spiffe(), dns=["istiod"])

    assert () == judged(papers, anything=frozenset()).dns
    with pytest.raises(Unproved, match="none of the names"):
        judged(MESH.svid(dns=["istiod"]), anything=frozenset())


def test_what_has_run_out_proves_nothing_even_where_a_session_is_resumed():
    papers = MESH.svid(spiffe(), days=1)

    with pytest.raises(Unproved, match="has expired"):
        judged(papers, now=time.time() + 2 * 86400)


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "ö"])
def test_a_common_name_that_no_log_should_hold_is_none(name):
    with pytest.raises(Unproved, match="none of the names"):
        judged(MESH.svid(common=name), names=("cn",))


def test_a_certificate_that_no_grammar_allows_proves_nothing():
    rules = Rules(("spiffe",), AUTHORITIES)
    good = MESH.svid(spiffe()).der
    for at in range(0, len(good), 7):
        broken = good[:at] + bytes((good[at] ^ 0xFF,)) + good[at + 1 :]
        try:
            peer = peer_of((broken, MESH.der), rules, "ipv4:10.0.0.1:5", time.time())
        except Unproved:
            continue

        assert spiffe() == peer.identity or peer.identity.startswith(f"spiffe://{DOMAIN}/")
