"""
A state directory belongs to one process at a time.

Rule: whoever writes in it holds the lock, which the system lets go of when the process ends,
however it ends. One that cannot be written, and has a last good snapshot, is served from all the
same: what is there is better than nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitsource.errors import StateError


@contextmanager
def locked(state: Path) -> Iterator[str]:
    """
    Hold *state*, made if it is not there, for this process alone; raises StateError.

    Gives why nothing can be written there; empty: it can.
    """
    unwritable = ""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        unwritable = f"the state directory {state} cannot be written: {error.strerror}"
        found = _readable(state)
        if found is None:
            raise StateError(
                f"the state directory {state} cannot be used: {error.strerror}",
                hint="make it writable for this user, or name another with --state-dir",
            ) from error
        handle = found
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"another gitsource uses {state}",
                hint="give each instance a state directory of its own",
            ) from error
        yield unwritable or _unwritable(state)
    finally:
        os.close(handle)


def _readable(state: Path) -> int | None:
    """Return what to lock of a directory that cannot be written and has something to serve."""
    if not any((state / "history").glob("[0-9]*.log")):
        return None
    for place in (state / "lock", state):
        with suppress(OSError):
            return os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _unwritable(state: Path) -> str:
    """Return why nothing can be made in *state*, although the lock could be opened."""
    there = [folder for folder in (state, state / "history") if folder.exists()]
    closed = [folder for folder in there if not os.access(folder, os.W_OK | os.X_OK)]
    return f"the state directory {closed[0]} cannot be written: Permission denied" if closed else ""
