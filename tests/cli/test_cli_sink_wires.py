"""`gitsource sink` as a real process against a real server, over each wire."""

from __future__ import annotations

import asyncio
import json
import signal

import grpc
import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from certificates import self_signed
from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Stored
from gitsource._proto.istio.networking.v1alpha3.virtual_service_pb2 import VirtualService
from gitsource.cli.sink import PROTOCOLS
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.dialout import Dialler
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from scripted_source import FLAGS, resource, scripted_source
from serving import serving
from sink_process import sinking

VS = "istio/networking/v1alpha3/virtualservices"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
ROUTE = {"hosts": ["shop.example.com"]}


def stored(name, body):
    made = Stored()
    made.metadata.name, made.metadata.version = name, "v1"
    made.body.Pack(body)
    return Resource(name, "v1", made.SerializeToString(), Origin("a.yaml", 1))


def served():
    secret = Secret(name="web")
    secret.tls_certificate.private_key.inline_string = "made-up key material"
    content = {
        VS: [stored("ns/shop", VirtualService(hosts=ROUTE["hosts"]))],
        "envoy/clusters": [stored(name, Cluster(name=name)) for name in ("a", "b")],
        "envoy/secrets": [stored("web", secret)],
    }
    return Snapshot.of(
        Revision("c" * 40, "t", 0),
        {name: Collection.of(name, resources) for name, resources in content.items()},
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_each_protocol_dumps_what_it_came_to_hold(protocol):
    word = "clusters" if protocol.startswith("xds") else VS
    flags = ("--protocol", protocol, "--once", "--dump", "-", "--timeout", "30s")
    async with (
        serving(served()) as (_, server),
        sinking(f"127.0.0.1:{server.port}", word, *flags) as sink,
    ):
        code, out, err = await sink.ended()
    (told,) = json.loads(out)["collections"]
    found = {row["name"]: row["body"] for row in told["resources"]}

    assert (0, "") == (code, err)
    assert found == ({"a": {"name": "a"}, "b": {"name": "b"}} if word != VS else {"ns/shop": ROUTE})
    assert all(row["version"] for row in told["resources"])
    assert len(told["version"]) == 44
    assert (
        told["collection"]
        == {
            "mcp": VS,
            "mcp-legacy": VS,
            "mcp-xds": "networking.istio.io/v1/VirtualService",
            "mcp-xds-delta": "networking.istio.io/v1/VirtualService",
            "xds": CLUSTER,
            "xds-delta": CLUSTER,
        }[protocol]
    )


@pytest.mark.parametrize("protocol", ["mcp-xds", "mcp-xds-delta"])
async def test_without_a_kind_it_is_done_when_all_that_istiod_asks_for_is_answered(protocol):
    flags = ("--protocol", protocol, "--once", "--output", "json", "--timeout", "30s")
    async with (
        serving(served()) as (_, server),
        sinking(f"127.0.0.1:{server.port}", *flags) as sink,
    ):
        code, out, _ = await sink.ended()
    lines = [json.loads(line) for line in out.splitlines()]

    assert code == 0
    assert len({line["collection"] for line in lines}) == 16
    assert ["ns/shop"] == [row["name"] for line in lines for row in line["resources"]]


@pytest.mark.parametrize("protocol", ["xds", "xds-delta"])
async def test_the_table_of_what_a_name_brings_fits_80_columns(protocol):
    flags = ("--protocol", protocol, "--name", "b", "--once", "--timeout", "30s")
    async with (
        serving(served()) as (_, server),
        sinking(f"127.0.0.1:{server.port}", "CDS", *flags) as sink,
    ):
        code, out, _ = await sink.ended()

    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert CLUSTER in out
    assert "holding 1" in out
    assert [" +  b"] == [line[:6].rstrip() for line in out.splitlines() if line.startswith(" +")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_source_learns_who_it_is_and_why_it_refuses(protocol):
    word = "clusters" if protocol.startswith("xds") else VS
    flags = (
        "--protocol",
        protocol,
        "--node-id",
        "me",
        "--meta",
        "team=mesh",
        "--nack-if",
        "a|shop",
    )
    async with (
        serving(served()) as (cache, server),
        sinking(f"127.0.0.1:{server.port}", word, *flags, "--node-cluster", "edge") as sink,
    ):
        async with asyncio.timeout(30):
            while "matches --nack-if" not in str(cache.sinks()):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        (session,) = server.sessions
        node = session.node
        sink.process.send_signal(signal.SIGTERM)
        code, _, err = await sink.ended()

    assert node is not None
    assert ("me", "mesh") == (node.id, node.metadata["team"])
    assert node.cluster == ("edge" if "xds" in protocol else "")
    assert code == 0
    assert "gitsource: refused" in err


@pytest.mark.parametrize("protocol", ["xds", "xds-delta"])
@pytest.mark.parametrize("how", [("--output", "json"), ("--dump", "-")])
async def test_the_body_of_a_secret_is_not_printed(protocol, how):
    flags = ("--protocol", protocol, "--name", "web", "--once", "--timeout", "30s", *how)
    async with (
        serving(served()) as (_, server),
        sinking(f"127.0.0.1:{server.port}", "secrets", *flags) as sink,
    ):
        code, out, _ = await sink.ended()
    (told,) = json.loads(out).get("collections", [json.loads(out)])

    assert code == 0
    assert "made-up" not in out
    assert {"@type": SECRET, "name": "web", "redacted": True} == told["resources"][0]["body"]


async def test_a_dump_is_written_to_a_file_when_a_signal_ends_it(tmp_path):
    file = tmp_path / "held.json"
    async with (
        serving(served()) as (_, server),
        sinking(f"127.0.0.1:{server.port}", VS, "--dump", str(file)) as sink,
    ):
        while "holding 1" not in await sink.line():
            pass
        sink.process.send_signal(signal.SIGTERM)
        code, _, _ = await sink.ended()
    (told,) = json.loads(file.read_text())["collections"]

    assert code == 0
    assert ["ns/shop"] == [row["name"] for row in told["resources"]]
    assert [file] == list(tmp_path.iterdir())


async def test_a_dump_that_cannot_be_written_is_an_environment_error(tmp_path):
    async with (
        serving(served()) as (_, server),
        sinking(
            f"127.0.0.1:{server.port}", VS, "--once", "--dump", str(tmp_path / "no" / "x")
        ) as sink,
    ):
        code, _, err = await sink.ended()

    assert code == 2
    assert "--dump: cannot write" in err


async def test_it_waits_for_a_source_that_dials():
    async with (
        serving(served()) as (_, server),
        sinking("--listen", "127.0.0.1:0", VS, "--once", "--dump", "-") as sink,
    ):
        said = (await asyncio.wait_for(sink.process.stderr.readline(), 30)).decode()
        port = said.rstrip().rpartition(":")[2]
        row = DialRow("edge", Address(f"localhost:{port}"))
        dialler = Dialler(server.shared, server.classic, [row], ())
        dialler.start()
        code, out, _ = await sink.ended()
        await dialler.drain(5)
    (told,) = json.loads(out)["collections"]

    assert said.startswith("gitsource: waiting for a source at 127.0.0.1:")
    assert code == 0
    assert ["ns/shop"] == [row["name"] for row in told["resources"]]


async def test_a_source_behind_tls_is_reached_with_papers(tmp_path):
    theirs, ours = self_signed(), self_signed("sink")
    files = {"ca": theirs.certificate, "cert": ours.certificate, "key": ours.key}
    flags = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        flags += [f"--{name}", str(tmp_path / name)]
    papers = grpc.ssl_server_credentials(
        [(theirs.key, theirs.certificate)], ours.certificate, require_client_auth=True
    )
    async with (
        scripted_source(papers) as source,
        sinking(source.address, FLAGS, "--once", *flags, "--server-name", "localhost") as sink,
    ):
        await source.request()
        await source.push(FLAGS, resource("a"), nonce="1")
        code, out, err = await sink.ended()

    assert (0, "") == (code, err)
    assert "holding 1" in out


async def test_a_server_without_xds_is_told_apart():
    async with (
        scripted_source() as source,
        sinking(source.address, "clusters", "--protocol", "xds") as sink,
    ):
        code, _, err = await sink.ended()

    assert code == 2
    assert "does not speak xDS (no AggregatedDiscoveryService)" in err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("127.0.0.1:1", "--protocol", "soap"), "'soap' is not one of"),
        (("127.0.0.1:1", "--protocol", "xds", "clutsers"), "expected a type such as"),
        (("127.0.0.1:1", "--protocol", "xds", "--incremental"), "use xds-delta"),
        (("127.0.0.1:1", "--name", "a"), "--name is for xDS"),
        (("127.0.0.1:1", "--meta", "x"), "expected KEY=VALUE"),
        (("127.0.0.1:1", "--cert", "x"), "--cert and --key go together"),
        (("127.0.0.1:1", "--ca", "/nowhere/ca.pem"), "No such file"),
        (("--listen", "nowhere"), "expected host:port"),
        (("--listen", "127.0.0.1:0", "--protocol", "xds"), "--listen is for mcp"),
    ],
)
async def test_wrong_usage_is_told_with_what_was_expected(args, told):
    async with sinking(*args) as sink:
        code, out, err = await sink.ended()

    assert (code, out) == (2, "")
    assert told in err
