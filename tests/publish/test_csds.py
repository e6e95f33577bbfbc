"""What xDS clients have, asked in xDS's own words, over real gRPC and by Envoy's own messages."""

import asyncio
import contextlib

import grpc
import pytest
from envoy.admin.v3.config_dump_shared_pb2 import ClientResourceStatus
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc
from envoy.type.matcher.v3 import string_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gitsource.publish.server import Entry
from gitsource.security.peer import Peer
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from raw_sink import PATIENCE, RawSink, channel
from raw_xds import CDS, EDS, LDS, SDS, RawXds, served, stored
from serving import VS, serving

PLANTED = "planted-key-material"
NOT_SENT, SYNCED, STALE, ERROR = (
    csds_pb2.ConfigStatus.Value(name) for name in ("NOT_SENT", "SYNCED", "STALE", "ERROR")
)
REQUESTED, ACKED, NACKED = (
    ClientResourceStatus.Value(name) for name in ("REQUESTED", "ACKED", "NACKED")
)

both = pytest.mark.parametrize("delta", [False, True], ids=["SotW", "delta"])


async def fetch(connection, *matchers, **fields):
    """Return what the service says, by node ID."""
    stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(connection)
    request = csds_pb2.ClientStatusRequest(
        node_matchers=[{"node_id": matcher} for matcher in matchers], **fields
    )
    answer = await stub.FetchClientStatus(request, timeout=PATIENCE)
    return {config.node.id: config for config in answer.config}


async def told(connection, node, until):
    """Return the rows of *node* by type and name, once they are such that *until* says yes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            config = (await fetch(connection)).get(node)
            rows = config.generic_xds_configs if config is not None else ()
            found = {(row.type_url, row.name): row for row in rows}
            if until(found):
                return found
            await asyncio.sleep(0.01)


@both
async def test_sent_accepted_refused_and_merely_asked_for_are_told_apart(delta):
    first = served({CDS: [stored(CDS, "a")], EDS: [stored(EDS, "e"), stored(EDS, "f")]})
    async with serving(first) as (cache, server), channel(server.port) as connection:
        client = RawXds(connection, "envoy-1", delta=delta, cluster="edge")
        await client.ask(CDS)
        clusters = await client.next()
        await client.ask(EDS, "e", "f", "missing")
        await client.accept("e", "f", "missing")
        rows = await told(connection, "envoy-1", lambda rows: _is(rows, EDS, "e", SYNCED))

        assert (STALE, REQUESTED, "v1") == _status(rows[CDS, "a"])
        assert (SYNCED, ACKED, "v1") == _status(rows[EDS, "f"])
        assert (NOT_SENT, REQUESTED, "") == _status(rows[EDS, "missing"])
        assert cluster_pb2.Cluster(name="a") == _unpacked(rows[CDS, "a"], cluster_pb2.Cluster)

        await client.answer(clusters)
        more = [stored(CDS, "a"), stored(CDS, "b")]
        cache.set("default", served({CDS: more, EDS: [stored(EDS, "e"), stored(EDS, "f")]}))
        await client.refuse(await client.next(), message="b: no such thing")
        rows = await told(connection, "envoy-1", lambda rows: _is(rows, CDS, "b", ERROR))

        assert (ERROR, NACKED, "v1") == _status(rows[CDS, "b"])
        assert "v1" == rows[CDS, "b"].error_state.version_info
        assert "b: no such thing" == rows[CDS, "b"].error_state.details
        assert (SYNCED, ACKED, "v1") == _status(rows[CDS, "a"])


def _is(rows, url, name, status):
    row = rows.get((url, name))
    return row is not None and row.config_status == status


def _status(row):
    return row.config_status, row.client_status, row.version_info


def _unpacked(row, kind):
    message = kind()

    assert row.xds_config.Unpack(message)

    return message


@contextlib.asynccontextmanager
async def three_clients():
    """Yield a connection to a server with two xDS clients and a sink of classic MCP."""
    first = served({CDS: [stored(CDS, "a")]})
    async with serving(first) as (_, server), channel(server.port) as connection:
        for node in ("edge-1", "Edge-2"):
            client = RawXds(connection, node, cluster="edge")
            await client.ask(CDS)
            await client.accept()
        sink = RawSink(connection, "pilot")
        await sink.send(VS)
        await sink.accept()
        yield connection


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([], ["Edge-2", "edge-1"]),
        ([{"exact": "edge-1"}], ["edge-1"]),
        ([{"exact": "edge"}], []),
        ([{"prefix": "edge-"}], ["edge-1"]),
        ([{"prefix": "edge-", "ignore_case": True}], ["Edge-2", "edge-1"]),
        ([{"suffix": "-2"}, {"contains": "ge-1"}], ["Edge-2", "edge-1"]),
        ([{"exact": "pilot"}], []),
        ([{"safe_regex": {"regex": ".*"}}], []),
        ([{}], []),
    ],
    ids=str,
)
async def test_clients_are_chosen_by_their_node_id(matchers, expected):
    async with three_clients() as connection:
        found = await fetch(connection, *(string_pb2.StringMatcher(**one) for one in matchers))

        assert expected == sorted(found)
        assert {"edge"} >= {config.node.cluster for config in found.values()}


async def test_clients_cannot_be_chosen_by_metadata_and_that_is_said():
    async with three_clients() as connection:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(connection)
        matcher = {"node_metadatas": [{"path": [{"key": "K"}]}]}
        request = csds_pb2.ClientStatusRequest(node_matchers=[matcher])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.FetchClientStatus(request, timeout=PATIENCE)

        assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()
        assert "node_id" in caught.value.details()


async def test_a_stream_answers_each_request_by_what_is_so_then():
    first = served({CDS: [stored(CDS, "a")]})
    async with serving(first) as (_, server), channel(server.port) as connection:
        call = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(connection).StreamClientStatus()
        await call.write(csds_pb2.ClientStatusRequest())
        before = await asyncio.wait_for(call.read(), PATIENCE)
        client = RawXds(connection, "late")
        await client.ask(CDS)
        await client.next()
        await call.write(csds_pb2.ClientStatusRequest())
        after = await asyncio.wait_for(call.read(), PATIENCE)
        await call.done_writing()

        assert ([], ["late"]) == tuple(
            [config.node.id for config in answer.config] for answer in (before, after)
        )
        assert grpc.StatusCode.OK == await asyncio.wait_for(call.code(), PATIENCE)


async def test_bodies_are_left_out_when_nobody_wants_them():
    async with three_clients() as connection:
        found = await fetch(connection, exclude_resource_contents=True)

        assert not any(row.HasField("xds_config") for row in found["edge-1"].generic_xds_configs)
        assert ["a"] == [row.name for row in found["edge-1"].generic_xds_configs]


@both
async def test_key_material_is_never_told(delta):
    secret = secret_pb2.Secret(name="tls")
    secret.tls_certificate.private_key.inline_string = PLANTED
    first = served({SDS: [stored(SDS, "tls", message=secret)], LDS: [stored(LDS, "l")]})
    async with serving(first) as (_, server), channel(server.port) as connection:
        client = RawXds(connection, "envoy", delta=delta)
        await client.ask(SDS, "tls")
        await client.accept("tls")
        rows = await told(connection, "envoy", lambda rows: _is(rows, SDS, "tls", SYNCED))

        assert PLANTED.encode() in client.held[SDS]["tls"]
        assert not rows[SDS, "tls"].HasField("xds_config")
        assert PLANTED not in str(await fetch(connection))


@both
async def test_a_key_inside_a_cluster_or_under_another_name_is_never_told_either(delta):
    context = tls_pb2.UpstreamTlsContext()
    pair = context.common_tls_context.tls_certificates.add()
    pair.private_key.inline_string = PLANTED
    cluster = cluster_pb2.Cluster(name="c")
    cluster.transport_socket.typed_config.Pack(context)
    secret = secret_pb2.Secret(name="tls")
    secret.generic_secret.secret.inline_string = PLANTED
    first = served(
        {
            CDS: [stored(CDS, "c", message=cluster), stored(CDS, "plain")],
            SDS: [stored(SDS, "tls", message=secret)],
        }
    )
    async with serving(first) as (_, server), channel(server.port) as connection:
        client = RawXds(connection, "envoy", delta=delta)
        for url in (CDS, "envoy/secrets"):
            await client.ask(url)
            await client.accept()
        rows = await told(connection, "envoy", lambda rows: _is(rows, CDS, "c", SYNCED))

        assert PLANTED.encode() in client.held[CDS]["c"]
        assert not rows[CDS, "c"].HasField("xds_config")
        assert rows[CDS, "plain"].HasField("xds_config")
        assert ("envoy/secrets", "tls") in rows
        assert PLANTED not in str(await fetch(connection))


async def test_garbage_is_refused_and_ends_nothing_else():
    async with three_clients() as connection:
        path = "/envoy.service.status.v3.ClientStatusDiscoveryService/"
        for method in ("FetchClientStatus", "NoSuchMethod"):
            with pytest.raises(grpc.aio.AioRpcError):
                await connection.unary_unary(path + method)(b"\xff" * 40, timeout=PATIENCE)

        assert {"edge-1", "Edge-2"} == set(await fetch(connection))


async def test_reflection_names_every_service_and_knows_their_messages():
    async with serving() as (_, server), channel(server.port) as connection:
        call = reflection_pb2_grpc.ServerReflectionStub(connection).ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await asyncio.wait_for(call.read(), PATIENCE)
        names = {one.name for one in answer.list_services_response.service}
        xds = {
            "envoy.service.discovery.v3.AggregatedDiscoveryService",
            "envoy.service.status.v3.ClientStatusDiscoveryService",
        }

        assert xds | {"istio.mcp.v1alpha1.ResourceSource"} <= names

        for name in sorted(names):
            asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
            await call.write(asked)
            answer = await asyncio.wait_for(call.read(), PATIENCE)

            assert answer.HasField("file_descriptor_response"), name


def by_name(header, address):
    """Return who has a token that is a name."""
    name = header.removeprefix("Bearer ")
    return Peer(address=address, means="jwt", identity=name, claims={"sub": name})


async def test_where_there_are_rights_a_client_is_told_of_its_own_streams_alone():
    first = served({CDS: [stored(CDS, "foo/a"), stored(CDS, "bar/a")]})
    rules = tuple(
        Rule(to=Subject(claims=(("sub", name),)), resources=RuleResources(namespaces=(space,)))
        for name, space in (("ann", "foo"), ("bob", "bar"))
    )
    entry = Entry(tokens=by_name)
    async with serving(first, entry=entry) as (_, server), channel(server.port) as connection:
        server.shared.access.configure((), Authorization(rules), guarded=False)
        clients = {}
        for name in ("ann", "bob"):
            credentials = (("authorization", f"Bearer {name}"),)
            clients[name] = RawXds(connection, f"envoy-{name}", headers=credentials)
            await clients[name].ask(CDS)
            await clients[name].answer(await clients[name].next())
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(connection)
        found = {}
        for name in ("ann", "bob", "eve", ""):
            credentials = (("authorization", f"Bearer {name}"),) if name else None
            answer = await stub.FetchClientStatus(
                csds_pb2.ClientStatusRequest(), timeout=PATIENCE, metadata=credentials
            )
            found[name] = [
                (config.node.id, [row.name for row in config.generic_xds_configs])
                for config in answer.config
            ]

        assert {
            "ann": [("envoy-ann", ["foo/a"])],
            "bob": [("envoy-bob", ["bar/a"])],
            "eve": [],
            "": [],
        } == found


async def test_before_it_is_known_what_anybody_may_receive_nobody_is_told_of_others():
    entry = Entry(tokens=by_name)
    async with serving(entry=entry) as (_, server), channel(server.port) as connection:
        rules = Authorization(repository_file="authz/*.yaml")
        server.shared.access.configure((), rules, guarded=False)
        ann = RawXds(connection, "envoy-ann", headers=(("authorization", "Bearer ann"),))
        await ann.ask(EDS, "foo/secret-name")
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(connection)
        found = {}
        async with asyncio.timeout(PATIENCE):
            for name in ("ann", "bob"):
                while True:
                    answer = await stub.FetchClientStatus(
                        csds_pb2.ClientStatusRequest(),
                        metadata=(("authorization", f"Bearer {name}"),),
                    )
                    found[name] = [config.node.id for config in answer.config]
                    if found[name] or name == "bob":
                        break

        assert {"ann": ["envoy-ann"], "bob": []} == found


async def test_an_answer_that_is_too_large_is_refused_and_leaves_others_their_turn():
    large = served({CDS: [stored(CDS, f"foo/{at}", size=64 * 1024) for at in range(300)]})
    async with serving(large) as (_, server), channel(server.port) as connection:
        for at in range(2):
            client = RawXds(connection, f"envoy-{at}")
            await client.ask(CDS)
            await client.answer(await client.next())
        found = await fetch(connection, string_pb2.StringMatcher(exact="envoy-1"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await fetch(connection)

        assert ["envoy-1"] == list(found)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is refused.value.code()
