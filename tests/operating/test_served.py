"""What a running instance says it serves, for those who compare: bounded, and without bodies."""

from __future__ import annotations

import json

from gitsource.configuration.whole import load
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


def test_a_collection_that_is_not_there_is_empty():
    told = served.resources(snapshot(resource("shop/a")), "acme/v1/none", "")

    assert (told["resources"], told["next"]) == ({}, None)
