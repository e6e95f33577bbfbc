"""So many times a minute, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitsource.triggers.rate import Rate


def test_a_quiet_minute_is_worth_one_burst():
    rate = Rate(3)
    waits = [rate.take(0.0) for _ in range(4)]

    assert waits == [0.0, 0.0, 0.0, 20.0]
    assert [rate.take(19.0) > 0, rate.take(20.0)] == [True, 0.0]


@given(
    st.integers(1, 600),
    st.lists(st.floats(-5, 60, allow_nan=False), max_size=200),
)
def test_there_are_never_more_turns_than_the_time_allows(per_minute, steps):
    rate, now, taken = Rate(per_minute), 0.0, 0
    for step in steps:
        now += step
        taken += rate.take(now) == 0.0
    forward = sum(step for step in steps if step > 0)

    assert taken <= per_minute + forward * per_minute / 60 + 1e-6
