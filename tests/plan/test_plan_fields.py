"""What differs between two bodies: fields, and elements of lists that are the same elsewhere."""

from __future__ import annotations

import pytest

from gitsource.plan.fields import MOST, SHOWN_CHARACTERS, differences
from gitsource.secrecy.texts import REDACTED
from gitsource.secrecy.values import Hidden


def told(before, after, root="") -> list[tuple]:
    """Return the changes as (path, how, before, after), with where they came from if they moved."""
    changes, more = differences(before, after, root)
    assert 0 == more
    return [
        (each.path, each.how, each.before, each.after)
        + ((each.came_from,) if each.came_from else ())
        for each in changes
    ]


def test_a_changed_field_is_named_by_its_path() -> None:
    before = {"spec": {"http": [{"route": [{"weight": 90}, {"weight": 10}]}]}}
    after = {"spec": {"http": [{"route": [{"weight": 80}, {"weight": 10}]}]}}

    assert [("spec.http[0].route[0].weight", "changed", 90, 80)] == told(before, after)


def test_fields_come_and_go() -> None:
    found = told({"a": 1, "gone": {"x": 2}}, {"a": 1, "came": [3]})

    assert [("came", "added", None, [3]), ("gone", "removed", {"x": 2}, None)] == found


def test_a_key_that_is_no_word_is_quoted() -> None:
    found = told({}, {"labels": {"app.kubernetes.io/name": "x"}})
    inner = told({"labels": {"a/b": "1"}}, {"labels": {"a/b": "2"}})

    assert "labels" == found[0][0]
    assert 'labels["a/b"]' == inner[0][0]


def test_one_is_not_true_and_a_list_is_no_mapping() -> None:
    assert [("a", "changed", 1, True)] == told({"a": 1}, {"a": True})
    assert [("a", "changed", [], {})] == told({"a": []}, {"a": {}})


def test_an_element_that_stands_elsewhere_has_moved() -> None:
    first, second, third = ({"name": name, "port": number} for number, name in enumerate("abc"))

    assert [("x[0]", "moved", {"name": "c"}, {"name": "c"}, "x[2]")] == told(
        {"x": [first, second, third]}, {"x": [third, first, second]}
    )


def test_what_is_put_in_front_moves_nothing() -> None:
    rest = [{"name": name} for name in "abc"]

    assert [("x[0]", "added", None, {"name": "new"})] == told(
        {"x": rest}, {"x": [{"name": "new"}, *rest]}
    )


def test_an_element_that_moved_and_changed_is_told_as_both() -> None:
    before = [{"name": "a", "v": 1, "w": 1}, {"name": "b", "v": 1}]
    after = [{"name": "b", "v": 1}, {"name": "a", "v": 2, "w": 1}]

    found = told({"x": before}, {"x": after})

    assert ("x[1].v", "changed", 1, 2) in found
    assert 1 == len([each for each in found if each[1] == "moved"])
    assert 2 == len(found)


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (
            [{"host": "a", "port": 1, "w": 1}, {"host": "a", "port": 2, "w": 1}],
            [{"host": "a", "port": 2, "w": 9}, {"host": "a", "port": 1, "w": 1}],
            "w",
        ),
        (
            [{"match": [{"uri": "/a"}], "t": 1}, {"t": 1, "route": 1}],
            [{"match": [{"uri": "/a"}], "t": 1}, {"t": 2, "route": 1}],
            "t",
        ),
        (
            [{"destination": {"host": "a"}, "weight": 1}, {"destination": {"host": "b"}}],
            [{"destination": {"host": "a"}, "weight": 2}, {"destination": {"host": "b"}}],
            "weight",
        ),
        (
            [{"port": {"number": 80}, "hosts": ["a", "b"]}],
            [{"port": {"number": 80}, "hosts": ["a", "c"]}],
            "hosts",
        ),
    ],
)
def test_elements_are_matched_by_what_they_are(before, after, path) -> None:
    """By host and port, by their match, by destination; and one of them may have none."""
    found = told({"x": before}, {"x": after})
    changed = [each for each in found if each[1] != "moved"]

    assert all(path in each[0] for each in changed)
    assert not [each for each in changed if each[0].count("[") == 1 and each[1] != "changed"]


def test_plain_values_of_a_list_come_go_and_move() -> None:
    assert [("x[1]", "changed", "b", "z")] == told({"x": ["a", "b"]}, {"x": ["a", "z"]})
    assert [("x[2]", "added", None, "c")] == told({"x": ["a", "b"]}, {"x": ["a", "b", "c"]})
    assert [("x[0]", "removed", "a", None)] == told({"x": ["a", "b"]}, {"x": ["b"]})
    assert 1 == len(told({"x": list("abcdef")}, {"x": list("fabcde")}))


def test_values_that_are_told_twice_are_counted() -> None:
    assert [("x[1]", "removed", "a", None)] == told({"x": ["a", "a"]}, {"x": ["a"]})


def test_what_is_hidden_is_told_to_differ_and_not_how() -> None:
    before, after = Hidden.of("one"), Hidden.of("other")
    changes, _ = differences({"k": before, "s": before}, {"k": after, "s": before})

    assert [("k", REDACTED, REDACTED, True)] == [
        (each.path, each.before, each.after, each.redacted) for each in changes
    ]


def test_what_is_hidden_within_what_came_is_not_told_either() -> None:
    ((change,), _) = differences({}, {"tls": {"name": "x", "key": [Hidden.of("secret")]}})

    assert {"name": "x", "key": [REDACTED]} == change.after
    assert change.redacted


def test_no_more_is_told_than_people_read() -> None:
    changes, more = differences({}, {f"k{n}": n for n in range(MOST + 50)})

    assert (MOST, 50) == (len(changes), more)


def test_long_texts_and_large_values_are_cut() -> None:
    ((text, large), _) = differences({}, {"text": "x" * 10_000, "large": {"a": [0] * 10_000}})

    assert SHOWN_CHARACTERS + 1 == len(text.after)
    assert len(str(large.after)) < 1000


def test_large_lists_of_mappings_that_nothing_tells_apart_take_no_longer() -> None:
    """Their cost follows their size, not its square: this would take hours."""
    before = [{"a": number % 7, "b": number} for number in range(20_000)]
    after = [{"a": number % 5, "b": -number} for number in range(20_000)]

    changes, more = differences({"x": before}, {"x": after})

    assert MOST == len(changes)
    assert more > 10_000
