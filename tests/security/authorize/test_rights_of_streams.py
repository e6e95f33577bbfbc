"""Streams gain and lose rights: trimmed, closed, given more; told nothing of what they lack."""

import asyncio

import pytest
from policed_streams import CDS, COLLECTIONS, LDS, TYPES, VIRTUAL_SERVICES
from policed_world import (
    ALL,
    BAR,
    FOO,
    TO_A,
    TO_B,
    A,
    B,
    every_wire,
    in_its_own_time,
    merges,
    names,
)

from gitsource.publish.ending import End
from gitsource.publish.showing.sight import SHUT
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.peer import NOBODY
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.views import ViewNodes


@pytest.fixture
def world():
    return in_its_own_time


@every_wire
def test_a_sink_gets_what_it_has_a_right_to_and_not_a_word_of_the_rest(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a", "bar/b")
        some.policy(Rule(to=TO_A, resources=FOO))
        sink = some.sink(speaks, A)
        await asyncio.sleep(1)
        some.serve("foo/a", "bar/a")
        await asyncio.sleep(30)

        assert [["foo/a"]] * len(COLLECTIONS) == [names(sink, url) for url in COLLECTIONS]
        told = {name for one, _, put, _ in some.messages if one is sink for name in put}
        assert {"foo/a"} == told
        # A name that it asked for itself is answered like any that there is not.
        assert some.seen_by(sink) <= {"foo/a", "bar/a", "bar/b"}
        if speaks != "xds-delta":
            assert {"foo/a"} == some.seen_by(sink)

    world(scenario)


@every_wire
def test_a_change_of_what_it_may_not_see_brings_a_sink_nothing(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=FOO))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)
        before = len(some.messages)
        some.serve("foo/a", "bar/b")
        await asyncio.sleep(10)

        assert before == len(some.messages)
        assert sink.ending is None

    world(scenario)


@every_wire
def test_a_right_that_is_lost_is_taken_back_at_once(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=ALL))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)

        assert ["bar/a", "foo/a"] == names(sink)

        some.messages.clear()
        some.policy(Rule(to=TO_A, resources=FOO))
        await asyncio.sleep(0.5)

        for url in COLLECTIONS:
            if not merges(sink, url):
                assert ["foo/a"] == names(sink, url)
        assert not any("bar/a" in put for _, _, put, _ in some.messages)

    world(scenario)


@every_wire
def test_a_right_that_is_gained_delivers(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=FOO))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)
        some.policy(Rule(to=TO_A, resources=ALL))
        await asyncio.sleep(10)

        assert [["bar/a", "foo/a"]] * len(COLLECTIONS) == [names(sink, url) for url in COLLECTIONS]

    world(scenario)


@every_wire
def test_a_stream_that_may_receive_nothing_any_more_is_closed_without_a_last_word(world, speaks):
    async def scenario(some):
        some.serve("foo/a")
        some.policy(Rule(to=TO_A, resources=ALL))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)
        some.messages.clear()
        some.policy(Rule(to=TO_B, resources=ALL))
        await asyncio.sleep(0)
        await asyncio.sleep(0.5)

        assert (End.DENIED, SHUT) == (sink.ending.end, sink.ending.text)
        assert [] == some.messages
        assert ("refuse", A.identity) == (some.happenings[-1].event, some.happenings[-1].who)

    world(scenario)


@every_wire
def test_whoever_has_no_rights_is_not_let_in_and_that_is_noted_once(world, speaks):
    async def scenario(some):
        some.serve("foo/a")
        some.policy(Rule(to=TO_A, resources=ALL))
        for _ in range(20):
            sink = some.sink(speaks, NOBODY)
            await asyncio.sleep(0.1)

            assert End.DENIED is sink.ending.end
        assert [] == some.messages
        assert ["refuse"] == [one.event for one in some.happenings]
        assert 0 == some.cache.streams

    world(scenario)


def test_a_protocol_that_is_not_allowed_is_refused_for_that_peer(world):
    async def scenario(some):
        some.serve("foo/a")
        to = Subject(spiffe=("spiffe://a/**",), protocols=("xds*",))
        some.policy(Rule(to=to, resources=ALL))
        good, bad = some.sink("xds", A), some.sink("mcp", A)
        await asyncio.sleep(10)

        assert (None, End.DENIED) == (good.ending, bad.ending.end)

    world(scenario)


@every_wire
def test_what_a_node_says_counts_once_it_has_said_it(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        to = Subject(spiffe=("spiffe://a/**",), nodes=ViewNodes(ids=("n-*",)))
        some.policy(Rule(to=to, resources=FOO))
        right, wrong = some.sink(speaks, A, "n-1"), some.sink(speaks, A, "m")
        await asyncio.sleep(10)

        assert (None, ["foo/a"]) == (right.ending, names(right))
        assert End.DENIED is wrong.ending.end
        assert set() == some.seen_by(wrong)

    world(scenario)


@every_wire
def test_nobody_gets_what_another_accepted_under_the_same_node_id(world, speaks):
    """Whoever refuses all is sent what it accepted last itself, and not what another did."""

    async def scenario(some):
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=BAR), Rule(to=TO_B, resources=FOO))
        victim = some.sink(speaks, A, "istiod")
        await asyncio.sleep(10)

        assert ["bar/a"] == names(victim)

        for _ in range(3):
            thief = some.sink(speaks, B, "istiod")
            for _ in range(4):
                thief.refuses = True
                await asyncio.sleep(2)
                for url in COLLECTIONS:
                    thief.ask(url)
            assert not any("bar/a" in put for one, _, put, _ in some.messages if one is thief)

    world(scenario)


@every_wire
def test_what_one_refuses_is_sent_to_another_of_the_same_node_id(world, speaks):
    async def scenario(some):
        some.serve("foo/a")
        some.policy(Rule(to=TO_A, resources=ALL), Rule(to=TO_B, resources=ALL))
        attacker = some.sink(speaks, B, "istiod")
        for _ in range(6):
            attacker.refuses = True
            await asyncio.sleep(2)
            for url in COLLECTIONS:
                attacker.ask(url)
        victim = some.sink(speaks, A, "istiod")
        await asyncio.sleep(10)

        assert [["foo/a"]] * len(COLLECTIONS) == [names(victim, url) for url in COLLECTIONS]

    world(scenario)


@every_wire
@pytest.mark.parametrize("on_nack", ["hold", "return"])
def test_who_refuses_to_lose_something_is_not_sent_it_again(world, speaks, on_nack):
    """Sinks that refuse get what they accepted last, less what they may not have any more."""

    async def scenario(some):
        some.shared.on_nack = on_nack
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=ALL))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)
        some.messages.clear()
        some.policy(Rule(to=TO_A, resources=FOO))
        sink.refuses_all = True
        for _ in range(4):
            await asyncio.sleep(3)
            for url in COLLECTIONS:
                sink.ask(url)
            await asyncio.sleep(3)
        await sink.close()
        sink.connect()
        await asyncio.sleep(10)

        assert not any("bar/a" in put for _, _, put, _ in some.messages)

    world(scenario)


@every_wire
def test_a_silent_sink_is_sent_nothing_that_it_lost_meanwhile(world, speaks):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        some.policy(Rule(to=TO_A, resources=ALL))
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)
        sink.answers = False
        some.serve("foo/a", "bar/a", "bar/b", tag="v2")
        await asyncio.sleep(1)
        some.messages.clear()
        some.policy(Rule(to=TO_A, resources=FOO))
        await asyncio.sleep(10)
        for url in COLLECTIONS:
            sink.ask(url)
        await asyncio.sleep(10)

        for _, _, put, _ in some.messages:
            assert set(put) <= {"foo/a"}

    world(scenario)


@every_wire
def test_rules_in_the_repository_count_with_their_own_revision(world, speaks):
    async def scenario(some):
        some.policy(ceiling=(Rule(to=TO_A, resources=RuleResources(namespaces=("foo", "bar"))),))
        foo = {"to": {"any": "all"}, "resources": {"namespaces": ["foo"]}}
        bar = {"to": {"any": "all"}, "resources": {"namespaces": ["bar", ""]}}
        some.serve("foo/a", "bar/a", "c", policies=[foo])
        mine, other = some.sink(speaks, A), some.sink(speaks, B)
        await asyncio.sleep(10)

        assert ["foo/a"] == names(mine)
        assert End.DENIED is other.ending.end

        some.messages.clear()
        some.serve("foo/a", "bar/a", "c", tag="v2", policies=[bar])
        await asyncio.sleep(10)

        assert [["bar/a"]] * 2 == [names(mine, url) for url in (CDS, LDS)]
        assert not any("foo/a" in put for _, _, put, _ in some.messages)

    world(scenario)


@every_wire
def test_rules_that_cannot_be_read_any_more_grant_nothing(world, speaks):
    async def scenario(some):
        some.policy(Rule(to=TO_A, resources=FOO), ceiling=(Rule(to=TO_A, resources=ALL),))
        some.serve("foo/a", "bar/a", policies=[{"of": "another time"}])
        sink = some.sink(speaks, A)
        await asyncio.sleep(10)

        assert ["foo/a"] == names(sink)

    world(scenario)


@pytest.mark.parametrize("opened", [True, False])
def test_nobody_is_ever_sent_the_rules_themselves(world, opened):
    async def scenario(some):
        if not opened:
            some.policy(Rule(to=TO_A, resources=ALL), ceiling=(Rule(to=TO_A, resources=ALL),))
        everything = {"to": {"any": "all"}, "resources": {"collections": ["*"]}}
        some.serve("foo/a", policies=[everything])
        TYPES[COLLECTION], COLLECTIONS[COLLECTION] = COLLECTION, COLLECTION
        try:
            sink = some.sink("mcp", A)
            sink.ask(COLLECTION)
            await asyncio.sleep(10)

            heard = [put for _, url, put, _ in some.messages if url == COLLECTION]
            assert ([()], ["foo/a"]) == (heard, names(sink))
        finally:
            del TYPES[COLLECTION], COLLECTIONS[COLLECTION]

    world(scenario)


def test_streams_with_equal_rights_share_what_they_are_sent(world):
    """Rules of different peers that come to the same: one collection, one message."""

    async def scenario(some):
        some.policy(Rule(to=TO_A, resources=FOO), Rule(to=TO_B, resources=FOO))
        some.serve("foo/a", "bar/a")
        sinks = [some.sink("xds", who, f"n-{at}") for at, who in enumerate((A, B))]
        await asyncio.sleep(10)
        one, two = ([h.sent for h in sink.session.holdings()] for sink in sinks)

        assert all(mine is theirs for mine, theirs in zip(one, two, strict=True))
        rows = some.cache.sinks()
        assert rows[0]["rights"]["group"] == rows[1]["rights"]["group"]
        assert {
            "identity": "spiffe://a/x",
            "group": rows[0]["rights"]["group"],
            "rights": "namespace foo",
            "rules": ["policy[0]"],
        } == rows[0]["rights"]

    world(scenario)


def test_without_rules_every_sink_gets_everything_unless_all_have_to_prove_who_they_are(world):
    async def scenario(some):
        some.serve("foo/a", "bar/a")
        sink = some.sink("mcp", NOBODY)
        await asyncio.sleep(10)

        assert ["bar/a", "foo/a"] == names(sink)
        assert None is some.cache.sinks()[0]["rights"]
        assert some.shared.access.status(None)["open"]

        some.shared.access.configure((), Authorization(), guarded=True)
        some.cache.wake()
        await asyncio.sleep(0.1)

        assert End.DENIED is sink.ending.end
        assert not some.shared.access.status(None)["open"]

    world(scenario)


def test_a_subscription_without_rights_is_answered_as_any_unknown_one_and_noted_once(world):
    async def scenario(some):
        some.serve("foo/a")
        some.policy(Rule(to=TO_A, resources=RuleResources(collections=("envoy/clusters",))))
        sink = some.sink("mcp", A)
        await asyncio.sleep(10)
        sink.ask(LDS)
        await asyncio.sleep(10)

        assert (["foo/a"], []) == (names(sink), names(sink, LDS))
        noted = [one.facts["collection"] for one in some.happenings]
        assert ["envoy/listeners", "envoy/secrets", VIRTUAL_SERVICES] == sorted(noted)

    world(scenario)


def test_another_policy_is_news_once(world):
    async def scenario(some):
        access = some.shared.access
        some.serve("foo/a")
        first = access.news(some.cache.get())

        assert ("policy", "open", "") == (first.event, first.outcome, first.facts["after"])
        assert access.news(some.cache.get()) is None

        some.policy(Rule(to=TO_A, resources=FOO))
        second = access.news(some.cache.get())

        assert ("ok", "", 1) == (second.outcome, second.facts["before"], second.facts["rules"])
        some.policy(Rule(to=TO_A, resources=FOO))
        assert access.news(some.cache.get()) is None
        some.policy(ceiling=(Rule(to=TO_A, resources=ALL),))
        third = access.news(some.cache.get())
        assert (second.facts["after"], "Ann <a@b>") == (
            third.facts["before"],
            third.facts["author"],
        )

    world(scenario)
