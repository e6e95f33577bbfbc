"""What is built beside serving: turns are short, and what stays is not walked again."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from gitsource.reconcile.calm import MANY, NEVER, most_of_it_stays, take_turns


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def made(collections: int) -> list[list[int]]:
    """Return as many objects as take so many collections of the middle generation."""
    young, middle, _ = gc.get_threshold()
    return [[] for _ in range((young + 1) * (middle + 2) * (collections + 1))]


def test_threads_take_short_turns() -> None:
    sys.setswitchinterval(0.005)

    take_turns()

    assert 0.001 == round(sys.getswitchinterval(), 6)


def test_meanwhile_old_objects_are_not_walked() -> None:
    before = gc.get_threshold()

    with most_of_it_stays():
        meanwhile = gc.get_threshold()

    assert (*before[:2], NEVER) == meanwhile
    assert before == gc.get_threshold()


def test_afterwards_the_many_that_were_made_are_never_walked_again() -> None:
    gc.collect()
    frozen = gc.get_freeze_count()
    with most_of_it_stays():
        kept = made(MANY)

    assert gc.get_freeze_count() - frozen >= len(kept)


def test_a_few_objects_are_collected_as_ever() -> None:
    frozen = gc.get_freeze_count()
    with most_of_it_stays():
        kept = made(1)

    assert kept
    assert frozen == gc.get_freeze_count()


def test_it_is_as_it_was_after_an_error() -> None:
    before = gc.get_threshold()

    with pytest.raises(ValueError, match="broken"), most_of_it_stays():
        raise ValueError("broken")

    assert before == gc.get_threshold()
