"""
The world that a server under test lives in, if a test says so by variables: its clock, its death.

Python runs this file first when its folder is on PYTHONPATH. Nothing of gitsource is touched: the
clock is the machine's, moved; the death is a SIGKILL at the Nth thing that it does to its disk or
with another program, counted from the moment at which the file WORLD_ARMED is there.
"""

import os
import signal
import sys
import time

CLOCK = os.environ.get("WORLD_CLOCK", "")
ARMED, AT = os.environ.get("WORLD_ARMED", ""), os.environ.get("WORLD_KILL_AT", "")

if CLOCK:
    real = time.time

    def moved() -> float:
        """Return the time, moved by the seconds in the file."""
        try:
            with open(CLOCK) as file:  # noqa: PTH123 - before anything else is imported
                return real() + float(file.read() or 0)
        except (OSError, ValueError):
            return real()

    time.time = moved

STATE = os.environ.get("WORLD_STATE", "\0")
done = 0


def _touches(event: str, args: tuple[object, ...]) -> bool:
    if event == "subprocess.Popen":
        return True
    if event == "open":
        path, _, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return bool(writes) and str(path).startswith(STATE)
    return event in ("os.rename", "os.remove", "os.truncate", "os.mkdir", "sqlite3.connect")


def _watch(event: str, args: tuple[object, ...]) -> None:
    global done  # noqa: PLW0603 - one counter a process
    if _touches(event, args) and os.access(ARMED, os.F_OK):
        done += 1
        if done == int(AT):
            os.kill(os.getpid(), signal.SIGKILL)


if AT:
    sys.addaudithook(_watch)
