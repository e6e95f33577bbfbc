"""What a sink may not have any more is never sent again, and taken from it before all else."""

import asyncio
from dataclasses import replace

import pytest
from policed_streams import CDS, COLLECTIONS, LDS, SDS, TYPES, VS
from policed_world import TO_A, A, every_wire, in_its_own_time, merges, names, stored

from gitsource.publish.ending import End
from gitsource.settings.rights import Rule, RuleResources
from gitsource.settings.serving import Limits

OF_FOO = Rule(to=TO_A, resources=RuleResources(labels=(("team", "foo"),)))
SECRET = "bar/a"
"""What goes from one team to another; an xDS sink asks for the Secret of that name."""
EVENTUALLY = 60
over_xds = pytest.mark.parametrize("speaks", ["xds", "xds-delta"])
over_mcp = pytest.mark.parametrize("speaks", ["mcp", "mcp-incremental", "mcp-legacy"])


def serve(some, **teams):
    """Serve of every type ``foo/a`` and `SECRET`, each as one of *teams* in a version."""
    some.serve_these(
        {
            one: [
                stored(one, name, f"{version} {team}", {"team": team})
                for name, (team, version) in (("foo/a", teams["keep"]), (SECRET, teams["secret"]))
                if team
            ]
            for one in TYPES
        }
    )


async def settled(some, speaks):
    serve(some, keep=("foo", 1), secret=("foo", 1))
    some.policy(OF_FOO)
    sink = some.sink(speaks, A)
    await asyncio.sleep(10)

    assert [[SECRET, "foo/a"]] * len(COLLECTIONS) == [names(sink, url) for url in COLLECTIONS]
    some.messages.clear()
    return sink


def sent(some):
    return {name for _, _, put, _ in some.messages for name in put}


@every_wire
def test_what_goes_to_others_is_taken_back_at_once(speaks):
    """While everything else changes as well, and nothing of it waits longer for that."""

    async def scenario(some):
        sink = await settled(some, speaks)
        serve(some, keep=("foo", 2), secret=("bar", 1))
        await asyncio.sleep(0.1)

        for url in COLLECTIONS:
            if not merges(sink, url):
                assert ["foo/a"] == names(sink, url)
        assert {"foo/a"} == sent(some)

    in_its_own_time(scenario)


@over_xds
def test_it_waits_neither_for_an_ack_nor_for_what_refers_to_it(speaks):
    async def scenario(some):
        sink = await settled(some, speaks)
        sink.answers = False
        serve(some, keep=("foo", 2), secret=("foo", 2))
        await asyncio.sleep(0.1)
        some.messages.clear()
        serve(some, keep=("foo", 3), secret=("bar", 3))
        await asyncio.sleep(0.1)

        assert SECRET not in sent(some)
        for url in (CDS, LDS, VS):
            assert ["foo/a"] == sorted(sink.heard[url])
        await asyncio.sleep(EVENTUALLY)

        assert sink.ending is None

    in_its_own_time(scenario)


@every_wire
@pytest.mark.parametrize("on_nack", ["hold", "return"])
@pytest.mark.parametrize("holding", [False, True])
def test_who_refuses_the_revision_that_takes_it_is_not_sent_it_again(speaks, on_nack, holding):
    """On the same stream, and on a new one of the same sink."""

    async def scenario(some):
        some.shared.on_nack = on_nack
        sink = await settled(some, speaks)
        sink.refuses_all = True
        serve(some, keep=("foo", 2), secret=("bar", 2))
        await asyncio.sleep(EVENTUALLY)
        sink.refuses_all = False
        await sink.close()
        sink.connect(holding=holding)
        await asyncio.sleep(EVENTUALLY)

        assert SECRET not in sent(some)
        for url in COLLECTIONS:
            if not merges(sink, url):
                assert SECRET not in sink.heard[url]

    in_its_own_time(scenario)


@every_wire
def test_who_refuses_the_news_of_that_revision_still_loses_what_it_takes(speaks):
    """It refuses what is new, and takes what it accepted before without what it lost."""

    async def scenario(some):
        sink = await settled(some, speaks)
        sink.refuses = True
        serve(some, keep=("foo", 2), secret=("bar", 2))
        await asyncio.sleep(EVENTUALLY)

        for url in COLLECTIONS:
            if not merges(sink, url):
                assert SECRET not in names(sink, url)

    in_its_own_time(scenario)


@every_wire
def test_what_was_given_to_others_and_is_gone_since_is_theirs(speaks):
    """Though the sink accepted it last when it had a right to it."""

    async def scenario(some):
        sink = await settled(some, speaks)
        await sink.close()
        serve(some, keep=("foo", 2), secret=("bar", 2))
        serve(some, keep=("foo", 3), secret=("", 3))
        sink.connect()
        sink.refuses_all = True
        await asyncio.sleep(10)
        sink.refuses_all = False
        await sink.close()
        some.messages.clear()
        sink.connect()
        await asyncio.sleep(EVENTUALLY)

        assert SECRET not in sent(some)

    in_its_own_time(scenario)


@over_mcp
def test_a_sink_that_does_not_answer_cannot_be_told_and_loses_its_stream(speaks):
    """MCP allows one push of a collection at a time: there is no way to say it on this stream."""

    async def scenario(some):
        sink = await settled(some, speaks)
        sink.answers = False
        serve(some, keep=("foo", 2), secret=("foo", 2))
        await asyncio.sleep(EVENTUALLY)

        assert sink.ending is None
        serve(some, keep=("foo", 3), secret=("bar", 3))
        await asyncio.sleep(4)

        assert sink.ending is None
        await asyncio.sleep(2)
        why = "a push was not answered in 5 s (limits.unanswered)"

        assert (End.UNANSWERED, why) == (sink.ending.end, sink.ending.text)
        assert 1 == some.shared.met["unanswered"]
        told = [one for one in some.happenings if one.event == "refuse"]
        assert [(A.identity, f"it has what it may not have any more, and {why}")] == [
            (one.who, one.why) for one in told
        ]
        sink.answers = True
        sink.connect()
        await asyncio.sleep(10)

        assert [["foo/a"]] * len(COLLECTIONS) == [names(sink, url) for url in COLLECTIONS]

    in_its_own_time(scenario, replace(Limits(), unanswered=5.0))


@over_mcp
def test_answers_to_other_pushes_win_no_time(speaks):
    async def scenario(some):
        sink = await settled(some, speaks)
        sink.answers = False
        serve(some, keep=("foo", 2), secret=("foo", 2))
        await asyncio.sleep(1)
        for one in [one for one in sink.unanswered if one[0] != CDS]:
            sink.answer(one)
        sink.answers = True
        for number in range(3, 20):
            serve(some, keep=("foo", number), secret=("bar", number))
            await asyncio.sleep(1)

        assert End.UNANSWERED is sink.ending.end

    in_its_own_time(scenario, replace(Limits(), unanswered=5.0))


def test_over_delta_who_never_answers_loses_its_stream_when_no_more_may_be_sent():
    async def scenario(some):
        sink = await settled(some, "xds-delta")
        sink.answers = False
        for number in range(2, 20):
            serve(some, keep=("foo", number), secret=("foo", number))
            await asyncio.sleep(0.1)
            sink.ask(CDS)
            sink.ask(SDS)
            await asyncio.sleep(2)
        serve(some, keep=("foo", 20), secret=("bar", 20))
        await asyncio.sleep(EVENTUALLY)

        assert End.UNANSWERED is sink.ending.end
        assert ["foo/a"] == sorted(sink.heard[CDS])

    in_its_own_time(scenario)


@every_wire
def test_who_asks_what_a_client_has_is_not_told_of_it(speaks):
    """CSDS goes by this."""

    async def scenario(some):
        sink = await settled(some, speaks)
        sink.answers = False
        serve(some, keep=("foo", 2), secret=("bar", 2))

        told = [each for one in sink.session.may_have() for each in (one.sent, one.accepted)]
        assert {"foo/a"} == {name for one in told if one is not None for name in one.names}

    in_its_own_time(scenario)


def test_a_push_in_parts_begins_with_what_is_lost():
    async def scenario(some):
        some.policy(OF_FOO)
        big = "x" * 3000

        def made(team, version):
            found = [
                stored("envoy/clusters", f"foo/{at}", f"{version} {big}", {"team": "foo"})
                for at in range(10)
            ]
            secret = stored("envoy/clusters", SECRET, f"{version} {team}", {"team": team})
            some.serve_these({"envoy/clusters": [*found, secret]})

        made("foo", "v1")
        sink = some.sink("mcp-incremental", A)
        await asyncio.sleep(10)
        some.messages.clear()
        made("bar", "v2")
        await asyncio.sleep(10)
        clusters = [one for one in some.messages if one[1] == CDS]

        assert len(clusters) > 2
        assert ((), (SECRET,)) == clusters[0][2:]
        assert 10 == len(names(sink))

    in_its_own_time(scenario, replace(Limits(), message_bytes=16_000))
