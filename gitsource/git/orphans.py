"""
Git processes that outlive a gitsource that was killed, found again and ended.

Rule: a git that changes the mirror holds a certain file open from its first moment on, and so does
what it starts; the file is there only while one runs. Whoever opens the mirror next and finds it
ends all who still hold it. The kernel keeps these books: there is no moment at which a git runs and
is not known, and no process number that could by now mean someone else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WAIT = 2.0
"""Seconds to wait for killed processes to be gone."""


@contextmanager
def held(mark: Path) -> Iterator[int]:
    """Have *mark* while the block runs; yields the descriptor that a git has to inherit."""
    number = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield number
    finally:
        mark.unlink(missing_ok=True)
        os.close(number)


def end(mark: Path) -> int:
    """End what a predecessor left running; returns how many processes that were."""
    if not os.path.lexists(mark):
        return 0
    ended: set[int] = set()
    until = time.monotonic() + _WAIT
    # Asked again and again, since one that was just being started is found by the next look only.
    while (found := _holders(mark)) and time.monotonic() < until:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
        time.sleep(0.01)
    mark.unlink(missing_ok=True)
    return len(ended)


def _holders(mark: Path) -> set[int]:
    """Return the processes that hold *mark*, and those of the sessions that these lead."""
    found: set[int] = set()
    sessions: dict[int, int] = {}
    for process in Path("/proc").glob("[1-9]*"):
        pid = int(process.name)
        with suppress(OSError):
            sessions[pid] = os.getsid(pid)
            if pid != os.getpid() and any(_same(each, mark) for each in _open_files(process)):
                found.add(pid)
    # ssh closes what it inherits, so it does not hold the mark; its git leads its session.
    return found | {pid for pid, session in sessions.items() if session in found}


def _open_files(process: Path) -> Iterator[Path]:
    """Yield the descriptors of *process*; none if it is not ours to look at."""
    with suppress(OSError):
        yield from (process / "fd").iterdir()


def _same(descriptor: Path, mark: Path) -> bool:
    with suppress(OSError):
        # By name first: asking what lies behind any descriptor could take for ever.
        if descriptor.readlink().name == mark.name:
            return descriptor.samefile(mark)
    return False
