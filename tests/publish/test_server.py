"""The server as sinks meet it: a real socket, a client that shares nothing with it."""

import asyncio
import gc
import logging
import socket
from importlib.metadata import version

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError
from gitsource.publish.entry.hanging_up import hang_up
from gitsource.publish.server import McpServer
from gitsource.settings.serving import Limits
from gitsource.settings.units import Address
from gitsource.snapshot.cache import SnapshotCache
from raw_sink import PATIENCE, RawSink, channel
from serving import VS, resource, serving, snapshot

SERVICE = "istio.mcp.v1alpha1.ResourceSource"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


# --------------------------------------------------------------------------- the good way


async def test_a_sink_sees_the_first_snapshot_and_then_each_change():
    async with serving() as (cache, server), channel(server.port) as connection:
        sink = RawSink(connection, "pilot")
        await sink.send(VS, incremental=True)
        cache.set("default", snapshot(resource("a"), resource("b")))
        first = await sink.accept(incremental=True)
        cache.set("default", snapshot(resource("a", "v1")))
        second = await sink.accept(incremental=True)

        assert (False, "1", VS) == (first.incremental, first.nonce, first.collection)
        assert (True, "2", ["b"]) == (
            second.incremental,
            second.nonce,
            list(second.removed_resources),
        )
        assert {"a": "v1"} == sink.held[VS]


async def test_the_bodies_arrive_as_they_were_encoded():
    served = resource("a", size=1000)
    async with serving(snapshot(served)) as (_, server), channel(server.port) as connection:
        sink = RawSink(connection)
        await sink.send(VS)
        push = await sink.receive()

        assert [served.wire] == [one.SerializeToString() for one in push.resources]


async def test_response_headers_come_before_anything_is_asked():
    async with serving() as (_, server), channel(server.port) as connection:
        sink = RawSink(connection)
        headers = await asyncio.wait_for(sink.call.initial_metadata(), PATIENCE)

        assert version("gitsource") == dict(headers)["config.source.version"]


async def test_a_sink_that_closes_its_half_ends_the_stream_well():
    async with serving(snapshot()) as (cache, server), channel(server.port) as connection:
        sink = RawSink(connection)
        await sink.send(VS)
        await sink.accept()
        await sink.call.done_writing()

        assert ("OK", "") == await sink.ended()
        assert 0 == cache.streams


async def test_a_sink_that_cancels_is_forgotten():
    async with serving(snapshot()) as (cache, server), channel(server.port) as connection:
        gone = asyncio.Event()
        cache.listen(lambda report: report.event == "disconnected" and gone.set())
        sink = RawSink(connection)
        await sink.send(VS)
        await sink.receive()
        sink.call.cancel()
        await asyncio.wait_for(gone.wait(), PATIENCE)

        assert [] == cache.sinks()


async def test_status_follows_the_sink():
    async with serving(snapshot(resource("a"))) as (cache, server), channel(server.port) as wire:
        heard = asyncio.Queue()
        cache.listen(lambda report: heard.put_nowait(report.event))
        sink = RawSink(wire, "pilot")
        await sink.send(VS)
        push = await sink.receive()
        await sink.refuse(push, "bad \x1b[31mroute\n")
        events = [await asyncio.wait_for(heard.get(), PATIENCE) for _ in range(4)]
        (row,) = cache.sinks()

        assert ["connected", "subscribed", "sent", "nacked"] == events
        assert ("pilot", "mcp") == (row["id"], row["protocol"])
        assert {
            "sent": push.system_version_info,
            "acked": None,
            "nacked": push.system_version_info,
            "error": "bad \\x1b[31mroute\\n",
        }.items() <= row["collections"][VS].items()
        assert row["collections"][VS]["behind"] >= 0


async def test_collections_asked_for_together_come_in_order():
    """What is referred to arrives first, though it was asked for last."""
    names = ["virtualservices", "gateways", "destinationrules", "serviceentries"]
    async with serving() as (cache, server), channel(server.port) as wire:
        heard = asyncio.Queue()
        cache.listen(lambda report: heard.put_nowait(report.event))
        sink = RawSink(wire)
        for name in names:
            await sink.send(f"istio/networking/v1alpha3/{name}")
        while "subscribed" != await asyncio.wait_for(heard.get(), PATIENCE):
            pass
        for _ in names[1:]:
            await asyncio.wait_for(heard.get(), PATIENCE)
        cache.set("default", snapshot(resource("a")))
        came = [(await sink.receive()).collection.rpartition("/")[2] for _ in names]

        assert names[::-1] == came


async def test_five_hundred_sinks_may_come_at_once():
    async with serving(snapshot(resource("a"))) as (cache, server):
        connections = [channel(server.port) for _ in range(50)]
        sinks = [RawSink(connections[number % 50], str(number)) for number in range(500)]

        async def come(sink):
            await sink.send(VS)
            return await sink.accept()

        pushes = await asyncio.wait_for(asyncio.gather(*map(come, sinks)), 60)

        assert ({"1"}, 500) == ({push.nonce for push in pushes}, cache.streams)

        cache.set("default", snapshot(resource("a", "v1")))
        await asyncio.wait_for(asyncio.gather(*(sink.accept() for sink in sinks)), 60)
        for connection in connections:
            await connection.close()


# --------------------------------------------------------------------------- health, reflection


async def test_health_follows_the_first_snapshot_and_the_drain():
    async with serving() as (cache, server), channel(server.port) as connection:
        stub = health_pb2_grpc.HealthStub(connection)
        asked = [health_pb2.HealthCheckRequest(service=name) for name in ("", SERVICE)]

        assert [NOT_SERVING] * 2 == [(await stub.Check(request)).status for request in asked]

        cache.set("default", snapshot())

        assert [SERVING] * 2 == [(await stub.Check(request)).status for request in asked]

        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await stub.Check(health_pb2.HealthCheckRequest(service="other"))


async def test_who_watches_health_is_told_of_the_drain():
    async with serving(snapshot()) as (_, server), channel(server.port) as connection:
        stub = health_pb2_grpc.HealthStub(connection)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))

        assert SERVING == (await watch.read()).status

        sink = RawSink(connection)
        await sink.call.initial_metadata()
        draining = asyncio.create_task(server.drain(5))

        assert NOT_SERVING == (await watch.read()).status

        await draining


async def test_reflection_tells_the_services_and_their_messages():
    async with serving() as (_, server), channel(server.port) as connection:
        stub = reflection_pb2_grpc.ServerReflectionStub(connection)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        ]
        listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]

        assert {SERVICE, "grpc.health.v1.Health"} < {
            one.name for one in listed.list_services_response.service
        }
        assert any(
            b"RequestResources" in file
            for file in described.file_descriptor_response.file_descriptor_proto
        )


# --------------------------------------------------------------------------- going away


GOING_AWAY = ("UNAVAILABLE", "gitsource is going away: connect elsewhere")


async def test_a_drain_sends_sinks_elsewhere():
    async with serving(snapshot(resource("a"))) as (_, server), channel(server.port) as wire:
        idle, silent = RawSink(wire), RawSink(wire)
        await idle.send(VS)
        await idle.accept()
        await silent.call.initial_metadata()
        await server.drain(5)

        assert [GOING_AWAY] * 2 == [await idle.ended(), await silent.ended()]


async def test_a_drain_finishes_the_push_under_way_and_takes_nobody_new():
    large = resource("a", size=20_000_000)
    async with serving(snapshot(large)) as (cache, server), channel(server.port) as connection:
        sent = asyncio.Event()
        cache.listen(lambda report: report.event == "sent" and sent.set())
        sink = RawSink(connection)
        await sink.send(VS)
        await asyncio.wait_for(sent.wait(), PATIENCE)
        draining = asyncio.create_task(server.drain(20))
        await asyncio.sleep(0)
        late = RawSink(connection)

        assert GOING_AWAY == await late.ended()

        push = await sink.receive()

        assert [large.wire] == [one.SerializeToString() for one in push.resources]
        assert GOING_AWAY == await sink.ended()

        await draining


async def test_a_drain_does_not_wait_for_ever_for_a_sink_that_does_not_read():
    large = resource("a", size=20_000_000)
    async with serving(snapshot(large)) as (cache, server), channel(server.port) as connection:
        sent = asyncio.Event()
        cache.listen(lambda report: report.event == "sent" and sent.set())
        sink = RawSink(connection)
        await sink.send(VS)
        await asyncio.wait_for(sent.wait(), PATIENCE)
        await asyncio.wait_for(server.drain(0.2), PATIENCE)

        assert 0 == cache.streams


async def test_stopping_with_open_streams_forgets_them_and_prints_no_traceback(caplog, capfd):
    gc.collect()
    capfd.readouterr()  # what other tests left behind
    async with serving(snapshot(resource("a"))) as (cache, server), channel(server.port) as wire:
        sink = RawSink(wire)
        await sink.send(VS)
        await sink.accept()
        watch = health_pb2_grpc.HealthStub(wire).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        await server.stop()

        assert 0 == cache.streams

    await asyncio.sleep(0.05)
    gc.collect()

    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_stopping_twice_and_before_the_start_is_no_fault():
    server = McpServer(SnapshotCache(), Catalog, Address("127.0.0.1:0"), Limits())
    await server.stop()
    await server.drain(1)
    await server.start()
    await server.stop()
    await server.stop()


# --------------------------------------------------------------------------- ports


async def test_a_taken_port_is_the_operators_fault_and_named():
    async with serving() as (_, server):
        address = Address(f"127.0.0.1:{server.port}")
        other = McpServer(SnapshotCache(), Catalog, address, Limits())
        with pytest.raises(ConfigurationError, match=f"listen.mcp.*:{server.port}"):
            await other.start()


def test_hanging_up_on_one_who_is_not_connected_changes_nothing():
    assert not hang_up("ipv4:127.0.0.1:1")
    assert not hang_up("unix:/run/gitsource.sock")


def test_hanging_up_ends_just_that_connection():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(2)]
        accepted = [listening.accept()[0] for _ in range(2)]
        ports = {one.getpeername()[1]: one for one in accepted}
        host, port = clients[0].getsockname()

        assert hang_up(f"ipv4:{host}:{port}")
        assert b"" == clients[0].recv(1)

        ports[clients[1].getsockname()[1]].sendall(b"x")

        assert b"x" == clients[1].recv(1)

        for one in (*clients, *accepted):
            one.close()
