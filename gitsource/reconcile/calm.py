"""
What keeps the thread that looks from stopping the one that serves: both are of one interpreter.

Rule: one waits for the other a millisecond at most, whatever is built. Python gives a thread five
until another gets its turn, and an answer takes several turns; and it walks all objects there are,
the new ones of a large revision again and again, while nobody else runs.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TURN = 0.001
"""Seconds that a thread may go on while another waits."""
NEVER = 1 << 30
MANY = 50
"""Collections of young garbage after which there are many new objects: some 7 000 for each."""


def take_turns() -> None:
    """Have threads take short turns, in this whole process."""
    sys.setswitchinterval(TURN)


@contextmanager
def most_of_it_stays() -> Iterator[None]:
    """
    Make objects most of which will stay, as those of a revision do.

    Meanwhile only young garbage is collected; afterwards what is there is not walked again.
    """
    young, middle, old = gc.get_threshold()
    before = gc.get_count()[2]
    gc.set_threshold(young, middle, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        if gc.get_count()[2] - before >= MANY:
            gc.freeze()
