"""Who a sink is when it comes back."""

from itertools import product

from gitsource.publish.sending.content import identity_of


def test_no_two_peers_are_the_same_sink_whatever_they_are_called_and_say():
    proved = ("", "jwt:a b@us", "jwt:a%20b@us", "jwt:a%2520b@us", "jwt:a@us", "spiffe://a/b")
    said = ("n", "b@us n", "@us n", "jwt:a@us n")
    pairs = list(product(proved, said))

    assert len(pairs) == len({identity_of(*pair) for pair in pairs})
