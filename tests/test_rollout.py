"""What may go out."""

from __future__ import annotations

import pytest

from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.rollout import Hold, Publish, confirmed, decide, emptied, unconfirmed
from gitsource.snapshot.build import nothing, propose
from gitsource.snapshot.history import Control, Pin

REVISION = Revision("a" * 40, "b" * 40, 1)
ERROR = Finding("bad.yaml", 3, 5, "error", "GS301", "weight is 101", "VirtualService/x/y")
WARNING = Finding("odd.yaml", 1, 1, "warning", "GS306", "hm")


def proposal(*findings: Finding):
    return propose(nothing(), REVISION, {}, findings, full=True)


def test_a_sound_revision_goes_out() -> None:
    sound = proposal()

    assert Publish(sound) == decide(sound, Control())


def test_warnings_hold_nothing() -> None:
    assert isinstance(decide(proposal(WARNING), Control()), Publish)


def test_one_error_holds_the_whole_revision_and_the_reason_names_its_place() -> None:
    decision = decide(proposal(ERROR, WARNING), Control())

    assert isinstance(decision, Hold)
    assert "bad.yaml:3:5: GS301: weight is 101" in decision.reason


def test_a_pin_holds_even_a_sound_revision_and_says_who_and_why() -> None:
    pin = Pin("c" * 40, "incident 7", "ann", 1.0)

    decision = decide(proposal(), Control(pin=pin))

    assert isinstance(decision, Hold)
    assert "cccccccccccc" in decision.reason
    assert "ann: incident 7" in decision.reason


# --------------------------------------------------------------------------- the guard


def snapshot(**collections: int) -> Snapshot:
    """Return a snapshot with so many resources in each collection."""
    return Snapshot.of(
        REVISION,
        {
            name: Collection.of(
                name, [Resource(f"r{n}", "v", b"", Origin("a.yaml", 1)) for n in range(count)]
            )
            for name, count in collections.items()
        },
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"clusters": 2}, {"clusters": 1}, ()),
        ({"clusters": 2}, {}, ("clusters",)),
        ({"clusters": 2, "listeners": 1}, {}, ("clusters", "listeners")),
        ({}, {}, ()),
        ({}, {"clusters": 1}, ()),
        ({"routes": 2}, {}, ()),
    ],
)
def test_only_a_vital_collection_that_had_something_can_be_emptied(before, after, expected) -> None:
    found = emptied(snapshot(**before), snapshot(**after), ("clusters", "listeners"))

    assert expected == found


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
    ],
)
def test_a_line_of_a_commit_message_confirms(message, expected) -> None:
    wanted = {("empty", each) if isinstance(each, str) else each for each in expected}

    assert wanted == confirmed(message)


def test_a_commit_message_confirms_no_more_than_a_hundred_things() -> None:
    assert 100 == len(confirmed("Gitsource-Allow: empty " + " ".join(map(str, range(10_000)))))


def test_what_is_emptied_is_told_with_what_to_do_unless_it_is_confirmed() -> None:
    before = snapshot(clusters=2, listeners=1)

    (finding,) = unconfirmed(
        ("clusters", "listeners"), before, confirmed("gitsource-allow: empty clusters")
    )

    assert ("GS206", "error") == (finding.code, finding.severity)
    assert "`Gitsource-Allow: empty listeners`" in finding.message
    assert "r0, of a.yaml" in finding.message


def test_the_reason_says_that_a_confirmation_is_needed() -> None:
    found = unconfirmed(("clusters",), snapshot(clusters=1), frozenset())

    decision = decide(proposal(*found), Control())

    assert isinstance(decision, Hold)
    assert decision.reason.startswith("needs a confirmation: GS206: nothing is left of clusters")
