"""A commit that was announced is looked for until it is there, or half a minute is over."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from gitsource.triggers.announced import Announcements
from gitsource.triggers.coalesce import Coalescer

A, B, C = "a" * 40, "b" * 40, "c" * 40
MAIN = "refs/heads/main"


class Repository:
    """A remote whose history is a list, and a clock that a test turns."""

    def __init__(self) -> None:
        self.history = [A]
        self.pokes = 0
        self.slept: list[float] = []
        self.on_sleep = lambda: None

    def poke(self, reason: str) -> None:
        assert reason == "webhook"
        self.pokes += 1
        asyncio.get_running_loop().call_soon(lambda: self.announced.looked(self.history[-1]))

    async def contains(self, head: str, commit: str) -> bool:
        known = self.history[: self.history.index(head) + 1]
        return commit in known

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for _ in range(5):
            await asyncio.sleep(0)
        self.on_sleep()


@asynccontextmanager
async def following():
    made = Repository()
    made.announced = Announcements(
        made.poke, made.contains, clock=lambda: sum(made.slept), sleep=made.sleep
    )
    yield made
    await made.announced.close()


async def settled(turns: int = 300) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_what_is_there_at_once_is_looked_at_once():
    async with following() as made:
        made.history.append(B)
        made.announced.heard(MAIN, B)
        await settled()

        assert made.pokes == 1
        assert made.announced.status(str) is None


async def test_it_is_looked_for_every_two_seconds_until_it_is_visible():
    async with following() as made:
        made.announced.heard(MAIN, B)
        made.on_sleep = lambda: made.history.append(B) if len(made.slept) == 4 else None
        await settled()

        assert made.slept == [2.0] * 5
        assert made.pokes == 1 + 4
        assert made.announced.last is None


async def test_after_half_a_minute_an_event_is_raised_once_and_the_status_says_so(caplog):
    async with following() as made:
        made.announced.heard(MAIN, B)
        await settled()
        told = made.announced.status(str)

    assert sum(made.slept[:-1]) == 30.0
    assert made.pokes == 1 + 15
    assert told == {"ref": MAIN, "revision": B, "at": "0", "state": "missing"}
    assert caplog.text.count("announced but not visible") == 1


async def test_what_comes_after_all_clears_the_status():
    async with following() as made:
        made.announced.heard(MAIN, B)
        await settled()
        made.history += [B, C]
        made.announced.looked(C)
        await settled()

        assert made.announced.status(str) is None


async def test_a_newer_head_that_contains_it_wins():
    async with following() as made:
        made.history += [B, C]
        made.announced.heard(MAIN, B)
        await settled()

        assert made.pokes == 1
        assert made.announced.last is None


async def test_a_newer_announcement_takes_the_place_of_the_one_before():
    async with following() as made:
        made.announced.heard(MAIN, B)
        made.announced.heard(MAIN, C)

        assert made.announced.status(str)["revision"] == C
        made.history.append(C)
        await settled()
        assert made.announced.last is None


async def test_a_failed_look_says_nothing_and_an_operators_order_ends_it():
    async with following() as made:
        made.announced.heard(MAIN, B)
        made.announced.looked("")

        assert made.announced.status(str)["state"] == "awaited"
        made.announced.given_up()
        assert made.announced.status(str) is None


async def test_an_announcement_without_a_commit_is_one_look():
    async with following() as made:
        made.announced.heard(MAIN, "")
        await settled()

        assert made.pokes == 1
        assert made.slept == []


async def test_a_thousand_announcements_during_a_slow_look_end_at_the_last_head():
    """What was pushed last is found by the one look that follows the slow one."""
    remote, found = [A], []
    gate = asyncio.Event()

    async def look() -> str:
        head = remote[-1]  # a fetch sees what is there when it begins
        if not found:
            await gate.wait()
        found.append(head)
        announced.looked(head)
        return head

    async def contains(head: str, commit: str) -> bool:
        return remote.index(commit) <= remote.index(head)

    looks = Coalescer(look)
    announced = Announcements(looks.poke, contains, sleep=lambda _: asyncio.sleep(3600))
    looks.poke("poll")
    await settled(3)
    for number in range(1000):
        remote.append(f"{number:040x}")
        announced.heard(MAIN, remote[-1])
    gate.set()
    await settled()
    await announced.close()

    assert found == [A, f"{999:040x}"]
    assert announced.last is None
