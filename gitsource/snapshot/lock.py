"""
A state directory belongs to one process at a time.

Rule: whoever writes in it holds the lock, which the system lets go of when the process ends,
however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitsource.errors import StateError


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold *state*, made if it is not there, for this process alone; raises StateError."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"the state directory {state} cannot be used: {error.strerror}",
            hint="make it writable for this user, or name another with --state-dir",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"another gitsource uses {state}",
                hint="give each instance a state directory of its own",
            ) from error
        yield
    finally:
        os.close(handle)
