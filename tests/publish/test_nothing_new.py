"""While the audit log cannot be written and `stop-new` is set, nobody comes to have more."""

import asyncio
import contextlib

import grpc
import pytest

from doors import Ledger, eventually
from gitsource.recording import Recording
from raw_sink import RawSink
from raw_xds import CDS, EDS, LDS, RDS, RawXds, served, stored
from serving import VS, serving

FIRST = served(
    {
        CDS: [stored(CDS, "a")],
        EDS: [stored(EDS, f"s-{at}") for at in range(9)],
        LDS: [stored(LDS, "l")],
        RDS: [stored(RDS, "r")],
    }
)
WHY = "nothing new is served while the audit log cannot be written"
both = pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])


class Scene:
    """A server, a channel to it, what its audit log was told, and a way to fail that log."""

    def __init__(self, server, cache, channel, ledger):
        self.server, self.cache, self.channel, self.ledger = server, cache, channel, ledger

    def stop_new(self, why=WHY):
        self.server.shared.closed = lambda: why

    def told(self, event):
        return [one for one in self.ledger.happenings if one.event == event]


@contextlib.asynccontextmanager
async def scene():
    ledger = Ledger()
    async with serving(FIRST) as (cache, server):
        server.shared.record = ledger
        cache.listen(Recording(ledger, lambda _commit: asyncio.sleep(0, "")).heard)
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield Scene(server, cache, channel, ledger)


async def connected(one, delta):
    """Return a client that has two endpoints and all clusters."""
    client = RawXds(one.channel, "node", delta=delta)
    await client.ask(EDS, "s-1", "s-2")
    await client.accept("s-1", "s-2")
    await client.ask(CDS)
    await client.accept()
    return client


MORE = {
    "another type": lambda client: client.ask(LDS),
    "another name": lambda client: client.ask(EDS, "s-1", "s-2", "s-3"),
    "all instead of some": lambda client: client.ask(EDS, "s-1", "*"),
    "another name with an ACK": lambda client: client.ask(
        EDS, "s-1", "s-2", "s-3", response_nonce=client.nonces[EDS]
    ),
}


@both
@pytest.mark.parametrize("more", MORE)
async def test_an_xds_client_that_asks_for_more_is_told_to_come_back(more, delta):
    async with scene() as one:
        client = await connected(one, delta)
        before = len(one.told("subscribe"))
        one.stop_new()
        await MORE[more](client)

        assert ("UNAVAILABLE", WHY) == await client.ended()

        await eventually(lambda: not one.server.sessions)
        (refused,) = one.told("refuse")
        (over,) = one.told("disconnect")

        assert (WHY, "refused", WHY) == (refused.why, over.outcome, over.why)
        assert before == len(one.told("subscribe"))
        assert 0 == one.server.shared.budget.total


SAME = {
    "the same": lambda client: client.ask(EDS, "s-1", "s-2"),
    "less": lambda client: (
        client.ask(EDS, resource_names_unsubscribe=["s-2"])
        if client.delta
        else client.ask(EDS, "s-1", response_nonce=client.nonces[EDS])
    ),
}


@both
@pytest.mark.parametrize("same", SAME)
async def test_who_asks_for_no_more_keeps_the_stream_and_gets_what_goes_out(same, delta):
    """An operator's rollback, say: what it accepted before is brought up to date."""
    async with scene() as one:
        client = await connected(one, delta)
        one.stop_new()
        await SAME[same](client)
        back = served({CDS: [stored(CDS, "a"), stored(CDS, "b")], EDS: [stored(EDS, "s-1")]})
        one.cache.set("default", back)
        while "b" not in client.held[CDS]:
            response = await client.next()
            client.apply(response)
            still = ("s-1",) if response.type_url == EDS and not delta else ()
            await client.answer(response, *still)

        assert not client.call.done()
        assert [] == one.told("refuse")


async def test_a_classic_sink_that_asks_for_another_collection_is_told_to_come_back():
    async with scene() as one:
        sink = RawSink(one.channel, "sink")
        await sink.send(VS)
        await sink.accept()
        one.stop_new()
        await sink.send(VS)
        await sink.accept()
        await sink.send("istio/networking/v1alpha3/gateways")

        assert ("UNAVAILABLE", WHY) == await sink.ended()


async def test_once_the_log_is_written_again_new_things_are_served_again():
    async with scene() as one:
        client = await connected(one, delta=True)
        one.stop_new()
        one.stop_new("")
        await client.ask(EDS, "s-3")
        response = await client.next()

        assert ["s-3"] == [each.name for each in response.resources]
