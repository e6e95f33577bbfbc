"""Sinks that listen: dialled over real gRPC, again and again, with whatever papers they want."""

import asyncio
import contextlib
import logging

import grpc
import pytest

from certificates import self_signed
from classic_sink import Listening, Sink
from gitsource.publish.dialout import Dialler
from gitsource.publish.server import metadata_of
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from serving import VS, resource, serving, snapshot
from svids import Mesh

MESH = Mesh()


@contextlib.asynccontextmanager
async def dialling(server, *rows, folder="."):
    """Dial *rows* while the block runs, without much patience between dials."""
    pairs = metadata_of(["mesh=prod"])
    how = {"folder": folder, "first": 0.02, "longest": 0.1, "look": 0.05}
    dialler = Dialler(server.shared, server.classic, rows, pairs, **how)
    dialler.start()
    try:
        yield dialler
    finally:
        await dialler.drain(5)


def row(listening, name="edge", **papers):
    return DialRow(name, Address(f"localhost:{listening.port}"), **papers)


def holds(cache):
    return lambda one: cache.get().collection(VS).version == one.versions.get(VS)


async def true(what):
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - what is waited for may be anything
            await asyncio.sleep(0.01)


async def test_the_trigger_comes_first_and_its_refusal_is_ignored():
    """C1, C2, C3: the sink knows no such collection and says so; nothing comes of that."""
    sink = Sink([VS, "one", "two"])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink) as listening,
        dialling(server, row(listening)),
    ):
        await sink.until(lambda one: 3 == len(one.versions))
        (told,) = cache.sinks()

        assert ["$triggerCollection", ""] == [sink.got[0].collection, sink.got[0].version]
        assert ("$triggerCollection", "", 12) in sink.journal
        assert ["1", "2", "3"] == [push.nonce for push in sink.got[1:]]
        assert ("edge", "mcp-dial") == (told["id"], told["protocol"])
        assert sorted([VS, "one", "two"]) == sorted(told["collections"])
        assert f"edge (localhost:{listening.port})" == told["peer"]


async def test_a_sink_that_reads_before_it_asks_is_served_too():
    """The order of 1.1, which sinks of later releases turned round."""
    sink = Sink([VS])
    async with serving(snapshot(resource("a"))) as (cache, server), Listening(sink) as listening:
        listening.reads_first = True
        async with dialling(server, row(listening)):
            await sink.until(holds(cache))


async def test_each_dial_carries_the_version_and_the_operators_pairs():
    sink = Sink([VS])
    async with serving(snapshot(resource("a"))) as (cache, server), Listening(sink) as listening:
        async with dialling(server, row(listening)):
            await sink.until(holds(cache))

        assert "prod" == listening.dials[0]["mesh"]
        assert listening.dials[0]["config.source.version"]
        assert "authorization" not in listening.dials[0]


async def test_several_sinks_are_dialled_and_one_that_is_away_holds_nobody_up(caplog):
    first, second = Sink([VS], "first"), Sink([VS], incremental=True)
    away = DialRow("away", Address("127.0.0.1:1"))
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(first) as one,
        Listening(second) as two,
        dialling(server, away, row(one, "one"), row(two, "two")) as dialler,
    ):
        await first.until(holds(cache))
        await second.until(holds(cache))
        cache.set("default", snapshot(resource("b")))
        await first.until(holds(cache))
        await second.until(holds(cache))

        assert {"one", "two"} == {told["id"] for told in cache.sinks()}
        assert 2 == len(dialler.sessions)

    said = [line for line in caplog.messages if line.startswith("sink away at 127.0.0.1:1")]

    assert 1 == len(said)
    assert 0 == cache.streams


async def test_a_sink_that_comes_late_is_found():
    """C4, K8: nobody listens at first, then it turns us away, then it takes us."""
    sink = Sink([VS])
    async with serving(snapshot(resource("a"))) as (cache, server):
        async with Listening(sink) as listening:
            port = listening.port
        there = Listening(sink, port)
        async with dialling(server, row(there)):
            await asyncio.sleep(0.1)
            there.turn_away = (grpc.StatusCode.UNAUTHENTICATED, "Authentication failure: who?")
            async with there:
                await true(lambda: len(there.dials) > 2)

                assert [] == sink.got

                there.turn_away = None
                await sink.until(holds(cache))


async def test_a_sink_that_breaks_off_is_dialled_again_with_a_trigger_each_time():
    sink = Sink([VS], incremental=True)
    async with serving(snapshot(resource("a"))) as (cache, server), Listening(sink) as listening:
        async with dialling(server, row(listening)):
            await sink.until(holds(cache))
            for number in range(3):
                listening.turn_away = (grpc.StatusCode.INTERNAL, "broken")
                await listening.server.stop(0)
                listening.turn_away = None
                cache.set("default", snapshot(resource(f"b{number}")))
                await listening.__aenter__()
                await sink.until(holds(cache))

        triggers = [push for push in sink.got if push.collection == "$triggerCollection"]

        assert 4 <= len(triggers) == sink.streams


async def test_a_drain_ends_the_streams_and_dials_no_more():
    sink = Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink) as listening,
        dialling(server, row(listening), DialRow("x", Address("127.0.0.1:1"))) as one,
    ):
        await sink.until(holds(cache))
        await one.drain(5)
        dials = len(listening.dials)
        await asyncio.sleep(0.2)

        assert dials == len(listening.dials)
        assert (0, 0) == (cache.streams, len(one.sessions))


async def test_a_sink_that_sends_garbage_loses_its_stream_only(caplog):
    caplog.set_level(logging.INFO, "gitsource.publish")
    good, bad = Sink([VS], "good"), Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(good) as one,
        Listening(bad) as two,
    ):

        async def garbage(words, read, write):
            await write(b"\xff" * 40)
            await read()
            await read()

        bad.talk = garbage
        async with dialling(server, row(one, "good"), row(two, "bad")):
            await good.until(holds(cache))
            await true(lambda: len(two.dials) > 1)
            cache.set("default", snapshot(resource("b")))
            await good.until(holds(cache))

            assert 1 == len(one.dials)

    assert "no istio.mcp.v1alpha1.RequestResources" in caplog.text


# --------------------------------------------------------------------------- papers


@pytest.fixture
def papers(tmp_path):
    """Write the certificates of both sides; return what each needs."""
    theirs, ours = self_signed(), self_signed("gitsource")
    for name, data in {
        "ca.pem": theirs.certificate,
        "cert.pem": ours.certificate,
        "key.pem": ours.key,
        "token": b" s3cret\n",
    }.items():
        (tmp_path / name).write_bytes(data)
    return theirs, ours, tmp_path


def credentials(theirs, ours=None):
    pair = [(theirs.key, theirs.certificate)]
    if ours is None:
        return grpc.ssl_server_credentials(pair)
    return grpc.ssl_server_credentials(pair, ours.certificate, require_client_auth=True)


async def test_simple_tls_and_a_token(papers):
    theirs, _, folder = papers
    sink = Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs)) as listening,
        dialling(
            server,
            row(listening, tls="simple", ca="ca.pem", token_file="token"),
            folder=folder,
        ),
    ):
        await sink.until(holds(cache))

        assert "Bearer s3cret" == listening.dials[0]["authorization"]


async def test_mutual_tls_for_another_name(papers):
    theirs, ours, folder = papers
    theirs = self_signed("edge.example")
    (folder / "ca.pem").write_bytes(theirs.certificate)
    sink = Sink([VS])
    there = {"cert": "cert.pem", "key": "key.pem", "server_name": "edge.example"}
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs, ours)) as listening,
        dialling(server, row(listening, tls="mutual", ca="ca.pem", **there), folder=folder) as one,
    ):
        await sink.until(holds(cache))
        who = one.sessions[0].who

        assert ("dial:edge", ("edge.example",)) == (who.identity, who.dns)
        assert who.known


async def test_a_sink_nobody_vouches_for_gets_nothing(papers, caplog):
    theirs, _, folder = papers
    (folder / "ca.pem").write_bytes(self_signed().certificate)
    sink = Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs)) as listening,
        dialling(
            server, row(listening, tls="simple", ca="ca.pem", token_file="token"), folder=folder
        ),
    ):
        await true(lambda: "UNAVAILABLE" in caplog.text)

        assert ([], []) == (listening.dials, cache.sinks())

        (folder / "ca.pem").write_bytes(theirs.certificate)
        await sink.until(holds(cache))

    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("ca.pem", None, "ca cannot be read"),
        ("ca.pem", b"no certificate", "ca, cert and key"),
        ("key.pem", b"no key", "ca, cert and key"),
        ("key.pem", b"", "ca, cert and key"),
        ("ca.pem", b"", "ca, cert and key"),
        ("token", b"two\nlines", "token_file holds no token"),
        ("token", b"", "token_file holds no token"),
    ],
)
async def test_files_that_are_no_good_are_told_of_and_read_again(
    papers, caplog, name, content, told
):
    """Section 3.11: nothing is dialled without them, and once they are good they are used."""
    theirs, ours, folder = papers
    good = (folder / name).read_bytes()
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    sink = Sink([VS])
    there = {"cert": "cert.pem", "key": "key.pem", "token_file": "token"}
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs, ours)) as listening,
        dialling(server, row(listening, tls="mutual", ca="ca.pem", **there), folder=folder),
    ):
        await true(lambda: told in caplog.text)

        assert [] == listening.dials

        (folder / name).write_bytes(good)
        await sink.until(holds(cache))


async def test_a_dial_that_fails_is_in_the_audit_log_once_for_each_reason(papers):
    """Section 3.11: a sink that another authority vouches for is a refusal like any other."""
    theirs, _, folder = papers
    (folder / "ca.pem").write_bytes(self_signed().certificate)
    told = []
    async with (
        serving(snapshot(resource("a"))) as (_, server),
        Listening(Sink([VS]), credentials=credentials(theirs)) as listening,
    ):
        server.shared.record = told.append
        async with dialling(server, row(listening, tls="simple", ca="ca.pem"), folder=folder):
            await true(lambda: told)
            await asyncio.sleep(0.5)  # a few more dials, of which nothing is to be told
        address = f"localhost:{listening.port}"

    assert {("refuse", "failed", address, "edge")} == {
        (one.event, one.outcome, one.peer, one.facts["sink"]) for one in told
    }
    assert all("UNAVAILABLE" in one.why for one in told)
    assert len(told) == len({one.why for one in told})


async def test_bad_files_raise_an_alarm_while_the_stream_is_open(papers):
    theirs, _, folder = papers
    sink = Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs)) as listening,
        dialling(server, row(listening, tls="simple", ca="ca.pem"), folder=folder) as one,
    ):
        told = []
        server.shared.record = told.append
        await sink.until(holds(cache))
        good = (folder / "ca.pem").read_bytes()
        before = one.alarms
        (folder / "ca.pem").write_bytes(b"garbage")
        await true(lambda: one.alarms)
        ((door, why),) = one.alarms
        (folder / "ca.pem").write_bytes(good)
        await true(lambda: not one.alarms)

    assert () == before
    assert ("dial edge", 1) == (door, why.count(str(folder / "ca.pem")))
    assert 1 == sink.streams
    assert [("certificate", "failed", why)] == [
        (each.event, each.outcome, each.why) for each in told if each.event == "certificate"
    ]


@pytest.mark.parametrize(("days", "told"), [(-1, "has run out"), (1, "")])
async def test_a_certificate_that_has_run_out_is_shown_to_no_sink(papers, days, told):
    theirs, _, folder = papers
    MESH.svid(dns=("gitsource",), days=days).put(folder, "ours")
    there = {"ca": "ca.pem", "cert": "ours.pem", "key": "ours.key"}
    async with (
        serving(snapshot(resource("a"))) as (_, server),
        Listening(Sink([VS]), credentials=credentials(theirs)) as listening,
        dialling(server, row(listening, tls="mutual", **there), folder=folder) as one,
    ):
        await true(lambda: one.alarms or listening.dials)
        alarms = [why for _, why in one.alarms]

    assert bool(told) == bool(alarms)
    assert all(told in why for why in alarms)


async def test_the_last_good_files_stay_in_force_until_new_ones_are_good(papers, caplog):
    theirs, _, folder = papers
    sink = Sink([VS])
    async with (
        serving(snapshot(resource("a"))) as (cache, server),
        Listening(sink, credentials=credentials(theirs)) as listening,
        dialling(
            server, row(listening, tls="simple", ca="ca.pem", token_file="token"), folder=folder
        ),
    ):
        await sink.until(holds(cache))
        (folder / "token").unlink()
        await listening.server.stop(0)
        await listening.__aenter__()
        await sink.until(lambda one: one.streams > 1)
        (folder / "token").write_bytes(b"new")
        await listening.server.stop(0)
        await listening.__aenter__()
        await sink.until(lambda one: one.streams > 2)

        assert ["Bearer s3cret", "Bearer s3cret", "Bearer new"] == [
            dial["authorization"] for dial in (*listening.dials[:2], listening.dials[-1])
        ]
