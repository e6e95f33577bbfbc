"""xDS clients that are broken or mean: each costs its own stream, and nobody else notices."""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import socket
from pathlib import Path

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import text_format

from raw_sink import PATIENCE, channel
from raw_xds import ADS, CDS, EDS, LDS, RDS, RawXds, collection_of, served, stored
from servers.networks import network
from serving import serving

MIB = 1024 * 1024
CHANGES = itertools.count()
WORDS = Path(__file__).parent / "hostile_xds"

both = pytest.mark.parametrize("delta", [False, True], ids=["SotW", "delta"])


def clusters(*names, version="v1", size=0):
    return served({CDS: [stored(CDS, name, version, size=size) for name in names]})


@contextlib.asynccontextmanager
async def with_witness(**how):
    """Yield cache, server, a connection and a good client on it that has its first state."""
    first = how.pop("first", clusters("a"))
    async with serving(first, **how) as (cache, server), channel(server.port) as connection:
        witness = RawXds(connection, "witness", delta=True)
        await witness.ask(CDS)
        await witness.accept()
        yield cache, server, connection, witness


async def sees_changes(cache, witness):
    """Check that *witness* gets the next version as if nothing had happened."""
    name = f"change-{next(CHANGES)}"
    cache.set("default", clusters("a", name))
    while name not in witness.held[CDS]:
        await witness.accept()


def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def row_of(cache, node):
    (row,) = [row for row in cache.sinks() if row["id"] == node]
    return row


# --------------------------------------------------------------------------- words


def words_of(path):
    """
    Return whether the file *path* speaks delta, its messages, and the status it expects.

    Its first line is ``# METHOD -> STATUS``; messages are in text format, with ``---`` in between.
    """
    first, _, rest = path.read_text().partition("\n")
    method, _, expected = first.removeprefix("# ").partition(" -> ")
    delta = method == "delta"
    kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    messages = [text_format.Parse(text, kind()) for text in rest.split("---\n")]
    return delta, [one.SerializeToString() for one in messages], expected


@pytest.mark.parametrize("case", sorted(WORDS.glob("*.textproto")), ids=lambda path: path.stem)
async def test_what_a_file_says_ends_the_stream_as_it_says(case):
    delta, messages, expected = words_of(case)
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        for message in messages:
            await client.write(message)
        await client.call.done_writing()

        assert " ".join(await client.ended()).startswith(expected)

        await sees_changes(cache, witness)


@both
@pytest.mark.parametrize("data", [b"\xff" * 40, b"not protobuf", b"\x0a\xff\xff\xff\xff\x0f", b""])
async def test_garbage_ends_that_stream_as_an_invalid_argument(delta, data):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        await client.write(data)

        assert "INVALID_ARGUMENT" == (await client.ended())[0]

        await sees_changes(cache, witness)


@both
async def test_a_second_different_node_ends_the_stream(delta):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "one", delta=delta)
        await client.ask(CDS)
        await client.accept()
        await client.ask(LDS, node={"id": "two"})
        ended = await client.ended()

        assert ("INVALID_ARGUMENT", "a second, different node on one stream") == ended

        await sees_changes(cache, witness)


@both
async def test_a_huge_node_is_taken_and_little_of_it_kept(delta):
    async with with_witness() as (cache, server, connection, witness):
        values = {f"KEY_{number}": "v" * 200 for number in range(10_000)}
        node = {"metadata": values, "user_agent_name": "envoy", "cluster": "c" * 100_000}
        node["extensions"] = [{"name": "e" * 100, "category": "x"} for _ in range(5000)]
        client = RawXds(connection, "n" * 1_000_000, delta=delta, **node)
        await client.ask(CDS)
        await client.accept()
        kept = max(server.sessions, key=lambda session: session.stream).node

        assert len(kept.metadata) <= 64
        assert len(kept.id) + len(kept.cluster) < 5000
        assert all(len(row["id"]) < 5000 for row in cache.sinks())

        await sees_changes(cache, witness)


@both
async def test_a_huge_name_ends_the_stream(delta):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        await client.ask(EDS, "n" * 100_000)

        assert "INVALID_ARGUMENT" == (await client.ended())[0]

        await sees_changes(cache, witness)


@both
async def test_types_nobody_knows_are_answered_empty(delta):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        for url in ("type.googleapis.com/no.such.Thing", "\x1b[2J\u202e"):
            await client.ask(url)
            response = await client.accept()

            assert (url, []) == (response.type_url, list(response.resources))

        await sees_changes(cache, witness)

        assert all("\x1b" not in str(row) and "\u202e" not in str(row) for row in cache.sinks())


@both
async def test_answers_to_nothing_change_nothing(delta):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        await client.ask(CDS)
        response = await client.accept()
        for _ in range(50):
            await client.ask(CDS, response_nonce="77")
            await client.ask(CDS, response_nonce="77", error_detail={"code": 3, "message": "no"})
        await sees_changes(cache, witness)
        again = await client.next()

        assert int(response.nonce) + 1 == int(again.nonce)


# --------------------------------------------------------------------------- too much


@both
async def test_a_hundred_thousand_names_and_one_more_end_the_stream(delta, caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    expected = "more than 100000 names on one stream (limits.names)"
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=delta)
        await client.ask(EDS, *(f"service-{number}" for number in range(100_001)))

        assert ("RESOURCE_EXHAUSTED", expected) == await client.ended()

        await sees_changes(cache, witness)

    assert f"sink disconnected: {expected}" in caplog.text
    assert [("greedy", 1, expected)] == [
        (row["sink"], row["count"], row["why"]) for row in cache.endings.rows()
    ]


@both
async def test_names_are_counted_over_all_types(delta):
    async with with_witness(names=1000) as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=delta)
        await client.ask(EDS, *(f"service-{number}" for number in range(900)))
        await client.ask(RDS, *(f"route-{number}" for number in range(101)))

        assert "RESOURCE_EXHAUSTED" == (await client.ended())[0]

        await sees_changes(cache, witness)


@both
async def test_names_are_counted_over_all_requests(delta):
    """A SotW request tells all its names, a delta one those that come on top."""
    async with with_witness(names=1000) as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=delta)
        names = [f"service-{number}" for number in range(1001)]
        await client.ask(EDS, *names[:900])
        await client.ask(EDS, *(names[900:] if delta else names))

        assert "RESOURCE_EXHAUSTED" == (await client.ended())[0]

        await sees_changes(cache, witness)


async def test_what_a_client_says_it_has_counts_as_well():
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=True)
        versions = {f"name-{number}": "v" for number in range(100_001)}
        await client.ask(CDS, initial_resource_versions=versions)

        assert "RESOURCE_EXHAUSTED" == (await client.ended())[0]

        await sees_changes(cache, witness)


async def test_a_hundred_thousand_resources_a_client_has_and_nobody_else_are_removed():
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=True)
        versions = {f"name-{number}": "v" for number in range(100_000)}
        await client.ask(CDS, initial_resource_versions=versions)
        response = await client.accept()

        assert set(versions) == set(response.removed_resources)
        assert ["a"] == [one.name for one in response.resources]

        await sees_changes(cache, witness)


@both
async def test_one_type_too_many_ends_the_stream(delta, caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    expected = "more than 1024 types on one stream (limits.subscriptions)"
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "greedy", delta=delta)
        for number in range(1025):
            await client.ask(f"acme/v1/Kind{number}")

        assert ("RESOURCE_EXHAUSTED", expected) == await client.ended()

        await sees_changes(cache, witness)

    assert expected in caplog.text


@both
async def test_a_request_that_is_too_large_ends_the_stream(delta):
    async with with_witness(request_bytes=10_000) as (cache, _, connection, witness):
        client = RawXds(connection, delta=delta)
        await client.ask(EDS, *(f"service-{number}" for number in range(2000)))

        assert "RESOURCE_EXHAUSTED" == (await client.ended())[0]

        await sees_changes(cache, witness)


@both
async def test_an_unknown_method_is_not_implemented(delta):
    async with with_witness() as (_, _, connection, _):
        call = connection.stream_stream(ADS + ("Delta" if delta else "Stream") + "Everything")()

        assert grpc.StatusCode.UNIMPLEMENTED == await call.code()


# --------------------------------------------------------------------------- again and again


@both
async def test_a_client_that_answers_everything_twice_gets_each_change_once(delta):
    async with with_witness() as (cache, _, connection, _):
        client = RawXds(connection, "twice", delta=delta)
        await client.ask(CDS)
        got = []
        for number in range(5):
            name = f"twice-{number}"
            cache.set("default", clusters("a", name))
            while name not in client.held.get(CDS, {}):
                got.append(await client.accept())
                # Over SotW this says `send it again`, and is answered at most once a second.
                await client.answer(got[-1])

        assert len(got) <= (6 if delta else 13)
        assert {"a", "twice-4"} == set(client.held[CDS])


@both
async def test_a_client_that_refuses_everything_is_sent_each_thing_a_few_times_at_most(delta):
    names = [f"c{number}" for number in range(20)]
    async with with_witness(first=clusters(*names)) as (cache, _, connection, witness):
        client = RawXds(connection, "never", delta=delta)
        await client.ask(CDS)
        count = 0
        with contextlib.suppress(TimeoutError):
            while count < 100:
                response = await client.next(1.0)
                await client.refuse(response, message="I do not like it")
                count += 1

        assert count <= (32 if delta else 1)

        row = row_of(cache, "never")

        assert "I do not like it" == row["collections"][CDS]["error"]

        await sees_changes(cache, witness)


@both
async def test_a_flood_of_requests_is_not_answered_one_by_one(delta):
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "flood", delta=delta)
        for _ in range(2000):
            await client.ask(EDS, "service")
        await sees_changes(cache, witness)
        await client.call.done_writing()
        nonces = [response.nonce async for response in client]

        assert 0 < len(nonces) <= 20
        assert "OK" == (await client.ended())[0]


async def test_names_that_change_two_thousand_times_come_to_the_last_ones():
    """Each change has to be answered; what nobody reads does not pile up."""
    first = served({EDS: [stored(EDS, f"service-{number}") for number in range(2000)]})
    async with with_witness(first=first) as (cache, _, connection, witness):
        client = RawXds(connection, "restless")
        for number in range(2000):
            await client.ask(EDS, f"service-{number}")
        while "service-1999" not in client.held.get(EDS, {}):
            client.apply(await client.next())
        await sees_changes(cache, witness)


# --------------------------------------------------------------------------- silence


@both
async def test_clients_that_do_not_read_cost_a_bounded_memory_and_hold_nobody_up(delta):
    """Ten of them, thirty versions of a megabyte: unbounded queues would come to 300 MB."""
    async with with_witness(push_bytes_in_flight=2 * MIB) as (cache, server, _, witness):
        connections = [channel(server.port) for _ in range(10)]
        for number, connection in enumerate(connections):
            await RawXds(connection, f"stuck {number}", delta=delta).ask(CDS)
        cache.set("default", clusters("a", version="warm", size=MIB))
        await witness.accept()
        before = resident()
        for number in range(30):
            cache.set("default", clusters("a", version=f"v{number}", size=MIB))
            await witness.accept()
        grown = resident() - before

        assert grown < 100 * MIB

        for connection in connections:
            await connection.close()


@both
async def test_a_client_that_takes_nothing_for_too_long_is_hung_up_on(delta, caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    async with with_witness(stalled=0.2) as (cache, server, _, witness):
        gone = asyncio.Event()
        cache.listen(lambda report: report.event == "disconnected" and gone.set())
        async with channel(server.port) as connection:
            stuck = RawXds(connection, "stuck", delta=delta)
            await stuck.call.initial_metadata()
            cache.set("default", clusters("a", version="large", size=8 * MIB))
            await witness.accept()
            await stuck.ask(CDS)
            await asyncio.wait_for(gone.wait(), PATIENCE)
            code = await asyncio.wait_for(stuck.call.code(), PATIENCE)

            assert grpc.StatusCode.UNAVAILABLE == code

        assert "limits.stalled" in caplog.text
        assert ["stuck"] == [row["sink"] for row in cache.endings.rows()]

        await sees_changes(cache, witness)


@both
async def test_a_client_that_answers_nothing_gets_all_types_and_then_only_what_may_be(delta):
    """It is told the newest of each type once; nothing is sent on top of what is un-answered."""
    async with with_witness() as (cache, _, connection, witness):
        client = RawXds(connection, "mute", delta=delta)
        for url in (CDS, LDS):
            await client.ask(url)
        first = [await client.next(), await client.next()]
        for _ in range(5):
            await sees_changes(cache, witness)
        await client.call.done_writing()

        assert {CDS, LDS} == {one.type_url for one in first}
        assert [] == [one.nonce async for one in client]


@both
async def test_a_peer_that_vanishes_without_a_word_is_found_out(delta):
    """The network swallows everything from some moment on, as when a machine loses power."""
    async with (
        with_witness(keepalive=1.0) as (cache, server, _, witness),
        network(server.port) as between,
    ):
        async with channel(between.port) as connection:
            gone = asyncio.Event()
            cache.listen(lambda report: report.event == "disconnected" and gone.set())
            client = RawXds(connection, "vanishing", delta=delta)
            await client.ask(CDS)
            await client.accept()
            between.swallow()
            await asyncio.wait_for(gone.wait(), PATIENCE)

            assert ["witness"] == [row["id"] for row in cache.sinks()]

        await sees_changes(cache, witness)


async def test_connections_that_say_nothing_or_nonsense_do_no_harm():
    async with with_witness() as (cache, server, _, witness):
        silent = socket.create_connection(("127.0.0.1", server.port))
        rude = socket.create_connection(("127.0.0.1", server.port))
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100_000))
        await sees_changes(cache, witness)
        silent.close()
        rude.close()
        await sees_changes(cache, witness)


# --------------------------------------------------------------------------- all at once

STORM = 500


async def test_five_hundred_delta_clients_that_come_back_at_once_get_nothing_twice():
    """They have everything: all of CDS and LDS are a word, and of the names nothing is owed."""
    everything = served(
        {
            CDS: [stored(CDS, f"c{number}", size=1000) for number in range(200)],
            EDS: [stored(EDS, f"c{number}", size=1000) for number in range(200)],
        }
    )
    async with with_witness(first=everything) as (cache, server, _, _):
        has = {url: {one.name: one.version for one in told} for url, told in all_of(everything)}
        connections = [channel(server.port) for _ in range(10)]

        async def come_back(number):
            client = RawXds(connections[number % 10], f"node {number}", delta=True)
            await client.ask(CDS, initial_resource_versions=has[CDS])
            await client.ask(EDS, *has[EDS], initial_resource_versions=has[EDS])
            await client.ask(LDS)
            assert [CDS, LDS] == [(await client.accept()).type_url for _ in range(2)]
            return client

        came = await asyncio.gather(*(come_back(number) for number in range(STORM)))

        assert max(client.bytes for client in came) < 400
        assert STORM + 1 == cache.streams

        cache.set("default", served({CDS: [*all_of(everything)[0][1], stored(CDS, "new")]}))
        rest = await asyncio.gather(*(client.accept() for client in came))

        assert {(CDS, "new")} == {(one.type_url, one.resources[0].name) for one in rest}

        for connection in connections:
            await connection.close()


async def test_five_hundred_sotw_clients_that_come_back_at_once_get_nothing_they_have():
    everything = clusters(*(f"c{number}" for number in range(200)), size=1000)
    async with with_witness(first=everything) as (cache, server, _, _):
        version = everything.collection(collection_of(CDS)).version
        connections = [channel(server.port) for _ in range(10)]

        async def come_back(number):
            client = RawXds(connections[number % 10], f"node {number}")
            await client.ask(CDS, version_info=version)
            await client.ask(LDS)
            response = await client.accept()
            return response.type_url, client

        came = await asyncio.gather(*(come_back(number) for number in range(STORM)))

        assert {LDS} == {url for url, _ in came}
        assert STORM + 1 == cache.streams

        for connection in connections:
            await connection.close()


async def test_one_stream_too_many_is_refused_and_that_is_said_once(caplog):
    async with with_witness(streams=2) as (cache, _, connection, witness):
        second = RawXds(connection)
        await second.ask(CDS)
        await second.accept()
        text = "2 sink streams are open (limits.streams)"
        for _ in range(2):
            assert ("RESOURCE_EXHAUSTED", text) == await RawXds(connection).ended()
        (row,) = cache.endings.rows()

        assert (2, "xds", text) == (row["count"], row["protocol"], row["why"])
        assert 1 == caplog.text.count(text)

        await sees_changes(cache, witness)


def all_of(snapshot):
    return [(url, snapshot.collection(collection_of(url))) for url in (CDS, EDS)]
