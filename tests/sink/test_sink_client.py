"""A sink in conversation with a real gRPC source (expectations K1 to K7 of the protocol facts)."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import grpc
import pytest

from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from gitsource.errors import NotASource
from gitsource.sink.client import Sent, Sink, failures_after, pause
from gitsource.sink.state import Update
from scripted_source import FLAGS, TUNES, ScriptedSource, resource, scripted_source


class Attached:
    """A sink whose updates are read one at a time."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._updates = sink.updates()
        self._reading: asyncio.Task[Update] | None = None

    async def update(self) -> Update:
        return await asyncio.wait_for(anext(self._updates), 20)

    def reading(self) -> asyncio.Task[Update]:
        """Start reading the next update, which the source is still to send."""
        self._reading = asyncio.create_task(self.update())
        return self._reading

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._updates.aclose()


@asynccontextmanager
async def attached(source: ScriptedSource, *names: str, **told: Any) -> AsyncIterator[Attached]:
    async with Sink(source.address, names or (FLAGS,), node_id="test-node", **told) as sink:
        one = Attached(sink)
        try:
            yield one
        finally:
            await one.aclose()


def spoken(request: RequestResources) -> tuple[str, str, int]:
    return request.collection, request.response_nonce, request.error_detail.code


async def test_a_new_stream_asks_for_each_collection_once_with_the_node_and_no_nonce():
    """K1: full state subscribes without versions."""
    async with (
        scripted_source() as source,
        attached(source, FLAGS, TUNES, annotations={"foo": "bar"}) as one,
    ):
        one.reading()
        asked = await source.subscriptions(2)

    assert asked.keys() == {FLAGS, TUNES}
    for request in asked.values():
        assert request.response_nonce == ""
        assert request.sink_node.id == "test-node"
        assert dict(request.sink_node.annotations) == {"foo": "bar"}
        assert not request.incremental
        assert not request.initial_resource_versions


async def test_each_good_push_is_applied_and_acknowledged_with_its_nonce():
    """K2: also an empty one, and the same again."""
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), resource("b"), nonce="1", system_version_info="x")
        update = await reading

        assert [item.name for item in update.resources] == ["a", "b"]
        assert one.sink.held(FLAGS).keys() == {"a", "b"}
        assert one.sink.version(FLAGS) == "x"
        assert spoken(await source.request()) == (FLAGS, "1", 0)

        for nonce in ("2", "3"):
            reading = one.reading()
            await source.push(FLAGS, nonce=nonce)
            await reading

            assert not one.sink.held(FLAGS)
            assert spoken(await source.request()) == (FLAGS, nonce, 0)


async def test_an_incremental_push_amends_what_is_held():
    async with scripted_source() as source, attached(source, incremental=True) as one:
        reading = one.reading()
        assert (await source.request()).incremental
        await source.push(FLAGS, resource("a"), resource("b"), resource("c"), nonce="1")
        await reading
        await source.request()

        reading = one.reading()
        changed = (resource("b", "v2"), resource("d"))
        await source.push(
            FLAGS, *changed, removed_resources=["a", "never"], nonce="2", incremental=True
        )
        update = await reading

        assert update.removed == ("a", "never")
        held = {name: item.version for name, item in one.sink.held(FLAGS).items()}
        assert held == {"b": "v2", "c": "v1", "d": "v1"}


async def test_removals_in_a_full_state_push_mean_nothing():
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), removed_resources=["a"], nonce="1")
        update = await reading

        assert update.removed == ()
        assert one.sink.held(FLAGS).keys() == {"a"}


async def test_a_push_nobody_asked_for_is_refused_as_unimplemented():
    """K3."""
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push("strange/one", resource("a"), nonce="1")

        assert spoken(await source.request()) == ("strange/one", "1", 12)

        await source.push(FLAGS, nonce="2")
        await reading

        assert spoken(await source.request()) == (FLAGS, "2", 0)


async def test_a_push_with_a_body_that_is_no_message_is_refused_whole():
    """K3: nothing of it is applied, and a later good push is accepted."""
    broken = resource("b")
    broken.body.value = b"\xff\xff\xff"
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), broken, nonce="1")
        update = await reading
        answer = await source.request()

        assert spoken(answer) == (FLAGS, "1", 2)
        assert answer.error_detail.message.startswith("b: the body is no google.protobuf.Struct")
        assert update.refused == answer.error_detail.message
        assert not one.sink.held(FLAGS)

        reading = one.reading()
        await source.push(FLAGS, resource("a"), nonce="2")
        await reading

        assert spoken(await source.request()) == (FLAGS, "2", 0)
        assert one.sink.held(FLAGS).keys() == {"a"}


async def test_a_creation_time_that_is_no_date_is_left_out():
    odd = resource("a")
    odd.metadata.create_time.seconds = 2**62
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, odd, resource("b"), nonce="1")
        update = await reading

        assert [item.create_time for item in update.resources] == ["", "2020-02-29T12:00:00Z"]
        assert spoken(await source.request()) == (FLAGS, "1", 0)


async def test_a_body_of_an_unknown_type_is_held_as_bytes():
    strange = resource("a")
    strange.body.type_url = "type.googleapis.com/strange.v1.Thing"
    strange.body.value = b"\xff\x00"
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, strange, nonce="1")
        await reading

        assert spoken(await source.request()) == (FLAGS, "1", 0)
        assert one.sink.held(FLAGS)["a"].body == b"\xff\x00"


async def test_what_the_judge_refuses_is_nacked_and_not_applied():
    """K3: code 3, and a later good push is accepted."""

    def judge(update: Update) -> str:
        return "no b here" if any(item.name == "b" for item in update.resources) else ""

    async with scripted_source() as source, attached(source, judge=judge) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1")
        await reading
        await source.request()

        reading = one.reading()
        await source.push(FLAGS, resource("b"), nonce="2")
        update = await reading
        answer = await source.request()

        assert spoken(answer) == (FLAGS, "2", 3)
        assert answer.error_detail.message == "no b here"
        assert (update.refused, update.code) == ("no b here", 3)
        assert one.sink.held(FLAGS).keys() == {"a"}

        reading = one.reading()
        await source.push(FLAGS, resource("c"), nonce="3")
        await reading

        assert spoken(await source.request()) == (FLAGS, "3", 0)


async def test_explicit_answers_wait_for_the_caller():
    async with scripted_source() as source, attached(source, FLAGS, TUNES, explicit=True) as one:
        reading = one.reading()
        await source.subscriptions(2)
        await source.push(FLAGS, resource("a"), nonce="1")
        first = await reading
        reading = one.reading()
        await source.push(TUNES, resource("t"), nonce="2")
        second = await reading

        assert not one.sink.held(FLAGS)
        assert source.requests.empty()

        assert await one.sink.ack(second)
        assert spoken(await source.request()) == (TUNES, "2", 0)
        assert one.sink.held(TUNES).keys() == {"t"}

        assert await one.sink.nack(first, "not today")
        assert spoken(await source.request()) == (FLAGS, "1", 3)
        assert not one.sink.held(FLAGS)

        assert not await one.sink.ack(first)


async def test_an_answer_to_a_push_of_a_broken_stream_is_not_sent():
    async with scripted_source() as source, attached(source, explicit=True) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1")
        update = await reading
        reading = one.reading()
        await source.break_stream()
        await source.request()

        assert not await one.sink.ack(update)
        assert not one.sink.held(FLAGS)


@pytest.mark.parametrize("incremental", [False, True])
async def test_after_a_broken_stream_everything_is_asked_for_again(incremental):
    """K4, K5: what is held stays; an incremental sink says what that is."""
    async with scripted_source() as source, attached(source, incremental=incremental) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a", "v7"), resource("b", "v8"), nonce="1")
        await reading
        await source.request()

        reading = one.reading()
        await source.break_stream(grpc.StatusCode.INTERNAL)
        again = await source.request()

        assert again.response_nonce == ""
        assert again.incremental == incremental
        known = {"a": "v7", "b": "v8"} if incremental else {}
        assert dict(again.initial_resource_versions) == known
        assert one.sink.held(FLAGS).keys() == {"a", "b"}

        await source.push(FLAGS, removed_resources=["a"], nonce="1", incremental=incremental)
        await reading

        assert one.sink.held(FLAGS).keys() == ({"b"} if incremental else set())


async def test_a_refused_push_is_not_among_what_the_sink_says_it_holds():
    async with (
        scripted_source() as source,
        attached(source, incremental=True, judge=lambda _update: "never") as one,
    ):
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1")
        await reading
        await source.request()
        reading = one.reading()
        await source.break_stream()
        again = await source.request()

        assert not again.initial_resource_versions


async def test_a_sink_waits_for_a_source_that_is_not_there_yet():
    async with scripted_source() as source:
        address = source.address
    async with Sink(address, [FLAGS]) as sink:
        one = Attached(sink)
        reading = one.reading()
        await asyncio.sleep(0.1)
        source = ScriptedSource()
        await source.start(address)
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1")
        await reading
        await one.aclose()
        await source.stop()

        assert sink.held(FLAGS).keys() == {"a"}


async def test_bytes_that_are_no_push_end_the_stream_and_the_sink_comes_back():
    async with scripted_source() as source, attached(source) as one:
        one.reading()
        await source.request()
        await source.push_bytes(b"\xff\xff\xff\xff")
        again = await source.request()

        assert spoken(again) == (FLAGS, "", 0)
        assert source.opened == 2


async def test_a_server_that_is_no_source_is_not_tried_again():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Sink(f"127.0.0.1:{port}", [FLAGS]) as sink:
        with pytest.raises(NotASource, match="does not speak the Mesh Configuration Protocol"):
            await anext(sink.updates())
    await server.stop(None)


def content_version(*pairs: tuple[str, str]) -> str:
    """The documented rule, once more: lengths as four big-endian bytes, sorted by name."""
    told = b"".join(
        len(part.encode()).to_bytes(4, "big") + part.encode()
        for pair in sorted(pairs)
        for part in pair
    )
    return b64encode(sha256(told).digest()).decode()


async def test_a_version_that_does_not_match_the_content_is_reported(caplog):
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        right = content_version(("a", "v1"), ("ä", "v1"))
        await source.push(FLAGS, resource("ä"), resource("a"), nonce="1", system_version_info=right)
        with caplog.at_level(logging.WARNING, "gitsource.sink"):
            await reading

            assert caplog.messages == []

            reading = one.reading()
            await source.push(FLAGS, resource("a"), nonce="2", system_version_info=right)
            await reading

        own = content_version(("a", "v1"))
        told = f"{FLAGS}: the source announced version {right}, but what is held has {own}"
        assert caplog.messages == [f"{told} (1 resources)"]


async def test_versions_of_sources_that_count_are_not_checked(caplog):
    async with scripted_source() as source, attached(source) as one:
        reading = one.reading()
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1", system_version_info="flags/17")
        await reading

    assert caplog.messages == []


async def test_the_last_requests_can_be_looked_at():
    """K6."""
    async with (
        scripted_source() as source,
        attached(source, judge=lambda u: "no" if u.nonce == "40" else "") as one,
    ):
        reading = one.reading()
        await source.request()
        for nonce in range(1, 41):
            await source.push(FLAGS, nonce=str(nonce))
            await reading
            await source.request()
            reading = one.reading()

    assert len(one.sink.journal) == 32
    assert list(one.sink.journal)[-2:] == [Sent(FLAGS, "39", ""), Sent(FLAGS, "40", "no")]


def test_a_sink_tells_who_it_is_and_what_it_follows():
    """K7."""
    sink = Sink("127.0.0.1:1", [TUNES, FLAGS], node_id="me", annotations={"k": "v"})

    assert sink.collections == (FLAGS, TUNES)
    assert (sink.node_id, dict(sink.annotations)) == ("me", {"k": "v"})
    assert repr(sink) == "<Sink 'me' of 127.0.0.1:1: 0 resources>"


async def test_leaving_at_once_lets_the_source_take_the_last_answer():
    async def follow(address: str) -> None:
        async with Sink(address, [FLAGS]) as sink:
            async for _ in sink.updates():
                break

    async with scripted_source() as source:
        following = asyncio.create_task(follow(source.address))
        await source.request()
        await source.push(FLAGS, nonce="1")
        await following

        assert spoken(await source.request()) == (FLAGS, "1", 0)
        await asyncio.wait_for(source.left.wait(), 20)


def test_a_stream_that_lasted_makes_the_next_attempt_a_first_one():
    assert [failures_after(n, 1.0) for n in (0, 1, 7)] == [1, 2, 8]
    assert failures_after(7, 60.0) == 1


def test_the_first_new_attempt_is_immediate_and_later_ones_grow_to_a_bound():
    assert [pause(n, 0.5) for n in range(1, 6)] == [0.0, 0.2, 0.4, 0.8, 1.6]
    assert pause(1000, 0.5) == 15.0
    assert (pause(3, 0.0), pause(3, 1.0)) == (0.2, pytest.approx(0.6))
