"""Recent versions as diff bases: what is found, what a delta holds, what is let go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.model import Collection, Origin, Resource, empty_collection
from gitsource.snapshot.window import DELTAS, Window

T0 = "acme/v1/flags"
CONTENT = st.dictionaries(st.integers(0, 4000), st.sampled_from(["v0", "v1"]), max_size=60)


def collection(content):
    origin = Origin("a.yaml", 1)
    return Collection.of(T0, [Resource(f"{n:>05}", v, b"", origin) for n, v in content.items()])


def numbered(count, version="v0"):
    return collection(dict.fromkeys(range(count), version))


def serve_all(window, collections):
    before = []
    for one in collections:
        window.serve(before, [one])
        before = [one]


@pytest.mark.parametrize("filling", [0, 3000])
@given(before=CONTENT, after=CONTENT)
def test_a_delta_turns_one_version_into_the_other(filling, before, after):
    common = dict.fromkeys(range(5000, 5000 + filling), "v0")
    old, new = collection(before | common), collection(after | common)
    window = Window()
    window.serve([], [old])
    delta = window.delta(T0, old.version, new)
    held = {one.name: one.version for one in old}
    for name in delta.removed:
        del held[name]
    changed = {one.name: one.version for one in delta.put}

    assert {one.name: one.version for one in new} == held | changed
    assert not set(changed.items()) & set(held.items())


def test_a_delta_is_computed_once_for_all():
    window = Window()
    old, new = numbered(10), numbered(11)
    serve_all(window, [old, new])

    assert window.delta(T0, old.version, new) is window.delta(T0, old.version, new)


def test_a_version_that_comes_anew_brings_its_own_resources():
    """Two collections of one version may differ in create_time."""
    window = Window()
    old, new, again = numbered(10), numbered(11), numbered(11)
    serve_all(window, [old, new])
    window.delta(T0, old.version, new)
    window.serve([new], [again])

    assert again.resources[-1] is window.delta(T0, old.version, again).put[0]


def test_the_empty_collection_is_always_found():
    assert () == Window().find("anything", empty_collection("").version).names


def test_a_version_never_served_is_not_found():
    window = Window()

    assert (None, None) == (window.find(T0, "x"), window.delta(T0, "x", numbered(1)))


def test_a_collection_that_becomes_empty_stays_as_a_base():
    window = Window()
    old = numbered(3)
    window.serve([], [old])
    window.serve([old], [])

    assert 3 == len(window.delta(T0, old.version, empty_collection(T0)).removed)


def test_a_version_that_comes_back_is_served_again():
    window = Window(versions=0)
    first, second = numbered(1), numbered(2)
    serve_all(window, [first, second, first])

    assert (first, None) == (window.find(T0, first.version), window.find(T0, second.version))


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"versions": 2}, 3),  # two old ones and what is served
        ({"entries": 250}, 3),  # each has a hundred resources and one
        ({"own": 2}, 3),  # each version has one resource that the next one lacks
        ({"versions": 0}, 1),  # what is served is never let go
    ],
)
def test_the_oldest_versions_are_let_go(bounds, kept):
    window = Window(**bounds)
    common = dict.fromkeys(range(100), "v0")
    versions = [collection(common | {100 + number: "v0"}) for number in range(10)]
    serve_all(window, versions)
    found = [window.find(T0, one.version) for one in versions]

    assert [None] * (10 - kept) + versions[10 - kept :] == found


def test_what_is_served_in_two_ways_is_old_when_both_serve_something_else():
    window = Window(versions=0)
    first, second = numbered(1), numbered(2)
    window.serve([], [first])
    window.derive(None, first)
    window.serve([first], [second])
    still = window.find(T0, first.version)
    window.derive(first, second)

    assert (first, None) == (still, window.find(T0, first.version))


def test_a_part_that_nobody_is_served_any_more_is_old():
    window = Window()
    part = numbered(2)
    window.derive(None, part)
    window.derive(part, None)

    assert part is window.find(T0, part.version)
    assert "<Window versions=1 old_entries=2 old_resources=0>" == repr(window)


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(0, 4)), max_size=30),
    st.integers(0, 3),
)
def test_what_is_served_is_always_found_and_the_sums_hold(history, versions):
    window = Window(versions=versions)
    served = {}
    for way, count in history:
        now = numbered(count + 1) if count else None
        window.derive(served.get(way), now)
        served[way] = now
    in_use = {one.version: one for one in served.values() if one}
    found = [window.find(T0, numbered(count + 1).version) for count in range(1, 5)]
    kept = [one for one in found if one]
    old = [one for one in kept if one.version not in in_use]
    own = repr(window).partition("old_resources=")[2]

    assert all(window.find(T0, version).names == one.names for version, one in in_use.items())
    assert len(old) <= versions
    told = f"<Window versions={len(kept)} old_entries={sum(map(len, old))} old_resources={own}"
    assert told == repr(window)


def test_deltas_are_bounded_too():
    window = Window()
    versions = [numbered(number) for number in range(1, 2 * DELTAS)]
    serve_all(window, versions)
    first = window.delta(T0, versions[0].version, versions[-1])
    for one in versions[1:-1]:
        window.delta(T0, one.version, versions[-1])
    again = window.delta(T0, versions[0].version, versions[-1])

    assert first == again
    assert first is not again


def test_the_window_shows_how_full_it_is():
    window = Window()
    serve_all(window, [numbered(2), numbered(2, "v1")])

    assert "<Window versions=2 old_entries=2 old_resources=2>" == repr(window)
