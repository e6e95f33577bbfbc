"""What a reload takes over, and what it leaves for the next start."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gitsource.app.reloaded import FIXED, LIMITS_FIXED, taken_over
from gitsource.settings.serving import Limits
from gitsource.settings.whole import Settings

OLD = Settings()


def test_nothing_new_changes_nothing() -> None:
    taken = taken_over(OLD, Settings())

    assert ((), ()) == (taken.changed, taken.waiting)
    assert OLD == taken.settings


def test_a_setting_that_can_change_now_counts_now() -> None:
    new = replace(OLD, poll=replace(OLD.poll, interval=7.0))

    taken = taken_over(OLD, new)

    assert (("poll",), ()) == (taken.changed, taken.waiting)
    assert 7.0 == taken.settings.poll.interval


@pytest.mark.parametrize("name", FIXED)
def test_a_setting_that_needs_a_restart_stays_and_is_named(name: str) -> None:
    new = replace(OLD, drain=1.0, **{name: "another"})

    taken = taken_over(OLD, new)

    assert (("drain",), (name,)) == (taken.changed, taken.waiting)
    assert getattr(OLD, name) == getattr(taken.settings, name)


def test_every_fixed_setting_is_one() -> None:
    assert set(FIXED) <= {each.name for each in fields(Settings)}


NAMES = [each.name for each in fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_counts_now_or_is_said_to_need_a_restart(name: str) -> None:
    limits = replace(OLD.limits, **{name: 7})

    taken = taken_over(OLD, replace(OLD, limits=limits))

    if name in LIMITS_FIXED:
        assert ((), (f"limits.{name}",)) == (taken.changed, taken.waiting)
        assert OLD == taken.settings
    else:
        assert (("limits",), ()) == (taken.changed, taken.waiting)
        assert 7 == getattr(taken.settings.limits, name)


def test_every_fixed_limit_is_one() -> None:
    assert set(LIMITS_FIXED) <= set(NAMES)


def test_what_waits_is_over_when_it_is_set_back() -> None:
    first = taken_over(OLD, replace(OLD, limits=replace(OLD.limits, streams=7)))

    assert ((), ()) == (taken_over(first.settings, OLD).changed, taken_over(OLD, OLD).waiting)
