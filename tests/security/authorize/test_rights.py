"""Rights are one canonical value, and their algebra holds for every resource."""

from functools import reduce
from operator import and_, or_

from hypothesis import given
from hypothesis import strategies as st

from gitsource.security.authorize.rights import EVERYTHING, NOTHING, Rights
from gitsource.settings.views import ViewResources

SELECTORS = st.builds(
    ViewResources,
    namespaces=st.lists(st.sampled_from(["foo", "bar", "f*", "*", ""]), max_size=2).map(tuple),
    labels=st.lists(
        st.tuples(st.sampled_from("xy"), st.sampled_from(["1", "2", "*"])),
        max_size=1,
    ).map(tuple),
    collections=st.lists(st.sampled_from(["c/*", "d/e"]), max_size=1).map(tuple),
)
RESOURCES = [
    (collection, namespace, labels, {})
    for collection in ("c/1", "d/e")
    for namespace in ("foo", "bar", "")
    for labels in ({}, {"x": "1"}, {"x": "2", "y": "1"})
]


def grown(smaller):
    pairs = st.tuples(smaller, smaller)
    return pairs.map(lambda two: two[0] & two[1]) | pairs.map(lambda two: two[0] | two[1])


RIGHTS = st.recursive(
    st.sampled_from([EVERYTHING, NOTHING])
    | SELECTORS.map(Rights.to)
    | SELECTORS.map(lambda one: ~Rights.to(one)),
    grown,
    max_leaves=5,
)


def admitted(rights):
    return [rights.admits(*one) for one in RESOURCES]


@given(RIGHTS, RIGHTS)
def test_both_and_either_mean_for_each_resource_what_they_say(one, other):
    here, there = admitted(one), admitted(other)

    assert [a and b for a, b in zip(here, there, strict=True)] == admitted(one & other)
    assert [a or b for a, b in zip(here, there, strict=True)] == admitted(one | other)


@given(st.lists(RIGHTS, max_size=5))
def test_many_together_are_what_they_are_two_by_two(several):
    assert reduce(and_, several, EVERYTHING) == Rights.all(several)
    assert reduce(or_, several, NOTHING) == Rights.any(several)


@given(RIGHTS)
def test_the_complement_admits_what_the_rights_do_not(rights):
    assert [not one for one in admitted(rights)] == admitted(~rights)


@given(RIGHTS, RIGHTS)
def test_rights_are_equal_however_they_came_about(one, other):
    assert one & other == other & one
    assert one | other == other | one
    assert hash(one | one) == hash(one)
    assert one & one == one
    assert one & (one | other) == one


def test_the_order_of_globs_and_what_says_nothing_make_no_difference():
    some = Rights.to(ViewResources(namespaces=("b", "a", "a")))

    assert some == Rights.to(ViewResources(namespaces=("a", "b")))
    assert some.group == Rights.to(ViewResources(namespaces=("a", "b"))).group
    assert EVERYTHING == Rights.to(ViewResources(namespaces=("*", "a")))
    assert EVERYTHING == Rights.to(ViewResources()) | some
    assert NOTHING == some & NOTHING
    assert (True, False) == (NOTHING.nothing, some.nothing)


def test_rights_say_what_they_are_in_one_line():
    foo = ViewResources(namespaces=("foo",), labels=(("team", "a"),))
    secrets = ViewResources(collections=("envoy/secrets",))

    assert "namespace foo, label team=a" == str(Rights.to(foo))
    told = str(Rights.to(foo) & ~Rights.to(secrets))

    assert "(namespace foo, label team=a) and (not collection envoy/secrets)" == told
    assert ("everything", "nothing") == (str(EVERYTHING), str(NOTHING))
    assert ("everything", "nothing") == (EVERYTHING.group, NOTHING.group)


def test_what_no_resource_can_have_at_once_is_nothing():
    foo, bar, baz = (Rights.to(ViewResources(namespaces=(name,))) for name in ("foo", "bar", "b*"))
    clusters = Rights.to(ViewResources(collections=("envoy/clusters",)))
    secrets = Rights.to(ViewResources(collections=("envoy/secrets",), namespaces=("foo",)))

    assert (foo & bar).nothing
    assert "nothing" == (foo & bar).group
    assert ((foo | bar) & clusters & secrets).nothing
    assert not (bar & baz).nothing
    assert not (bar & clusters).nothing
    assert not ((foo | bar) & bar).nothing
    assert not (foo & ~bar).nothing
