"""What may go out."""

from __future__ import annotations

import pytest

from gitsource.model import Finding, Revision
from gitsource.rollout.decide import Hold, Publish, decide
from gitsource.snapshot.build import nothing, propose
from gitsource.snapshot.history import Allowance, Control, Pin

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


@pytest.mark.parametrize("code", ["GS206", "GS207", "GS208", "GS209", "GS216"])
def test_the_reason_says_that_a_confirmation_is_needed(code) -> None:
    decision = decide(proposal(guard(code)), Control())

    assert isinstance(decision, Hold)
    assert f"needs a confirmation: {code}: nothing is left" == decision.reason


@pytest.mark.parametrize("code", ["GS206", "GS207", "GS208", "GS209", "GS216"])
def test_an_operator_lets_a_guarded_revision_out_and_no_finding_stays(code) -> None:
    decision = decide(proposal(guard(code), WARNING), Control(allowance=allowance()))

    assert isinstance(decision, Publish)
    assert (WARNING,) == decision.proposal.findings
    assert decision.proposal.acceptable


def test_an_operators_word_is_for_one_revision() -> None:
    decision = decide(proposal(guard("GS207")), Control(allowance=allowance("c" * 40)))

    assert isinstance(decision, Hold)


@pytest.mark.parametrize("code", ["GS301", "GS210", "GS211", "GS212", "GS213", "GS214"])
def test_an_operators_word_helps_against_nothing_else(code) -> None:
    found = proposal(Finding("", 0, 0, "error", code, "no"))

    assert isinstance(decide(found, Control(allowance=allowance())), Hold)


def test_an_operators_word_does_not_release_a_pin() -> None:
    pin = Pin("c" * 40, "incident 7", "ann", 1.0)

    assert isinstance(decide(proposal(), Control(pin=pin, allowance=allowance())), Hold)


def test_a_denied_rewind_is_called_that() -> None:
    decision = decide(proposal(Finding("", 0, 0, "error", "GS210", "moved")), Control())

    assert isinstance(decision, Hold)
    assert "is denied: GS210: moved" == decision.reason


def guard(code: str) -> Finding:
    return Finding("", 0, 0, "error", code, "nothing is left")


def allowance(revision: str = REVISION.commit) -> Allowance:
    return Allowance(revision, "meant", "ann", 1.0)
