"""
The safety net under all other triggers: looking again and again.

Rule: it never stops. After a failure the pause doubles up to a bound, after a success it is the
interval again; each pause is spread by a tenth so that replicas do not march in step.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gitsource.errors import GitsourceError

log = logging.getLogger("gitsource.triggers")

T = TypeVar("T")

SPREAD = 0.1
"""Share of the pause by which it may be shorter or longer."""
_DOUBLINGS = 32
"""Beyond this many the bound has long been reached, and a float would overflow one day."""


def pause(interval: float, max_backoff: float, failures: int, draw: float) -> float:
    """
    Return how many seconds to wait after *failures* in a row.

    *draw* in [0, 1) places the pause between -10 % and +10 %. A bound below the interval is the
    interval: backing off never looks more often.
    """
    doubled = interval * 2.0 ** min(failures, _DOUBLINGS)
    bounded = min(doubled, max(max_backoff, interval))
    return bounded * (1 - SPREAD + 2 * SPREAD * draw)


async def poll(
    look: Callable[[str], Awaitable[T]],
    interval: float,
    max_backoff: float,
    *,
    failed: Callable[[T], bool] = lambda _outcome: False,
    draw: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """
    Call *look* (and wait for it) after each pause, for ever; the first pause comes first.

    A look has failed if it raises a `GitsourceError` or if *failed* says so of its outcome. Other
    exceptions are logged and count as failures too: the net must not tear.
    """
    failures = 0
    while True:
        await sleep(pause(interval, max_backoff, failures, draw()))
        try:
            ill = failed(await look("poll"))
        except GitsourceError as error:
            log.debug("polling failed: %s", error)
            ill = True
        except Exception:
            log.exception("polling failed unexpectedly")
            ill = True
        failures = failures + 1 if ill else 0
