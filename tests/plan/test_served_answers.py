"""What an instance answers is read as it is, and not believed where it is no such answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.model import Origin
from gitsource.plan.served import (
    CoveredTold,
    NodeTold,
    ProvedTold,
    Served,
    SinkTold,
    Subscribed,
    read,
    read_origins,
    read_resources,
)

HOSTILE = Path(__file__).parent / "hostile_answers"

ANSWER = {
    "revision": "a" * 40,
    "version": "v",
    "layers": {"base": "b" * 40},
    "pinned": True,
    "suspended": False,
    "collections": {"acme/v1/flags": {"version": "f", "count": 1}},
    "views": [{"name": "shop"}],
    "sinks": [
        {
            "id": "one",
            "stream": 3,
            "peer": "10.0.0.1:1",
            "protocol": "xds",
            "views": ["shop"],
            "returned": None,
            "rights": [[{"resources": {"namespaces": ["shop"]}, "meant": False}, {}]],
            "proved": {
                "means": "mtls",
                "spiffe_id": "spiffe://a/b",
                "dns": ["one.example"],
                "ips": [],
                "identity": "spiffe://a/b",
                "claims": False,
            },
            "node": {"id": "one", "cluster": "c", "metadata": {"TIER": "gold"}, "region": "r"},
            "subscriptions": [
                {
                    "requested": "flags",
                    "collection": "acme/v1/flags",
                    "names": ["a"],
                    "names_omitted": 0,
                    "accepted": "f",
                    "refused": None,
                }
            ],
        }
    ],
    "sinks_omitted": 2,
}


def test_an_answer_becomes_values():
    node = NodeTold("one", "c", "r", metadata={"TIER": "gold"})
    asked = Subscribed("flags", "acme/v1/flags", frozenset("a"), accepted="f")
    rights = ((('{"namespaces": ["shop"]}', False), ("{}", False)),)
    proved = ProvedTold("mtls", "spiffe://a/b", ("one.example",), identity="spiffe://a/b")
    sink = SinkTold("one", 3, "10.0.0.1:1", "xds", ("shop",), node, (asked,), rights, proved=proved)

    assert read(ANSWER, "here") == Served(
        "here",
        "a" * 40,
        "v",
        {"base": "b" * 40},
        pinned=True,
        collections={"acme/v1/flags": "f"},
        views=({"name": "shop"},),
        sinks=(sink,),
        sinks_omitted=2,
    )


def test_what_is_covered_is_read_where_all_of_it_is_told():
    """Of an earlier gitsource, or of too much, nobody can say what lies below."""
    row = {"collection": "c", "name": "n", "version": "v", "file": "low:a.yaml", "line": 3}
    told = read(ANSWER | {"covered": [row], "covered_omitted": 0}, "here")

    assert (CoveredTold("c", "n", "v", "low:a.yaml", 3),) == told.covered
    assert () == read(ANSWER | {"covered": []}, "here").covered
    assert read(ANSWER, "here").covered is None
    assert read(ANSWER | {"covered": [row], "covered_omitted": 1}, "here").covered is None


def test_a_page_says_where_resources_of_layers_are_from():
    assert {"a": Origin("low:a.yaml", 3)} == read_origins({"origins": {"a": ["low:a.yaml", 3]}})
    assert {} == read_origins({"resources": {"a": "1"}})


@pytest.mark.parametrize("place", [["low:a.yaml"], ["low:a.yaml", -1], [3, 3], "low:a.yaml", {}])
def test_a_place_of_another_form_is_refused(place: object):
    with pytest.raises(ValueError, match=r"origins|a file|a line"):
        read_origins({"origins": {"a": place}})


def test_an_instance_that_has_nothing_yet_answers_with_nulls():
    assert read({"revision": None, "version": None}, "here") == Served("here")


def test_what_a_later_gitsource_says_beside_is_let_be():
    assert read(ANSWER | {"groups": {"a": 1}}, "here") == read(ANSWER, "here")


@pytest.mark.parametrize("file", sorted(HOSTILE.glob("*.json")), ids=lambda path: path.stem)
def test_an_answer_of_another_form_is_refused_by_its_place(file: Path):
    """Each file has the place in ``at`` and what is put into a good answer in ``answer``."""
    told = json.loads(file.read_text(encoding="utf-8"))
    answer = told["answer"]
    if isinstance(answer, dict):
        answer = ANSWER | answer

    with pytest.raises(ValueError, match=told["at"]):
        read(answer, "here")


def test_there_are_hostile_answers():
    assert len(list(HOSTILE.glob("*.json"))) > 10


def page(**more: object) -> dict:
    return {"version": "v", "resources": {"a": "1", "b": "2"}, "next": "b"} | more


def test_a_page_of_resources_is_read():
    assert read_resources(page(), "v", "") == ({"a": "1", "b": "2"}, "b")
    assert read_resources(page(next=None), "v", "") == ({"a": "1", "b": "2"}, "")


@pytest.mark.parametrize(
    ("told", "after"),
    [
        (page(version="w"), ""),
        (page(), "b"),
        (page(next="z"), ""),
        (page(resources=["a"]), ""),
        (page(resources={"a": 1}), ""),
        ([], ""),
    ],
    ids=["another-snapshot", "no-way-on", "next-is-elsewhere", "a-list", "a-number", "no-object"],
)
def test_pages_that_do_not_belong_together_or_never_end_are_refused(told: object, after: str):
    with pytest.raises(ValueError, match=r".+"):
        read_resources(told, "v", after)
