"""Memory is given back when it is quiet after large messages, and not for small ones."""

import asyncio

from gitsource.publish.sending.giveback import LARGE, WORTH, GiveBack, trim


class Given(list):
    """How often memory was given back, and whether it was since one looked."""

    def __init__(self):
        self.just_now = asyncio.Event()

    def __call__(self):
        self.append(1)
        self.just_now.set()

    async def once_more(self):
        async with asyncio.timeout(10):
            await self.just_now.wait()
        self.just_now.clear()


async def test_memory_is_given_back_once_for_many_large_messages():
    given = Given()
    memory = GiveBack(given, quiet=0.05)
    for _ in range(10):
        memory.moved(WORTH)
    await given.once_more()
    await asyncio.sleep(0.2)

    assert [1] == given


async def test_it_is_given_back_again_after_the_next_wave():
    given = Given()
    memory = GiveBack(given, quiet=0.01)
    for _ in range(2):
        memory.moved(WORTH)
        await given.once_more()

    assert [1, 1] == given


async def test_nothing_is_given_back_while_messages_move():
    """The last message decides, not the first."""
    given = Given()
    memory = GiveBack(given, quiet=60)
    memory.moved(WORTH)
    memory.moved(LARGE)
    await asyncio.sleep(0.05)

    assert not given
    assert "waits=True" in repr(memory)


async def test_small_messages_are_not_worth_it():
    memory = GiveBack(list, quiet=0)
    for _ in range(2 * WORTH // LARGE):
        memory.moved(LARGE - 1)

    assert "moved=0 waits=False" in repr(memory)


def test_the_c_library_is_asked_for_it_wherever_we_run():
    """Where it knows no such call, nothing happens."""
    assert trim() is None
