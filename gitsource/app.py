"""
The composition root: settings become named parts, started in order.

Rule: everything is made and wired here and nowhere else. What serves comes first: the last good
snapshot is on the wire before Git is looked at, and what is slow to import (HTTP, watchdog,
metrics) is loaded in a thread after that. Stopping goes the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsource.catalog.whole import Catalog
from gitsource.configuration import catalog_for
from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.git import changes
from gitsource.git.objects import Objects
from gitsource.hardening import harden, tighten
from gitsource.model import Revision
from gitsource.observe import logs
from gitsource.observe.audit.log import AuditLog, State
from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
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
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from gitsource.snapshot.lock import locked
from gitsource.snapshot.reports import SinkReport
from gitsource.triggers.announced import Announcements
from gitsource.triggers.coalesce import Coalescer
from gitsource.triggers.ledger import Ledger

if TYPE_CHECKING:
    from gitsource.doors.listener import Listener
    from gitsource.publish.dialout import Dialler
    from gitsource.publish.secrets import Alarm, Overlay
    from gitsource.publish.session import Session
    from gitsource.publish.sinks_door import SinksDoor

log = logging.getLogger("gitsource.app")

SINKS_FIRST = 0.1
"""Seconds after a restart that belong to sinks that come back: Git and HTTP wait for that long."""
UNSEEN = 2
"""Revisions in a row that the poll found and the watch did not: from then on it looks by itself."""
FIXED = (
    "state_dir",
    "listen",
    "webhook",
    "insecure_webhook",
    "sinks",
    "secrets",
    "xds",
    "audit",
    "tls",
    "identity",
    "tokens",
    "insecure",
    "admin",
)
"""Settings that only a restart changes; a reload says so."""


class App:
    """One running gitsource."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reload = reload
        self._stop = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._catalogs: dict[tuple[int, tuple[bytes | None, ...]], Catalog] = {}
        self._schemas: tuple[str, dict[str, bytes | None]] = ("", {})
        self.catalog = Catalog()
        self.dialler: Dialler | None = None
        self.door: SinksDoor | None = None
        self.overlay: Overlay | None = None
        self.audit: AuditLog | None = None
        self.record: Record = unrecorded

    async def run(self) -> None:
        """
        Serve until SIGTERM or SIGINT.

        Raises ConfigurationError for an address that is taken and StateError for a state directory
        that cannot be used; nothing is served then.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._loops()
            self._signals()
            await self._stop.wait()
            self.reconciler.stop()
            log.info("draining")

    # ------------------------------------------------------------------ starting, in order

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self._settings
        state = Path(settings.state_dir)
        tighten(state)
        stack.enter_context(locked(state))
        self.cache = SnapshotCache()
        self._keep_audit(stack, state)
        self.telemetry = Telemetry(self._gauges, version=version("gitsource"))
        self.cache.listen(self._count)
        mirror = mirrors(settings)
        history = History(state / "history", keep=settings.keep.revisions)
        self.reconciler = Reconciler(
            settings,
            mirror,
            history,
            BlobCache(state / "blobs.sqlite"),
            self.cache,
            self._catalog_at,
        )
        self.recording = Recording(self.record, self._committer)
        stack.push_async_callback(self.recording.close)
        self.cache.listen(self.recording.heard)
        self.reconciler.listeners.append(self._looked)
        self.looks: Coalescer[Outcome] = Coalescer(self._look)
        self.announced = Announcements(self.looks.poke, self.reconciler.contains)
        stack.push_async_callback(self.announced.close)
        self.ledger = Ledger(state / "webhooks.json")
        self.chronicle = Chronicle(state / "revisions.jsonl")
        stack.push_async_callback(self.chronicle.close)
        self.refusals = Refusals(self.cache.get, self.reconciler.last_change, self._refuses)
        self.cache.listen(self.refusals.heard)
        stack.push_async_callback(self.refusals.close)
        self.operations = Operations(
            self.reconciler,
            self.cache,
            self.looks.request,
            lambda: self.catalog,
            Sinks(self.cache, self._sessions, self.refusals, self._alarms),
            Deliveries(self.ledger, self.announced),
            Revisions(self.reconciler, self.chronicle),
            lambda: self.audit.state if self.audit is not None else State(),
            lambda: self.server.shared.access.status(self.cache.get()),
            lambda: self.door,
        )
        stack.push_async_callback(self.reconciler.close)
        # Schemas may live in a repository that nobody has looked at yet; names are known already.
        self.catalog = named(settings)

        serving = self.reconciler.restore()
        self.chronicle.serving(serving)
        self.recording.serving(serving)
        if serving is None:
            # Nothing to serve yet: the first look is what everybody waits for.
            if settings.build.workers > 1 and packed(mirror) >= settings.build.bulk:
                from gitsource import workers

                workers.get_ready()
            self.looks.poke("start")
        stack.push_async_callback(self.looks.close)
        await self._serve_sinks(stack)
        if serving is not None:
            log.info("serving %s from disk", serving.revision.short)
            # What was loaded stays: keep the collector from walking it again and again.
            gc.freeze()
            self._tasks["start"] = asyncio.create_task(self._catch_up(), name="start")
        self._tasks["remember"] = asyncio.create_task(self._remember(), name="remember")
        self._tasks["admin"] = asyncio.create_task(self._serve_http(), name="admin")
        stack.push_async_callback(self._end_tasks)

    # ------------------------------------------------------------------ the audit log

    def _keep_audit(self, stack: contextlib.AsyncExitStack, state: Path) -> None:
        """Begin to write down what happens, before anything does, and end after everything."""
        settings = self._settings.audit
        if not settings.enabled:
            return
        path = Path(settings.file) if settings.file else state / "audit" / "audit.jsonl"
        loop = asyncio.get_running_loop()
        self.audit = AuditLog(settings, path, lambda: _later(loop, self._audit_changed))
        self.record = self.audit.record
        self.audit.start()
        stack.push_async_callback(asyncio.to_thread, self.audit.close)
        facts: dict[str, Fact] = {"version": version("gitsource"), "pid": os.getpid()}
        self.record(Happening("start", outcome="ok", facts=facts))
        stack.callback(self.record, Happening("stop", outcome="ok", facts=facts))

    def _audit_changed(self) -> None:
        """Look for what could not go out while the audit log could not be written."""
        if self.audit is not None and not self.audit.failure:
            self.looks.poke("audit")

    def _closed(self) -> str:
        """Return why nothing new may be served now; empty: it may."""
        stopped = self.audit is not None and self.audit.stopped
        return "nothing new is served while the audit log cannot be written" if stopped else ""

    async def _look(self) -> Outcome:
        """Look at the repository, unless what is found could not be let out."""
        closed = self._closed()
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

    async def _serve_sinks(self, stack: contextlib.AsyncExitStack) -> None:
        from gitsource.publish.server import McpServer
        from gitsource.publish.sinks_door import SinksDoor

        settings = self._settings
        self.door = await SinksDoor.open(settings, self.record)
        stack.callback(self.door.close)
        self.server = McpServer(
            self.cache,
            lambda: self.catalog,
            settings.listen.mcp,
            settings.limits,
            keepalive=settings.limits.keepalive,
            metadata=settings.sinks.metadata,
            xds=settings.xds,
            on_nack=settings.sinks.on_nack,
            record=self.record,
            entry=self.door.entry(Path(settings.state_dir)),
        )
        self.server.shared.closed = self._closed
        await self._serve_views()
        port = await self.server.start()
        self.door.behind(self.server)
        for name, watch in self.door.watches.items():
            self._task(name, watch)
        stack.push_async_callback(self.server.drain, settings.drain)
        log.info("listening for sinks on port %d", port, extra={"port": port, "door": "mcp"})
        if settings.sinks.dial:
            from gitsource.publish.dialout import dialler

            self.dialler = dialler(self.server, settings)
            self.dialler.start()
            stack.push_async_callback(self.dialler.drain, settings.drain)

    async def _serve_views(self) -> None:
        """Have streams served by the views of the settings, with the files that Secrets name."""
        settings = self._settings
        self._show_views(settings)
        self.cache.watch(self._policed)
        if settings.secrets.folder:
            from gitsource.publish.secret_files import SecretFiles, told
            from gitsource.publish.secrets import Overlay

            self.overlay = Overlay(self.cache, told)
            self.server.shared.overlay = self.overlay.snapshot
            folder = Path(settings.secrets.folder)
            files = SecretFiles(folder, self.overlay.update, self.cache.wake)
            await files.load()  # A Secret without its file would be missing from first answers.
            self._task("secrets", files.watch)

    def _refuses(self, stream: int, requested: str) -> bool:
        """Whether the sink of *stream* still refuses what it is served of *requested*."""
        sessions = (one for one in self._sessions() if one.stream == stream)
        return any(one.refuses(requested) for one in sessions)

    def _alarms(self) -> tuple[Alarm, ...]:
        return self.overlay.alarms if self.overlay is not None else ()

    def _show_views(self, settings: Settings) -> None:
        """Show each sink what the views and rules of *settings* show it, from now on."""
        access = self.server.shared.access
        access.configure(
            settings.views,
            settings.authorization,
            guarded=self.door is not None and self.door.guarded,
        )
        self._policed()

    def _policed(self) -> None:
        """Have it told when another policy is in force than before."""
        serving = self.cache.get()
        news = self.server.shared.access.news(serving) if serving is not None else None
        if news is not None:
            self.record(news)
            digest = str(news.facts["after"])[:12]
            log.info("authorization: %s", f"policy {digest}" if digest else "everything to all")

    def _sessions(self) -> tuple[Session, ...]:
        """Return the open streams, whoever dialled."""
        dialled = self.dialler.sessions if self.dialler is not None else ()
        return (*self.server.sessions, *dialled)

    async def _serve_http(self) -> None:
        if self.reconciler.condition.serving is not None:
            await asyncio.sleep(SINKS_FIRST)
        from gitsource.admin.server import Terms, serve_admin

        async with contextlib.AsyncExitStack() as stack:
            try:
                admin = await serve_admin(
                    self.operations,
                    self.telemetry,
                    self._settings.listen.admin,
                    Terms(
                        self._settings.admin,
                        insecure=self._settings.insecure,
                        oldest=self._settings.tls.min_version,
                        folder=Path(self._settings.folder),
                        record=self.record,
                    ),
                )
                stack.push_async_callback(admin.close)
                log.info(
                    "listening for operators on %s",
                    admin.address,
                    extra={"port": admin.port, "door": "admin"},
                )
                if self._settings.webhook.listen:
                    hook = await self._serve_webhook(stack)
                    log.info(
                        "listening for webhooks on %s",
                        hook.address,
                        extra={"port": hook.port, "door": "webhook"},
                    )
            except GitsourceError as error:
                self._failure = error
                self._stop.set()
                raise
            await asyncio.Event().wait()

    async def _serve_webhook(self, stack: contextlib.AsyncExitStack) -> Listener:
        from gitsource.triggers.followed import followed_by
        from gitsource.triggers.webhook import Behind, serve_webhook

        settings = self._settings
        await asyncio.to_thread(self.ledger.load)
        behind = Behind(
            lambda: followed_by(replace(self._settings, webhook=settings.webhook)),
            self.announced.heard,
            self.telemetry.delivered,
            self.ledger,
            noted=self.recording.delivered,
        )
        insecure = settings.insecure_webhook
        hook = await serve_webhook(
            settings.webhook,
            behind,
            insecure=insecure,
            oldest=settings.tls.min_version,
            folder=Path(settings.folder),
            record=self.record,
        )
        stack.push_async_callback(self.ledger.close)
        stack.push_async_callback(hook.close)
        return hook

    _failure: GitsourceError | None = None
    _unseen = 0
    """Revisions in a row that were found by the poll alone."""

    def _loops(self) -> None:
        settings = self._settings
        self._task(
            "poll",
            lambda: _poll(self.looks.request, settings.poll.interval, settings.poll.max_backoff),
        )
        if settings.watch.enabled:
            self._task("watch", self._watch)

    def _task(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks[name] = asyncio.create_task(make(), name=name)

    async def _watch(self) -> None:
        from gitsource.triggers.followed import ref_of
        from gitsource.triggers.places import local_folder
        from gitsource.triggers.watch import watch

        self._unseen = 0
        places = {
            (folder, ref_of(repository)): None
            for repository in self._settings.repositories
            if (folder := local_folder(repository.url)) is not None
        }
        blind = lambda: self._unseen >= UNSEEN  # noqa: E731 - one answer for all of them
        await asyncio.gather(*(watch(*place, self.looks.poke, blind=blind) for place in places))

    async def _end_tasks(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        done = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for name, ended in zip(self._tasks, done, strict=True):
            if isinstance(ended, Exception) and ended is not self._failure:
                log.error("%s died: %r", name, ended)

    @property
    def failure(self) -> GitsourceError | None:
        """What made it stop by itself, if anything did."""
        return self._failure

    # ------------------------------------------------------------------ signals

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        self._task("reload", self._reloaded)

    async def _reloaded(self) -> None:
        """Take changed settings over; what cannot change now is said, what is wrong is left out."""
        try:
            new = await asyncio.to_thread(self._reload)
            named(new)
            mirror = mirrors(new)
        except GitsourceError as error:
            log.error("settings not reloaded, the old ones stay: %s (next: %s)", error, error.hint)
            self.recording.reloaded((), str(error))
            return
        old = self._settings
        for name in FIXED:
            if getattr(new, name) != getattr(old, name):
                log.warning("%s changes with the next restart only", name)
        new = replace(new, **{name: getattr(old, name) for name in FIXED})
        changed = [f.name for f in fields(new) if getattr(new, f.name) != getattr(old, f.name)]
        self._settings = new
        logs.set_up(new.log)
        # Before what waits for the look under way, which may wait for a host that does not answer.
        if (new.views, new.authorization) != (old.views, old.authorization):
            self._show_views(new)
            self.cache.wake()
        await self.reconciler.reconfigure(new, mirror)
        for name in ("poll", "watch"):
            task = self._tasks.pop(name, None)
            if task is not None:
                task.cancel()
        self._loops()
        log.info("settings reloaded: %s", ", ".join(changed) or "nothing changed")
        self.recording.reloaded(tuple(changed))
        self.looks.poke("reload")

    # ------------------------------------------------------------------ wiring

    def _catalog_at(
        self, settings: Settings, objects: Objects | None, revision: Revision | None
    ) -> Catalog:
        """Return the catalog at *revision*, made anew when a schema in the repository differs."""
        from gitsource.reconcile.judging import schema_reader

        read = schema_reader(objects, revision, settings)
        named = ((row.schema, row.descriptor_set) for row in settings.collections)
        rows = [name for pair in named for name in pair if name]
        tree = revision.tree if revision is not None else ""
        if self._schemas[0] != tree or not tree:
            self._schemas = (tree, {name: read(name) for name in rows})
        told = self._schemas[1]
        key = (id(settings), tuple(told[name] for name in rows))
        if key not in self._catalogs:
            catalog = catalog_for(settings, read)
            self._catalogs = {key: catalog}
            self.catalog = catalog
        return self._catalogs[key]

    def _gauges(self) -> Gauges:
        return self.operations.gauges()

    def _looked(self, outcome: Outcome) -> None:
        if outcome.result == "suspended":
            self.announced.given_up()
            return  # nobody looked
        self.chronicle.looked(outcome, self.reconciler.condition.serving)
        self.recording.looked(outcome, self.reconciler.condition.serving)
        if outcome.result == "published":
            # News that the watch had no part in came without an event.
            self._unseen = self._unseen + 1 if outcome.triggers == ("poll",) else 0
        failed = outcome.result == "failed"
        seen = outcome.head or (outcome.revision if not failed else None)
        self.announced.looked(seen.commit if seen is not None else "")
        self.telemetry.synced(outcome.result, outcome.seconds, failed=outcome.result == "failed")

    def _count(self, report: SinkReport) -> None:
        if report.event == "sent":
            self.telemetry.pushed(report.collection)
        elif report.event == "acked":
            self.telemetry.acked(report.collection, report.seconds)
        elif report.event == "nacked":
            self.telemetry.nacked(report.collection)


def named(settings: Settings) -> Catalog:
    """
    Return the catalog as far as no repository has a say; with layers, none ever has.

    Raises ConfigurationError for what is not beside the config file and cannot be elsewhere.
    """
    return catalog_for(settings, (lambda _name: None) if settings.layers else None)


def _later(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have *loop* make a call of another thread's, if it still runs."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


async def _poll(
    look: Callable[[str], Awaitable[Outcome]], interval: float, max_backoff: float
) -> None:
    from gitsource.triggers.poll import poll

    def failed(outcome: Outcome) -> bool:
        # A layer that cannot be reached is asked less often by itself; the others are not.
        return outcome.result == "failed" and not outcome.partly

    await poll(look, interval, max_backoff, failed=failed)


def serve(settings: Settings, reload: Callable[[], Settings]) -> None:
    """Run a gitsource with *settings* until it is told to stop; *reload* reads them again."""
    if not all(repository.url for repository in settings.repositories):
        raise ConfigurationError(
            "repository.url is not set",
            hint="set it in the config file, with --repository-url or GITSOURCE_REPOSITORY_URL",
        )
    logs.set_up(settings.log)
    harden()
    take_turns()
    app = App(settings, reload)
    asyncio.run(app.run())
    if app.failure is not None:
        raise app.failure
