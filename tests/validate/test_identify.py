"""What a document calls itself, and which names are allowed."""

import pytest
from hypothesis import given

from generated import JSON
from gitsource.catalog.kinds import Kind
from gitsource.catalog.rows import BUILTIN, own_kind
from gitsource.validate.metadata import Identity, identify

GATEWAY = next(kind for kind in BUILTIN if kind.kind == "Gateway")
FLAG = own_kind({"name": "acme/v1/flags", "api_version": "acme.dev/v1", "kind": "Flag"}, "")
BY_PATH = own_kind({"name": "acme/v1/prompts", "path": "prompts/**"}, "")
CLUSTER_WIDE = Kind("acme/v1/zones", GATEWAY.body, "Zone", ("acme.dev/v1",), namespaced=False)


def named(metadata, kind=GATEWAY, default="default"):
    return identify({"metadata": metadata, "spec": {}}, kind, default)


def codes(metadata, kind=GATEWAY):
    return [(problem.code, problem.path) for problem in named(metadata, kind)[1]]


def test_a_name_is_joined_to_its_namespace():
    assert named({"name": "web", "namespace": "shop"}) == (Identity("shop/web", "shop"), ())


@pytest.mark.parametrize("metadata", [{}, {"namespace": None}, {"namespace": ""}])
def test_a_missing_namespace_is_the_default_one_without_a_finding(metadata):
    expected = Identity("edge/web", "edge")

    assert named({"name": "web", **metadata}, default="edge") == (expected, ())


def test_labels_and_annotations_are_taken_along():
    identity, problems = named({"name": "web", "labels": {"a": "b"}, "annotations": {"c": ""}})

    assert problems == ()
    assert (identity.labels, identity.annotations) == ({"a": "b"}, {"c": ""})


@pytest.mark.parametrize("what", ["labels", "annotations"])
def test_empty_labels_and_annotations_may_be_null(what):
    assert named({"name": "web", what: None}) == (Identity("default/web", "default"), ())


@pytest.mark.parametrize(
    "name", ["web", "a", "0", "web-1", "web.v1.example", "Web", "a" * 253, "1.2.3"]
)
def test_names_are_labels_joined_by_dots(name):
    assert codes({"name": name}) == []


@pytest.mark.parametrize(
    "name",
    [
        *("-web", "web-", ".web", "web.", "a..b", "a.-b", "web_1", "a/b", "../b", "a b", "web\n"),
        *("wéb", "web\u202e", "\u0661", "a" * 254, 123, True, 1.5, ["web"], {"a": "b"}),
    ],
)
def test_names_that_are_no_names_are_refused(name):
    assert codes({"name": name}) == [("GS303", ("metadata", "name"))]


@pytest.mark.parametrize("namespace", ["shop", "a" * 63, "Shop-1"])
def test_namespaces_are_one_label(namespace):
    assert codes({"name": "web", "namespace": namespace}) == []


@pytest.mark.parametrize("namespace", ["a.b", "a_b", "a/b", "a" * 64, "-a", "shop\n", 5, False, {}])
def test_namespaces_that_are_no_namespaces_are_refused(namespace):
    found = codes({"name": "web", "namespace": namespace})

    assert found == [("GS303", ("metadata", "namespace"))]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, ()),
        ({"metadata": None}, ("metadata",)),
        ({"metadata": []}, ("metadata",)),
        ({"metadata": {}}, ("metadata",)),
        ({"metadata": {"generateName": "web-"}}, ("metadata",)),
        ({"metadata": {"name": None}}, ("metadata", "name")),
        ({"metadata": {"name": ""}}, ("metadata", "name")),
    ],
)
def test_a_built_in_kind_needs_a_name(document, path):
    identity, problems = identify(document, GATEWAY, "default")

    assert identity is None
    assert [(problem.code, problem.path) for problem in problems] == [("GS302", path)]


@pytest.mark.parametrize("kind", [FLAG, BY_PATH], ids=["by-kind", "by-path"])
@pytest.mark.parametrize(
    "document", [{}, {"metadata": None}, {"metadata": "text"}, {"metadata": {"labels": {}}}]
)
def test_a_document_of_a_collection_of_ones_own_may_have_no_name(kind, document):
    assert identify(document, kind, "edge") == (Identity(None, "edge"), ())


def test_a_nameless_document_keeps_its_labels():
    assert named({"labels": {"a": "b"}}, FLAG)[0].labels == {"a": "b"}


@pytest.mark.parametrize("kind", [FLAG, BY_PATH], ids=["by-kind", "by-path"])
def test_a_name_in_a_collection_of_ones_own_follows_the_same_rule(kind):
    assert named({"name": "dark_mode"}, kind) == (Identity("default/dark_mode", "default"), ())
    assert codes({"name": "a/b"}, kind) == [("GS303", ("metadata", "name"))]


def test_a_kind_without_namespaces_has_plain_names():
    assert named({"name": "eu"}, CLUSTER_WIDE)[0].name == "eu"


@pytest.mark.parametrize("value", [1, True, None, 1.5, [], {}])
@pytest.mark.parametrize("what", ["labels", "annotations"])
def test_a_label_or_annotation_that_is_no_string_is_refused_at_its_place(what, value):
    found = codes({"name": "web", what: {"good": "x", "bad": value}})

    assert found == [("GS308", ("metadata", what, "bad"))]


@pytest.mark.parametrize("value", ["a=b", ["a"], 5])
def test_labels_that_are_no_mapping_are_refused(value):
    assert codes({"name": "web", "labels": value}) == [("GS308", ("metadata", "labels"))]


def test_everything_wrong_with_a_name_is_told_at_once():
    found = codes({"name": "a/b", "namespace": 5, "labels": {"v": 1}, "annotations": []})

    assert [code for code, _ in found] == ["GS303", "GS303", "GS308", "GS308"]


@given(JSON)
def test_any_metadata_is_identified_or_refused(metadata):
    identity, problems = named(metadata)

    assert (identity is None) <= bool(problems)
    assert all(problem.message.isprintable() for problem in problems)
