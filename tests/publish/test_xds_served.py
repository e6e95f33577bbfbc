"""
xDS over a real server with all that is around it: views, revisions, refusals, Secrets' files.

The clients are made of Envoy's own messages and share nothing with publish/.
"""

import asyncio
import contextlib
import json
import logging

import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.operating.refusals import Refusals
from gitsource.operating.sinks import Sinks
from gitsource.publish.secrets.files import SecretFiles
from gitsource.publish.secrets.overlay import Overlay
from gitsource.settings.rights import Authorization
from gitsource.settings.views import ViewLocality, ViewNodes, ViewResources, ViewRow
from raw_sink import PATIENCE, channel
from raw_xds import CDS, EDS, LDS, LEDS, RDS, SDS, VHDS, RawXds, served, stored
from serving import serving

PLANTED = "planted-key-material"
GATEWAY = "networking.istio.io/v1/Gateway"

both = pytest.mark.parametrize("delta", [False, True], ids=["SotW", "delta"])


async def until(true):
    """Wait until *true* says something."""
    async with asyncio.timeout(PATIENCE):
        while not (found := true()):  # noqa: ASYNC110  # what it waits for tells nobody
            await asyncio.sleep(0.01)
    return found


def row_of(cache, node):
    (row,) = [row for row in cache.sinks() if row["id"] == node]
    return row


def show(server, cache, *rows):
    """Have *server* show what the views *rows* say, as the app does."""
    server.shared.access.configure(rows, Authorization(), guarded=False)


# --------------------------------------------------------------------------- views

TEAMS = (
    ViewRow("by-id", ViewNodes(ids=("edge-*",)), ViewResources(labels=(("team", "edge"),))),
    ViewRow("by-cluster", ViewNodes(clusters=("shop",)), ViewResources(labels=(("team", "shop"),))),
    ViewRow(
        "by-metadata",
        ViewNodes(metadata=(("TIER", "gold"),)),
        ViewResources(labels=(("team", "gold"),)),
    ),
    ViewRow(
        "by-locality",
        ViewNodes(locality=ViewLocality(region=("eu",))),
        ViewResources(labels=(("team", "eu"),)),
    ),
)


def teams(version="v1", *more):
    names = ("edge", "shop", "gold", "eu", *more)
    return served({CDS: [stored(CDS, one, version, labels={"team": one}) for one in names]})


@both
@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"id": "edge-1"}, {"edge"}),
        ({"id": "x", "cluster": "shop"}, {"shop"}),
        ({"id": "x", "metadata": {"TIER": "gold"}}, {"gold"}),
        ({"id": "x", "locality": {"region": "eu", "zone": "1"}}, {"eu"}),
        ({"id": "edge-1", "cluster": "shop"}, {"edge", "shop"}),
        ({"id": "nobody"}, set()),
    ],
    ids=["id", "cluster", "metadata", "locality", "two views", "none"],
)
async def test_a_client_gets_what_the_views_that_take_it_show(delta, node, expected):
    async with serving(teams()) as (cache, server), channel(server.port) as connection:
        show(server, cache, *TEAMS)
        client = RawXds(connection, delta=delta, **node)
        await client.ask(CDS)
        await client.accept()
        await until(lambda: row_of(cache, node["id"])["collections"][CDS]["acked"])

        assert expected == set(client.held[CDS])
        assert row_of(cache, node["id"])["collections"][CDS]["behind"] is None

        cache.set("default", teams("v2", "other"))
        if expected:
            await client.accept()
        await client.ask(LDS)
        response = await client.accept()

        assert LDS == response.type_url
        assert expected == set(client.held[CDS])


async def test_names_that_a_view_leaves_out_are_as_if_they_were_not_there():
    async with serving(teams()) as (cache, server), channel(server.port) as connection:
        show(server, cache, *TEAMS)
        client = RawXds(connection, "edge-1", delta=True)
        await client.ask(CDS, "edge", "gold")
        response = await client.accept()

        assert (["edge"], ["gold"]) == (
            [one.name for one in response.resources],
            list(response.removed_resources),
        )


# --------------------------------------------------------------------------- Istio's kinds


def gateway(name, revision=""):
    envelope = resource_pb2.Resource()
    envelope.metadata.name, envelope.metadata.version = name, "v1"
    if revision:
        envelope.metadata.labels["istio.io/rev"] = revision
    envelope.body.type_url = "type.googleapis.com/istio.networking.v1alpha3.Gateway"
    return Resource(name, "v1", envelope.SerializeToString(), Origin("gateways.yaml", 1))


@both
@pytest.mark.parametrize(
    ("revision", "expected"),
    [("", {"ns/all", "ns/blue", "ns/green"}), ("blue", {"ns/all", "ns/blue"}), ("red", {"ns/all"})],
)
async def test_istiod_gets_what_is_labelled_for_its_revision_or_for_none(delta, revision, expected):
    name = "istio/networking/v1alpha3/gateways"
    resources = [gateway("ns/all"), gateway("ns/blue", "blue"), gateway("ns/green", "green")]
    first = Snapshot.of(Revision("c" * 40, "t", 0), {name: Collection.of(name, resources)})
    async with serving(first) as (cache, server), channel(server.port) as connection:
        show(server, cache)
        metadata = {"ISTIO_REVISION": revision} if revision else {}
        client = RawXds(connection, "istiod", delta=delta, metadata=metadata)
        await client.ask(GATEWAY)
        response = await client.next()
        packed = [one.resource if delta else one for one in response.resources]
        found = [resource_pb2.Resource.FromString(one.value) for one in packed]

        assert {"type.googleapis.com/istio.mcp.v1alpha1.Resource"} == {
            one.type_url for one in packed
        }
        assert expected == {one.metadata.name for one in found}


# --------------------------------------------------------------------------- refusals


@both
async def test_who_refuses_a_part_goes_back_to_the_last_snapshot_it_accepted(delta):
    """`sinks.on_nack: return`: also what it accepted of the new snapshot before goes back."""
    good = served({CDS: [stored(CDS, "c")], RDS: [stored(RDS, "r")]}, "a")
    bad = served({CDS: [stored(CDS, "c", "v2")], RDS: [stored(RDS, "r", "bad")]}, "b")
    async with serving(good) as (cache, server), channel(server.port) as connection:
        server.shared.on_nack = "return"
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(CDS)
        await client.accept()
        await client.ask(RDS, "r")
        first = await client.accept("r")
        cache.set("default", bad)
        await client.accept()
        second = await client.next()

        assert (RDS, RDS) == (first.type_url, second.type_url)

        await client.refuse(second, *(() if delta else ("r",)), message="r: no good")
        back = await client.accept()

        assert (CDS, "v1") == (back.type_url, version_of(back, delta, good))

        row = await until(lambda: row_of(cache, "envoy")["returned"] and row_of(cache, "envoy"))

        assert "a" * 40 == row["returned"]

        mended = served({CDS: [stored(CDS, "c", "v3")], RDS: [stored(RDS, "r", "v3")]}, "d")
        cache.set("default", mended)
        async with asyncio.timeout(PATIENCE):
            while row_of(cache, "envoy")["collections"][RDS]["acked"] != wanted(mended, RDS):
                response = await client.next()
                client.apply(response)
                names = ("r",) if response.type_url == RDS and not delta else ()
                await client.answer(response, *names)
                await asyncio.sleep(0.05)

        assert row_of(cache, "envoy")["returned"] is None


@both
async def test_a_refused_step_on_the_way_to_a_snapshot_stands_as_a_refusal_of_what_is_served(delta):
    """Clusters come before others go: what is refused then is neither the old nor the new set."""
    good = served({CDS: [stored(CDS, "c")], RDS: [stored(RDS, "r")]}, "a")
    bad = served({CDS: [stored(CDS, "d", "bad")], RDS: [stored(RDS, "r", "v2")]}, "b")
    async with serving(good) as (cache, server), channel(server.port) as connection:
        server.shared.on_nack = "return"
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(CDS)
        await client.accept()
        await client.ask(RDS, "r")
        await client.accept("r")
        cache.set("default", bad)
        step = await client.next()
        await client.refuse(step, message="d: no good")
        await client.accept()
        row = await until(
            lambda: (
                row_of(cache, "envoy")["collections"][CDS]["acked"] == wanted(good, CDS)
                and row_of(cache, "envoy")["collections"][CDS]
            )
        )
        verdict = cache.accepted(bad)

    assert wanted(bad, CDS) == row["nacked"]
    assert "d: no good" in row["error"]
    assert 1 == len(verdict.refused)


def wanted(snapshot, url):
    (version,) = {one.version for one in snapshot.collections.values() if url_of(one) == url}
    return version


def url_of(collection):
    (one,) = {resource_pb2.Resource.FromString(each.wire).body.type_url for each in collection}
    return one


def version_of(response, delta, snapshot):
    if delta:
        return response.resources[0].version
    return "v1" if response.version_info == wanted(snapshot, response.type_url) else "another"


@both
async def test_what_was_refused_is_sent_again_when_an_operator_says_so(delta):
    first = served({CDS: [stored(CDS, "a")]})
    async with serving(first) as (cache, server), channel(server.port) as connection:
        refusals = Refusals(cache.get, nobody, refuses(server))
        cache.listen(refusals.heard)
        sinks = Sinks(cache, lambda: server.sessions, refusals)
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(CDS)
        await client.accept()
        cache.set("default", served({CDS: [stored(CDS, "a"), stored(CDS, "b")]}))
        await client.refuse(await client.next(), message="b: not now")
        await until(lambda: row_of(cache, "envoy")["collections"][CDS]["nacked"])
        (shown,) = sinks.show("envoy", bodies=False)["streams"]
        (held,) = shown["subscriptions"]

        assert held["refused"] is not None
        assert 1 == len(sinks.retry("envoy"))

        response = await client.accept()
        await until(lambda: row_of(cache, "envoy")["collections"][CDS]["behind"] is None)

        assert {"a", "b"} == set(client.held[CDS])
        assert CDS == response.type_url


async def nobody(_commit, _path):
    return None


def refuses(server):
    def ask(stream, requested):
        return any(
            one.refused is not None
            for session in server.sessions
            if session.stream == stream
            for one in session.holdings()
            if one.requested == requested
        )

    return ask


@both
async def test_a_refusal_is_traced_to_the_file_of_the_resource_it_names(delta):
    commit = Revision("e" * 40, "t", 0, "Ada <ada@example.org>", "cart: more")

    async def changed(_commit, path):
        return commit if path == "bad.yaml" else None

    first = served({CDS: [stored(CDS, "good")]})
    async with serving(first) as (cache, server), channel(server.port) as connection:
        refusals = Refusals(cache.get, changed, refuses(server))
        cache.listen(refusals.heard)
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(CDS)
        await client.accept()
        more = [stored(CDS, "good", "v2"), stored(CDS, "bad"), stored(CDS, "fine")]
        cache.set("default", served({CDS: more}))
        text = "Error adding/updating cluster(s) bad: no such thing"
        await client.refuse(await client.next(), message=text)
        rows = await until(lambda: refusals.open and refusals.rows(10))
        (row,) = await until(
            lambda: [one for one in refusals.rows(10) if "commit" in one["resources"][0]]
        )

        assert 1 == len(rows)
        assert ("envoy", CDS, 13, text, False) == tuple(
            row[key] for key in ("sink", "collection", "code", "error", "settled")
        )
        assert [("bad", "bad.yaml", 3, commit.commit)] == [
            tuple(one[key] for key in ("name", "file", "line", "commit"))
            for one in row["resources"]
        ]

        await refusals.close()


# --------------------------------------------------------------------------- Secrets


@contextlib.asynccontextmanager
async def secrets_served(folder, first):
    """Serve *first* with the files in *folder*, as the app does; yields cache and server."""
    async with serving(first) as (cache, server):
        overlay = Overlay(cache)
        server.shared.overlay = overlay.snapshot
        files = SecretFiles(folder, overlay.update, cache.wake)
        await files.load()
        watching = asyncio.create_task(files.watch())
        try:
            yield cache, server
        finally:
            watching.cancel()
            await asyncio.wait([watching])


@both
async def test_a_rotated_file_reaches_who_asked_and_nothing_else(delta, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret = secret_pb2.Secret(name="tls")
    secret.generic_secret.secret.filename = "gitsource://key"
    (tmp_path / "key").write_text(f"{PLANTED} one")
    first = served({SDS: [stored(SDS, "tls", message=secret)], EDS: [stored(EDS, "e")]})
    async with (
        secrets_served(tmp_path, first) as (cache, server),
        channel(server.port) as connection,
    ):
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(SDS, "tls")
        await client.accept("tls")

        assert f"{PLANTED} one".encode() == told(client)

        (tmp_path / "new").write_text(f"{PLANTED} two")
        (tmp_path / "new").rename(tmp_path / "key")
        await client.accept("tls")

        assert f"{PLANTED} two".encode() == told(client)

        sinks = Sinks(cache, lambda: server.sessions, Refusals(cache.get, nobody, refuses(server)))
        await until(lambda: row_of(cache, "envoy")["collections"][SDS]["behind"] is None)
        shown = json.dumps([sinks.show("envoy", bodies=True), cache.sinks()])
        states = [repr(one) for one in (cache, server, *server.sessions, cache.get())]

        assert '"redacted": true' in shown
        assert PLANTED not in shown + caplog.text + "".join(states)
        assert PLANTED.encode() not in b"".join(
            one.wire for each in cache.get().collections.values() for one in each
        )


def told(client):
    secret = secret_pb2.Secret.FromString(client.held[SDS]["tls"])
    return secret.generic_secret.secret.inline_bytes


# --------------------------------------------------------------------------- in particular


@pytest.mark.parametrize(("url", "label"), [(VHDS, "VHDS"), (LEDS, "LEDS")])
async def test_what_works_over_delta_alone_is_said_of_a_sotw_client_once(url, label, caplog):
    async with serving(served({})) as (cache, server), channel(server.port) as connection:
        for _ in range(2):
            client = RawXds(connection, "envoy")
            await client.ask(url, "a")
            await client.accept("a")
            (row,) = [row for row in cache.sinks() if row["collections"].get(url)][-1:]

            assert row["collections"][url]["note"].startswith(f"{label} works over delta alone")

        assert 1 == caplog.text.count("works over delta alone")


async def test_a_cluster_that_runs_out_is_kept_alive():
    one = stored(CDS, "a", annotations={"gitsource.dev/ttl": "1s"})
    async with serving(served({CDS: [one]})) as (_, server), channel(server.port) as connection:
        client = RawXds(connection, "envoy", delta=True)
        await client.ask(CDS)
        await client.accept()
        for _ in range(3):
            response = await client.next()
            await client.answer(response)
            (told,) = response.resources

            assert ("a", "v1", 1, False) == (
                told.name,
                told.version,
                told.ttl.seconds,
                told.HasField("resource"),
            )
