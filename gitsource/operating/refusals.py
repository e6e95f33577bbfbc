"""
What sinks refused, traced to the file it comes from, and to the commit and author of that file.

Rule: a NACK is told at once, and traced afterwards: Git is asked off the serving path. What is kept
is bounded; the newest refusals stay. Words of a sink and of a commit are shown, never believed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gitsource.model import Revision, Snapshot
from gitsource.observe.neutral import neutral
from gitsource.reconcile.outcomes import rfc3339
from gitsource.snapshot.reports import SinkReport

log = logging.getLogger("gitsource.operating.refusals")

KEPT = 200
"""Refusals that are remembered."""
TRACED_AT_ONCE = 16
"""Refusals whose files are being looked up; with more, the oldest of them is left without."""


@dataclass(slots=True)
class Refusal:
    """One push that a sink refused."""

    at: float
    """Seconds since the epoch."""
    report: SinkReport
    revision: str
    """The commit that was served."""
    resources: list[dict[str, Any]] = field(default_factory=list)
    """Name, file and line of each resource that the sink seems to mean; once traced, commit, author
    and subject of the last change to that file."""
    settled: bool = False
    """Whether something else is served since, or the sink is gone."""

    def as_json(self) -> dict[str, Any]:
        """Return its row of the status."""
        report = self.report
        return {
            "at": rfc3339(self.at),
            "sink": report.sink if isinstance(report.sink, str) else "",
            "peer": report.peer,
            "collection": report.requested,
            "version": report.version,
            "revision": self.revision,
            "code": report.code,
            "error": report.error,
            "settled": self.settled,
            "resources": self.resources,
        }


class Refusals:
    """The refusals of all sinks, newest first."""

    def __init__(
        self,
        serving: Callable[[], Snapshot | None],
        changed: Callable[[str, str], Awaitable[Revision | None]],
        stands: Callable[[int, str], bool],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        *stands* says whether the sink of a stream still refuses what is served of a collection, by
        the name it uses; *changed* is the last change, up to a commit, of a file.
        """
        self._serving = serving
        self._changed = changed
        self._stands = stands
        self._clock = clock
        self._known: deque[Refusal] = deque(maxlen=KEPT)
        self._open: dict[tuple[int, str], Refusal] = {}
        """By stream and requested name."""
        self._tracing: deque[asyncio.Task[None]] = deque()

    def __repr__(self) -> str:
        return f"<Refusals known={len(self._known)} open={self.open}>"

    @property
    def open(self) -> int:
        """Refusals that stand: what was refused is still served."""
        self._look()
        return len(self._open)

    def _look(self) -> None:
        """Settle what no longer stands. A sink that has nothing to answer for does not say so."""
        for key in [key for key in self._open if not self._stands(*key)]:
            self._settle(key)

    def rows(self, most: int) -> list[dict[str, Any]]:
        """Return up to *most* rows, what is open first, and the newest first among these."""
        self._look()
        ordered = sorted(self._known, key=lambda refusal: (refusal.settled, -refusal.at))
        return [refusal.as_json() for refusal in ordered[:most]]

    def heard(self, report: SinkReport) -> None:
        """Take in what happened on a stream; a listener of the cache."""
        if report.event == "nacked":
            self._refused(report)
        elif report.event == "disconnected":
            for key in [key for key in self._open if key[0] == report.stream]:
                self._settle(key)

    def _settle(self, key: tuple[int, str]) -> None:
        refusal = self._open.pop(key, None)
        if refusal is not None:
            refusal.settled = True

    def _refused(self, report: SinkReport) -> None:
        key = (report.stream, report.requested)
        self._settle(key)  # the new one is in its place
        serving = self._serving()
        refusal = Refusal(self._clock(), report, serving.revision.commit if serving else "")
        refusal.resources = [
            {"name": one.name, "file": one.origin.path, "line": one.origin.line}
            for one in report.blamed
        ]
        self._known.append(refusal)
        self._open[key] = refusal
        if refusal.resources and refusal.revision:
            if len(self._tracing) >= TRACED_AT_ONCE:
                self._tracing.popleft().cancel()
            task = asyncio.get_running_loop().create_task(self._trace(refusal), name="trace a NACK")
            self._tracing.append(task)
            task.add_done_callback(self._traced)

    def _traced(self, task: asyncio.Task[None]) -> None:
        if task in self._tracing:
            self._tracing.remove(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a NACK could not be traced", exc_info=task.exception())

    async def _trace(self, refusal: Refusal) -> None:
        for row in refusal.resources:
            change = await self._changed(refusal.revision, row["file"])
            if change is not None:
                row["commit"] = change.commit
                row["author"] = neutral(change.author)
                row["subject"] = neutral(change.subject)
            who = refusal.report.sink if isinstance(refusal.report.sink, str) else "a sink"
            by = f", commit {change.short} by {row['author']}" if change is not None else ""
            log.warning(
                "%s refuses %s: %s:%d%s",
                who,
                neutral(row["name"]),
                neutral(row["file"]),
                row["line"],
                by,
                extra={"collection": refusal.report.requested, "error": refusal.report.error},
            )

    async def close(self) -> None:
        """Stop tracing."""
        for task in tuple(self._tracing):
            task.cancel()
        await asyncio.gather(*self._tracing, return_exceptions=True)
