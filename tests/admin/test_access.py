"""Who may do what at the operators' door."""

from __future__ import annotations

import pytest

from gitsource.admin.access import Access, Shown, Token, digest_of
from gitsource.security.peer import Peer
from gitsource.settings.doors import AdminIdentity

READER, BOSS = b"reader-reader-reader", b"boss-boss-boss-boss-"
TOKENS = (
    Token("grafana", "viewer", digest_of(READER)),
    Token("ada", "operator", digest_of(BOSS)),
)
IDENTITIES = (
    AdminIdentity("spiffe://prod/ns/ops/sa/*", "operator"),
    AdminIdentity("spiffe://prod/**", "viewer"),
    AdminIdentity("dns:*.ops.example.com", "operator"),
)
ASKED = Access(lambda: TOKENS, IDENTITIES, asked=True)


def bearer(token: bytes) -> Shown:
    return Shown((f"Bearer {token.decode()}",))


def shows(identity: str) -> Shown:
    return Shown(peer=Peer("10.0.0.1:5", "mtls", identity=identity))


@pytest.mark.parametrize(
    ("shown", "identity", "role"),
    [
        (bearer(READER), "token:grafana", "viewer"),
        (bearer(BOSS), "token:ada", "operator"),
        (Shown((f"bearer {BOSS.decode()}",)), "token:ada", "operator"),
        (shows("spiffe://prod/ns/ops/sa/ada"), "spiffe://prod/ns/ops/sa/ada", "operator"),
        (shows("spiffe://prod/ns/shop/sa/web"), "spiffe://prod/ns/shop/sa/web", "viewer"),
        (shows("dns:ada.ops.example.com"), "dns:ada.ops.example.com", "operator"),
        (Shown(user=1000), "uid:1000", "operator"),
    ],
)
def test_whoever_proves_who_it_is_has_the_role_of_that(shown, identity, role):
    caller = ASKED.caller(shown)

    assert (caller.identity, caller.role) == (identity, role)


@pytest.mark.parametrize(
    "shown",
    [
        Shown(),
        Shown(("Bearer ",)),
        Shown(("Bearer",)),
        Shown(("",)),
        Shown(("Basic YWRhOmJvc3M=",)),
        Shown(("Bearer boss",)),
        Shown(("Bearer boss-boss-boss-boss",)),
        Shown((f"Bearer {BOSS.decode()}x",)),
        Shown((f"Bearer {BOSS.decode().upper()}",)),
        Shown((f"Bearer {BOSS.decode()}", f"Bearer {BOSS.decode()}")),
        Shown(("Bearer " + "x" * 10_000,)),
        Shown((f"Bearer {digest_of(BOSS).hex()}",)),
        Shown(("Bearer \udcff\udcfe",)),
        shows("spiffe://prod.evil/ns/ops/sa/ada"),
        shows("spiffe://evil/ns/ops/sa/ada"),
        shows("dns:ops.example.com"),
        shows("dns:ada.evil/.ops.example.com"),
        Shown(peer=Peer("10.0.0.1:5", "none", identity="spiffe://prod/ns/ops/sa/ada")),
        Shown(unproved="certificate has expired"),
    ],
)
def test_whoever_does_not_is_nobody_and_may_nothing(shown):
    caller = ASKED.caller(shown)

    assert caller.role is None
    assert not caller.may("viewer")
    assert caller.why


def test_a_wrong_token_is_not_made_up_for_by_a_certificate():
    shown = Shown(("Bearer wrong",), Peer("a", "mtls", identity="spiffe://prod/ns/ops/sa/ada"))

    assert ASKED.caller(shown).role is None


def test_a_viewer_may_not_what_an_operator_may():
    viewer, operator = ASKED.caller(bearer(READER)), ASKED.caller(bearer(BOSS))

    assert (viewer.may("viewer"), viewer.may("operator")) == (True, False)
    assert (operator.may("viewer"), operator.may("operator")) == (True, True)


def test_where_nobody_is_asked_whoever_comes_is_an_operator_without_a_name():
    caller = Access().caller(Shown())

    assert (caller.identity, caller.role) == ("", "operator")


def test_every_token_is_compared_whichever_fits():
    """No refusal and no success is quicker than another: the list is gone through to its end."""
    compared = []

    class Watched(bytes):
        def __eq__(self, other):
            raise AssertionError("compared in other than constant time")

        __hash__ = bytes.__hash__

    def tokens():
        for number in range(5):
            compared.append(number)
            yield Token(f"t{number}", "viewer", Watched(digest_of(b"%d" % number * 20)))

    access = Access(tokens, asked=True)
    for shown in (bearer(b"0" * 20), bearer(b"4" * 20), bearer(b"wrong")):
        compared.clear()
        access.caller(shown)

        assert compared == [0, 1, 2, 3, 4]


def test_no_token_is_in_what_is_shown_of_it():
    assert BOSS.decode() not in repr((TOKENS, ASKED.caller(bearer(BOSS))))
