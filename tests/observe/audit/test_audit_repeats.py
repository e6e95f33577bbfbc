"""What one peer does over and over is counted; what others do keeps its lines."""

import random

import pytest

from gitsource.observe.audit.repeats import AT_ONCE, MOST, PEERS, WINDOW, Repeats
from gitsource.observe.happenings import Happening

A, B = "spiffe://prod/a", "spiffe://prod/b"


def told(event="subscribe", who=A, *, peer="ipv4:10.0.0.1:5", why="", outcome="ok", **facts):
    facts = {"stream": 1, "sink": "edge", "collection": "routes", "delta": False} | facts
    return Happening(event, who, peer, outcome, why, facts)


def counts(lines):
    return [(one.event, one.who, one.facts.get("times")) for one in lines]


def test_the_same_subscription_again_is_counted_and_told_after_a_minute():
    repeats = Repeats()
    got = [repeats.admit(told(), 100.0 + at / 10) for at in range(50)]
    early = repeats.due(100.0 + WINDOW - 1)
    late = repeats.due(100.0 + WINDOW)

    assert ([True] + [False] * 49, []) == (got, early)
    assert [("subscribe", A, 49)] == counts(late)
    assert repeats.admit(told(), 200.0)


@pytest.mark.parametrize("event", ["push", "ack", "nack"])
def test_what_comes_of_it_again_is_counted_too(event):
    repeats = Repeats()
    got = [repeats.admit(told(event, version="v1", nonce=str(at)), 100.0) for at in range(3)]
    (line,) = repeats.due(100.0 + WINDOW)

    assert [True, False, False] == got
    assert (event, 2, "2") == (line.event, line.facts["times"], line.facts["nonce"])


DIFFERENT = [
    {"collection": "gateways"},
    {"stream": 2},
    {"version": "v2"},
    {"delta": True},
    {"who": B},
    {"why": "bad route"},
    {"outcome": "refused"},
]


@pytest.mark.parametrize("other", DIFFERENT)
def test_what_differs_in_anything_that_matters_has_a_line(other):
    repeats = Repeats()

    assert [True, True] == [repeats.admit(told(**how), 100.0) for how in ({}, other)]


@pytest.mark.parametrize("event", ["refuse", "publish", "command", "start", "policy"])
def test_what_no_stream_causes_always_has_a_line(event):
    repeats = Repeats(rate=0.0001)

    assert all(repeats.admit(told(event), 100.0) for _ in range(100))


def test_a_peer_that_comes_and_goes_has_so_many_lines_in_the_long_run_and_others_all():
    """New streams and new names each time: nothing is the same, and yet there is an end."""
    repeats = Repeats(rate=0.01)
    events = ("connect", "subscribe", "push", "ack", "disconnect")
    got = [
        repeats.admit(told(event, stream=at, sink=f"node-{at}"), 100.0)
        for at in range(100)
        for event in events
    ]
    other = [repeats.admit(told(event, B, stream=1000), 100.0) for event in events]
    lines = repeats.due(100.0 + WINDOW)

    assert int(0.01 * AT_ONCE) == sum(got)
    assert [True] * 5 == other
    assert 500 - sum(got) == sum(one.facts["times"] for one in lines)
    assert set(events) == {one.event for one in lines}
    assert len(events) == len(lines)


def test_with_time_a_peer_has_lines_again():
    repeats = Repeats(rate=1.0)
    for at in range(3000):
        repeats.admit(told("connect", stream=at), 100.0)
    got = [repeats.admit(told("connect", stream=at), 110.0) for at in range(3000, 3020)]

    assert 10 == sum(got)


def test_who_proved_nothing_is_its_address_and_this_machine_is_nobody():
    repeats = Repeats(rate=0.001)
    peers = ("ipv4:10.0.0.1:{}", "ipv4:127.0.0.1:{}", "ipv6:[::1]:{}", "unix:")
    got = [
        sum(
            repeats.admit(told("connect", "", peer=peer.format(at), stream=at), 100.0)
            for at in range(10)
        )
        for peer in peers
    ]

    assert [2, 10, 10, 10] == got


def test_what_is_remembered_is_bounded_and_what_is_forgotten_was_told():
    repeats = Repeats(rate=1.0)
    for at in range(MOST * 2):
        for _ in range(2):
            repeats.admit(told(who=f"spiffe://prod/{at}", stream=at), 100.0)
    lines = repeats.due(100.0)

    assert MOST == len(repeats._counted)
    assert min(MOST, PEERS) == len(repeats._left)
    assert MOST == sum(one.facts["times"] for one in lines)


def test_at_the_end_everything_that_was_counted_is_told():
    repeats = Repeats()
    for _ in range(3):
        repeats.admit(told(), 100.0)

    assert [True, [("subscribe", A, 2)], False] == [
        bool(repeats),
        counts(repeats.due(100.0, now_or_never=True)),
        bool(repeats),
    ]


def test_a_clock_that_is_set_back_keeps_nothing_to_itself():
    repeats = Repeats()
    for _ in range(3):
        repeats.admit(told(), 100.0)

    assert repeats.admit(told(), 50.0)
    assert [("subscribe", A, 2)] == counts(repeats.due(50.0))


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_left_out_without_a_count(seed):
    luck, repeats, now, written = random.Random(seed), Repeats(rate=0.02), 100.0, 0
    for _ in range(2000):
        now += luck.random()
        one = told(
            luck.choice(("connect", "subscribe", "push", "ack", "refuse")),
            luck.choice((A, B, "")),
            stream=luck.randrange(5),
            collection=luck.choice("ab"),
        )
        written += repeats.admit(one, now)
        if luck.random() < 0.1:
            written += sum(line.facts["times"] for line in repeats.due(now))
    written += sum(line.facts["times"] for line in repeats.due(now, now_or_never=True))

    assert 2000 == written
