"""Limits that change while sinks are served count from then on, and end nobody by themselves."""

import contextlib
from dataclasses import replace

import grpc

from doors import eventually, open_door, outcome, secured, token, with_tokens
from gitsource.settings.serving import Limits
from raw_sink import RawSink
from raw_xds import CDS, EDS, LDS, RDS, RawXds, served, stored
from serving import VS, resource, serving, snapshot
from svids import Mesh, spiffe

MESH = Mesh()
FIRST = served({CDS: [stored(CDS, "a")], EDS: [stored(EDS, f"s-{at}") for at in range(9)]})


@contextlib.asynccontextmanager
async def server_for(first=FIRST):
    async with serving(first) as (cache, server):
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield cache, server, channel


async def test_a_lower_share_of_names_ends_who_asks_for_more_and_nobody_else():
    async with server_for() as (cache, server, channel):
        quiet, greedy = RawXds(channel, "quiet", delta=True), RawXds(channel, "x", delta=True)
        for client in (quiet, greedy):
            await client.ask(EDS, "s-1", "s-2")
            await client.accept()
        server.limit(replace(Limits(), named_bytes=1000))
        await greedy.ask(EDS, "s-3")
        code, why = await greedy.ended()
        cache.set("default", served({EDS: [stored(EDS, "s-1", "v2")]}))
        response = await quiet.accept()

        assert ("RESOURCE_EXHAUSTED", True) == (code, "(limits.named_bytes)" in why)
        assert ["s-1"] == [one.name for one in response.resources]


async def test_streams_that_begin_then_go_by_new_bounds_of_subscriptions_and_names():
    async with server_for() as (_, server, channel):
        old = RawXds(channel, "old", delta=True)
        await old.ask(CDS)
        await old.accept()
        server.limit(replace(Limits(), subscriptions=1, names=1))
        for url in (LDS, RDS):
            await old.ask(url)
        new, named, classic = RawXds(channel, "new"), RawXds(channel, "n"), RawSink(channel, "c")
        for url in (CDS, LDS):
            await new.ask(url)
            await classic.send(url)
        await named.ask(EDS, "s-1", "s-2")
        told = [await one.ended() for one in (new, named, classic)]

        assert ["RESOURCE_EXHAUSTED"] * 3 == [code for code, _ in told]
        assert ["subscriptions", "names", "subscriptions"] == [
            why.partition("limits.")[2].rstrip(")") for _, why in told
        ]
        assert not old.call.done()


async def test_a_smaller_largest_push_counts_for_streams_that_are_open():
    async with server_for(snapshot(resource("a"))) as (cache, server, channel):
        sink = RawSink(channel, "sink")
        await sink.send(VS)
        await sink.accept()
        server.limit(replace(Limits(), push_bytes=1000))
        cache.set("default", snapshot(resource("a", "v2", size=5000)))
        code, why = await sink.ended()

        assert ("RESOURCE_EXHAUSTED", True) == (code, "(limits.push_bytes)" in why)


async def test_new_streams_and_bad_tokens_are_counted_by_what_counts_now(tmp_path):
    settings = secured(tmp_path, MESH, clients="optional", tokens=with_tokens(tmp_path))
    papers = MESH.svid(spiffe())
    async with open_door(settings) as door:
        told = [await outcome(door.address, MESH, papers)]
        limits = replace(Limits(), new_streams=0, streams_each=1, failed_tokens=1)
        door.server.limit(limits)
        await eventually(lambda: not door.server.sessions)
        told += [await outcome(door.address, MESH, papers) for _ in range(2)]
        told += [await outcome(door.address, MESH, token=each) for each in ("x", token())]
        door.server.limit(Limits())
        told += [await outcome(door.address, MESH, papers)]

        assert [
            "let in",
            "let in",
            "new_streams",
            "UNAUTHENTICATED",
            "failed_tokens",
            "let in",
        ] == [one.partition("limits.")[2].rstrip(")") or one.partition(":")[0] for one in told]
