"""Anything at all as a document of a message: findings or a resource, never an exception."""

import json
import pickle
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generated import JSON, damaged, documents
from gitsource.build.judge import bounds, judge
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import own_kind
from gitsource.catalog.whole import Catalog

SETS = Path(__file__).parent / "accepted"
CLUSTER = "envoy.config.cluster.v3.Cluster"
FEW = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


def packed(name: str) -> bytes:
    text = (SETS / f"{name}.textproto").read_text("utf-8")
    return text_format.Parse(text, FileDescriptorSet()).SerializeToString()


KINDS = [
    own_kind({"name": "envoy/clusters", "message": CLUSTER, "path": "c/*"}),
    own_kind(
        {"name": "acme/routes", "message": "acme.ai.v1.ModelRoute", "path": "r/*"},
        descriptors=packed("routes"),
    ),
    own_kind(
        {"name": "old/orders", "message": "old.v1.Order", "path": "o/*"},
        descriptors=packed("proto2-group-and-extension"),
    ),
]
CATALOG = Catalog().extended(KINDS)


def judged(value: object, kind):
    data = json.dumps(value).encode()
    return judge(data, kind, CATALOG, bounds(CATALOG), json=True)


def sound(result) -> bool:
    """Say whether each document is a resource or has an error."""
    return all(
        bool(each.version) != any(not found.warning for found in each.findings)
        for each in result.documents
    )


@FEW
@given(st.sampled_from(KINDS), st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_any_mapping_has_an_answer(kind, value):
    assert sound(judged(value, kind))


@FEW
@given(st.sampled_from(KINDS), st.data())
def test_a_damaged_document_has_an_answer(kind, data):
    good = data.draw(documents(body_descriptor(kind.body, kind.descriptors), depth=3))[0]

    assert sound(judged(data.draw(damaged([good])), kind))


@FEW
@given(JSON)
def test_any_any_has_an_answer(value):
    """Under typed_config, beside a type that is known and as all there is."""
    url = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    for held in (value, {"@type": value}, {"@type": url, "default_source_code": value}):
        document = {"name": "a", "transport_socket": {"name": "b", "typed_config": held}}

        assert sound(judged(document, KINDS[0]))


def test_a_catalog_with_messages_goes_to_worker_processes():
    sent = pickle.loads(pickle.dumps(CATALOG))  # noqa: S301 - our own bytes
    text = b'{"model": "a", "timeout": "5s"}'

    ours = judge(text, CATALOG.route("r/a"), CATALOG, bounds(CATALOG), json=True)
    theirs = judge(text, sent.route("r/a"), sent, bounds(sent), json=True)

    assert sent.digest == CATALOG.digest
    assert ours.documents[0].version == theirs.documents[0].version != ""
