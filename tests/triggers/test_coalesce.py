"""One look at a time, and none too few."""

from __future__ import annotations

import asyncio

import pytest

from gitsource.errors import GitsourceError, RemoteUnreachable
from gitsource.triggers.coalesce import Coalescer


class Looks:
    """Looks that begin and end when the test says so; each comes to its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Semaphore(0)
        self.under_way = 0
        self.most = 0
        self.failures: dict[int, BaseException] = {}

    async def look(self) -> int:
        self.begun += 1
        number = self.begun
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.acquire()
        finally:
            self.under_way -= 1
        if number in self.failures:
            raise self.failures[number]
        return number

    async def until_begun(self, number: int) -> None:
        while self.begun < number:  # noqa: ASYNC110 - one turn of the loop at a time
            await asyncio.sleep(0)


@pytest.fixture
async def looks():
    return Looks()


async def test_a_request_is_answered_by_a_run_that_started_after_it(looks):
    coalescer = Coalescer(looks.look)
    first = asyncio.create_task(coalescer.request("one"))
    await looks.until_begun(1)
    second = asyncio.create_task(coalescer.request("two"))
    await asyncio.sleep(0)
    looks.gate.release()

    assert await first == 1
    assert not second.done()

    looks.gate.release()

    assert await second == 2


async def test_a_thousand_requests_during_a_run_cause_exactly_one_more(looks):
    coalescer = Coalescer(looks.look)
    first = asyncio.create_task(coalescer.request("first"))
    await looks.until_begun(1)
    rest = [asyncio.create_task(coalescer.request(f"r{n % 3}")) for n in range(1000)]
    for _ in range(1000):
        coalescer.poke("poke")
    await asyncio.sleep(0)
    looks.gate.release()
    looks.gate.release()
    looks.gate.release()
    outcomes = await asyncio.gather(first, *rest)

    assert outcomes == [1] + [2] * 1000
    assert (looks.begun, looks.most) == (2, 1)
    assert coalescer.reasons == ("poke", "r0", "r1", "r2")


async def test_requests_in_the_same_moment_share_one_run(looks):
    coalescer = Coalescer(looks.look)
    looks.gate.release()

    assert await asyncio.gather(*(coalescer.request("x") for _ in range(5))) == [1] * 5


async def test_a_failed_run_fails_those_who_asked_for_it_and_nobody_else(looks):
    looks.failures[1] = RemoteUnreachable("no network")
    coalescer = Coalescer(looks.look)
    first = asyncio.create_task(coalescer.request("one"))
    await looks.until_begun(1)
    second = asyncio.create_task(coalescer.request("two"))
    await asyncio.sleep(0)
    looks.gate.release()
    looks.gate.release()

    with pytest.raises(RemoteUnreachable):
        await first
    assert await second == 2


async def test_a_run_that_dies_unexpectedly_is_logged_and_the_next_one_comes(looks, caplog):
    looks.failures[1] = ZeroDivisionError()
    coalescer = Coalescer(looks.look)
    looks.gate.release()
    looks.gate.release()

    with pytest.raises(ZeroDivisionError):
        await coalescer.request("one")
    assert await coalescer.request("two") == 2
    assert "died" in caplog.text


async def test_a_poke_leaves_no_exception_behind(looks, caplog):
    looks.failures[1] = RemoteUnreachable("no network")
    coalescer = Coalescer(looks.look)
    looks.gate.release()
    coalescer.poke("watch")
    await looks.until_begun(1)
    looks.gate.release()

    assert await coalescer.request("after") == 2
    assert "never retrieved" not in caplog.text


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(looks):
    coalescer = Coalescer(looks.look)
    impatient = asyncio.create_task(coalescer.request("one"))
    patient = asyncio.create_task(coalescer.request("two"))
    await looks.until_begun(1)
    impatient.cancel()
    looks.gate.release()

    assert await patient == 1
    assert impatient.cancelled()


async def test_closing_cancels_the_run_and_tells_everybody_who_waits(looks):
    coalescer = Coalescer(looks.look)
    running = asyncio.create_task(coalescer.request("one"))
    await looks.until_begun(1)
    waiting = asyncio.create_task(coalescer.request("two"))
    await asyncio.sleep(0)
    await coalescer.close()
    coalescer.poke("late")

    for task in (running, waiting, asyncio.create_task(coalescer.request("late"))):
        with pytest.raises(GitsourceError, match="stopping"):
            await task
    assert looks.under_way == 0
    assert looks.begun == 1


async def test_closing_an_idle_one_is_at_once(looks):
    await Coalescer(looks.look).close()

    assert looks.begun == 0


async def test_endless_distinct_reasons_are_not_all_remembered(looks):
    coalescer = Coalescer(looks.look)
    for number in range(100):
        coalescer.poke(f"reason {number}")
    await looks.until_begun(1)

    assert len(coalescer.reasons) == 16
    await coalescer.close()
