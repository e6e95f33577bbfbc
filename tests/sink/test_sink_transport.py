"""How a sink and its source meet: with TLS, with papers on both sides, and the other way round."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import grpc
import pytest

from certificates import self_signed
from gitsource.errors import ConfigurationError
from gitsource.publish.dialout import Dialler
from gitsource.publish.ending import End, Ending
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from gitsource.sink.client import Sent, Sink
from gitsource.sink.transport import Dialled, Listening, Tls
from scripted_source import FLAGS, resource, scripted_source
from served_snapshots import OF_MCP, VS, Following, snapshot, versions
from serving import serving


@pytest.fixture
def papers(tmp_path):
    """Write a pair of certificate and key for each side; return their paths by name."""
    paths = {}
    for side, name in (("source", "localhost"), ("sink", "sink")):
        pair = self_signed(name)
        for what, data in (("cert", pair.certificate), ("key", pair.key)):
            path = paths[f"{side} {what}"] = tmp_path / f"{side}-{what}.pem"
            path.write_bytes(data)
    return paths


def showing(papers, *, asks=False):
    """What a source listens with."""
    pair = papers["source key"].read_bytes(), papers["source cert"].read_bytes()
    known = papers["sink cert"].read_bytes() if asks else None
    return grpc.ssl_server_credentials([pair], known, asks)


@asynccontextmanager
async def sinking(address, tls):
    async with Sink(address, [FLAGS], transport=Dialled(address, tls)) as sink:
        one = Following(sink, "mcp")
        try:
            yield one
        finally:
            await one.stop()


async def pushed(source, one):
    await source.request()
    await source.push(FLAGS, resource("a"), nonce="1")
    await one.until(lambda me: me.updates)


async def test_a_source_is_verified_with_the_ca(papers):
    tls = Tls.of_files(papers["source cert"], None, None, "")
    async with scripted_source(showing(papers)) as source, sinking(source.address, tls) as one:
        await pushed(source, one)


async def test_a_source_that_goes_by_another_name_is_found_by_it(papers):
    tls = Tls.of_files(papers["source cert"], None, None, "localhost")
    wrong = Tls.of_files(papers["source cert"], None, None, "elsewhere.example.com")
    async with scripted_source(showing(papers)) as source:
        async with sinking(source.address, wrong):
            await asyncio.sleep(0.3)

            assert source.requests.empty()

        async with sinking(source.address, tls) as one:
            await pushed(source, one)


async def test_a_source_that_asks_for_papers_gets_them(papers):
    ca, cert, key = (papers[name] for name in ("source cert", "sink cert", "sink key"))
    async with scripted_source(showing(papers, asks=True)) as source:
        async with sinking(source.address, Tls.of_files(ca, None, None, "")):
            await asyncio.sleep(0.3)

            assert source.requests.empty()

        async with sinking(source.address, Tls.of_files(ca, cert, key, "")) as one:
            await pushed(source, one)


async def test_a_source_with_another_ca_is_not_spoken_to(papers, caplog):
    tls = Tls.of_files(papers["sink cert"], None, None, "")
    async with scripted_source(showing(papers)) as source, sinking(source.address, tls) as one:
        with caplog.at_level(logging.WARNING, "gitsource.sink"):
            await one.until(lambda _: caplog.messages)

        assert "cannot reach the source at" in caplog.messages[0]
        assert source.requests.empty()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("source cert", "sink cert", None), "--cert and --key go together"),
        ((None, None, "sink key"), "--cert and --key go together"),
        (("source key", None, None), "--ca, --cert, --key:"),
        ((None, "source cert", "sink key"), "--ca, --cert, --key:"),
    ],
)
def test_papers_that_do_not_fit_are_refused_at_once(papers, given, told):
    paths = [None if name is None else papers[name] for name in given]
    with pytest.raises(ConfigurationError, match=told):
        Tls.of_files(*paths, "")


def test_papers_that_are_not_there_are_refused_and_a_key_is_not_shown(papers, tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        Tls.of_files(tmp_path / "nowhere.pem", None, None, "")

    tls = Tls.of_files(None, papers["sink cert"], papers["sink key"], "")

    assert tls.key is not None
    assert "PRIVATE" not in repr(tls)


# --------------------------------------------------------------------------- the source dials


@asynccontextmanager
async def listening(tls=None, *, incremental=False):
    transport = Listening("127.0.0.1:0", tls)
    how = {"node_id": "test-node", "incremental": incremental, "transport": transport}
    async with Sink(transport.address, OF_MCP, **how) as sink:
        one = Following(sink, "mcp")
        await one.until(lambda _: transport.port)
        try:
            yield one, transport
        finally:
            await one.stop()


@asynccontextmanager
async def dialling(server, transport, **more):
    row = DialRow("edge", Address(f"localhost:{transport.port}"), **more)
    dialler = Dialler(server.shared, server.classic, [row], (), first=0.02, longest=0.1)
    dialler.start()
    try:
        yield dialler
    finally:
        await dialler.drain(5)


@pytest.mark.parametrize("incremental", [False, True])
async def test_a_sink_that_is_dialled_follows_like_any_other(incremental, caplog):
    first, second = {VS: {"ns/a": "v1"}}, {VS: {"ns/b": "v1"}}
    caplog.set_level(logging.WARNING, "gitsource.sink")
    async with (
        serving(snapshot(first)) as (cache, server),
        listening(incremental=incremental) as (one, transport),
        dialling(server, transport) as dialler,
    ):
        await one.holds(first)
        cache.set("default", snapshot(second))
        await one.holds(second)

        assert Sent("$triggerCollection", "", "not subscribed to this collection") in (
            one.sink.journal
        )
        assert [] == caplog.messages

        (session,) = dialler.sessions
        session.end(Ending(End.CLOSED, "as the test says"))
        await one.until(lambda _: any("waiting for it" in line for line in caplog.messages))
        cache.set("default", snapshot(first))
        await one.holds(first)

        assert not one.sink.dials
        assert {"ns/a": "v1"} == versions(one.sink, "mcp")[VS]


async def test_a_second_source_is_turned_away_while_there_is_one():
    async with (
        serving(snapshot({VS: {"ns/a": "v1"}})) as (_, server),
        listening() as (one, transport),
        dialling(server, transport),
    ):
        await one.holds({VS: {"ns/a": "v1"}})
        async with grpc.aio.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
            method = "/istio.mcp.v1alpha1.ResourceSink/EstablishResourceStream"
            call = channel.stream_stream(method)()
            code = await call.code()

        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_source_that_dials_and_the_sink_show_their_papers(papers):
    tls = Tls.of_files(*(papers[name] for name in ("sink cert", "source cert", "source key")), "")
    shown = {
        "tls": "mutual",
        "ca": str(papers["source cert"]),
        "cert": str(papers["sink cert"]),
        "key": str(papers["sink key"]),
    }
    async with (
        serving(snapshot({VS: {"ns/a": "v1"}})) as (_, server),
        listening(tls) as (one, transport),
        dialling(server, transport, **shown),
    ):
        await one.holds({VS: {"ns/a": "v1"}})


async def test_whoever_listens_with_a_ca_needs_a_certificate_of_its_own(papers):
    tls = Tls.of_files(papers["sink cert"], None, None, "")
    async with Sink("", [VS], transport=Listening("127.0.0.1:0", tls)) as sink:
        with pytest.raises(ConfigurationError, match="needs --cert and --key"):
            await anext(sink.updates())


async def test_a_port_that_is_taken_is_told():
    async with listening() as (_, transport):
        taken = Listening(f"127.0.0.1:{transport.port}")
        async with Sink("", [VS], transport=taken) as sink:
            with pytest.raises(ConfigurationError, match="cannot listen on 127"):
                await anext(sink.updates())
