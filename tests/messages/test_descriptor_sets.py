"""
Descriptor sets of users: what they may hold, and that nothing in them can do harm.

The first line of a file names the message that is asked for; in ``rejected/`` also what is said.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gitsource.catalog.rows import own_kind
from gitsource.encode.resource import EncodeProblem, encode
from gitsource.errors import ConfigurationError
from gitsource.messages import sets

HERE = Path(__file__).parent
ACCEPTED = sorted((HERE / "accepted").glob("*.textproto"))
REJECTED = sorted((HERE / "rejected").glob("*.textproto"))
NOBODY = SimpleNamespace(labels={}, annotations={})


def packed(path: Path) -> bytes:
    return text_format.Parse(path.read_text("utf-8"), FileDescriptorSet()).SerializeToString()


def told(path: Path) -> str:
    return path.read_text("utf-8").splitlines()[0].removeprefix("# ")


def encoded(name: str, message: str, document: object):
    data = packed(HERE / "accepted" / f"{name}.textproto")
    kind = own_kind({"name": "acme/v1/x", "message": message}, descriptors=data)
    return encode(document, NOBODY, kind)


def refused(name: str, message: str, document: object) -> tuple[str, tuple, str]:
    with pytest.raises(EncodeProblem) as caught:
        encoded(name, message, document)
    problem = caught.value.problem
    return problem.code, problem.path, problem.message


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_sound_set_has_its_message(path):
    assert told(path) == sets.message(packed(path), told(path), "here").full_name


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_a_set_that_cannot_be_used_is_refused_with_what_to_do(path):
    name, _, words = told(path).partition(": ")
    with pytest.raises(ConfigurationError) as caught:
        sets.message(packed(path), name, "set.binpb")

    assert str(caught.value).startswith("set.binpb: ")
    assert words in str(caught.value)
    assert caught.value.hint
    assert str(caught.value).isprintable()


def test_every_beginning_of_a_set_is_refused_or_has_the_message():
    data = packed(HERE / "accepted" / "routes.textproto")
    whole = 0
    for length in range(len(data) + 1):
        try:
            sets.message(data[:length], "acme.ai.v1.ModelRoute", "here")
            whole += 1
        except ConfigurationError:
            pass

    assert 1 == whole


def test_a_set_beyond_the_bounds_is_refused_unread():
    with pytest.raises(ConfigurationError, match="a descriptor set may have"):
        sets.message(b"\x00" * (sets.LARGEST + 1), "a.A", "here")


def test_more_files_or_messages_than_are_allowed_are_refused():
    many = FileDescriptorSet()
    for index in range(sets.MOST_FILES + 1):
        many.file.add(name=f"{index}.proto")
    with pytest.raises(ConfigurationError, match="files; 2000 are allowed"):
        sets.message(many.SerializeToString(), "a.A", "here")
    large = FileDescriptorSet()
    file = large.file.add(name="a.proto", package="a")
    for index in range(sets.MOST_MESSAGES + 1):
        file.message_type.add(name=f"M{index}")
    with pytest.raises(ConfigurationError, match="messages; 20000 are allowed"):
        sets.message(large.SerializeToString(), "a.A", "here")


def chain(length: int) -> bytes:
    """Return a set in which each message holds the next, and the last one the first."""
    found = FileDescriptorSet()
    file = found.file.add(name="a.proto", package="a", syntax="proto3")
    for index in range(length):
        message = file.message_type.add(name=f"M{index}")
        following = f".a.M{(index + 1) % length}"
        message.field.add(name="x", number=1, type=11, type_name=following, label=1)
    return found.SerializeToString()


def test_messages_may_hold_one_another_up_to_a_point():
    kind = own_kind({"name": "a/b", "message": "a.M0"}, descriptors=chain(100))

    assert encode({"x": {"x": {}}}, NOBODY, kind).message.x.HasField("x")
    with pytest.raises(ConfigurationError, match="leads through too many messages"):
        sets.message(chain(5000), "a.M0", "here")


def test_nothing_of_a_set_comes_near_our_own_messages():
    encoded("routes", "acme.ai.v1.ModelRoute", {"model": "small"})

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("acme.ai.v1.ModelRoute")


def test_two_sets_may_have_messages_of_one_name():
    one = encoded("fields-named-like-words-of-python", "a.A", {"self": "x", "class": "y"})
    other = encoded("its-own-copy-of-a-well-known-file", "a.A", {"d": "5s"})

    assert "x" == getattr(one.message, "self")  # noqa: B009 - no other way to write it
    assert 5 == other.message.d.seconds


def test_fields_are_checked_strictly_with_their_places():
    route = ("routes", "acme.ai.v1.ModelRoute")

    code, path, words = refused(*route, {"modell": "x"})
    assert ("GS310", ("modell",), True) == (code, path, "did you mean model?" in words)
    assert ("timeout",) == refused(*route, {"timeout": 5})[1]
    assert ("next", "next", "effort") == refused(*route, {"next": {"next": {"effort": "LOW"}}})[1]
    assert "HIGH" in refused(*route, {"effort": "LOW"})[2]


def test_a_document_of_kubernetes_form_has_its_message_in_spec():
    document = {"apiVersion": "a/v1", "kind": "R", "spec": {"model": "x"}}

    assert "x" == encoded("routes", "acme.ai.v1.ModelRoute", document).message.model
    assert ("spec", "x") == refused(
        "routes", "acme.ai.v1.ModelRoute", document | {"spec": {"x": 1}}
    )[1]
    assert ("GS310", ("data",)) == refused(
        "routes", "acme.ai.v1.ModelRoute", document | {"data": {}}
    )[:2]


def test_an_any_holds_messages_of_the_set_and_of_protobuf_only():
    route = ("routes", "acme.ai.v1.ModelRoute")
    url = "type.googleapis.com/"
    inner = {"@type": f"{url}acme.ai.v1.ModelRoute", "model": "y"}

    held = encoded(*route, {"extra": inner}).message.extra
    assert (inner["@type"], b"\x0a\x01y") == (held.type_url, held.value)
    encoded(*route, {"extra": {"@type": f"{url}google.protobuf.Duration", "value": "5s"}})
    assert ("GS307", ("extra", "model")) == refused(*route, {"extra": inner | {"model": 5}})[:2]
    stranger = {"@type": f"{url}istio.networking.v1alpha3.Gateway"}
    assert ("GS320", ("extra", "@type")) == refused(*route, {"extra": stranger})[:2]


def test_required_fields_have_to_be_set_and_groups_are_messages():
    order = ("proto2-group-and-extension", "old.v1.Order")

    assert "u" == encoded(*order, {"id": "7", "result": [{"url": "u"}]}).message.result[0].url
    assert "required fields are not set: id" == refused(*order, {"result": []})[2]
    assert ("GS310", ("[old.v1.note]",)) == refused(*order, {"id": "7", "[old.v1.note]": "n"})[:2]


def test_another_type_than_the_collections_is_refused_at_its_place():
    route = ("routes", "acme.ai.v1.ModelRoute")

    typed = {"@type": "type.googleapis.com/acme.ai.v1.ModelRoute", "model": "x"}
    assert "x" == encoded(*route, typed).message.model
    assert ("GS307", ("@type",)) == refused(*route, {"@type": "acme.ai.v1.Other"})[:2]
    assert ("GS307", ("@type",)) == refused(*route, {"@type": 5})[:2]
