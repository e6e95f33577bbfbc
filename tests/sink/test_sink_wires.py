"""Sinks of every wire with a real server: what they hold is what is served."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gitsource.catalog.whole import Catalog
from gitsource.publish.ending import End, Ending
from gitsource.sink.protocols import asked
from served_snapshots import (
    CDS,
    EDS,
    LDS,
    OF_MCP,
    OF_XDS,
    VS,
    WIRES,
    collections_of,
    following,
    snapshot,
    versions,
)
from serving import serving

every_wire = pytest.mark.parametrize(("protocol", "incremental"), WIRES)

BREAK = "break"
names = st.sampled_from(["ns/a", "ns/b", "ns/c", "ns/d"])
contents = st.fixed_dictionaries(
    {name: st.dictionaries(names, st.sampled_from(["v1", "v2", "v3"])) for name in OF_MCP + OF_XDS}
)
steps = st.lists(
    st.tuples(contents | st.just(BREAK), st.sampled_from([0.0, 0.003, None])),
    min_size=1,
    max_size=6,
)
"""What happens, and how many seconds go by after it; None: until the sink has it."""


async def follow(protocol, incremental, first, steps, caplog):
    caplog.clear()
    async with (
        serving(snapshot(first)) as (cache, server),
        following(server.port, protocol, incremental=incremental) as one,
    ):
        served = first
        await one.holds(served)
        for step, pause in steps:
            if step == BREAK:
                for session in server.sessions:
                    session.end(Ending(End.GOING_AWAY, "as the test says"))
            else:
                served = step
                cache.set("default", snapshot(served))
            await (asyncio.sleep(pause) if pause is not None else one.holds(served))
        await one.holds(served)

        assert [] == [update.refused for update in one.updates if update.refused]
    assert [] == [line for line in caplog.messages if "announced" in line]


@every_wire
def test_after_any_snapshots_and_breaks_a_sink_holds_what_is_served(protocol, incremental, caplog):
    @given(contents, steps)
    @settings(max_examples=12, phases=[Phase.generate])  # to shrink, each would be waited for
    def run(first, steps):
        asyncio.run(follow(protocol, incremental, first, steps, caplog))

    with caplog.at_level(logging.WARNING, "gitsource.sink"):
        run()


@every_wire
async def test_a_refused_push_is_not_applied_and_the_next_good_one_is(protocol, incremental):
    collection = collections_of(protocol)[0]
    (url,) = asked(protocol, [collection])
    number = count(2)

    def judge(update):
        return "no x today" if any(item.name == "ns/x" for item in update.resources) else ""

    async with (
        serving(snapshot({collection: {"ns/a": "v1"}})) as (cache, server),
        following(server.port, protocol, incremental=incremental, judge=judge) as one,
    ):
        await one.until(lambda me: me.sink.held(url))
        cache.set("default", snapshot({collection: {"ns/a": f"v{next(number)}", "ns/x": "v1"}}))
        await one.until(lambda me: any(update.refused for update in me.updates))

        assert "no x today" in [update.refused for update in one.updates]
        assert "ns/x" not in one.sink.held(url)

        good = {collection: {"ns/a": f"v{next(number)}"}}
        cache.set("default", snapshot(good))
        await one.holds(good)

        (row,) = cache.sinks()
        assert "no x today" in str(row)


@pytest.mark.parametrize(
    ("protocol", "incremental"),
    [("mcp", True), ("mcp-legacy", True), ("mcp-xds-delta", False), ("xds-delta", False)],
)
async def test_a_sink_that_says_what_it_holds_gets_only_what_is_new(protocol, incremental):
    collection = collections_of(protocol)[0]
    (url,) = asked(protocol, [collection])
    async with (
        serving(snapshot({collection: {"ns/a": "v1", "ns/b": "v1"}})) as (cache, server),
        following(server.port, protocol, incremental=incremental) as one,
    ):
        await one.until(lambda me: me.sink.held(url))
        await one.until(lambda _: "'acked': '" in str(cache.sinks()))
        before = len(one.updates)
        (old,) = server.sessions
        old.end(Ending(End.GOING_AWAY, "as the test says"))
        await one.until(lambda _: server.sessions and old not in server.sessions)
        served = {collection: {"ns/a": "v1", "ns/c": "v1"}}
        cache.set("default", snapshot(served))
        await one.holds(served)
        again = {item.name for update in one.updates[before:] for item in update.resources}

        assert {"ns/c"} == again


@pytest.mark.parametrize("protocol", ["xds", "xds-delta"])
async def test_only_the_named_resources_come(protocol):
    served = {CDS: {"a": "v1", "b": "v1"}, LDS: {"a": "v1", "c": "v1"}, EDS: {"b": "v1"}}
    async with (
        serving(snapshot(served)) as (_, server),
        following(server.port, protocol, names=("a",)) as one,
    ):
        await one.until(lambda me: sum(map(len, versions(me.sink, protocol).values())) == 2)
        held = versions(one.sink, protocol)

        assert ({"a": "v1"}, {"a": "v1"}, {}) == (held[CDS], held[LDS], held[EDS])


@pytest.mark.parametrize("protocol", ["mcp-xds", "mcp-xds-delta"])
async def test_a_sink_that_asks_like_istiod_is_answered_for_every_type(protocol):
    async with (
        serving(snapshot({VS: {"ns/a": "v1"}}), Catalog) as (_, server),
        following(server.port, protocol, collections=()) as one,
    ):
        await one.until(lambda me: {u.collection for u in me.updates} == set(me.sink.collections))

        assert len(one.sink.collections) == 16
        assert ["ns/a"] == list(one.sink.held("networking.istio.io/v1/VirtualService"))


@every_wire
async def test_the_source_learns_who_the_sink_is(protocol, incremental):
    collection = collections_of(protocol)[0]
    async with (
        serving(snapshot({collection: {"ns/a": "v1"}})) as (_, server),
        following(server.port, protocol, incremental=incremental) as one,
    ):
        await one.until(lambda me: me.updates)
        (session,) = server.sessions
        node = session.node

        assert node is not None
        assert "test-node" == node.id
        if "xds" in protocol:
            told = {"team": "mesh", "user_agent_name": "gitsource"}
            assert ("test-cluster", told) == (node.cluster, dict(node.metadata))
        else:
            assert {"team": "mesh"} == dict(node.metadata)
