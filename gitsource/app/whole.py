"""
The composition root: settings become named parts, started in order.

Rule: everything is made and wired in this folder and nowhere else. What serves comes first: the
last good snapshot is on the wire before Git is looked at, and what is slow to import (HTTP,
watchdog, metrics) is loaded in a thread after that. Stopping goes the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import signal
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

from gitsource.app.audited import Audited
from gitsource.app.catalogs import Catalogs, named
from gitsource.app.http import HttpDoors, fit
from gitsource.app.loops import Loops
from gitsource.app.reloaded import taken_over
from gitsource.app.sinks import SinkSide
from gitsource.app.tasks import Tasks
from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.git import changes
from gitsource.hardening import harden, tighten
from gitsource.observe import logs
from gitsource.observe.telemetry import Gauges, Telemetry
from gitsource.operating.deliveries import Deliveries
from gitsource.operating.operations import Operations
from gitsource.operating.refusals import Refusals
from gitsource.operating.revisions import Revisions
from gitsource.operating.sinks import Sinks
from gitsource.reconcile.calm import take_turns
from gitsource.reconcile.chronicle import Chronicle
from gitsource.reconcile.ground import Place
from gitsource.reconcile.mirrors import mirrors, packed
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.reconciler import Reconciler
from gitsource.recording import Recording
from gitsource.settings.whole import Settings
from gitsource.settings_checks.plaintext import Crossing, crossings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from gitsource.snapshot.lock import locked
from gitsource.snapshot.reports import SinkReport
from gitsource.triggers.announced import Announcements
from gitsource.triggers.coalesce import Coalescer
from gitsource.triggers.ledger import Ledger

log = logging.getLogger("gitsource.app")

SINKS_FIRST = 0.1
"""Seconds after a restart that belong to sinks that come back: Git and HTTP wait for that long."""


class App:
    """One running gitsource."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reload = reload
        self._stop = asyncio.Event()
        self._tasks = Tasks()
        self._audited = Audited()
        self._failure: GitsourceError | None = None
        self._waiting: tuple[str, ...] = ()
        """Settings that were changed and need a restart."""

    async def run(self) -> None:
        """
        Serve until SIGTERM or SIGINT.

        Raises ConfigurationError for an address that is taken and StateError for a state directory
        that cannot be used; nothing is served then.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._loops.start()
            self._signals()
            await self._stop.wait()
            self.reconciler.stop()
            log.info("draining")

    @property
    def failure(self) -> GitsourceError | None:
        """What made it stop by itself, if anything did."""
        return self._failure

    # ------------------------------------------------------------------ starting, in order

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self._settings
        state = Path(settings.state_dir)
        tighten(state)
        unwritable = stack.enter_context(locked(state))
        self.cache = SnapshotCache()
        self._audited.begin(stack, settings.audit, state, lambda: self.looks.poke("audit"))
        self.telemetry = Telemetry(self._gauges, version=version("gitsource"))
        self.cache.listen(self._count)
        self.catalogs = Catalogs(settings)
        _warn(crossings(settings))
        self.sinks = SinkSide(self.cache, lambda: self.catalogs.now, self._audited)
        mirror = mirrors(settings)
        history = History(state / "history", keep=settings.keep.revisions)
        blobs = BlobCache(state / "blobs.sqlite")
        self.reconciler = Reconciler(settings, mirror, history, blobs, self.cache, self.catalogs.at)
        self.recording = Recording(self._audited.record, self._committer)
        stack.push_async_callback(self.recording.close)
        self._recorded()
        self.looks: Coalescer[Outcome] = Coalescer(self._look)
        self._loops = Loops(lambda: self._settings, self.looks, self._tasks)
        self.announced = Announcements(self.looks.poke, self.reconciler.contains)
        stack.push_async_callback(self.announced.close)
        self.ledger = Ledger(state / "webhooks.json")
        self.chronicle = Chronicle(state / "revisions.jsonl")
        stack.push_async_callback(self.chronicle.close)
        self.refusals = Refusals(self.cache.get, self.reconciler.last_change, self.sinks.refuses)
        self.cache.listen(self.refusals.heard)
        stack.push_async_callback(self.refusals.close)
        self.operations = Operations(
            self.reconciler,
            self.cache,
            self.looks.request,
            lambda: self.catalogs.now,
            Sinks(self.cache, self.sinks.sessions, self.refusals, self.sinks.alarms),
            Deliveries(self.ledger, self.announced),
            Revisions(self.reconciler, self.chronicle),
            lambda: self._audited.state,
            lambda: self.sinks.server.shared.access.status(self.cache.get()),
            lambda: self.sinks.door,
            lambda: self._waiting,
            self._papers,
        )
        self.doors = HttpDoors(
            lambda: self._settings, self.operations, self.telemetry, self._audited.record
        )
        stack.push_async_callback(self.reconciler.close)

        serving = self.reconciler.restore()
        if unwritable:
            self.reconciler.unwritable(unwritable)
        self.chronicle.serving(serving)
        self.recording.serving(serving)
        if serving is None:
            # Nothing to serve yet: the first look is what everybody waits for.
            if settings.build.workers > 1 and packed(mirror) >= settings.build.bulk:
                from gitsource import workers

                workers.get_ready()
            self.looks.poke("start")
        stack.push_async_callback(self.looks.close)
        await self.sinks.open(stack, settings, self._tasks.spawn)
        if serving is not None:
            log.info("serving %s from disk", serving.revision.short)
            # What was loaded stays: keep the collector from walking it again and again.
            gc.freeze()
            self._tasks.spawn("start", self._catch_up)
        self._tasks.spawn("remember", self._remember)
        self._tasks.spawn("admin", self._serve_http)
        stack.push_async_callback(self._tasks.end, lambda: self._failure)

    async def _catch_up(self) -> None:
        """Look at the repository, which may have moved on since what is served was written."""
        await asyncio.sleep(SINKS_FIRST)
        self.looks.poke("start")
        # Now, since otherwise the first commit would wait for it.
        for module in ("gitsource.reconcile.judging", "jsonschema_rs"):
            await asyncio.to_thread(importlib.import_module, module)

    async def _remember(self) -> None:
        """Have what became of earlier revisions at hand, once sinks had their turn."""
        await asyncio.sleep(SINKS_FIRST)
        await self.chronicle.load(await self.reconciler.kept())

    async def _serve_http(self) -> None:
        if self.reconciler.condition.serving is not None:
            await asyncio.sleep(SINKS_FIRST)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self.doors.operators(stack)
                noted = self.recording.delivered
                await self.doors.webhook(stack, self.ledger, self.announced, noted)
            except GitsourceError as error:
                self._failure = error
                self._stop.set()
                raise
            await asyncio.Event().wait()

    # ------------------------------------------------------------------ signals

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._tasks.spawn, "reload", self._reloaded)

    async def _reloaded(self) -> None:
        """Take changed settings over; what cannot change now is said, what is wrong is left out."""
        try:
            new = await asyncio.to_thread(self._reload)
            named(new)
            mirror = mirrors(new)
        except GitsourceError as error:
            log.error("settings not reloaded, the old ones stay: %s (next: %s)", error, error.hint)
            self.recording.reloaded((), str(error))
            self.reconciler.refuse(str(error))
            self.looks.poke("reload")  # whoever asks wants a look, whatever the settings say
            return
        old, taken = self._settings, taken_over(self._settings, new)
        for name in taken.waiting:
            log.warning("%s needs a restart: what was set before counts until then", name)
        self._settings, self._waiting = taken.settings, taken.waiting
        _warn(set(crossings(taken.settings)) - set(crossings(old)))
        new = taken.settings
        logs.set_up(new.log)
        # Before what waits for the look under way, which may wait for a host that does not answer.
        if new.limits != old.limits:
            self.sinks.server.limit(new.limits)
        if (new.views, new.authorization) != (old.views, old.authorization):
            self.sinks.show(new)
            self.cache.wake()
        self.reconciler.refuse("")
        await self.reconciler.reconfigure(new, mirror)
        self._loops.start()
        log.info("settings reloaded: %s", ", ".join(taken.changed) or "nothing changed")
        self.recording.reloaded(taken.changed, waiting=taken.waiting)
        self.looks.poke("reload")

    # ------------------------------------------------------------------ wiring

    async def _look(self) -> Outcome:
        """Look at the repository, unless what is found could not be let out."""
        closed = self._audited.closed()
        if not closed:
            return await self.reconciler.sync(self.looks.reasons)
        hint = "`audit.failure` of the status says why; audit.on_failure decides about it"
        return Outcome("failed", self.reconciler.condition.head, closed, hint, "operator")

    async def _committer(self, commit: str) -> str:
        """Return who committed *commit*; empty if Git cannot tell."""

        def find(place: Place) -> str:
            if place.mirror is None:
                return ""
            oid, _, raw = place.mirror.objects.raw(commit)
            return changes.commit(oid, raw).committer

        try:
            return await self.reconciler.asked(commit, find)
        except GitsourceError:
            return ""  # a composition, or a commit that is gone

    def _papers(self) -> tuple[tuple[str, str], ...]:
        """Return what is wrong with papers other than those of the sinks' door."""
        return (*self.doors.alarms, *self.sinks.dial_alarms())

    def _recorded(self) -> None:
        """Have what happens from now on told."""
        self.cache.listen(self.recording.heard)
        self.reconciler.listeners.append(self._looked)
        self.reconciler.ordered.append(self.recording.ordered)

    def _gauges(self) -> Gauges:
        return self.operations.gauges()

    def _looked(self, outcome: Outcome) -> None:
        if outcome.result == "suspended":
            self.announced.given_up()
            return  # nobody looked
        now = self.reconciler.condition
        self.chronicle.looked(outcome, now.serving, now.control.allowance)
        self.recording.looked(outcome, self.reconciler.condition.serving)
        if outcome.result == "published":
            self._loops.published(outcome.triggers)
        failed = outcome.result == "failed"
        seen = outcome.head or (outcome.revision if not failed else None)
        self.announced.looked(seen.commit if seen is not None else "")
        self.telemetry.synced(outcome.result, outcome.seconds, failed=failed)

    def _count(self, report: SinkReport) -> None:
        if report.event == "sent":
            self.telemetry.pushed(report.collection)
        elif report.event == "acked":
            self.telemetry.acked(report.collection, report.seconds)
        elif report.event == "nacked":
            self.telemetry.nacked(report.collection)


def _warn(found: Iterable[Crossing]) -> None:
    """Say what crosses a network in plaintext; the operators' door says it by itself."""
    for one in found:
        if one.setting != "listen.admin":
            log.warning("%s: whoever is on the way reads it (%s)", one.what, one.instead)


def serve(settings: Settings, reload: Callable[[], Settings]) -> None:
    """Run a gitsource with *settings* until it is told to stop; *reload* reads them again."""
    if not all(repository.url for repository in settings.repositories):
        raise ConfigurationError(
            "repository.url is not set",
            hint="set it in the config file, with --repository-url or GITSOURCE_REPOSITORY_URL",
        )
    logs.set_up(settings.log)
    harden()
    fit(settings)
    take_turns()
    app = App(settings, reload)
    asyncio.run(app.run())
    if app.failure is not None:
        raise app.failure
