"""What a revision removes, and what confirms it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.rollout.guard import (
    confirmed,
    first_empty,
    guarded,
    layer_emptied,
    path_missing,
    rewound,
)
from gitsource.settings.judging import Guard, Removals
from gitsource.settings.units import Share

REVISION = Revision("a" * 40, "b" * 40, 1)
ALL_EMPTY = "Gitsource-Allow: empty all"
VITAL = ("clusters", "listeners")


def snapshot(**collections: int | range) -> Snapshot:
    """Return a snapshot with so many resources (or with those numbers) in each collection."""
    return Snapshot.of(
        REVISION,
        {
            name: Collection.of(
                name,
                [
                    Resource(f"r{n:04}", "v", b"", Origin("a.yaml", 1))
                    for n in (range(count) if isinstance(count, int) else count)
                ],
            )
            for name, count in collections.items()
        },
    )


def codes(
    before: Snapshot, after: Snapshot, message: str = "", settings: Guard | None = None
) -> list[str]:
    """Return the codes of what has to be confirmed."""
    found = guarded(before, after, VITAL, settings or Guard(), confirmed(message))
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"clusters": 2}, {"clusters": 1}, []),
        ({"clusters": 2, "routes": 1}, {"routes": 1}, ["GS206"]),
        ({"clusters": 2}, {}, ["GS206"]),
        ({"clusters": 2, "listeners": 1}, {}, ["GS206", "GS206"]),
        ({}, {}, []),
        ({}, {"clusters": 1}, []),
        ({"routes": 2, "flags": 1}, {"flags": 1}, []),
        ({"routes": 2}, {}, ["GS209"]),
        ({"routes": 2, "flags": 1}, {}, ["GS209"]),
        ({"routes": 2}, {"flags": 1}, []),
        ({"clusters": 2, "routes": 2}, {}, ["GS206", "GS209"]),
        ({"routes": 20}, {"routes": 10}, []),
        ({"routes": 21}, {"routes": 11}, []),
        ({"routes": 21}, {"routes": 10}, ["GS207"]),
        ({"routes": 3, "flags": 1}, {"flags": 1}, ["GS206"]),
        ({"routes": 3, "flags": 3}, {"telemetry": 1}, ["GS206", "GS206"]),
        ({"routes": 3}, {"routes": 1}, []),
        ({"routes": 5}, {"routes": 2}, ["GS207"]),
        ({"routes": 6}, {"routes": 3}, []),
        ({"routes": 11}, {"routes": 5}, ["GS207"]),
        ({"routes": 1000}, {"routes": range(500)}, []),
        ({"routes": 1000}, {"routes": range(501, 1000)}, ["GS207"]),
        ({"routes": 2000}, {"routes": 1500}, []),
        ({"routes": 2000}, {"routes": 1499}, ["GS207"]),
        ({"routes": 20}, {"routes": range(20, 40)}, ["GS207"]),
        ({"routes": 20, "flags": 20}, {"routes": 1, "flags": 1}, ["GS207", "GS207"]),
    ],
)
def test_what_has_to_be_confirmed(before, after, expected) -> None:
    assert expected == codes(snapshot(**before), snapshot(**after))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", set()),
        ("Gitsource-Allow: empty a/b", {("empty", "a/b")}),
        ("subject\n\nwhy\ngitsource-allow:  EMPTY a/b, c/d  e/f\n", {"a/b", "c/d", "e/f"}),
        ("Gitsource-Allow: empty a\r\nGitsource-Allow: other b", {("empty", "a"), ("other", "b")}),
        ("see Gitsource-Allow: empty a/b", set()),
        ("Gitsource-Allow: empty", set()),
        ("Gitsource-Allow:\nempty a/b", set()),
        ("Gitsource-Allow: rewind", {("rewind", "")}),
        ("Gitsource-Allow: Rewind, please", set()),
        ("Gitsource-Allow: rewind it", {("rewind", "")}),
        ("Gitsource-Allow: rewinding", set()),
    ],
)
def test_a_line_of_a_commit_message_confirms(message, expected) -> None:
    wanted = {("empty", each) if isinstance(each, str) else each for each in expected}

    assert wanted == confirmed(message)


def test_a_commit_message_confirms_no_more_than_a_hundred_things() -> None:
    assert 100 == len(confirmed("Gitsource-Allow: empty " + " ".join(map(str, range(10_000)))))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("gitsource-allow: removals routes", ["GS206", "GS207"]),
        ("gitsource-allow: removals all", ["GS206"]),
        ("gitsource-allow: empty clusters", ["GS207", "GS207"]),
        ("gitsource-allow: empty all", ["GS207", "GS207"]),
        ("gitsource-allow: removals clusters", ["GS206", "GS207", "GS207"]),
        ("gitsource-allow: empty all\ngitsource-allow: removals routes, flags", []),
    ],
)
def test_a_confirmation_is_for_what_it_names(message, expected) -> None:
    before = snapshot(clusters=20, flags=20, routes=20)
    after = snapshot(flags=1, routes=1)

    assert expected == codes(before, after, message)


@pytest.mark.parametrize("message", ["empty all", "empty flags, routes"])
def test_nothing_left_can_be_confirmed_at_once_or_one_by_one(message) -> None:
    before = snapshot(flags=20, routes=2)

    assert [] == codes(before, snapshot(), f"Gitsource-Allow: {message}")


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (Removals(Share(0), 0, 0), ["GS207"]),
        (Removals(Share(0), 0, 4), ["GS207"]),
        (Removals(Share(0), 0, 5), []),
        (Removals(Share(0.4), 0), ["GS207"]),
        (Removals(Share(0.5), 0), []),
        (Removals(Share(0.5), 4), ["GS207"]),
        (Removals(Share(0.5), 4, 9), ["GS207"]),
        (Removals(Share(0.4), 5), ["GS207"]),
        (Removals(Share(1), 4), ["GS207"]),
        (Removals(Share(1), 5), []),
        (Removals(Share(1), 0), []),
    ],
)
def test_either_bound_holds_and_the_floor_is_for_the_share(bounds, expected) -> None:
    before, after = snapshot(routes=10), snapshot(routes=5)

    assert expected == codes(before, after, settings=Guard(removals=bounds))


def test_a_collection_of_more_than_the_floor_may_not_become_empty_whatever_the_bounds() -> None:
    before, after = snapshot(routes=3, flags=1), snapshot(flags=1)
    loose = Removals(Share(1), 0)

    assert ["GS206"] == codes(before, after, settings=Guard(removals=loose))
    assert [] == codes(before, after, settings=Guard(removals=Removals(Share(1), 0, 3)))
    assert [] == codes(before, after, "Gitsource-Allow: empty routes")


def test_the_setting_allows_emptying_and_not_mass_removal() -> None:
    before, allow = snapshot(clusters=20, flags=1), Guard(empty="allow")

    assert ["GS207"] == codes(before, snapshot(), settings=allow)


def test_what_is_told_says_what_to_do() -> None:
    before = snapshot(clusters=2, listeners=1, routes=20)
    after = snapshot(clusters=1, routes=1)
    gone, many = guarded(before, after, VITAL, Guard(), frozenset())

    assert ("GS206", "error", "GS207") == (gone.code, gone.severity, many.code)
    assert "`Gitsource-Allow: empty listeners`" in gone.message
    assert "r0000, of a.yaml" in gone.message
    assert "19 of the 20 resources of routes" in many.message
    assert "more than guard.removals.share (0.5) lets go" in many.message
    assert "`Gitsource-Allow: removals routes`" in many.message
    assert "`gitsource allow`" in many.message


def test_a_rewind_is_told_unless_it_is_confirmed() -> None:
    (held,) = rewound("c" * 40, REVISION, frozenset(), deny=False)

    assert "GS208" == held.code
    assert "`Gitsource-Allow: rewind`" in held.message
    assert [] == list(rewound("c" * 40, REVISION, confirmed("Gitsource-Allow: rewind"), deny=False))


def test_a_denied_rewind_cannot_be_confirmed() -> None:
    said = confirmed("Gitsource-Allow: rewind")

    assert ["GS210"] == [each.code for each in rewound("c" * 40, REVISION, said, deny=True)]


# --------------------------------------------------------------------------- layers, and the first


def test_a_layer_of_which_nothing_is_left_is_held_until_one_of_its_commits_confirms_it() -> None:
    had = snapshot(routes=3).collection("routes").resources
    (held,) = layer_emptied("team", had, Guard(), frozenset())
    told = confirmed("Gitsource-Allow: empty all")

    assert ("GS209", True) == (held.code, "of layer team" in held.message)
    assert "3 resources were served (such as r0000, of a.yaml)" in held.message
    assert [] == list(layer_emptied("team", had, Guard(), told))
    assert [] == list(layer_emptied("team", had, Guard(empty="allow"), frozenset()))
    assert [] == list(layer_emptied("team", had[1:], Guard(), frozenset()))


def test_a_first_revision_without_anything_is_held_if_there_was_something_once() -> None:
    (held,) = first_empty(frozenset(), Guard(), gone_since="c" * 40)

    assert ("GS209", "error") == (held.code, held.severity)
    assert "before cccccccccccc:" in held.message
    assert [] == list(first_empty(confirmed(ALL_EMPTY), Guard(), gone_since="c" * 40))
    assert [] == list(first_empty(frozenset(), Guard(empty="allow"), gone_since="c" * 40))


def test_a_repository_that_never_had_anything_is_published_with_an_alarm() -> None:
    (told,) = first_empty(frozenset(), Guard(), gone_since="")

    assert ("GS217", "warning") == (told.code, told.severity)


def test_a_path_that_is_not_there_is_held_unless_that_is_meant() -> None:
    (held,) = path_missing("mehs\u202e", Guard(), frozenset())

    assert ("GS216", "error") == (held.code, held.severity)
    assert "\u202e" not in held.message
    assert [] == list(path_missing("mehs", Guard(), confirmed(ALL_EMPTY)))
    assert [] == list(path_missing("mehs", Guard(empty="allow"), frozenset()))


# --------------------------------------------------------------------------- properties

contents = st.dictionaries(
    st.sampled_from(["clusters", "flags", "listeners", "routes"]),
    st.sets(st.integers(0, 40), max_size=40),
)


def of(names: dict[str, set[int]]) -> Snapshot:
    return snapshot(**{name: sorted(numbers) for name, numbers in names.items()})  # type: ignore[arg-type]


@given(contents, contents, st.floats(0, 1), st.integers(0, 40), st.integers(0, 5))
def test_a_collection_goes_unheld_only_within_the_bounds(
    before, after, share, count, floor
) -> None:
    """And what is held is confirmed by the words that its finding asks for."""
    settings = Guard(removals=Removals(Share(share), count, floor))
    found = list(guarded(of(before), of(after), VITAL, settings, frozenset()))
    for name, had in before.items():
        gone = len(had - after.get(name, set()))
        many = count and gone > count
        if many or (gone > floor and (gone > share * len(had) or not after.get(name))):
            assert any(name in each.message or each.code == "GS209" for each in found)
    said = "\n".join(each.message.split("`")[1] for each in found)

    assert [] == list(guarded(of(before), of(after), VITAL, settings, confirmed(said)))


@given(contents, contents)
def test_what_only_adds_or_changes_is_never_held(before, after) -> None:
    grown = {name: had | after.get(name, set()) for name, had in before.items()} | {
        name: more for name, more in after.items() if name not in before
    }

    assert [] == codes(of(before), of(grown))


@given(contents)
def test_a_first_revision_is_never_held(after) -> None:
    assert [] == codes(snapshot(), of(after))
