"""Resources: their envelope, and versions that follow content and nothing else."""

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource._proto.istio.networking.v1alpha3.gateway_pb2 import Gateway
from gitsource.catalog.rows import BUILTIN, own_kind
from gitsource.encode.resource import Encoded, EncodeProblem, encode, frame
from gitsource.validate.metadata import Identity

GATEWAY = next(kind for kind in BUILTIN if kind.kind == "Gateway")
FLAGS = own_kind({"name": "acme/v1/flags", "api_version": "acme.dev/v1", "kind": "Flag"}, "")
PAIRS = st.dictionaries(st.text("ab/.", max_size=3), st.text("ab=,", max_size=3), max_size=3)
CONTENT = st.tuples(PAIRS, PAIRS, PAIRS)
SPEC = {"selector": {"b": "2", "a": "1"}, "servers": [{"name": "x"}]}


def encoded(spec=SPEC, labels=None, annotations=None, kind=GATEWAY) -> Encoded:
    identity = Identity("shop/web", "shop", labels or {}, annotations or {})
    return encode({"spec": spec, "apiVersion": "x", "kind": "y"}, identity, kind)


def resource(made: Encoded, name="shop/web", create_time=1_700_000_000) -> Resource:
    return Resource.FromString(frame(name, create_time, made.metadata, made.body))


def test_a_framed_resource_holds_what_was_encoded():
    made = encoded(labels={"app": "web"}, annotations={"owner": "me"})
    read = resource(made)
    body = Gateway()

    assert read.metadata.name == "shop/web"
    assert read.metadata.create_time.seconds == 1_700_000_000
    assert read.metadata.version == made.version
    assert dict(read.metadata.labels) == {"app": "web"}
    assert dict(read.metadata.annotations) == {"owner": "me"}
    assert read.body.Unpack(body)
    assert body.servers[0].name == "x"


@given(st.text(max_size=200), st.integers(-(2**40), 2**40), PAIRS, PAIRS)
def test_a_framed_resource_is_what_protobuf_reads_from_it(name, create_time, labels, annotations):
    made = encoded(labels=labels, annotations=annotations)
    expected = Resource(body=resource(made).body)
    expected.metadata.name = name
    expected.metadata.create_time.seconds = create_time
    expected.metadata.version = made.version
    expected.metadata.labels.update(labels)
    expected.metadata.annotations.update(annotations)

    assert resource(made, name, create_time) == expected


def test_a_time_at_the_epoch_is_still_set():
    assert resource(encoded(), create_time=0).metadata.HasField("create_time")


def test_a_version_can_stand_in_a_url():
    version = encoded().version

    assert len(version) == 32
    assert version.replace("-", "").replace("_", "").isalnum()


def test_a_version_is_the_same_on_every_machine():
    """A version that changes without content would be pushed to every sink of every user."""
    assert encoded(labels={"a": "b"}).version == "7wbkXqhfkFcFpcr0I9cwsYWym--_7onn"


def test_the_order_in_which_a_document_is_written_does_not_show():
    other = {"servers": [{"name": "x"}], "selector": {"a": "1", "b": "2"}}
    forward = encoded(SPEC, {"a": "1", "b": "2"}, {"c": "3", "d": "4"})
    backward = encoded(other, {"b": "2", "a": "1"}, {"d": "4", "c": "3"})

    assert backward == forward


@settings(deadline=None)
@given(PAIRS, PAIRS, PAIRS, PAIRS, PAIRS, PAIRS)
def test_versions_differ_if_and_only_if_content_does(
    spec1, labels1, notes1, spec2, labels2, notes2
):
    first = encoded({"selector": spec1}, labels1, notes1)
    second = encoded({"selector": spec2}, labels2, notes2)
    same = (spec1, labels1, notes1) == (spec2, labels2, notes2)

    assert (first.version == second.version) == same


def test_a_label_is_not_an_annotation():
    assert encoded(labels={"a": "b"}).version != encoded(annotations={"a": "b"}).version


def test_two_kinds_with_the_same_bytes_have_different_versions():
    service = next(kind for kind in BUILTIN if kind.kind == "VirtualService")

    assert encoded({}, kind=service).version != encoded({}, kind=GATEWAY).version


def test_apiversion_status_and_name_are_not_content():
    first = encode({"spec": SPEC, "apiVersion": "a/v1"}, Identity("a/b", "a"), GATEWAY)
    second = encode({"spec": SPEC, "status": {"x": 1}}, Identity("c/d", "c"), GATEWAY)

    assert first == second


# --------------------------------------------------------------------------- Structs


def struct_of(document) -> Struct:
    body = Struct()
    made = encode(document, Identity(None, "default"), FLAGS)

    assert resource(made).body.Unpack(body)
    return body


def test_a_document_with_apiversion_and_kind_becomes_a_struct_of_its_spec():
    document = {"apiVersion": "acme.dev/v1", "kind": "Flag", "spec": {"on": True}}

    assert dict(struct_of(document)) == {"on": True}


def test_any_other_document_becomes_a_struct_of_all_of_it():
    document = {"kind": "Flag", "spec": {"on": True}, "rate": 0.5}

    assert dict(struct_of(document)) == document


def test_a_spec_that_is_missing_makes_an_empty_struct():
    assert dict(struct_of({"apiVersion": "acme.dev/v1", "kind": "Flag"})) == {}


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        ({"apiVersion": "a", "kind": "b", "spec": []}, "GS307", ("spec",)),
        ({"apiVersion": "a", "kind": "b", "spec": {"n": 2**60 + 1}}, "GS309", ("spec", "n")),
        ({"n": [2**60 + 1]}, "GS309", ("n", 0)),
        ({"n": float("-inf")}, "GS307", ("n",)),
    ],
)
def test_a_document_that_no_struct_can_carry_is_refused_at_its_place(document, code, path):
    with pytest.raises(EncodeProblem) as caught:
        encode(document, Identity(None, "default"), FLAGS)

    assert (caught.value.problem.code, caught.value.problem.path) == (code, path)


@pytest.mark.parametrize("labels", [{"a": "\ud800"}, {"\ud800": "a"}])
def test_half_a_surrogate_pair_in_a_label_is_refused(labels):
    document = {"metadata": {"labels": labels}, "spec": {}}
    with pytest.raises(EncodeProblem) as caught:
        encode(document, Identity("a/b", "a", labels), GATEWAY)

    assert caught.value.problem.path[:2] == ("metadata", "labels")
