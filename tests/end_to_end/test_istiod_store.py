"""The emulated istiod takes what istiod takes: what other tests trust is tested here, by itself."""

from __future__ import annotations

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import Message

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource._proto.istio.networking.v1alpha3 import gateway_pb2, virtual_service_pb2
from istiod_store import HEAD, MESH_CONFIG, RELEASES, Store

VS = "networking.istio.io/v1/VirtualService"


def resource(
    name: str, version: str, host: str = "a", *, body: Message | None = None, **labels: str
) -> resource_pb2.Resource:
    made = resource_pb2.Resource()
    made.metadata.name = name
    made.metadata.version = version
    made.metadata.labels.update({key.replace("_", "."): text for key, text in labels.items()})
    made.body.Pack(body or virtual_service_pb2.VirtualService(hosts=[host]))
    return made


def answer(*resources: Message, type_url: str = VS) -> discovery_pb2.DiscoveryResponse:
    made = discovery_pb2.DiscoveryResponse(type_url=type_url, version_info="v", nonce="1")
    for each in resources:
        made.resources.add().Pack(each)
    return made


def hosts(store: Store) -> dict[str, str]:
    return {name: item.body.hosts[0] for name, item in store.of("VirtualService").items()}


def test_what_an_answer_leaves_out_is_deleted() -> None:
    store = Store(HEAD)
    store.take(answer(resource("a/x", "1"), resource("a/y", "1")))
    store.take(answer(resource("a/y", "1")))

    assert {"a/y": "a"} == hosts(store)
    assert [("add", VS, "a/x"), ("add", VS, "a/y"), ("delete", VS, "a/x")] == store.changes


def test_an_object_is_taken_anew_when_its_version_differs_or_is_empty() -> None:
    store = Store(HEAD)
    store.take(answer(resource("a/x", "1", "a"), resource("a/y", "", "a")))
    store.take(answer(resource("a/x", "1", "b"), resource("a/y", "", "b")))
    assert {"a/x": "a", "a/y": "b"} == hosts(store)

    store.take(answer(resource("a/x", "2", "c")))
    assert {"a/x": "c"} == hosts(store)


@pytest.mark.parametrize("name", ["x", "a/b/x", ""])
def test_a_name_without_exactly_one_slash_is_passed_over(name: str) -> None:
    store = Store(HEAD)

    assert store.take(answer(resource(name, "1")))
    assert {} == hosts(store)
    assert store.complaints


def test_what_cannot_be_read_counts_as_gone_and_what_is_not_valid_does_not() -> None:
    store = Store(HEAD, valid=lambda _name, body: list(body.hosts) != ["bad"])
    store.take(answer(*(resource(f"a/{name}", "1") for name in "xyz")))
    unknown = resource("a/x", "2")
    unknown.body.type_url = "type.googleapis.com/istio.networking.v1.VirtualService"
    store.take(
        answer(
            unknown, resource("a/y", "2", "bad"), resource("a/z", "2", body=gateway_pb2.Gateway())
        )
    )

    assert {"a/y": "a", "a/z": "a"} == hosts(store)
    assert 3 == len(store.complaints)


def test_an_istiod_with_a_revision_leaves_out_what_is_for_another() -> None:
    items = [
        resource("a/all", "1"),
        resource("a/mine", "1", **{"istio_io/rev": "canary"}),
        resource("a/other", "1", **{"istio_io/rev": "stable"}),
    ]
    mine, plain = Store(HEAD, revision="canary"), Store(HEAD)
    for store in (mine, plain):
        store.take(answer(*items))

    assert {"a/all", "a/mine"} == set(hosts(mine))
    assert {"a/all", "a/mine", "a/other"} == set(hosts(plain))


@pytest.mark.parametrize("release", RELEASES)
def test_it_is_ready_when_each_kind_had_an_answer_and_the_mesh_config_does_not_count(
    release: str,
) -> None:
    store = Store(RELEASES[release])
    store.take(answer(type_url=MESH_CONFIG))
    for url in store.kinds:
        assert not store.ready
        store.take(answer(type_url=url))

    assert store.ready


def test_an_answer_under_another_version_of_a_type_is_accepted_and_of_no_use() -> None:
    store = Store(HEAD)
    other = "networking.istio.io/v1alpha3/VirtualService"

    assert store.take(answer(resource("a/x", "1"), type_url=other))
    assert {} == hosts(store)


def test_all_is_accepted_but_a_mesh_config_with_something_in_it() -> None:
    store = Store(HEAD)

    assert store.take(answer(type_url="acme.dev/v1/Unknown"))
    assert store.take(answer(type_url=MESH_CONFIG))
    assert not store.take(answer(resource("a/x", "1"), type_url=MESH_CONFIG))
