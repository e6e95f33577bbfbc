"""
The sinks' side of a running gitsource: door, server, those it dials, and what each may see.

Rule: everything here reads the cache and nothing here knows Git; it is on the wire before anybody
looks at a repository.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsource.app.audited import Audited
from gitsource.catalog.whole import Catalog
from gitsource.settings.whole import Settings
from gitsource.snapshot.cache import SnapshotCache

if TYPE_CHECKING:
    from gitsource.publish.dialout import Dialler
    from gitsource.publish.entry.whole import SinksDoor
    from gitsource.publish.secrets.overlay import Alarm, Overlay
    from gitsource.publish.server import McpServer
    from gitsource.publish.session import Session

log = logging.getLogger("gitsource.app")

Spawn = Callable[[str, Callable[[], Coroutine[Any, Any, None]]], None]
"""Has something run beside the rest, under a name, until the end."""


class SinkSide:
    """Who is served, and by what; empty until `open`."""

    server: McpServer

    def __init__(
        self, cache: SnapshotCache, catalog: Callable[[], Catalog], audited: Audited
    ) -> None:
        self._cache = cache
        self._catalog = catalog
        self._audited = audited
        self.door: SinksDoor | None = None
        self._dialler: Dialler | None = None
        self._overlay: Overlay | None = None

    async def open(
        self, stack: contextlib.AsyncExitStack, settings: Settings, spawn: Spawn
    ) -> None:
        """
        Serve sinks until *stack* is left.

        Raises ConfigurationError for an address that is taken, and for papers that are no good.
        """
        from gitsource.publish.entry.whole import SinksDoor
        from gitsource.publish.server import McpServer

        self.door = await SinksDoor.open(settings, self._audited.record)
        stack.callback(self.door.close)
        self.server = McpServer(
            self._cache,
            self._catalog,
            settings.listen.mcp,
            settings.limits,
            keepalive=settings.limits.keepalive,
            metadata=settings.sinks.metadata,
            xds=settings.xds,
            on_nack=settings.sinks.on_nack,
            record=self._audited.record,
            entry=self.door.entry(Path(settings.state_dir)),
        )
        self.server.shared.closed = self._audited.closed
        self.show(settings)
        self._cache.watch(self._policed)
        await self._fill_secrets(settings, spawn)
        port = await self.server.start()
        self.door.behind(self.server)
        for name, watch in self.door.watches.items():
            spawn(name, watch)
        stack.push_async_callback(self.server.drain, settings.drain)
        log.info("listening for sinks on port %d", port, extra={"port": port, "door": "mcp"})
        if settings.sinks.dial:
            from gitsource.publish.dialout import dialler

            self._dialler = dialler(self.server, settings)
            self._dialler.start()
            stack.push_async_callback(self._dialler.drain, settings.drain)

    async def _fill_secrets(self, settings: Settings, spawn: Spawn) -> None:
        """Have the files served that Secrets name, and kept up with."""
        if not settings.secrets.folder:
            return
        from gitsource.publish.secrets.files import SecretFiles, told
        from gitsource.publish.secrets.overlay import Overlay

        self._overlay = Overlay(self._cache, told)
        self.server.shared.overlay = self._overlay.snapshot
        folder = Path(settings.secrets.folder)
        files = SecretFiles(folder, self._overlay.update, self._cache.wake)
        await files.load()  # A Secret without its file would be missing from first answers.
        spawn("secrets", files.watch)

    def show(self, settings: Settings) -> None:
        """Show each sink what the views and rules of *settings* show it, from now on."""
        self.server.shared.access.configure(
            settings.views,
            settings.authorization,
            guarded=self.door is not None and self.door.guarded,
        )
        self._policed()

    def _policed(self) -> None:
        """Have it told when another policy is in force than before."""
        serving = self._cache.get()
        news = self.server.shared.access.news(serving) if serving is not None else None
        if news is not None:
            self._audited.record(news)
            digest = str(news.facts["after"])[:12]
            log.info("authorization: %s", f"policy {digest}" if digest else "everything to all")

    # ------------------------------------------------------------------ asked by others

    def sessions(self) -> tuple[Session, ...]:
        """Return the open streams, whoever dialled."""
        dialled = self._dialler.sessions if self._dialler is not None else ()
        return (*self.server.sessions, *dialled)

    def refuses(self, stream: int, requested: str) -> bool:
        """Whether the sink of *stream* still refuses what it is served of *requested*."""
        sessions = (one for one in self.sessions() if one.stream == stream)
        return any(one.refuses(requested) for one in sessions)

    def dial_alarms(self) -> tuple[tuple[str, str], ...]:
        """Return what is wrong with the papers of sinks that are dialled: whose, and what."""
        return self._dialler.alarms if self._dialler is not None else ()

    def alarms(self) -> tuple[Alarm, ...]:
        """Return what is wrong with the files that Secrets name."""
        return self._overlay.alarms if self._overlay is not None else ()
