"""What sinks of one peer name, over every wire, has a bound that others do not feel."""

import asyncio
import contextlib

import grpc
import pytest

from doors import METHOD, Ledger, eventually, got, knocking, open_door, outcome, secured
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.publish.entry.budget import SUBSCRIPTION
from gitsource.publish.server import AGGREGATED
from gitsource.publish.words import NAME
from gitsource.recording import Recording
from gitsource.settings.serving import Limits
from raw_xds import CDS, EDS, RDS, RawXds, served, stored
from serving import VS, serving
from svids import Mesh, spiffe

MESH = Mesh()
FIRST = served({CDS: [stored(CDS, "a")], EDS: [stored(EDS, f"s-{at}") for at in range(50)]})
both = pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])


@contextlib.asynccontextmanager
async def server_for(**limits):
    """Yield a server and a channel to it."""
    async with serving(FIRST, **limits) as (_, server):
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield server, channel


def asked(names):
    return sum(NAME + len(name) for name in names)


# --------------------------------------------------------------------------- exactly


@both
async def test_names_count_while_they_are_asked_for(delta):
    """Given up one by one (SotW: left out), and all at once with the stream."""
    names = [f"s-{at}" for at in range(50)]
    async with server_for() as (server, channel):
        budget = server.shared.budget
        client = RawXds(channel, "node", delta=delta)
        await client.ask(EDS, *names)
        await client.accept(*names)
        every = budget.total
        if delta:
            await client.ask(EDS, resource_names_unsubscribe=names[10:])
        else:
            await client.ask(EDS, *names[:10], response_nonce=client.nonces[EDS], version_info="x")
        per = SUBSCRIPTION + len(EDS)
        await eventually(lambda: budget.total < every)

        assert (per + asked(names), per + asked(names[:10])) == (every, budget.total)

        client.call.cancel()
        await eventually(lambda: not server.sessions)

        assert 0 == budget.total


async def test_clients_that_ask_alike_share_what_counts():
    names = [f"s-{at}" for at in range(50)]
    async with server_for() as (server, channel):
        for number in range(5):
            client = RawXds(channel, f"node {number}", delta=number % 2 == 0)
            await client.ask(EDS, *names)
            await client.accept(*names)

        assert 5 * (SUBSCRIPTION + len(EDS)) + asked(names) == server.shared.budget.total


async def test_what_only_a_client_knows_counts_until_it_has_let_go_of_it():
    """Names it says it has from an earlier stream, which are not served: they are removed."""
    async with server_for() as (server, channel):
        budget = server.shared.budget
        client = RawXds(channel, "node", delta=True)
        told = {f"old-{at}": "v7" for at in range(20)}
        await client.ask(CDS, initial_resource_versions=told)
        response = await client.next()
        before = budget.total
        await client.answer(response)
        per = SUBSCRIPTION + len(CDS)
        await eventually(lambda: budget.total != before)

        assert (per + sum(NAME + len(n) + 2 for n in told), per) == (before, budget.total)


async def classic(channel, method, request):
    """Open a stream of *method* that says *request*; yields the call."""
    call = channel.stream_stream(method)()
    await call.write(request.SerializeToString())
    return call


async def test_what_an_incremental_classic_sink_says_it_holds_counts_until_its_first_ack():
    async with server_for() as (server, channel):
        budget = server.shared.budget
        told = {f"old/{at}": "v7" for at in range(20)}
        first = mcp_pb2.RequestResources(
            collection=VS, incremental=True, initial_resource_versions=told
        )
        call = await classic(channel, METHOD, first)
        push = mcp_pb2.Resources.FromString(await call.read())
        before = budget.total
        answer = mcp_pb2.RequestResources(
            collection=VS, incremental=True, response_nonce=push.nonce
        )
        await call.write(answer.SerializeToString())
        await eventually(lambda: budget.total != before)
        call.cancel()
        per = SUBSCRIPTION + len(VS)

        assert per + sum(NAME + len(name) + 2 for name in told) == before
        assert per == budget.total


async def test_what_a_sink_of_istio_1_1_says_it_holds_counts_until_its_first_ack():
    async with server_for() as (server, channel):
        budget = server.shared.budget
        told = {f"old/{at}": "v7" for at in range(20)}
        first = mcp_pb2.IncrementalMeshConfigRequest(type_url=VS, initial_resource_versions=told)
        method = f"/{AGGREGATED}/IncrementalAggregatedResources"
        call = await classic(channel, method, first)
        push = mcp_pb2.IncrementalMeshConfigResponse.FromString(await call.read())
        before = budget.total
        answer = mcp_pb2.IncrementalMeshConfigRequest(type_url=VS, response_nonce=push.nonce)
        await call.write(answer.SerializeToString())
        await eventually(lambda: budget.total != before)
        call.cancel()
        per = SUBSCRIPTION + len(VS)

        assert per + sum(NAME + len(name) + 2 for name in told) == before
        assert per == budget.total


# --------------------------------------------------------------------------- too much


@both
async def test_who_names_more_than_there_is_ends_alone(delta):
    async with server_for(named_bytes=100_000) as (server, channel):
        modest = RawXds(channel, "modest", delta=delta)
        await modest.ask(EDS, "s-1")
        await modest.accept("s-1")
        greedy = RawXds(channel, "greedy", delta=delta)
        await greedy.ask(RDS, *(f"{'x' * 500}-{at}" for at in range(200)))
        code, why = await greedy.ended()
        await eventually(lambda: len(server.sessions) == 1)
        await modest.ask(RDS, "one more")

        assert ("RESOURCE_EXHAUSTED", True) == (code, why.endswith("(limits.named_bytes)"))
        assert server.shared.budget.total < 10_000
        assert 1 == server.shared.met["named_bytes"]
        assert not modest.call.done()


@pytest.mark.parametrize("method", [METHOD, f"/{AGGREGATED}/StreamAggregatedResources"])
async def test_subscriptions_of_classic_sinks_count_too(method):
    kind = mcp_pb2.RequestResources if method == METHOD else mcp_pb2.MeshConfigRequest
    field = "collection" if method == METHOD else "type_url"
    async with server_for(named_bytes=50_000) as (server, channel):
        call = channel.stream_stream(method)()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for at in range(30):
                await call.write(kind(**{field: f"acme/v1/kind-{at}"}).SerializeToString())
                async with asyncio.timeout(10):
                    await call.read()
        async with asyncio.timeout(10):
            code = await call.code()
        await eventually(lambda: not server.sessions)

        assert grpc.StatusCode.RESOURCE_EXHAUSTED is code
        assert 0 == server.shared.budget.total


async def test_all_streams_of_one_tenant_have_one_share_and_others_feel_nothing(tmp_path):
    """A valid certificate, a few streams, long names: what it may name is bounded all the same."""
    limits = Limits(named_bytes_each=60_000)
    greedy = MESH.svid(spiffe("ns/evil/sa/greedy"))
    async with (
        open_door(secured(tmp_path, MESH, limits=limits), first=FIRST) as door,
        knocking(door.address, MESH, MESH.svid(spiffe("ns/shop/sa/modest"))) as modest,
        contextlib.AsyncExitStack() as stack,
    ):
        await got(modest)
        told = []
        for stream in range(4):
            call = await stack.enter_async_context(knocking(door.address, MESH, greedy))
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                for at in range(8):
                    request = mcp_pb2.RequestResources(collection=f"{stream}/v1/kind-{at}")
                    await call.write(request.SerializeToString())
                    async with asyncio.timeout(10):
                        await call.read()  # gRPC tells the status after what was sent before
            told.append(call)
        await eventually(lambda: any(call.done() for call in told))
        (over,) = [call for call in told if call.done()]
        code, why = (await over.code()).name, await over.details()
        last = [one for one in door.ledger.happenings if one.event == "refuse"]

        assert "RESOURCE_EXHAUSTED" == code
        assert "what one peer names takes more than 60000 bytes (limits.named_bytes_each)" == why
        assert [] == last
        assert 1 == door.door.gauges().limits["named_bytes_each"]
        assert 0 < door.door.gauges().named <= 65_000
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe("ns/other/sa/a")))
        assert not modest.done()


async def test_the_end_of_such_a_stream_is_in_the_audit_log():
    ledger = Ledger()
    async with serving(FIRST, named_bytes=5_000) as (cache, server):
        cache.listen(Recording(ledger, lambda _commit: asyncio.sleep(0, "")).heard)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            client = RawXds(channel, "greedy")
            await client.ask(EDS, *(f"name-{at}" for at in range(50)))
            await client.ended()
        await eventually(lambda: not server.sessions)
        (told,) = [one for one in ledger.happenings if one.event == "disconnect"]

        assert ("refused", "greedy") == (told.outcome, told.facts["sink"])
        assert told.why.endswith("(limits.named_bytes)")
