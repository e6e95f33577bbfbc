"""`gitsource sink` as a real process against a real gRPC source."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket

import grpc
import pytest

from gitsource.catalog.rows import BUILTIN
from scripted_source import FLAGS, TUNES, ScriptedSource, resource, scripted_source
from sink_process import sinking


async def answered(source: ScriptedSource, *names: str) -> None:
    """Let the sink subscribe to *names* and give each an empty answer."""
    await source.subscriptions(len(names))
    for nonce, name in enumerate(names, 1):
        await source.push(name, nonce=str(nonce))
        await source.request()


async def test_json_output_is_one_line_a_push_with_every_field():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, "--output", "json") as sink,
    ):
        await source.request()
        plain = resource("team-a/dark-mode", "v1", on=True, share=0.25)
        plain.metadata.annotations["note"] = "ä\n"
        await source.push(FLAGS, plain, nonce="1", system_version_info="flags/1")
        first = json.loads(await sink.line())
        await source.request()
        strange = resource("strange")
        strange.metadata.ClearField("create_time")
        strange.body.type_url, strange.body.value = "example.org/no.such.Type", b"\x00\xff"
        await source.push(
            FLAGS, strange, nonce="2", incremental=True, removed_resources=["team-a/dark-mode"]
        )
        second = json.loads(await sink.line())

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "collection": FLAGS,
        "version": "flags/1",
        "nonce": "1",
        "incremental": False,
        "resources": [
            {
                "name": "team-a/dark-mode",
                "version": "v1",
                "create_time": "2020-02-29T12:00:00Z",
                "labels": {"team": "mesh"},
                "annotations": {"note": "ä\n"},
                "type_url": "type.googleapis.com/google.protobuf.Struct",
                "body": {"on": True, "share": 0.25},
            }
        ],
        "removed": [],
    }
    assert (second["nonce"], second["incremental"]) == ("2", True)
    assert second["removed"] == ["team-a/dark-mode"]
    assert second["resources"][0]["create_time"] is None
    assert second["resources"][0]["body"] == {"@type": "example.org/no.such.Type", "value": "AP8="}


async def test_without_collections_all_built_in_ones_are_subscribed_to():
    names = {kind.collection for kind in BUILTIN}
    async with scripted_source() as source, sinking(source.address, "--once") as sink:
        asked = await source.subscriptions(len(names))
        for name in names:
            await source.push(name, nonce=name)
        code, _, _ = await sink.ended()

    assert asked.keys() == names
    assert code == 0


async def test_the_node_id_is_unique_to_host_and_process():
    async with scripted_source() as source, sinking(source.address, FLAGS) as sink:
        asked = await source.request()

    assert asked.sink_node.id == f"{socket.gethostname()}/{sink.process.pid}"


async def test_incremental_and_id_reach_the_source():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, "--incremental", "--id", "pilot-7"),
    ):
        asked = await source.request()

    assert asked.incremental
    assert asked.sink_node.id == "pilot-7"


async def test_the_table_fits_80_columns_and_says_what_came_and_went():
    long = "namespace/" + "n" * 90
    async with scripted_source() as source, sinking(source.address, FLAGS) as sink:
        await source.request()
        rows = [resource(f"ns/{index}") for index in range(60)]
        await source.push(FLAGS, resource(long, "w" * 44), *rows, nonce="1")
        await source.request()
        await source.push(FLAGS, nonce="2", incremental=True, removed_resources=["ns/7\x1b[31m"])
        await source.request()
        sink.process.send_signal(signal.SIGTERM)
        code, out, err = await sink.ended()

    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "full state, nonce 1, holding 61" in out
    assert sum(line.startswith(" +  ns/") for line in out.splitlines()) == 49
    assert "... and 11 more" in out
    assert "changes, nonce 2, holding 61" in out
    assert r"- ns/7\x1b[31m" in out.replace("  ", " ")
    assert "\x1b" not in out


async def test_once_ends_when_every_collection_has_answered():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, TUNES, "--once", "--output", "json") as sink,
    ):
        await source.subscriptions(2)
        await source.push(FLAGS, nonce="1")
        await source.push(FLAGS, nonce="2")
        for _ in range(2):
            await source.request()
        assert sink.process.returncode is None
        await source.push(TUNES, nonce="3")
        answer = await source.request()
        code, out, err = await sink.ended()

    assert [json.loads(line)["nonce"] for line in out.splitlines()] == ["1", "2", "3"]
    assert (code, err) == (0, "")
    assert (answer.collection, answer.response_nonce) == (TUNES, "3")


async def test_the_time_being_up_is_exit_1_and_names_what_is_missing():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, TUNES, "--once", "--timeout", "2s") as sink,
    ):
        await source.subscriptions(2)
        await source.push(FLAGS, nonce="1")
        code, _, err = await sink.ended()

    assert code == 1
    assert f"gitsource: the time is up; no answer for {TUNES}\n" in err
    assert "next: " in err


async def test_nack_if_refuses_pushes_with_a_matching_name_only():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, "--nack-if", "^team-b/", "--output", "json") as sink,
    ):
        await source.request()
        await source.push(FLAGS, resource("x/team-b/a"), nonce="1")
        good = await source.request()
        await source.push(FLAGS, resource("a"), resource("team-b/a"), nonce="2")
        bad = await source.request()
        lines = [json.loads(await sink.line()) for _ in range(2)]
        sink.process.send_signal(signal.SIGTERM)
        _, _, err = await sink.ended()

    assert (good.response_nonce, good.error_detail.code) == ("1", 0)
    assert (bad.response_nonce, bad.error_detail.code) == ("2", 3)
    assert bad.error_detail.message == "team-b/a matches --nack-if '^team-b/'"
    assert [line["nonce"] for line in lines] == ["1", "2"]
    assert f"gitsource: refused {FLAGS} nonce 2: team-b/a matches" in err


async def test_a_broken_stream_is_told_and_taken_up_again_with_what_is_held():
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, "--incremental", "--output", "json") as sink,
    ):
        await source.request()
        await source.push(FLAGS, resource("a", "v3"), nonce="1")
        await source.request()
        await source.break_stream()
        again = await source.request()
        await source.push(FLAGS, nonce="1", incremental=True)
        lines = [json.loads(await sink.line()) for _ in range(2)]
        sink.process.send_signal(signal.SIGTERM)
        code, _, err = await sink.ended()

    assert dict(again.initial_resource_versions) == {"a": "v3"}
    assert [line["incremental"] for line in lines] == [False, True]
    assert code == 0
    assert f"lost the source at {source.address}: UNAVAILABLE: as the script says" in err


@pytest.mark.parametrize(
    ("number", "args", "code"),
    [
        (signal.SIGINT, (), 0),
        (signal.SIGTERM, (), 0),
        (signal.SIGINT, ("--once",), 130),
    ],
)
async def test_a_signal_ends_it_cleanly(number, args, code):
    async with scripted_source() as source, sinking(source.address, FLAGS, *args) as sink:
        await source.request()
        sink.process.send_signal(number)

        assert await sink.ended() == (code, "", "")


@pytest.mark.parametrize("output", ["json", "text"])
async def test_a_reader_that_has_seen_enough_is_no_error(output):
    async with (
        scripted_source() as source,
        sinking(source.address, FLAGS, "--output", output) as sink,
    ):
        await source.request()
        sink.process.stdout._transport.close()
        await source.push(FLAGS, resource("a"), nonce="1")
        code = await asyncio.wait_for(sink.process.wait(), 30)

        assert code == 0
        assert await sink.process.stderr.read() == b""


async def test_a_wrong_version_is_told_on_standard_error():
    async with scripted_source() as source, sinking(source.address, FLAGS) as sink:
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1", system_version_info="A" * 43 + "=")
        await source.request()
        sink.process.send_signal(signal.SIGTERM)
        _, _, err = await sink.ended()

    assert f"gitsource: {FLAGS}: the source announced version AAA" in err


async def test_a_server_that_is_no_source_is_an_environment_error():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with sinking(f"127.0.0.1:{port}", FLAGS) as sink:
        code, out, err = await sink.ended()
    await server.stop(None)

    assert (code, out) == (2, "")
    assert "gitsource: error: the server at 127.0.0.1:" in err
    assert "next: give the address of listen.mcp" in err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "Missing argument 'ADDRESS'"),
        (("nowhere",), "expected host:port"),
        (("127.0.0.1:99999",), "expected host:port"),
        (("127.0.0.1:1", "--timeout", "soon"), "expected a duration"),
        (("127.0.0.1:1", "--nack-if", "("), "expected a regular expression"),
        (("127.0.0.1:1", "--output", "xml"), "'xml' is not one of"),
    ],
)
async def test_wrong_usage_is_exit_2_and_says_what_was_expected(args, told):
    async with sinking(*args) as sink:
        code, out, err = await sink.ended()

    assert (code, out) == (2, "")
    assert told in err
