"""What was revoked is found anywhere in a chain; a list that is wanted and missing is named."""

import time

import pytest

from gitsource.security.revocation import Revocations, revocations_of
from svids import Mesh, spiffe

ROOT = Mesh()
MIDDLE = ROOT.below()
LOW = MIDDLE.below()
LEAF = LOW.svid(spiffe())
CHAIN = (LEAF.der, LOW.der, MIDDLE.der, ROOT.der)
NOW = time.time()


def fault(*lists, every=False, chain=CHAIN, now=NOW):
    return revocations_of(b"".join(lists), every=every).fault(chain, now)


def test_without_lists_nothing_is_revoked():
    assert "" == Revocations().fault(CHAIN, NOW)


def test_a_chain_that_no_list_names_is_good():
    lists = (LOW.revoking(LOW.svid()), MIDDLE.revoking(), ROOT.revoking(ROOT.below().papers))

    assert ("", "") == (fault(*lists), fault(*lists, every=True))


REVOKED = {
    "the peer's own": (LOW.revoking(LEAF), "certificate revoked"),
    "the one above it": (MIDDLE.revoking(LOW.papers), "above the peer's own"),
    "the one above that": (ROOT.revoking(MIDDLE.papers), "above the peer's own"),
    "the last, by itself": (ROOT.revoking(ROOT.papers), "above the peer's own"),
}


@pytest.mark.parametrize("case", REVOKED)
@pytest.mark.parametrize("now", [NOW, 0.0], ids=["now", "whenever"])
def test_every_certificate_of_a_chain_is_looked_up(case, now):
    told, part = REVOKED[case]

    assert part in fault(told, now=now)
    assert fault(told, now=now).startswith("certificate revoked")


def test_the_list_of_another_authority_of_the_same_name_revokes_nothing():
    """A serial number is one only with who gave it."""
    other = Mesh(LOW.ca)
    named = x509_list_of(LOW, Mesh(), LEAF)

    assert "certificate revoked" == fault(other.revoking(LEAF))
    assert "" == fault(named)


def x509_list_of(name, signer, *papers):
    """Return a list that says to be of *name*, and that *signer* signed."""
    before, signer._issuer = signer._issuer, name._issuer
    try:
        return signer.revoking(*papers)
    finally:
        signer._issuer = before


def test_where_every_list_is_wanted_one_that_is_missing_is_named():
    told = fault(LOW.revoking(), MIDDLE.revoking(), every=True)

    assert told.startswith("there is no revocation list of ")
    assert told.endswith("(tls.crl)")
    assert "" == fault(LOW.revoking(), MIDDLE.revoking())


def test_a_forged_list_is_none_where_every_list_is_wanted():
    forged = x509_list_of(ROOT, Mesh())

    assert "no revocation list" in fault(LOW.revoking(), MIDDLE.revoking(), forged, every=True)


@pytest.mark.parametrize("every", [True, False])
def test_a_list_that_has_run_out_lets_nobody_in_below_it(every):
    lists = (LOW.revoking(), MIDDLE.revoking(), ROOT.revoking(days=-1))

    assert "has run out (tls.crl)" in fault(*lists, every=every)
    assert "" == fault(*lists, every=every, now=0.0)
    assert "" == fault(*lists, ROOT.revoking(), every=every)


def test_of_several_lists_of_one_authority_all_count():
    assert "certificate revoked" == fault(LOW.revoking(), LOW.revoking(LEAF))


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_what_is_no_list_is_told(pem):
    with pytest.raises(ValueError, match=r"."):
        revocations_of(pem)
