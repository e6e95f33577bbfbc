"""Selections of collections: what they come to, and that they are worked out once."""

import gc
import tracemalloc

import pytest
from ads_transcript import URLS, stored
from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.gitsource.xds.v1 import discovery_pb2
from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource
from gitsource.publish.xds.body import body_of, field_of, value_of
from gitsource.publish.xds.outline import Outlines
from gitsource.publish.xds.selection import CHUNK, UNKNOWN, Shelf
from gitsource.publish.xds.subscription import Subscription, delta, sotw
from gitsource.publish.xds.types import type_of

CDS, EDS = URLS["CDS"], URLS["EDS"]
CONTENT = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("12"))


def collection(content, name="T"):
    return Collection.of(name, [stored(EDS, f"{key}@{value}") for key, value in content.items()])


def named(*names):
    return Subscription(frozenset(names), named=True)


@given(CONTENT, CONTENT, st.frozensets(st.sampled_from("abcdex")))
def test_a_selection_is_that_of_the_names_whatever_was_selected_before(before, after, names):
    shelf, wanted = Shelf(), Subscription(names, named=True)
    shelf.select(collection(before), wanted)
    found = shelf.select(collection(after), wanted)
    expected = collection({key: value for key, value in after.items() if key in names})

    assert expected.version == found.version
    assert expected.names == found.names


@given(CONTENT, st.lists(st.frozensets(st.sampled_from("abcdex")), min_size=1, max_size=6))
def test_a_selection_that_follows_another_is_the_same_as_one_made_anew(content, steps):
    shelf, whole = Shelf(), collection(content)
    before = named("a")
    shelf.select(whole, before)
    for names in steps:
        wanted = named(*names)
        shelf.follow(whole, before, wanted)
        found, expected = shelf.select(whole, wanted), Shelf().select(whole, wanted)

        assert (expected.version, expected.names) == (found.version, found.names)

        before = wanted


def test_names_that_come_one_by_one_are_not_selected_anew_each_time():
    whole = collection({f"n{number:04}": "1" for number in range(3000)})
    shelf, before = Shelf(), named(*(f"n{number:04}" for number in range(2000)))
    wanted = named("n2500", *before.names)
    first = shelf.select(whole, before)
    shelf.follow(whole, before, wanted)
    known = repr(shelf)
    found = shelf.select(whole, wanted)

    assert (*first.names, "n2500") == found.names
    assert known == repr(shelf)


@given(st.frozensets(st.sampled_from(["a", "b", "xdstp://a/*", "xdstp://b/*"])))
def test_names_of_whole_lists_are_known_as_such_however_they_come(names):
    kind, wanted = type_of(URLS["LEDS"], 0), None
    for name in sorted(names):
        wanted, _ = delta(wanted, kind, frozenset({name}), frozenset())
        wanted, _ = delta(wanted, kind, frozenset(), frozenset({"c"}))
    told = sotw(sotw(None, kind, frozenset({"xdstp://b/*"})), kind, names)

    assert {name for name in names if "*" in name} == (wanted.globs if wanted else set())
    assert not names or told.globs == wanted.globs


@given(CONTENT, CONTENT)
def test_changes_and_unions_are_those_of_dictionaries(before, after):
    shelf, old, new = Shelf(), collection(before), collection(after)
    changes = shelf.changes(old, new)
    joined = shelf.joined(old, new)

    assert {one.name: one.version for one in changes.put} == dict(after.items() - before.items())
    assert set(changes.removed) == before.keys() - after.keys()
    assert {one.name: one.version for one in joined} == before | after
    assert shelf.merged(old, changes.put, changes.removed).version == new.version


def test_changes_are_found_far_into_a_large_collection():
    content = {f"n{number:05}": "1" for number in range(5000)}
    changed = content | {"n02500": "2", "n02501x": "1"}
    del changed["n02600"]
    changes = Shelf().changes(collection(content), collection(changed))

    assert ["n02500", "n02501x"] == [one.name for one in changes.put]
    assert ("n02600",) == changes.removed


def test_what_a_change_does_not_touch_is_the_very_same_selection():
    shelf, wanted = Shelf(), named("a", "b")
    first = shelf.select(collection({"a": "1", "b": "1", "c": "1"}), wanted)
    second = shelf.select(collection({"a": "1", "b": "1", "c": "2"}), wanted)

    assert first is second


def test_equal_names_are_one_object_while_anybody_has_them():
    shelf = Shelf()
    first = shelf.shared(named("a", "b"))
    second = shelf.shared(named("b", "a"))

    assert first.names is second.names

    del first, second
    gc.collect()

    assert not shelf._names


def test_what_is_remembered_is_bounded():
    shelf = Shelf(results=10, entries=1000)
    for number in range(50):
        shelf.select(collection({f"x{number}-{other}": "1" for other in range(50)}), named("a"))
        shelf.changes(collection({}), collection({f"y{number}-{o}": "1" for o in range(90)}))

    assert len(shelf._results) <= 11
    assert shelf._entries <= 1000


def test_what_a_client_says_it_has_is_the_served_collection_if_it_is_the_same():
    whole = collection({"a": "1", "b": "1"})
    shelf = Shelf()

    assert whole is shelf.stated(whole, {"a": "1", "b": "1"})
    assert shelf.stated(whole, {"a": "0"}) is shelf.stated(whole, {"a": "0"})
    assert whole.get("a") is shelf.stated(whole, {"a": "1"}).get("a")


def test_what_was_refused_is_known_no_more():
    whole = collection({"a": "1", "b": "1"})
    forgotten = Shelf().forgotten(whole, collection({"b": "2", "c": "2"}).resources)

    assert {"a": "1", "b": UNKNOWN, "c": UNKNOWN} == {one.name: one.version for one in forgotten}


def test_parts_of_a_response_fit_and_a_resource_that_does_not_goes_alone():
    put = tuple(stored(EDS, word) for word in ("a@1+2", "b@1+1", "c@1+2", "d@1+9", "e@1"))
    parts = Shelf().chunks(put)

    assert ["ab", "c", "d", "e"] == ["".join(one.name for one in part) for part in parts]
    assert all(sum(len(one.wire) for one in part) <= CHUNK for part in parts if len(part) > 1)


def test_clusters_ask_for_endpoints_by_their_service_or_their_own_name():
    words = ("a@1", "b@1>eb", "c@1>-")

    assert {"a", "eb"} == Outlines().endpoints(stored(CDS, word) for word in words)


@pytest.mark.parametrize("more", [0, 100])
def test_names_that_clusters_ask_for_are_found_one_by_one_or_together(more):
    words = ["own@1", "other@1>service", "none@1>-", *(f"n{number}@1" for number in range(50))]
    clusters = Collection.of("CDS", [stored(CDS, word) for word in words])
    names = frozenset({"own", "service", "other", "none", "no", *(f"x{n}" for n in range(more))})
    shelf = Shelf()

    assert {"own", "service"} == shelf.asked_for(names, clusters)
    assert shelf.asked_for(names, clusters) == names & shelf.endpoints(clusters.resources)


def test_a_cluster_that_cannot_be_read_asks_for_nothing():
    resource = resource_pb2.Resource()
    resource.body.value = b"\xff\xff"
    broken = [
        Resource("a", "1", wire, Origin("a", 1)) for wire in (b"\xff", resource.SerializeToString())
    ]

    assert frozenset() == Outlines().endpoints(broken)


def test_facts_of_clusters_are_read_once_and_forgotten_in_time():
    outlines = Outlines(most=2)
    outlines.endpoints(stored(CDS, f"{name}@1") for name in "abc")
    misread = Resource("c", "1", b"\xff", Origin("a", 1))

    assert {"c"} == outlines.endpoints([misread])
    assert "2" in repr(outlines)


@given(st.text(max_size=300), st.binary(max_size=300))
def test_a_body_is_cut_out_whatever_stands_before_it(name, value):
    resource = resource_pb2.Resource()
    resource.metadata.name = name
    resource.body.type_url, resource.body.value = CDS, value
    wire = resource.SerializeToString()

    assert resource.body.SerializeToString() == body_of(wire)
    assert value == value_of(wire)


def test_fields_of_every_wire_type_are_passed_over():
    wire = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x22\x01x\x22\x01y"

    assert b"y" == field_of(wire, 4)
    assert b"" == field_of(wire, 5)


@pytest.mark.parametrize("wire", [b"\x0a", b"\x0a\x05a", b"\x0b", b"\x09\x00", b"\xff" * 12])
def test_bytes_that_are_no_message_are_refused(wire):
    with pytest.raises(ValueError, match=r"."):
        field_of(wire, 1)


def test_a_minimal_cluster_has_the_numbers_of_envoys():
    from envoy.config.cluster.v3 import cluster_pb2

    theirs = cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.EDS)
    theirs.eds_cluster_config.service_name = "s"
    ours = discovery_pb2.Cluster.FromString(theirs.SerializeToString())

    assert ("a", 3, "s") == (ours.name, ours.type, ours.eds_cluster_config.service_name)


def _states(shelf, whole, names):
    shelf.stated(whole, dict.fromkeys(names, "v"))


def _is_told_what_to_remove(shelf, whole, names):
    shelf.changes(shelf.stated(whole, dict.fromkeys(names, "v")), whole)


def _asks(shelf, whole, names):
    shelf.select(whole, named(*names))


@pytest.mark.parametrize("says", [_states, _is_told_what_to_remove, _asks])
def test_what_only_clients_know_of_is_remembered_by_its_bytes(says):
    shelf, whole = Shelf(entries=100_000), collection({"a": "1"})
    tracemalloc.start()
    for client in range(40):
        says(shelf, whole, [f"{client}-{at}-{'x' * 500}" for at in range(1000)])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 100_000 * 24 * 2
