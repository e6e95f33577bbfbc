"""
The audit log's place in a running gitsource: the first thing that begins and the last that ends.

Rule: what must not go out while nothing can be written is held back here, for everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from gitsource.observe.audit.log import AuditLog, State
from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
from gitsource.settings.keeping import Audit


class Audited:
    """Where happenings go, and whether new ones may happen at all."""

    def __init__(self) -> None:
        self._log: AuditLog | None = None
        self.record: Record = unrecorded

    def begin(
        self,
        stack: contextlib.AsyncExitStack,
        settings: Audit,
        state: Path,
        writable: Callable[[], None],
    ) -> None:
        """
        Write down what happens from now until *stack* is left; call *writable* on a recovery.

        Raises StateError for a log that cannot be begun.
        """
        if not settings.enabled:
            return
        path = Path(settings.file) if settings.file else state / "audit" / "audit.jsonl"
        loop = asyncio.get_running_loop()

        def changed() -> None:
            if not audit.failure:
                writable()

        audit = self._log = AuditLog(settings, path, lambda: _later(loop, changed))
        self.record = audit.record
        audit.start()
        stack.push_async_callback(asyncio.to_thread, audit.close)
        facts: dict[str, Fact] = {"version": version("gitsource"), "pid": os.getpid()}
        self.record(Happening("start", outcome="ok", facts=facts))
        stack.callback(self.record, Happening("stop", outcome="ok", facts=facts))

    @property
    def state(self) -> State:
        """How the log stands."""
        return self._log.state if self._log is not None else State()

    def closed(self) -> str:
        """Return why nothing new may be served now; empty: it may."""
        stopped = self._log is not None and self._log.stopped
        return "nothing new is served while the audit log cannot be written" if stopped else ""


def _later(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have *loop* make a call of another thread's, if it still runs."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
