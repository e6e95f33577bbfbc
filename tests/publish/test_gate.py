"""The gate for large writes: who gets in, and what a sink that does not read can do about it."""

import asyncio

import pytest

from gitsource.publish.sending.gate import CONTENTS, HELD_BYTES, OVERTIME, Gate


def nothing():
    """End of a write that nobody has to end."""


@pytest.fixture
def gate():
    return Gate(100, hold=60)


async def tried(gate, size, end=nothing, content=None):
    """Return a task that waits to get in, after it had every chance to."""
    task = asyncio.create_task(gate.enter(size, end, content))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_as_many_as_fit_the_budget_get_in(gate):
    first, second, third = [await tried(gate, 50) for _ in range(3)]

    assert (True, True, False) == (first.done(), second.done(), third.done())

    gate.leave(first.result())

    assert await asyncio.wait_for(third, 5)


async def test_one_larger_than_the_budget_gets_in_alone(gate):
    large = await tried(gate, 1000)
    small = await tried(gate, 1)

    assert (True, False) == (large.done(), small.done())

    gate.leave(large.result())

    assert await asyncio.wait_for(small, 5)


async def test_first_come_first_served_even_if_a_later_one_would_fit(gate):
    inside = await tried(gate, 60)
    large = await tried(gate, 90)
    small = await tried(gate, 10)

    assert (False, False) == (large.done(), small.done())

    gate.leave(inside.result())
    await asyncio.wait_for(asyncio.gather(large, small), 5)


async def test_one_who_gives_up_waiting_leaves_no_hole(gate):
    inside = await tried(gate, 100)
    gone = await tried(gate, 100)
    gone.cancel()
    after = await tried(gate, 100)
    gate.leave(inside.result())

    assert await asyncio.wait_for(after, 5)
    assert "waiting=0" in repr(gate)


async def test_one_who_gives_up_at_the_moment_it_gets_in_leaves_no_hole(gate):
    inside = await tried(gate, 100)
    gone = await tried(gate, 100)
    gate.leave(inside.result())
    gone.cancel()
    after = await tried(gate, 100)

    assert await asyncio.wait_for(after, 5)


async def test_a_place_is_given_back_to_others_while_its_write_goes_on():
    gate = Gate(100, hold=0.001)
    stuck = await tried(gate, 100)
    other = await tried(gate, 100)

    assert await asyncio.wait_for(other, 5)
    assert stuck.result().timer is None


async def test_a_place_is_left_only_once():
    gate = Gate(100, hold=0.001)
    in_overtime = await gate.enter(100, nothing)
    other = await gate.enter(100, nothing)
    gate.leave(in_overtime)
    gate.leave(in_overtime)
    gate.leave(other)
    gate.leave(other)

    assert "<Gate bytes=0/100 overtime=0 waiting=0>" == repr(gate)


async def crowd(gate, ended):
    """Fill the overtime of *gate*; each gets in when the one before has run over."""
    return [
        await gate.enter(100, lambda number=number: ended.append(number))
        for number in range(OVERTIME + 1)
    ]


async def test_when_overtime_is_crowded_the_write_longest_in_it_is_ended_for_who_waits():
    gate, ended = Gate(100, hold=0.001, chance=0.01), []
    places = await crowd(gate, ended)
    waiting = await tried(gate, 100)
    for _ in range(5000):
        if ended:
            break
        await asyncio.sleep(0.001)

    assert ([0], False) == (ended, waiting.done())

    gate.leave(places[0])

    assert await asyncio.wait_for(waiting, 5)


async def test_a_write_in_crowded_overtime_has_its_chance_first():
    gate, ended = Gate(100, hold=0.001, chance=60), []
    places = await crowd(gate, ended)
    waiting = await tried(gate, 100)
    await asyncio.sleep(0.02)

    assert ([], False) == (ended, waiting.done())

    gate.leave(places[3])

    assert await asyncio.wait_for(waiting, 5)


async def test_if_nobody_waits_nobody_is_ended():
    gate, ended = Gate(100, hold=0.001, chance=0), []
    await crowd(gate, ended)
    await asyncio.sleep(0.02)

    assert [] == ended


async def test_one_write_alone_is_never_too_much():
    gate, ended = Gate(1, hold=0.001, chance=0), []
    await gate.enter(1000, lambda: ended.append("large"))
    second = await tried(gate, 1)

    assert await asyncio.wait_for(second, 5)
    assert [] == ended


async def test_a_large_write_holds_its_place_longer():
    gate = Gate(HELD_BYTES * 4, hold=60)
    places = [await gate.enter(size, nothing) for size in (1, HELD_BYTES * 3)]
    small, large = (place.timer.when() for place in places)

    assert large - small > 60


async def test_those_who_write_the_same_go_one_after_the_other_without_keeping_others_out(gate):
    """The first in line brings along all that wait for the same; who comes later waits again."""
    order = []

    async def write(content, name):
        place = await gate.enter(100, nothing, content)
        order.append(name)
        if name == "a1":
            tasks.append(asyncio.create_task(write("a", "a3")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.leave(place)

    inside = await tried(gate, 100)
    waiting = [("a", "a1"), ("b", "b1"), ("c", "c1"), ("a", "a2"), ("b", "b2")]
    tasks = [asyncio.create_task(write(*one)) for one in waiting]
    await asyncio.sleep(0)
    gate.leave(inside.result())
    while len(order) < len(waiting) + 1:
        await asyncio.wait_for(asyncio.sleep(0), 5)
    await asyncio.gather(*tasks)

    assert ["a1", "a2", "b1", "b2", "c1", "a3"] == order


async def test_what_writes_are_copied_from_counts_once_for_all_of_them():
    size = 100 // CONTENTS
    gate = Gate(100, hold=60)
    inside = [await tried(gate, size, content="a") for _ in range(CONTENTS)]

    assert [True] * (CONTENTS - 1) + [False] == [one.done() for one in inside]


async def test_different_contents_wait_for_each_other_sooner_than_equal_ones():
    """So that those who have the same come together, and its bytes are made once for them."""
    size = 100 // CONTENTS
    gate = Gate(100, hold=60)
    first = await tried(gate, size, content="a")
    other = await tried(gate, size, content="b")
    same = await tried(gate, size, content="b")

    assert (True, False, False) == (first.done(), other.done(), same.done())

    gate.leave(first.result())
    places = await asyncio.wait_for(asyncio.gather(other, same), 5)
    for place in places:
        gate.leave(place)

    assert "<Gate bytes=0/100 overtime=0 waiting=0>" == repr(gate)


async def test_a_content_whose_write_runs_over_keeps_no_other_one_out():
    gate = Gate(100, hold=0.001)
    stuck = await tried(gate, 50, content="a")
    other = await tried(gate, 50, content="b")

    assert await asyncio.wait_for(other, 5)
    assert stuck.result().timer is None


async def test_one_who_gives_up_at_the_moment_it_gets_in_leaves_its_content_to_nobody(gate):
    inside = await tried(gate, 50, content="a")
    gone = await tried(gate, 50, content="b")
    gate.leave(inside.result())
    gone.cancel()
    after = await tried(gate, 50, content="c")

    assert await asyncio.wait_for(after, 5)
