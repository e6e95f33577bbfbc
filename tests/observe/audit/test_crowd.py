"""Many refusals alike: counted, so that nobody can push older lines out of the log."""

from __future__ import annotations

import pytest

from gitsource.observe.audit.crowd import AT_ONCE, IN_ALL, MOST_HOSTS, Crowd, host_of
from gitsource.observe.happenings import Happening


def refusal(peer="ipv4:10.0.0.1:5000", why="no certificate") -> Happening:
    return Happening("refuse", peer=peer, outcome="refused", why=why)


def test_the_first_refusals_of_a_second_get_a_line_each_and_the_rest_one_together():
    crowd = Crowd()
    admitted = [crowd.admit(refusal(), 100.0 + n / 10_000) for n in range(1000)]
    (rest,) = crowd.due(101.0)

    assert sum(admitted) == AT_ONCE
    assert (rest.why, rest.facts) == ("no certificate", {"times": 1000 - AT_ONCE})


def test_nothing_is_told_before_the_second_is_over_and_nothing_twice():
    crowd = Crowd()
    for _ in range(AT_ONCE + 1):
        crowd.admit(refusal(), 100.0)

    assert crowd.due(100.9) == []
    assert len(crowd.due(101.0)) == 1
    assert crowd.due(103.0) == []


def test_one_host_does_not_hide_another():
    crowd = Crowd()
    for _ in range(500):
        crowd.admit(refusal(), 100.0)

    assert crowd.admit(refusal("ipv4:10.0.0.2:1"), 100.0)


def test_causes_are_told_apart():
    crowd = Crowd()
    for n in range(100):
        crowd.admit(refusal(why=f"reason {n % 2}"), 100.0)

    assert sorted(one.why for one in crowd.due(101.0)) == ["reason 0", "reason 1"]


def test_what_was_counted_before_counts_as_so_many():
    crowd = Crowd()
    for _ in range(AT_ONCE):
        crowd.admit(refusal(), 100.0)
    for _ in range(3):
        crowd.admit(Happening("refuse", why="counted", facts={"times": 5}), 100.0)
        crowd.admit(Happening("refuse", peer="ipv4:10.0.0.1:5", facts={"times": 5}), 100.0)

    assert [one.facts["times"] for one in crowd.due(101.0)] == [15]


def test_who_has_a_whole_network_of_addresses_is_one_host():
    crowd = Crowd()
    admitted = [crowd.admit(refusal(f"ipv6:[2001:db8::{n:x}]:1"), 100.0) for n in range(500)]

    assert AT_ONCE == sum(admitted)


def test_many_hosts_together_get_no_more_lines_than_that():
    crowd = Crowd()
    seconds = []
    for second in range(2):
        peers = [f"ipv4:10.0.0.{n % 200}:1" for n in range(5000)]
        seconds.append(sum(crowd.admit(refusal(one), 100.0 + 2 * second) for one in peers))
        crowd.due(101.5 + 2 * second)

    assert [IN_ALL, IN_ALL] == seconds


def test_what_is_gathered_is_bounded_whatever_is_sent():
    crowd = Crowd()
    for n in range(20_000):
        crowd.admit(refusal(f"ipv6:[2001:db8:0:{n:x}::1]:1", f"made up {n}"), 100.0)

    assert len(crowd.due(101.0)) <= 2 * MOST_HOSTS


@pytest.mark.parametrize("event", ["command", "publish", "push", "connect", "nack"])
def test_what_no_stranger_can_cause_is_never_gathered(event):
    crowd = Crowd()

    assert all(crowd.admit(Happening(event), 100.0) for _ in range(1000))


def delivery(number=1, *, proven=True, peer="10.0.0.1", verdict="slowed") -> Happening:
    facts = {"proven": proven, "verdict": verdict, "delivery": str(number)}
    return Happening("webhook", peer=peer, outcome="ok", facts=facts)


@pytest.mark.parametrize("proven", [True, False])
def test_deliveries_are_gathered_whether_or_not_they_prove_anything(proven):
    """One that was captured is sent again and again, under IDs that no signature covers."""
    crowd = Crowd()
    admitted = [crowd.admit(delivery(n, proven=proven), 100.0) for n in range(600)]
    (rest,) = crowd.due(101.0)

    assert sum(admitted) == AT_ONCE
    assert (rest.facts["times"], rest.facts["delivery"]) == (600 - AT_ONCE, "599")


def test_what_became_of_deliveries_is_told_apart():
    crowd = Crowd()
    for n in range(100):
        crowd.admit(delivery(n, verdict=("accepted", "slowed")[n % 2]), 100.0)

    assert sorted(one.facts["verdict"] for one in crowd.due(101.0)) == ["accepted", "slowed"]


def test_no_stranger_takes_the_lines_of_deliveries_that_prove_something():
    crowd = Crowd()
    for n in range(5000):
        crowd.admit(delivery(n, proven=False, peer=f"10.0.{n % 300}.1"), 100.0)
        crowd.admit(delivery(n, proven=False), 100.0)

    assert crowd.admit(delivery(), 100.0)


def test_all_senders_of_deliveries_that_prove_something_share_their_lines():
    """Each may be captured and sent from anywhere."""
    crowd = Crowd()
    admitted = [crowd.admit(delivery(n, peer=f"10.0.0.{n}"), 100.0) for n in range(200)]

    assert sum(admitted) == AT_ONCE
    assert [one.facts["times"] for one in crowd.due(101.0)] == [200 - AT_ONCE]


def test_a_clock_that_is_set_back_stops_nothing():
    crowd = Crowd()
    for _ in range(100):
        crowd.admit(refusal(), 100.0)

    assert len(crowd.due(50.0)) == 1
    assert crowd.admit(refusal(), 50.0)


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:[::1]:5000", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("::1", "::1"),
        ("ipv6:[2001:db8::7:8]:5000", "2001:db8::/64"),
        ("[2001:db8::7:8]:5000", "2001:db8::/64"),
        ("ipv6:[::ffff:10.0.0.1]:5000", "10.0.0.1"),
        ("ipv4:10.0.0.1", "10.0.0.1"),
        ("ipv6:2001:db8::/64", "2001:db8::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_a_host_is_an_address_without_its_port(peer, host):
    assert host_of(peer) == host
