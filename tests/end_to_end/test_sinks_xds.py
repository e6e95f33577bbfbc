"""What the server tells of xDS clients: who is behind, who refuses which file, and no keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from envoy_resources import SECRET, cluster, endpoints, routes, written
from raw_xds import CDS, EDS, RDS, SDS, RawXds
from repositories import Upstream
from running import Gitsource, eventually

PLANTED = "planted-key-material"
QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"

both = pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])


@asynccontextmanager
async def client_of(server: Gitsource, node: str, *, delta: bool) -> AsyncIterator[RawXds]:
    """Yield an xDS client of *server*."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.ports['mcp']}", options) as channel:
        yield RawXds(channel, node, delta=delta)


async def follow(client: RawXds, wanted: dict[str, tuple[str, ...]]) -> None:
    """Ask for the types in *wanted* by name (without any: for all), and ACK whatever comes."""
    for url, names in wanted.items():
        await client.ask(url, *names)
    while True:
        response = await client.next()
        client.apply(response)
        names = () if client.delta else wanted[response.type_url]
        await client.answer(response, *names)


@asynccontextmanager
async def following(client: RawXds, **wanted: tuple[str, ...]) -> AsyncIterator[None]:
    """Have *client* follow types by their short names while the block runs."""
    urls = {"cds": CDS, "eds": EDS, "rds": RDS, "sds": SDS}
    task = asyncio.create_task(follow(client, {urls[key]: names for key, names in wanted.items()}))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """Return a bare repository with two clusters, their endpoints and a route table."""
    made = Upstream(tmp_path / "upstream.git")
    made.commit(
        {
            "a.yaml": written(cluster("a"), endpoints("a", 1000)),
            "b.yaml": written(cluster("b"), endpoints("b", 1001)),
            "routes.yaml": written(routes("all", "a")),
        },
        message="first",
    )
    return made


def rows(server: Gitsource, node: str) -> dict:
    """Return what the status says of the collections of *node*."""
    (row,) = [row for row in server.status()["sinks"] if row["id"] == node]
    return row["collections"]


@both
async def test_waiting_ends_when_a_client_has_what_is_left_after_a_removal(
    server: Gitsource, upstream: Upstream, *, delta: bool
) -> None:
    """Over SotW endpoints stay with a client whose cluster is gone, and that is no lag."""
    async with (
        client_of(server, "envoy", delta=delta) as client,
        following(client, cds=(), eds=("a", "b"), rds=("all",)),
    ):
        commit = upstream.commit({"b.yaml": None}, message="without b")
        await asyncio.to_thread(server.sync)
        waited = await asyncio.to_thread(
            server.cli, "wait", "--revision", commit, "--timeout", "20s", "--sinks", "1"
        )
        told = await asyncio.to_thread(rows, server, "envoy")

    assert 0 == waited.returncode, waited.stdout + waited.stderr
    assert {CDS: None, EDS: None, RDS: None} == {url: row["behind"] for url, row in told.items()}
    assert {"a"} == set(client.held[CDS])


@both
async def test_a_refusal_of_a_client_is_traced_to_its_file_and_commit(
    server: Gitsource, upstream: Upstream, *, delta: bool
) -> None:
    async with client_of(server, "envoy", delta=delta) as client:
        await client.ask(CDS)
        await client.accept()
        changed = written(cluster("b", connect_timeout="2s"), endpoints("b", 1001))
        commit = upstream.commit({"b.yaml": changed}, message="b: slower")
        await asyncio.to_thread(server.sync)
        words = "Error adding/updating cluster(s) b: too slow"
        await client.refuse(await client.next(), message=words)
        row = await asyncio.to_thread(eventually, lambda: traced(server), "a traced refusal")
        waited = await asyncio.to_thread(
            server.cli, "wait", "--revision", commit, "--timeout", "1s"
        )
        listed = await asyncio.to_thread(server.cli, "sinks")

    (blamed,) = row["resources"]
    assert ("envoy", CDS, 13, words) == tuple(
        row[key] for key in ("sink", "collection", "code", "error")
    )
    assert ("b", "b.yaml", commit) == tuple(blamed[key] for key in ("name", "file", "commit"))
    assert waited.returncode != 0
    assert "Ada Example" in listed.stdout


def traced(server: Gitsource) -> dict | None:
    """Return the refusal that stands, once it is traced."""
    for row in server.status()["refusals"]:
        if not row["settled"] and row["resources"] and "commit" in row["resources"][0]:
            return row
    return None


@both
async def test_a_key_reaches_its_client_and_no_page_or_log(
    tmp_path: Path, upstream: Upstream, *, delta: bool
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "key").write_text(f"{PLANTED} one")
    secret = {
        "@type": SECRET,
        "name": "tls",
        "generic_secret": {"secret": {"filename": "gitsource://key"}},
    }
    upstream.commit({"secret.yaml": written(secret)})
    settings = f"{QUIET}secrets: {{folder: '{folder}'}}\n"
    with Gitsource(tmp_path / "gitsource-keys", upstream.url, settings) as server:
        await asyncio.to_thread(eventually, lambda: server.status()["revision"], "a snapshot")
        async with client_of(server, "envoy", delta=delta) as client:
            await client.ask(SDS, "tls")
            await client.accept("tls")

            assert f"{PLANTED} one".encode() in client.held[SDS]["tls"]

            (folder / "new").write_text(f"{PLANTED} two")
            (folder / "new").rename(folder / "key")
            await client.accept("tls")

            assert f"{PLANTED} two".encode() in client.held[SDS]["tls"]

            shown = await asyncio.to_thread(
                server.cli, "sinks", "show", "envoy", "--bodies", "--output", "json"
            )
            pages = [
                await asyncio.to_thread(server.ask, "GET", path)
                for path in ("/status", "/metrics", "/sink?id=envoy&bodies=1")
            ]
        (stream,) = json.loads(shown.stdout)["streams"]
        (held,) = stream["subscriptions"]
        kept = [path for path in server.state.rglob("*") if path.is_file()]

        assert [True] == [row["body"]["redacted"] for row in held["resources"]]
        assert PLANTED not in shown.stdout + str(pages) + server.log.read_text()
        assert [] == [path for path in kept if PLANTED.encode() in path.read_bytes()]


@both
async def test_a_stream_that_a_limit_ended_is_told_of(
    tmp_path: Path, upstream: Upstream, *, delta: bool
) -> None:
    settings = f"{QUIET}limits: {{names: 10}}\n"
    with Gitsource(tmp_path / "gitsource-small", upstream.url, settings) as server:
        await asyncio.to_thread(eventually, lambda: server.status()["revision"], "a snapshot")
        for _ in range(2):
            async with client_of(server, "greedy", delta=delta) as client:
                await client.ask(EDS, *(f"service-{number}" for number in range(11)))
                code, text = await client.ended()

                assert ("RESOURCE_EXHAUSTED", True) == (code, "limits.names" in text)

        (row,) = (await asyncio.to_thread(server.status))["ended"]
        page = await asyncio.to_thread(server.cli, "status")

        assert ("greedy", 2, text) == (row["sink"], row["count"], row["why"])
        assert f"greedy ({row['protocol']}): {text}" in " ".join(page.stdout.split())
