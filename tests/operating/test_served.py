"""What a running instance says it serves, for those who compare: bounded, and without bodies."""

from __future__ import annotations

import json
from dataclasses import replace

from gitsource.configuration.whole import load
from gitsource.model import LayerRevision
from gitsource.operating import served
from serving import VS, resource, snapshot

VIEWS = (
    '[{"name": "shop", "nodes": {"ids": ["a*"], "metadata": {"TIER": "gold"},'
    ' "locality": {"region": ["eu-*"]}}, "resources": {"namespaces": ["shop"]}}, {"name": "all"}]'
)


def views(text: str = VIEWS):
    return load(None, {"GITSOURCE_VIEWS": text}, {}).views


def test_collections_are_told_by_version_and_count():
    serving = snapshot(resource("shop/a"), resource("shop/b"))

    told = served.whole(serving, (), pinned=True, suspended=False)

    assert told == {
        "revision": "c" * 40,
        "version": serving.version,
        "layers": {},
        "pinned": True,
        "suspended": False,
        "collections": {VS: {"version": serving.collection(VS).version, "count": 2}},
        "covered": [],
        "covered_omitted": 0,
        "views": [],
    }


def test_before_the_first_snapshot_nothing_is_told():
    told = served.whole(None, (), pinned=False, suspended=True)

    assert (told["revision"], told["version"], told["collections"]) == (None, None, {})
    assert served.resources(None, VS, "")["resources"] == {}


def test_views_are_told_in_the_words_of_the_settings():
    """So that the reader of settings can read them back."""
    told = served.whole(None, views(), pinned=False, suspended=False)["views"]

    assert views(json.dumps(told)) == views()


def test_resources_are_told_in_pages():
    serving = snapshot(*(resource(f"shop/{name}", version=name) for name in "abcde"))

    first = served.resources(serving, VS, "", most=2)
    second = served.resources(serving, VS, first["next"], most=2)
    last = served.resources(serving, VS, second["next"], most=2)

    assert first["resources"] == {"shop/a": "a", "shop/b": "b"}
    assert second["resources"] == {"shop/c": "c", "shop/d": "d"}
    assert (last["resources"], last["next"]) == ({"shop/e": "e"}, None)
    assert {each["version"] for each in (first, second, last)} == {serving.version}


def test_of_layers_it_is_told_where_each_resource_is_from_and_what_is_covered():
    """So that the composition can be taken apart; of one repository, nothing of that."""
    plain = snapshot(resource("shop/a"))
    covered = tuple(
        (VS, replace(each, name=f"shop/{at}")) for at, each in enumerate(plain.collection(VS))
    )
    layers = (LayerRevision("low", "1" * 40), LayerRevision("top", "2" * 40))
    composed = replace(plain, revision=replace(plain.revision, layers=layers), covered=covered)

    whole = served.whole(composed, (), pinned=False, suspended=False)
    page = served.resources(composed, VS, "")

    (origin,) = {each.origin for each in plain.collection(VS)}
    assert {"shop/a": [origin.path, origin.line]} == page["origins"]
    assert {} == served.resources(plain, VS, "")["origins"]
    assert ["shop/0"] == [each["name"] for each in whole["covered"]]
    assert {"low": "1" * 40, "top": "2" * 40} == whole["layers"]
    assert whole["covered"][0].keys() == {"collection", "name", "version", "file", "line"}


def test_what_is_covered_is_bounded():
    plain = snapshot(resource("shop/a"))
    (one,) = plain.collection(VS)
    many = replace(plain, covered=((VS, one),) * 5002)

    told = served.whole(many, (), pinned=False, suspended=False)

    assert (5000, 2) == (len(told["covered"]), told["covered_omitted"])


def test_a_collection_that_is_not_there_is_empty():
    told = served.resources(snapshot(resource("shop/a")), "acme/v1/none", "")

    assert (told["resources"], told["next"]) == ({}, None)
