"""
The audit log: happenings taken down by a thread of its own, and what becomes of it when it cannot.

Rule: `record` costs an addition to a bounded queue: it never waits and never raises. One thread
writes, in batches, gives way to the event loop between lines, and goes on trying while it fails;
what did not fit the queue meanwhile is counted, and the first line after it says how much is
missing. Whether others go on meanwhile is theirs to ask: `stopped`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitsource.observe.audit.crowd import Crowd
from gitsource.observe.audit.file import AuditFile, Head
from gitsource.observe.audit.lines import GAP, TORN, digest, encoded
from gitsource.observe.audit.repeats import Repeats
from gitsource.observe.happenings import Fact, Happening
from gitsource.settings.keeping import Audit

log = logging.getLogger("gitsource.audit")

PAUSE = 0.1
"""Seconds in which lines gather before they are written: a thread that wakes more often costs more
by waking than by writing, and keeps the event loop waiting for the interpreter."""
BATCH = 1000
"""Lines written at once."""
STINT = 16
"""Lines encoded before the event loop gets its turn."""
RETRY = 1.0
"""Seconds between attempts while the log cannot be written."""
SYNC_EVERY = 1.0
"""Seconds between flushes with ``fsync: interval``, and between writes of the head."""
GRACE = 5.0
"""Seconds that the last lines get at the end."""

Item = tuple[float, str, Happening]
"""When, as which event, and what."""


@dataclass(frozen=True, slots=True)
class State:
    """How the log stands."""

    file: str = ""
    """Empty: none is kept."""
    head: str = ""
    """``SEQ:HASH`` of the last line: what a witness elsewhere may keep."""
    failure: str = ""
    """Why it cannot be written; empty: it can."""
    since: float = 0.0
    """Since when, in seconds since the epoch."""
    stopped: bool = False
    """Whether nothing new is served because of that."""
    waiting: int = 0
    """Lines that are not written yet."""
    written: int = 0
    """Lines written since the start."""
    lost: int = 0
    """Happenings of which there is no line since the start: the queue was full."""


class AuditLog:
    """
    The log at *path*, written as *settings* say.

    *changed* is called, in the log's own thread, when it fails and when it works again.
    """

    def __init__(
        self,
        settings: Audit,
        path: Path,
        changed: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.time,
        retry: float = RETRY,
        gather: float = PAUSE,
    ) -> None:
        self._settings = settings
        self._file = AuditFile(path, settings.keep)
        self._changed = changed
        self._clock = clock
        self._retry = retry
        self._gather = gather
        self._queue: deque[tuple[float, Happening]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._counting = threading.Lock()
        self._failure = ""
        self._overrun = False
        self._since = 0.0
        self._lost = 0
        self._untold = 0
        self._written = 0
        self._opened = False
        self._unflushed = False
        self._flushed_at = 0.0
        self._crowd = Crowd()
        self._repeats = Repeats(settings.lines_each)
        self._batch: list[Item] = []
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def __repr__(self) -> str:
        return f"<AuditLog {self._file.path} {self.state.head[:20]} {self._failure}>"

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    # ------------------------------------------------------------------ any thread

    def record(self, happening: Happening) -> None:
        """Take *happening* down; what does not fit the queue is counted."""
        if len(self._queue) >= self._settings.queue:
            self._too_many()
            return
        self._queue.append((self._clock(), happening))
        if not self._wake.is_set():
            self._wake.set()

    def _too_many(self) -> None:
        with self._counting:
            self._lost += 1
            self._untold += 1
            if self._overrun:
                return
            self._overrun = True
        log.error("the audit log does not keep up: what does not fit audit.queue is lost")
        self._told_failure()

    @property
    def failure(self) -> str:
        """Why the log is not being kept as it should be; empty: it is."""
        if self._failure:
            return self._failure
        if self._overrun and self._settings.on_full == "fail":
            return "it does not keep up: audit.queue is full"
        return ""

    @property
    def stopped(self) -> bool:
        """Whether nothing new may be served now."""
        return bool(self.failure) and self._settings.on_failure == "stop-new"

    @property
    def state(self) -> State:
        """How it stands."""
        failure = self.failure
        return State(
            str(self._file.path),
            str(self._file.head),
            failure,
            self._since if failure else 0.0,
            bool(failure) and self._settings.on_failure == "stop-new",
            len(self._queue) + len(self._batch),
            self._written,
            self._lost,
        )

    def close(self) -> None:
        """Write what is left, for `GRACE` seconds at most; blocks."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(GRACE)
        left = len(self._queue) + len(self._batch)
        if left:
            log.error("%d lines of the audit log could not be written", left)

    # ------------------------------------------------------------------ its own thread

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._idle())
            self._closing.wait(self._retry if self._failure else self._gather)
            self._wake.clear()
            self._work(last=False)
        self._work(last=True)
        self._file.close()

    def _idle(self) -> float | None:
        """Return how long there is nothing to do unless something happens, in seconds."""
        if self._failure or self._batch or self._queue or not self._opened:
            return 0.0
        return SYNC_EVERY if self._crowd or self._repeats or self._unflushed else None

    def _work(self, *, last: bool) -> None:
        """Write what there is, once."""
        try:
            self._open()
            self._take(last=last)
            while self._batch:
                self._write()
                self._take(last=last)
            self._settle(last=last)
        except OSError as error:
            self._fails(error.strerror or str(error))
        except Exception as error:
            log.exception("the audit log failed")
            self._fails(f"a fault in gitsource: {type(error).__name__}")
        else:
            self._works()

    def _open(self) -> None:
        if self._opened and self._file.moved():
            log.warning("the audit log %s was moved or removed: begun anew", self._file.path)
            self._file.close()
        self._file.open()
        self._opened = True

    def _take(self, *, last: bool) -> None:
        """Move what waits into the batch, many alike as one."""
        if self._batch:
            return
        now, batch = self._clock(), self._batch
        with self._counting:
            lost, self._untold = self._untold, 0
            if lost or len(self._queue) < self._settings.queue // 2:
                self._overrun = False
        if lost:
            gap = Happening("stop", why="audit.queue was full", facts={"lost": lost})
            batch.append((now, GAP, gap))
        queue = self._queue
        while queue and len(batch) < BATCH:
            at, told = queue.popleft()
            if self._crowd.admit(told, at) and self._repeats.admit(told, at):
                batch.append((at, told.event, told))
        gathered = self._crowd.due(now, now_or_never=last)
        gathered += self._repeats.due(now, now_or_never=last)
        batch.extend((now, told.event, told) for told in gathered)

    def _write(self) -> None:
        file = self._file
        if file.size and not file.torn and self._over(file):
            self._turn(file)
        seq, prev = file.head.seq, file.head.hash
        lines: list[bytes] = []
        items = self._batch
        if file.torn:
            lines.append(b"")  # ends what the crash left
            items = [(self._clock(), TORN, _torn(file.torn)), *items]
        for number, (at, event, told) in enumerate(items):
            seq += 1
            line = encoded(seq, at, event, told, prev)
            prev = digest(line)
            lines.append(line)
            if number % STINT == STINT - 1:
                time.sleep(0)
        if not file.size:
            file.first_at = self._clock()
        file.append(b"\n".join(lines) + b"\n", Head(seq, prev))
        self._written += len(items)
        self._batch.clear()
        self._unflushed = True
        if self._settings.fsync == "always":
            file.flush()

    def _over(self, file: AuditFile) -> bool:
        settings, age = self._settings, self._clock() - file.first_at
        return file.size >= settings.rotate_bytes or age >= settings.rotate_after

    def _turn(self, file: AuditFile) -> None:
        if self._settings.fsync != "never":
            file.flush()
        file.turn()
        self._unflushed = False
        file.seal(durable=self._settings.fsync != "never")

    def _settle(self, *, last: bool) -> None:
        """Flush and write the head, at most once in a while."""
        due = last or not 0 <= time.monotonic() - self._flushed_at < SYNC_EVERY
        if not (self._unflushed and due):
            return
        durable = self._settings.fsync != "never"
        if durable:
            self._file.flush()
        self._file.seal(durable=durable)
        self._unflushed, self._flushed_at = False, time.monotonic()

    def _fails(self, why: str) -> None:
        known, self._failure = self._failure, why
        if not known:
            left = (
                "nothing new is served" if self._settings.on_failure == "stop-new" else "going on"
            )
            log.error("the audit log %s cannot be written: %s; %s", self._file.path, why, left)
            self._told_failure()

    def _works(self) -> None:
        if self._failure:
            self._failure = ""
            log.warning("the audit log %s is written again", self._file.path)
            self._changed()
        elif self._since and not self.failure:
            self._changed()
        if not self.failure:
            self._since = 0.0

    def _told_failure(self) -> None:
        self._since = self._since or self._clock()
        self._changed()


def _torn(rest: bytes) -> Happening:
    facts: dict[str, Fact] = {"bytes": len(rest), "sha256": digest(rest)}
    why = "the line before was being written when gitsource ended"
    return Happening("stop", why=why, facts=facts)
