"""The words of `AggregatedMeshConfigService`, of Istio 1.0 and 1.1, and what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.catalog.whole import Catalog
from gitsource.errors import ExchangeError
from gitsource.publish.classic.legacy import Legacy, decode, decode_incremental
from gitsource.publish.words import Acked, Error, Nacked, Node, Stale, Subscribed
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import SnapshotCache
from serving import VS, resource, snapshot


@pytest.fixture
def cache():
    cache = SnapshotCache()
    cache.set("default", snapshot(resource("a")))
    return cache


class Stream:
    """One stream of *wire*, without a transport or a clock."""

    def __init__(self, cache, *, incremental=False):
        self.cache = cache
        self.wire = Legacy(cache, Catalog, Limits(), incremental=incremental)
        self.machine = self.wire.machine(1)
        self.now = 0.0

    def say(self, **fields):
        kind = mcp_pb2.MeshConfigRequest
        if self.wire._incremental:
            kind = mcp_pb2.IncrementalMeshConfigRequest
        request, _ = self.wire.told(kind(type_url=VS, **fields).SerializeToString())
        return self.machine.receive(request, self.cache.get(), self.now)

    def push(self):
        self.now += 1
        push = self.machine.offer(self.cache.get(), self.now)
        if push is None:
            return None
        self.machine.sent(push, self.now)
        kind = mcp_pb2.MeshConfigResponse
        if self.wire._incremental:
            kind = mcp_pb2.IncrementalMeshConfigResponse
        message = self.wire.encode(push)

        assert len(message) >= self.wire.size(push)

        return kind.FromString(message)


# --------------------------------------------------------------------------- who it is


def test_a_sink_of_1_1_is_known_by_id_and_annotations():
    message = mcp_pb2.MeshConfigRequest(
        sink_node={"id": "pilot", "annotations": {"foo": "bar"}}, type_url=VS
    )

    assert Node("pilot", metadata={"foo": "bar"}) == decode(message.SerializeToString()).node


@given(
    text=st.text(min_size=1, max_size=20),
    number=st.floats(allow_nan=False),
    key=st.text("abcxyz", min_size=1, max_size=20),
)
def test_a_client_of_1_0_is_known_by_id_and_what_is_text_in_its_metadata(text, number, key):
    client = {"id": "galley", "metadata": {key: text, "number": number}}
    message = mcp_pb2.ClientConfigRequest(client=client, type_url=VS, version_info="7")
    request = decode(message.SerializeToString())

    assert (VS, "7") == (request.collection, request.version)
    assert Node("galley", metadata={key: text}) == request.node


@pytest.mark.parametrize("read", [decode, decode_incremental])
@pytest.mark.parametrize("data", [b"", b"\xff" * 9, b"\x1a\x00", b"\x12\x00"])
def test_what_is_no_request_is_refused(read, data):
    with pytest.raises(ExchangeError, match=r"names no collection|is no istio\.mcp"):
        read(data)


# --------------------------------------------------------------------------- what it holds


def test_the_version_that_was_sent_accepts_it(cache):
    stream = Stream(cache)
    stream.say()
    push = stream.push()
    heard = stream.say(response_nonce=push.nonce, version_info=push.version_info)

    assert isinstance(heard, Acked)


@pytest.mark.parametrize("held", ["", "an older one"])
def test_any_other_version_refuses_it_without_a_reason(cache, held):
    stream = Stream(cache)
    stream.say()
    heard = stream.say(response_nonce=stream.push().nonce, version_info=held)

    assert isinstance(heard, Nacked)
    assert Error(2, f"no reason given; it holds version {held or 'none'}") == heard.error
    assert stream.push() is None


def test_a_refusal_keeps_its_reason_and_is_not_answered_by_the_same(cache):
    """In Istio it was, in a loop, since the version a refusal tells is not the one served."""
    stream = Stream(cache)
    stream.say()
    detail = {"code": 3, "message": "bad route"}
    heard = stream.say(response_nonce=stream.push().nonce, error_detail=detail)

    assert Error(3, "bad route") == heard.error
    assert stream.push() is None


@pytest.mark.parametrize("incremental", [False, True])
def test_until_something_was_sent_any_nonce_is_a_subscription(cache, incremental):
    stream = Stream(cache, incremental=incremental)

    assert isinstance(stream.say(response_nonce="41"), Subscribed)

    push = stream.push()

    assert ["a"] == [one.metadata.name for one in push.resources]
    assert isinstance(stream.say(response_nonce="41"), Stale)


def test_a_subscriber_that_holds_what_is_served_is_owed_nothing(cache):
    stream = Stream(cache)
    version = cache.get().collection(VS).version
    heard = stream.say(version_info=version)

    assert version == heard.version
    assert stream.push() is None

    cache.set("default", snapshot(resource("b")))

    assert ["b"] == [one.metadata.name for one in stream.push().resources]


def test_a_subscriber_that_holds_something_else_is_answered_at_once(cache):
    stream = Stream(cache)
    heard = stream.say(version_info="an older one")

    assert "" == heard.version
    assert stream.push() is not None


# --------------------------------------------------------------------------- increments


def test_the_nonce_of_an_increment_ends_with_its_type_url(cache):
    stream = Stream(cache, incremental=True)
    stream.say()
    push = stream.push()

    assert f"1 {VS}" == push.nonce
    assert isinstance(stream.say(response_nonce="1 other"), Stale)
    assert isinstance(stream.say(response_nonce=push.nonce), Acked)


def test_increments_start_from_what_the_sink_says_it_holds(cache):
    stream = Stream(cache, incremental=True)
    stream.say(initial_resource_versions={"a": "v0", "gone": "v9"})
    push = stream.push()

    assert ([], ["gone"]) == (list(push.resources), list(push.removed_resources))
