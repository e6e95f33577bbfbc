"""Looking again and again."""

from __future__ import annotations

import asyncio

import pytest

from gitsource.errors import RemoteUnreachable
from gitsource.triggers.poll import pause, poll


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 300), (5000, 300)]
)
def test_the_pause_doubles_with_each_failure_up_to_the_bound(failures, expected):
    assert pause(30, 300, failures, 0.5) == pytest.approx(expected)


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 27), (0.5, 30), (1.0, 33)])
def test_the_pause_is_spread_by_a_tenth(draw, expected):
    assert pause(30, 300, 0, draw) == pytest.approx(expected)


def test_a_bound_below_the_interval_never_makes_it_look_more_often():
    assert pause(600, 300, 3, 0.5) == pytest.approx(600)


class Clock:
    """Sleeps that take no time, remembered; ends the test after *most* of them."""

    def __init__(self, most: int) -> None:
        self.slept: list[float] = []
        self._most = most

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self._most:
            raise asyncio.CancelledError
        self.slept.append(round(seconds, 6))


async def polled(outcomes, **how):
    """Poll until *outcomes* (results, or errors to raise) are used up; return the pauses."""
    clock = Clock(len(outcomes))
    told = iter(outcomes)
    reasons = []

    async def look(reason):
        reasons.append(reason)
        outcome = next(told)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with pytest.raises(asyncio.CancelledError):
        await poll(look, 10, 60, draw=lambda: 0.5, sleep=clock.sleep, **how)
    assert reasons == ["poll"] * len(outcomes)
    return clock.slept


async def test_failures_back_off_and_a_success_resets():
    down = RemoteUnreachable("no network")

    assert await polled(["ok", down, down, "ok", "ok"]) == [10, 10, 20, 40, 10]


async def test_an_outcome_can_be_a_failure_without_raising():
    pauses = await polled(["failed", "failed", "held", "ok"], failed=lambda out: out == "failed")

    assert pauses == [10, 20, 40, 10]


async def test_an_unexpected_error_does_not_tear_the_net(caplog):
    assert await polled([ZeroDivisionError(), "ok", "ok"]) == [10, 20, 10]
    assert "unexpectedly" in caplog.text
