"""Which resources a sink means by its words."""

import pytest

from gitsource.model import Collection, Origin, Resource
from gitsource.snapshot.blame import blamed, named


def collection(**versions):
    resources = [
        Resource(name.replace("_", "/"), version, b"", Origin(f"{name}.yaml", 1))
        for name, version in versions.items()
    ]
    return Collection.of("envoy/clusters", resources)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Error adding/updating cluster(s) svc-b: no", ("svc-b",)),
        ("cluster svc-b: bad; cluster 'svc-a': worse", ("svc-b", "svc-a")),
        ("bad svc-bb and my-svc-b and svc-b.local", ()),
        ("it is svc-b.", ("svc-b",)),
        ('unknown cluster "svc-a"', ("svc-a",)),
        ("", ()),
    ],
)
def test_names_count_as_words_of_their_own(text, names):
    assert names == named(text, ["svc-a", "svc-b"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("VirtualService web/cart is bad", ("web/cart",)),
        ("cart is bad", ("shop/cart", "web/cart")),
        ("web/other is bad", ()),
    ],
)
def test_a_namespaced_name_counts_in_full_or_else_by_its_last_part(text, names):
    assert names == named(text, ["web/cart", "shop/cart"])


def test_no_more_than_a_few_are_named():
    names = [f"svc-{number}" for number in range(100)]

    assert tuple(names[:5]) == named(" ".join(names), names)


def test_what_is_new_to_the_sink_is_meant_before_what_it_already_has():
    sent, accepted = collection(a="2", b="1"), collection(a="1", b="1")

    assert ["a"] == [one.name for one in blamed("a or b", sent, accepted)]


def test_what_it_has_is_meant_if_nothing_new_is_named():
    sent, accepted = collection(a="2", b="1"), collection(a="1", b="1")

    assert ["b"] == [one.name for one in blamed("it is b", sent, accepted)]


def test_the_only_new_one_is_meant_without_words():
    sent = collection(a="2", b="1")

    assert ["a"] == [one.name for one in blamed("no", sent, collection(a="1", b="1"))]
    assert [] == [one.name for one in blamed("no", sent, None)]
