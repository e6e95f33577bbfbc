"""Calls come in by certificate or token, within the limits of their own peer alone."""

import asyncio
import contextlib
import json
import socket
import time
from dataclasses import replace

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2

from doors import (
    KEY,
    METHOD,
    acked,
    eventually,
    got,
    knocking,
    open_door,
    outcome,
    secured,
    token,
    with_tokens,
)
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.settings.serving import Limits
from gitsource.settings.whole import Settings
from serving import resource, snapshot
from svids import Mesh, spiffe

MESH = Mesh()
SECOND = ec.generate_private_key(ec.SECP256R1())
# --------------------------------------------------------------------------- tokens


async def test_where_certificates_are_optional_a_token_gets_a_sink_in(tmp_path):
    settings = secured(tmp_path, MESH, clients="optional", tokens=with_tokens(tmp_path))
    async with (
        open_door(settings) as door,
        knocking(door.address, MESH, token=token()) as call,
    ):
        await got(call)
        who = door.server.sessions[0].who

        assert ("jwt:envoy@us", "jwt") == (who.identity, who.means)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("", "UNAUTHENTICATED: a certificate or a bearer token is needed"),
        ("x.y.z", "UNAUTHENTICATED: the token is no good: it is no JWT of ours"),
    ],
)
@pytest.mark.parametrize("clients", ["optional", "none"])
async def test_who_has_neither_is_told_so_and_is_in_the_audit_log(clients, shown, why, tmp_path):
    settings = secured(tmp_path, MESH, clients=clients, tokens=with_tokens(tmp_path))
    async with open_door(settings) as door:
        told = await outcome(door.address, MESH, token=shown)

        assert why == told
        assert [why.partition(": ")[2]] == door.ledger.refusals()


@pytest.mark.parametrize("method", [METHOD, "/grpc.health.v1.Health/Check"])
async def test_who_is_refused_is_in_the_audit_log_with_the_address_it_came_from(method, tmp_path):
    settings = secured(tmp_path, MESH, clients="optional", tokens=with_tokens(tmp_path))
    async with open_door(settings) as door, channel_to(door, None) as channel:
        await channel.stream_stream(method)().code()
        (told,) = [one for one in door.ledger.happenings if one.event == "refuse"]

        assert "ipv4:127.0.0.1" == told.peer.rpartition(":")[0]


async def test_a_token_that_has_run_out_ends_its_stream(tmp_path):
    tokens = replace(with_tokens(tmp_path), skew=1.0)
    settings = secured(tmp_path, MESH, clients="none", tokens=tokens)
    async with (
        open_door(settings) as door,
        knocking(door.address, MESH, token=token(exp=int(time.time()) + 2)) as call,
    ):
        await got(call)
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.UNAUTHENTICATED is code


def jwks_of(*kids):
    """Return a set in which the key of *envoy* has the name *one*, or is missing."""
    rows = {
        "one": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one"},
        "two": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(SECOND.public_key())) | {"kid": "two"},
    }
    return json.dumps({"keys": [rows[kid] for kid in kids]})


def second_token(**claims):
    """Return a token that the second key signed."""
    now = int(time.time())
    told = {"iss": "us", "aud": "gitsource", "sub": "other", "exp": now + 60} | claims
    return jwt.encode(told, SECOND, "ES256", headers={"kid": "two"})


async def test_a_key_that_is_taken_away_ends_the_streams_of_its_tokens_and_no_others(tmp_path):
    settings = secured(tmp_path, MESH, clients="optional", tokens=with_tokens(tmp_path))
    (tmp_path / "jwks.json").write_text(jwks_of("one", "two"))
    async with (
        open_door(settings) as door,
        knocking(door.address, MESH, token=token()) as one,
        knocking(door.address, MESH, token=second_token()) as two,
        knocking(door.address, MESH, MESH.svid(spiffe())) as three,
    ):
        for call in (one, two, three):
            await got(call)
        (tmp_path / "jwks.json").write_text(jwks_of("two"))
        await door.door._tokens.look()
        async with asyncio.timeout(10):
            told = (await one.code()).name, await one.details()
        await eventually(lambda: len(door.server.sessions) == 2)

        assert "UNAUTHENTICATED" == told[0]
        assert "the key that signed the token" in told[1]
        assert [told[1]] == door.ledger.refusals()
        assert ["jwt:envoy@us"] == [
            one.who for one in door.ledger.happenings if one.event == "refuse"
        ]
        assert [False, False] == [two.done(), three.done()]


async def test_another_key_of_the_same_name_ends_them_too(tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    other = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(SECOND.public_key())) | {"kid": "one"}
    async with open_door(settings) as door, knocking(door.address, MESH, token=token()) as call:
        await got(call)
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": [other]}))
        await door.door._tokens.look()
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.UNAUTHENTICATED is code


async def test_new_keys_beside_the_old_end_nothing(tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    async with open_door(settings) as door, knocking(door.address, MESH, token=token()) as call:
        await acked(call, await got(call))
        (tmp_path / "jwks.json").write_text(jwks_of("one", "two"))
        await door.door._tokens.look()
        door.cache.set("default", snapshot(resource("a/new", "v9")))
        async with asyncio.timeout(10):
            answer = mcp_pb2.Resources.FromString(await call.read())

        assert ["a/new"] == [one.metadata.name for one in answer.resources]
        assert [] == door.ledger.refusals()


async def test_a_certificate_is_who_one_is_whatever_token_comes_with_it(tmp_path):
    settings = secured(tmp_path, MESH, tokens=with_tokens(tmp_path))
    async with (
        open_door(settings) as door,
        knocking(door.address, MESH, MESH.svid(spiffe()), token=token()) as call,
    ):
        await got(call)

        assert spiffe() == door.server.sessions[0].who.identity


async def test_an_address_that_sends_many_bad_tokens_is_not_looked_at_for_a_while(tmp_path):
    """Who is in stays in, a token that was good is good, and certificates are another matter."""
    tokens, limits = with_tokens(tmp_path), Limits(failed_tokens=3)
    settings = secured(tmp_path, MESH, clients="optional", tokens=tokens, limits=limits)
    good, fresh = token(), token(sub="late")
    async with open_door(settings) as door:
        first = await outcome(door.address, MESH, token=good)
        told = [await outcome(door.address, MESH, token=f"x.y.{at}") for at in range(5)]
        late = await outcome(door.address, MESH, token=fresh)
        again = await outcome(door.address, MESH, token=good)
        certified = await outcome(door.address, MESH, MESH.svid(spiffe()))
        why = "too many tokens from this address were no good: come back later"

        assert ["UNAUTHENTICATED"] * 3 == [one.partition(":")[0] for one in told[:3]]
        assert [f"RESOURCE_EXHAUSTED: {why} (limits.failed_tokens)"] * 3 == [*told[3:], late]
        assert ["let in"] * 3 == [first, again, certified]
        assert 3 == door.door.gauges().limits["failed_tokens"]
        assert 3 == door.ledger.refusals().count(f"{why} (limits.failed_tokens)")


async def test_a_known_token_whose_key_is_gone_is_no_way_round(tmp_path):
    tokens, limits = with_tokens(tmp_path), Limits(failed_tokens=2)
    settings = secured(tmp_path, MESH, clients="none", tokens=tokens, limits=limits)
    (tmp_path / "jwks.json").write_text(jwks_of("one", "two"))
    good = token()
    async with open_door(settings) as door:
        first = await outcome(door.address, MESH, token=good)
        (tmp_path / "jwks.json").write_text(jwks_of("two"))
        await door.door._tokens.look()
        told = [await outcome(door.address, MESH, token=good) for _ in range(3)]

        assert "let in" == first
        assert ["UNAUTHENTICATED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"] == [
            one.partition(":")[0] for one in told
        ]


# --------------------------------------------------------------------------- other services


SERVICES = {
    "/grpc.health.v1.Health/Check": health_pb2.HealthCheckRequest().SerializeToString(),
    "/grpc.health.v1.Health/Watch": health_pb2.HealthCheckRequest().SerializeToString(),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": b"",
    "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus": b"",
    "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus": b"",
}


@pytest.mark.parametrize("method", SERVICES)
async def test_health_reflection_and_client_status_are_behind_the_same_door(method, tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    async with (
        open_door(settings) as door,
        channel_to(door, None) as channel,
    ):
        told = []
        for header in ((), (("authorization", f"Bearer {token()}"),)):
            call = channel.stream_stream(method)(metadata=header)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with asyncio.timeout(10):
                    await call.write(SERVICES[method])
                    if "Watch" not in method:
                        await call.done_writing()
                    told.append(await call.read())
            if call.done():
                told[-1:] = [(await call.code()).name]
            call.cancel()

        assert "UNAUTHENTICATED" == told[0]
        assert told[1] not in {"UNAUTHENTICATED", grpc.aio.EOF}


UNARY = [name for name in SERVICES if name.endswith(("Check", "Watch", "FetchClientStatus"))]


@pytest.mark.parametrize("method", UNARY)
async def test_who_proves_nothing_is_refused_before_a_call_has_said_anything(method, tmp_path):
    settings = secured(tmp_path, MESH, clients="optional", tokens=with_tokens(tmp_path))
    async with open_door(settings) as door, channel_to(door, None) as channel:
        call = channel.stream_stream(method)()
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.UNAUTHENTICATED is code


@pytest.mark.parametrize("method", UNARY)
async def test_calls_that_say_nothing_are_in_the_share_of_their_peer(method, tmp_path):
    settings = secured(tmp_path, MESH, limits=Limits(streams_each=2))
    async with (
        open_door(settings) as door,
        channel_to(door, MESH.svid(spiffe("ns/shop/sa/evil"))) as channel,
    ):
        calls = [channel.stream_stream(method)() for _ in range(3)]
        async with asyncio.timeout(10):
            await asyncio.wait(
                [asyncio.create_task(one.code()) for one in calls],
                return_when=asyncio.FIRST_COMPLETED,
            )
        told = sorted(await statuses(calls))
        for one in calls:
            one.cancel()

        assert ["RESOURCE_EXHAUSTED", "open", "open"] == told


ENDLESS = [name for name in SERVICES if name.endswith(("Watch", "Info", "StreamClientStatus"))]


@pytest.mark.parametrize("method", ENDLESS)
async def test_a_token_that_has_run_out_ends_calls_to_the_other_services_too(method, tmp_path):
    tokens = replace(with_tokens(tmp_path), skew=1.0)
    settings = secured(tmp_path, MESH, clients="none", tokens=tokens)
    header = (("authorization", f"Bearer {token(exp=int(time.time()) + 2)}"),)
    async with open_door(settings) as door, channel_to(door, None) as channel:
        call = channel.stream_stream(method)(metadata=header)
        await call.write(SERVICES[method])
        await call.read()
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.UNAUTHENTICATED is code


@pytest.mark.parametrize("method", ENDLESS)
async def test_a_key_that_is_taken_away_ends_calls_to_the_other_services_too(method, tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    (tmp_path / "jwks.json").write_text(jwks_of("one", "two"))
    header = (("authorization", f"Bearer {token()}"),)
    async with open_door(settings) as door, channel_to(door, None) as channel:
        call = channel.stream_stream(method)(metadata=header)
        await call.write(SERVICES[method])
        await call.read()
        (tmp_path / "jwks.json").write_text(jwks_of("two"))
        await door.door._tokens.look()
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.UNAUTHENTICATED is code
        assert {} == door.server.door._in


@contextlib.asynccontextmanager
async def channel_to(door, papers, **options):
    shown = (papers.key, papers.cert) if papers else (None, None)
    credentials = grpc.ssl_channel_credentials(MESH.pem, *shown)
    told = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0} | options
    async with grpc.aio.secure_channel(door.address, credentials, options=[*told.items()]) as one:
        yield one


# --------------------------------------------------------------------------- limits


async def statuses(calls):
    """Return the status of each call that is over, and ``open`` for the others."""
    return [(await one.code()).name if one.done() else "open" for one in calls]


async def opened(channel, count):
    """Open *count* streams on *channel*; returns their calls once each is in or out."""
    calls = [channel.stream_stream(METHOD)() for _ in range(count)]
    for call in calls:
        with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError):
            async with asyncio.timeout(10):
                await call.initial_metadata()
    return calls


async def test_one_identity_has_so_many_streams_and_others_feel_nothing(tmp_path):
    limits = replace(Limits(), streams_each=5, new_streams=1000)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        channel_to(door, MESH.svid(spiffe("greedy"))) as one,
        channel_to(door, MESH.svid(spiffe("greedy"))) as two,
    ):
        calls = [*(await opened(one, 4)), *(await opened(two, 4))]
        told = await statuses(calls)

        assert (5, 3) == (told.count("open"), told.count("RESOURCE_EXHAUSTED"))
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe("modest")))
        assert 3 == door.door.gauges().limits["streams_each"]
        assert all("limits.streams_each" in why for why in door.ledger.refusals())


async def test_streams_that_are_over_make_room(tmp_path):
    limits = replace(Limits(), streams_each=2, new_streams=1000)
    papers = MESH.svid(spiffe())
    async with open_door(secured(tmp_path, MESH, limits=limits)) as door:
        for _ in range(5):
            assert "let in" == await outcome(door.address, MESH, papers)
            await eventually(lambda: not door.server.sessions)


async def test_one_identity_opens_so_many_streams_a_second(tmp_path):
    limits = replace(Limits(), streams_each=3, new_streams=1)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        channel_to(door, MESH.svid(spiffe("hasty"))) as channel,
    ):
        told = []
        for _ in range(6):
            (call,) = await opened(channel, 1)
            told += await statuses([call])
            call.cancel()
            await eventually(lambda: not door.server.sessions)

        assert "RESOURCE_EXHAUSTED" in told
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe("patient")))
        assert door.door.gauges().limits["new_streams"]


@pytest.mark.timeout(180)
async def test_ten_thousand_streams_of_one_peer_are_a_nuisance_to_that_peer_alone(tmp_path):
    limits = replace(Limits(), streams_each=50)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        channel_to(door, MESH.svid(spiffe("evil"))) as channel,
        knocking(door.address, MESH, MESH.svid(spiffe("good"))) as good,
    ):
        await got(good)
        calls = [channel.stream_stream(METHOD)() for _ in range(10_000)]
        await eventually(lambda: door.server.admission._streams.total() > 50)
        others = [
            await outcome(door.address, MESH, MESH.svid(spiffe(f"other-{at}"))) for at in range(3)
        ]
        most = sum(one.who.identity == spiffe("evil") for one in door.server.sessions)
        for call in calls:
            call.cancel()

        assert ["let in"] * 3 == others
        assert 50 == most
        assert not good.done()


async def test_one_identity_has_so_many_connections(tmp_path):
    limits = replace(Limits(), connections_each=3)
    papers = MESH.svid(spiffe("greedy"))
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(3):
            call = await stack.enter_async_context(knocking(door.address, MESH, papers))
            await got(call)
        told = await outcome(door.address, MESH, papers)

        assert told.startswith("UNAVAILABLE")
        assert "limits.connections_each" in told
        assert {spiffe("greedy")} == {
            one.who for one in door.ledger.happenings if one.event == "refuse"
        }
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe("modest")))


async def test_so_many_connections_may_be_open_in_all(tmp_path):
    limits = replace(Limits(), connections=2)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe("a"))) as one,
        knocking(door.address, MESH, MESH.svid(spiffe("b"))) as two,
    ):
        await got(one)
        await got(two)
        told = await outcome(door.address, MESH, MESH.svid(spiffe("c")))
        two.cancel()

        assert told.startswith("UNAVAILABLE")
        assert any("limits.connections" in why for why in door.ledger.refusals())
        assert not one.done()


async def test_a_handshake_that_drags_on_is_given_up_and_told(tmp_path):
    limits = replace(Limits(), handshake=0.3)
    async with open_door(secured(tmp_path, MESH, limits=limits)) as door:
        loop = asyncio.get_running_loop()
        slow = socket.create_connection(("127.0.0.1", door.server.port))
        slow.setblocking(False)  # noqa: FBT003 - the socket API
        await loop.sock_sendall(slow, b"\x16\x03\x01")  # the first bytes of a greeting, no more
        told = await outcome(door.address, MESH, MESH.svid(spiffe()))
        async with asyncio.timeout(10):
            end = await loop.sock_recv(slow, 1)
        slow.close()

        assert ("let in", b"") == (told, end)
        assert ["limits.handshake" in why for why in door.ledger.refusals()] == [True]
        assert 1 == door.server.shared.met["handshake"]


async def test_slow_handshakes_take_no_room_from_those_who_finish_theirs(tmp_path):
    limits = replace(Limits(), handshake=30.0, connections_each=20)
    async with open_door(secured(tmp_path, MESH, limits=limits)) as door:
        await asyncio.to_thread(lambda: None)
        slow = [socket.create_connection(("127.0.0.1", door.server.port)) for _ in range(19)]
        await eventually(lambda: len(door.server.door.front._open) == 19)
        told = [await outcome(door.address, MESH, MESH.svid(spiffe(f"s-{at}"))) for at in range(3)]
        for one in slow:
            one.close()

        assert ["let in"] * 3 == told


async def test_a_flood_of_requests_ends_the_stream_that_brings_it(tmp_path):
    limits = replace(Limits(), requests=5)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe("noisy"))) as noisy,
        knocking(door.address, MESH, MESH.svid(spiffe("quiet"))) as quiet,
    ):
        await got(quiet)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for at in range(1000):
                request = mcp_pb2.RequestResources(collection=f"x/{at}")
                await noisy.write(request.SerializeToString())
        # NB: a client of grpc.aio that is writing when its stream ends is not told how.
        await eventually(lambda: len(door.server.sessions) == 1)

        (ended,) = door.cache.endings.rows()
        assert "more than 5 requests a second (limits.requests)" == ended["why"]
        assert not quiet.done()
        assert 1 == door.door.gauges().limits["requests"]


async def test_answers_to_pushes_are_no_flood(tmp_path):
    limits = replace(Limits(), requests=1)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe())) as call,
    ):
        push = await got(call)
        for at in range(60):
            await acked(call, push)
            door.cache.set("default", snapshot(resource("a/b", f"v{at + 1}")))
            async with asyncio.timeout(10):
                push = mcp_pb2.Resources.FromString(await call.read())

        assert not call.done()


async def test_a_push_that_is_too_large_ends_its_stream_with_the_name_of_the_limit(tmp_path):
    limits = replace(Limits(), push_bytes=10_000)
    large = snapshot(resource("a/b", size=20_000))
    async with open_door(secured(tmp_path, MESH, limits=limits), large) as door:
        told = await outcome(door.address, MESH, MESH.svid(spiffe()))

        assert told.startswith("RESOURCE_EXHAUSTED")
        assert "limits.push_bytes" in told


async def test_metadata_that_is_too_large_is_refused_and_others_feel_nothing(tmp_path):
    async with (
        open_door(secured(tmp_path, MESH)) as door,
        channel_to(door, MESH.svid(spiffe("evil"))) as channel,
    ):
        call = channel.stream_stream(METHOD)(metadata=(("x", "y" * 1_000_000),))
        async with asyncio.timeout(10):
            code = await call.code()

        assert grpc.StatusCode.RESOURCE_EXHAUSTED is code
        assert () == door.server.sessions
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe("good")))


@pytest.mark.parametrize("method", [METHOD, "/grpc.health.v1.Health/Check"])
async def test_metadata_that_is_a_little_too_large_is_named_and_counted(method, tmp_path):
    limits = Limits()
    async with (
        open_door(secured(tmp_path, MESH)) as door,
        channel_to(door, MESH.svid(spiffe("evil"))) as channel,
    ):
        call = channel.stream_stream(method)(metadata=(("x", "y" * limits.metadata_bytes),))
        async with asyncio.timeout(10):
            told = (await call.code()).name, await call.details()
        (line,) = [one for one in door.ledger.happenings if one.event == "refuse"]

        assert "RESOURCE_EXHAUSTED" == told[0]
        assert "more than 16384 (limits.metadata_bytes)" in told[1]
        assert (spiffe("evil"), told[1]) == (line.who, line.why)
        assert 1 == door.server.shared.met["metadata_bytes"]


async def test_a_request_that_is_a_little_too_large_is_named_and_counted(tmp_path):
    limits = replace(Limits(), request_bytes=65_536)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        channel_to(door, MESH.svid(spiffe("evil"))) as channel,
    ):
        call = channel.stream_stream(METHOD)()
        async with asyncio.timeout(10):
            await call.write(b"x" * 100_004)
            told = (await call.code()).name, await call.details()
        await eventually(lambda: not door.server.sessions)

        why = "a request has 100004 bytes, more than 65536 (limits.request_bytes)"
        assert ("RESOURCE_EXHAUSTED", why) == told
        assert 1 == door.server.shared.met["request_bytes"]


# --------------------------------------------------------------------------- unknown methods


@pytest.mark.parametrize("method", ["/nope/x", f"{METHOD}2"])
async def test_a_call_to_what_is_not_there_is_asked_who_it_is(method, tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    async with open_door(settings) as door, channel_to(door, None) as channel:
        codes = []
        for header in ((), (("authorization", f"Bearer {token()}"),)):
            async with asyncio.timeout(10):
                codes.append((await channel.stream_stream(method)(metadata=header).code()).name)
        told = [one for one in door.ledger.happenings if one.event == "refuse"]

        assert ["UNAUTHENTICATED", "UNIMPLEMENTED"] == codes
        assert ["", "jwt:envoy@us"] == [one.who for one in told]
        assert ("there is no such method", method) == (told[1].why, told[1].facts["method"])


async def test_calls_to_what_is_not_there_are_in_the_share_of_their_peer(tmp_path):
    limits = replace(Limits(), streams_each=2, new_streams=3)
    async with (
        open_door(secured(tmp_path, MESH, limits=limits)) as door,
        channel_to(door, MESH.svid(spiffe("evil"))) as channel,
    ):
        calls = [channel.stream_stream("/nope/x")() for _ in range(100)]
        async with asyncio.timeout(20):
            told = {(await one.code()).name for one in calls}

        assert {"RESOURCE_EXHAUSTED", "UNIMPLEMENTED"} == told
        assert 90 < door.server.shared.met["new_streams"] + door.server.shared.met["streams_each"]
        assert not door.server.admission._streams


# --------------------------------------------------------------------------- plaintext


async def test_in_plaintext_addresses_of_this_machine_tell_nobody_apart():
    limits = replace(Limits(), streams_each=1, streams=2, new_streams=1)
    async with open_door(Settings(limits=limits)) as door, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            await got(await stack.enter_async_context(knocking(door.address, MESH, plain=True)))
        told = await outcome(door.address, MESH, plain=True)

        assert told.startswith("RESOURCE_EXHAUSTED")


async def test_a_token_counts_in_plaintext_too(tmp_path):
    async with open_door(Settings(tokens=with_tokens(tmp_path))) as door:
        told = [
            await outcome(door.address, MESH, plain=True, token=shown) for shown in ("", token())
        ]

        assert ["UNAUTHENTICATED", "let in"] == [one.partition(":")[0] for one in told]
