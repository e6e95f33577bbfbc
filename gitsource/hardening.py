"""
What a serving process gives up before it reads a secret: core dumps, debuggers, loose modes.

Rule: nothing here can keep a server from starting: what the system does not have, or does not
allow, is a warning. A state directory that others could read is tightened, if it is ours.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import stat
import sys
from pathlib import Path

log = logging.getLogger("gitsource.app")

PR_SET_DUMPABLE = 4
"""Of prctl(2): whether others may attach, or read the memory; and whether there is a core."""
PRIVATE = 0o077
"""What our files never have: rights of group and others."""


def harden() -> None:
    """Give up what a server does not need; what it starts from now on inherits most of it."""
    os.umask(PRIVATE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        log.warning("core dumps cannot be turned off: %s", error)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            log.warning("memory stays readable for this user: %s", os.strerror(number))


def tighten(state: Path) -> None:
    """Take group's and others' rights off *state*; say so where that is not ours to do."""
    try:
        found = state.stat()
    except OSError:
        return  # it cannot be used, which the one who uses it will say
    mode = stat.S_IMODE(found.st_mode)
    if not mode & PRIVATE:
        return
    try:
        state.chmod(mode & ~PRIVATE & 0o7777)
    except OSError:
        if mode & 0o007:
            log.warning(
                "others may enter the state directory %s (mode %04o), and it is not ours to close: "
                "what is made in it is for this user alone",
                state,
                mode,
            )
    else:
        log.warning("the state directory %s was open to others (mode %04o): closed", state, mode)
