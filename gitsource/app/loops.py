"""
What looks by itself in a running gitsource: the poll, always, and the watch where one is wanted.

Rule: the poll is never off. A watch whose events do not arrive is noticed by what the poll alone
found, and looks by itself from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gitsource.app.tasks import Tasks
from gitsource.reconcile.outcomes import Outcome
from gitsource.settings.whole import Settings
from gitsource.triggers.coalesce import Coalescer

UNSEEN = 2
"""Revisions in a row that the poll found and the watch did not: from then on it looks by itself."""


class Loops:
    """The poll and the watch of one gitsource."""

    def __init__(
        self, settings: Callable[[], Settings], looks: Coalescer[Outcome], tasks: Tasks
    ) -> None:
        self._settings = settings
        self._looks = looks
        self._tasks = tasks
        self._unseen = 0
        """Revisions in a row that were found by the poll alone."""

    def start(self) -> None:
        """Begin, or begin anew with the settings that count now."""
        for name in ("poll", "watch"):
            self._tasks.cancel(name)
        self._tasks.spawn("poll", self._poll)
        if self._settings().watch.enabled:
            self._tasks.spawn("watch", self._watch)

    def published(self, triggers: tuple[str, ...]) -> None:
        """Take in what brought news; that in which the watch had no part came without an event."""
        self._unseen = self._unseen + 1 if triggers == ("poll",) else 0

    async def _poll(self) -> None:
        from gitsource.triggers.poll import poll

        settings = self._settings().poll
        await poll(self._looks.request, settings.interval, settings.max_backoff, failed=_failed)

    async def _watch(self) -> None:
        from gitsource.triggers.followed import ref_of
        from gitsource.triggers.places import local_folder
        from gitsource.triggers.watch import watch

        self._unseen = 0
        places = {
            (folder, ref_of(repository)): None
            for repository in self._settings().repositories
            if (folder := local_folder(repository.url)) is not None
        }
        blind = lambda: self._unseen >= UNSEEN  # noqa: E731 - one answer for all of them
        await asyncio.gather(*(watch(*place, self._looks.poke, blind=blind) for place in places))


def _failed(outcome: Outcome) -> bool:
    # A layer that cannot be reached is asked less often by itself; the others are not.
    return outcome.result == "failed" and not outcome.partly
