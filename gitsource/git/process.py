"""
One running git process: its pipes, its deadline, and how it is ended with all its children.

Rule: nothing here blocks for longer than the deadline. All three pipes are served from one loop, so
neither side can wait for the other for ever; the process leads a session of its own, and its group
is killed before the leader is reaped, so the number cannot belong to someone else by then.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Event
from typing import Any

from gitsource.errors import GitFailed, MirrorError, RemoteUnreachable
from gitsource.git.verbs import Command

_CHUNK = 1 << 20
_TAIL = 8192
_GRACE = 5.0
"""Seconds a process may take to end after it has closed its output."""
_GLANCE = 0.5
"""Seconds after which who waits looks whether anybody still wants an answer."""
_LAST_WORDS = 0.3
"""Seconds that standard error may stay open after a process has ended."""


@dataclass(frozen=True)
class Limits:
    """What one git process, and each of its children, may take."""

    file_bytes: int = 16 << 30
    """The largest file it may write: an endless pack ends here."""
    memory_bytes: int = 4 << 30
    """The most data it may hold in memory (packs that are mapped to be read do not count)."""


class Ending:
    """Whether every step is to end, whatever it waits for: any thread may say so."""

    def __init__(self) -> None:
        self._wanted = Event()

    def __reduce__(self) -> tuple[type[Ending], tuple[()]]:
        return Ending, ()  # worker processes are ended by other means

    def want(self) -> None:
        """Have every step end, those to come as well."""
        self._wanted.set()

    @property
    def wanted(self) -> bool:
        """Whether that was said."""
        return self._wanted.is_set()


class EndedEarlyError(Exception):
    """A long-lived process ended while an answer was awaited; *stderr* may say why."""

    def __init__(self, command: Command, stderr: bytes) -> None:
        super().__init__(f"{command.program} {command.step} ended unexpectedly")
        self.command = command
        self.stderr = stderr


class Process:
    """
    A git process and a conversation with it.

    Not for more than one thread. Every wait ends after *timeout* seconds with the group killed and
    RemoteUnreachable (if the command talks to a remote) or GitFailed raised.
    """

    def __init__(
        self,
        start: Callable[[int | None], Any],
        command: Command,
        timeout: float,
        limits: Limits,
        *,
        talks: bool,
        ending: Ending | None = None,
    ) -> None:
        self._command, self._timeout = command, timeout
        self._ending = ending or Ending()
        self._code: int | None = None
        try:
            # Kept, since GitPython ends the process when this object goes.
            self._handle = start(PIPE if talks else None)
        except Exception as error:  # GitPython's own errors cannot be named before it is imported
            raise GitFailed(
                f"{command.program} {command.step} could not be started: {error}"
            ) from error
        self._popen: Popen[bytes] = self._handle.proc
        _limit(self.pid, limits)
        self._out = b""
        self._at = 0
        self._to_send = b""
        self._end_input = False
        self.stderr = b""
        """The last part of what it wrote to standard error."""
        self._poll = select.poll()
        self._open: dict[int, Any] = {}
        for pipe in (self._popen.stdout, self._popen.stderr):
            self._watch(pipe, select.POLLIN)
        self._input = -1
        if self._popen.stdin is not None:
            self._input = self._popen.stdin.fileno()
            os.set_blocking(self._input, False)
        self._started = time.monotonic()

    def __repr__(self) -> str:
        return f"<git {self._command.step} pid={self._popen.pid} code={self._code}>"

    @property
    def pid(self) -> int:
        """The process, and its group and session."""
        return self._popen.pid

    def _watch(self, pipe: Any, events: int) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._open[pipe.fileno()] = pipe
        self._poll.register(pipe.fileno(), events)

    # ------------------------------------------------------------------ sending

    def send(self, data: bytes) -> None:
        """Queue *data* for its standard input; it goes out now or while answers are read."""
        self._to_send = self._to_send + data if self._to_send else data
        self._write()

    def end_input(self) -> None:
        """Close its standard input once everything queued has gone out."""
        self._end_input = True
        self._write()

    def _write(self) -> None:
        pipe = self._popen.stdin
        if pipe is None or pipe.closed:
            return
        try:
            while self._to_send:
                self._to_send = self._to_send[os.write(self._input, self._to_send) :]
        except BlockingIOError:
            if self._input not in self._open:
                self._watch(pipe, select.POLLOUT)
            return
        except BrokenPipeError:
            self._to_send = b""  # it has ended: reading will tell why
            self._end_input = True
        if self._input in self._open:
            self._forget(self._input)
        if self._end_input:
            with suppress(OSError):
                pipe.close()

    def _forget(self, number: int) -> None:
        self._poll.unregister(number)
        del self._open[number]

    # ------------------------------------------------------------------ reading

    def _more(self, deadline: float) -> bool:
        """Wait for output and add it to the buffer; False at the end of it."""
        stdout = self._popen.stdout
        if stdout is None or stdout.fileno() not in self._open:
            return False
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._too_slow()  # however busily it talks on standard error
            if self._ending.wanted:
                raise self._unwanted()
            ready = self._poll.poll(min(left, _GLANCE) * 1000)
            for number, _ in ready:
                if number == self._input:
                    self._write()
                    continue
                data = self._read(number)
                if number != stdout.fileno():
                    self.stderr = (self.stderr + data)[-_TAIL:]
                elif data:
                    self._out = self._out[self._at :] + data
                    self._at = 0
                    return True
                elif number not in self._open:
                    return False

    def _read(self, number: int) -> bytes:
        try:
            data = os.read(number, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self._forget(number)
        return data

    def _too_slow(self) -> MirrorError:
        self.kill()
        remote = self._command.remote
        text = (
            f"{self._command.program} {self._command.step} did not answer within "
            f"{self._timeout:g} s and was killed"
        )
        if remote is None:
            return GitFailed(text, hint="the disk may be slow; raise repository.timeout")
        return RemoteUnreachable(
            f"{text}: {remote.url}",
            hint="check the network and the Git host, or raise repository.timeout",
        )

    def _unwanted(self) -> MirrorError:
        self.kill()
        step = f"{self._command.program} {self._command.step}"
        return GitFailed(f"{step} was ended: gitsource is stopping")

    def line(self) -> bytes:
        """Return the next line, without its end; raises EndedEarlyError if there is none."""
        return self.until(b"\n")

    def until(self, mark: bytes) -> bytes:
        """Return everything before the next *mark* (one byte), and pass over it."""
        deadline = time.monotonic() + self._timeout
        searched = self._at
        while (end := self._out.find(mark, searched)) < 0:
            searched = len(self._out) - self._at
            if not self._more(deadline):
                raise self._ended()
        found = self._out[self._at : end]
        self._at = end + 1
        return found

    def exactly(self, size: int) -> bytes:
        """Return the next *size* bytes; raises EndedEarlyError if it ends before."""
        deadline = time.monotonic() + self._timeout
        if len(self._out) - self._at < size:
            parts = [self._out[self._at :]]
            have = len(parts[0])
            self._out, self._at = b"", 0
            while have < size:
                if not self._more(deadline):
                    raise self._ended()
                part = self._out[: size - have]
                self._at = len(part)
                have += len(part)
                parts.append(part)
                if have < size:
                    self._out, self._at = b"", 0
            return b"".join(parts)
        found = self._out[self._at : self._at + size]
        self._at += size
        return found

    def _ended(self) -> EndedEarlyError:
        self._last_words()
        return EndedEarlyError(self._command, self.stderr)

    def chunks(self) -> Iterator[bytes]:
        """Yield its output as it comes, each piece within the deadline, until it ends."""
        while self._more(time.monotonic() + self._timeout):
            data, self._out, self._at = self._out, b"", 0
            yield data

    def read_all(self, most: int) -> bytes:
        """Return its whole output; the deadline counts from its start."""
        parts, size = [], 0
        while self._more(self._started + self._timeout):
            parts.append(self._out)
            size += len(self._out)
            self._out, self._at = b"", 0
            if size > most:
                self.kill()
                who = f"{self._command.program} {self._command.step}"
                raise GitFailed(f"{who} printed more than {most} bytes")
        return b"".join(parts)

    # ------------------------------------------------------------------ ending

    def finish(self) -> int:
        """Wait until it has ended, kill what it left behind, and return its exit code."""
        if self._code is None:
            if not self._exited(_GRACE):
                raise self._too_slow()
            self._last_words()
            self._reap()
        assert self._code is not None  # noqa: S101  # set by _reap
        return self._code

    def _last_words(self) -> None:
        """Wait a moment for what git's children (ssh) still have to say: it is the reason."""
        stderr = self._popen.stderr
        until = time.monotonic() + _LAST_WORDS
        poll = select.poll()
        while stderr is not None and stderr.fileno() in self._open:
            poll.register(stderr, select.POLLIN)
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return
            self.stderr = (self.stderr + self._read(stderr.fileno()))[-_TAIL:]

    def _exited(self, seconds: float) -> bool:
        """Wait for the leader to end, without reaping it."""
        deadline = time.monotonic() + seconds
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):
                watched = os.pidfd_open(self.pid)
                try:
                    poll = select.poll()
                    poll.register(watched, select.POLLIN)
                    return bool(poll.poll(seconds * 1000))
                finally:
                    os.close(watched)
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def kill(self) -> None:
        """Kill the whole group, at once."""
        self._reap()

    def _reap(self) -> None:
        if self._code is not None:
            return
        # The leader is not reaped yet, so the group's number is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._code = self._popen.wait()
        stderr = self._popen.stderr
        if stderr is not None and not stderr.closed and stderr.fileno() in self._open:
            while data := self._read(stderr.fileno()):
                self.stderr = (self.stderr + data)[-_TAIL:]

    def close(self) -> None:
        """End it, however far it is, and let go of its pipes."""
        self._reap()
        self._open.clear()
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _limit(pid: int, limits: Limits) -> None:
    """
    Limit a process, and what it has started by now; what it starts later inherits the limits.

    From outside, since nothing may run between fork and exec in a program with threads.
    """
    if not hasattr(resource, "prlimit"):
        return
    with suppress(ProcessLookupError, PermissionError):
        for what, most in (
            (resource.RLIMIT_FSIZE, limits.file_bytes),
            (resource.RLIMIT_DATA, limits.memory_bytes),
        ):
            _, hard = resource.prlimit(pid, what)
            soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, what, (soft, hard))
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            _limit(int(child), limits)
