"""What may go out."""

from __future__ import annotations

from gitsource.model import Finding, Revision
from gitsource.rollout import Hold, Publish, decide
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
