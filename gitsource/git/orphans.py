"""
Git processes that outlive a gitsource that was killed, found again and ended.

Rule: a process that changes the mirror is written down while it runs; whoever opens the mirror next
ends it first. A number alone proves nothing (numbers are used again, and mean something else in
another container), so the boot, the process namespace and the start time are compared as well.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_WAIT = 2.0
"""Seconds to wait for killed processes to be gone."""


def note(journal: Path, pid: int) -> None:
    """Write down that *pid*, the leader of a session, works on the mirror."""
    started = _stat(pid)
    if started is not None:
        journal.write_text(f"{_here()} {pid} {started[1]}\n", encoding="utf-8")


def forget(journal: Path) -> None:
    """The process has ended."""
    journal.unlink(missing_ok=True)


def end(journal: Path) -> int:
    """End what a predecessor left running; returns how many processes that were."""
    try:
        here, pid, started = journal.read_text(encoding="utf-8").rsplit(maxsplit=2)
        session, since = int(pid), int(started)
    except (OSError, ValueError):
        journal.unlink(missing_ok=True)
        return 0
    members = _members(session, since) if here == _here() else []
    for member in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)
    until = time.monotonic() + _WAIT
    while members and _members(session, since) and time.monotonic() < until:
        time.sleep(0.01)
    journal.unlink(missing_ok=True)
    return len(members)


def _members(session: int, since: int) -> list[int]:
    """Return the living processes of *session*, if its leader is the one that was written down."""
    leader = _stat(session)
    if leader is not None and leader[1] != since:
        return []
    found = []
    for name in (path.name for path in Path("/proc").glob("[1-9]*")):
        told = _stat(int(name)) if name.isdigit() else None
        if told is not None and told[0] == session and told[1] >= since:
            found.append(int(name))
    return found


def _stat(pid: int) -> tuple[int, int] | None:
    """Return session and start time (in ticks since boot) of a process that is no zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in {"Z", "X"} else (int(fields[3]), int(fields[19]))


def _here() -> str:
    """Return which boot and which process namespace this is."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown"
