"""
The HTTP doors of a running gitsource: the operators' and, where one is wanted, the webhook's.

Rule: they open after the sinks' door and are closed before it; who comes in is each door's own
business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.observe.happenings import Record
from gitsource.observe.telemetry import Telemetry
from gitsource.operating.operations import Operations
from gitsource.settings.whole import Settings
from gitsource.triggers.announced import Announcements
from gitsource.triggers.ledger import Ledger, Row

if TYPE_CHECKING:
    from gitsource.doors.listener import Listener

log = logging.getLogger("gitsource.app")


def fit(settings: Settings) -> None:
    """
    Read what the HTTP doors need, before any door is opened.

    Sinks would else be let in and sent away again at each attempt of a supervisor. Raises
    ConfigurationError for a file that is no good.
    """
    folder, oldest = Path(settings.folder), settings.tls.min_version
    admin, webhook = settings.admin, settings.webhook
    if not (admin.cert or webhook.listen):
        return
    from gitsource.doors.papers import ends_of
    from gitsource.triggers.secrets_file import read

    if admin.cert and admin.key:
        ca, crl = (folder / each if each else None for each in (admin.ca, admin.crl))
        ends_of("admin", folder / admin.cert, folder / admin.key, ca=ca, crl=crl, oldest=oldest)
    if webhook.listen and webhook.secret_file is not None:
        read(Path(webhook.secret_file))
    if webhook.listen and webhook.cert and webhook.key:
        ends_of("webhook", folder / webhook.cert, folder / webhook.key, oldest=oldest)


class HttpDoors:
    """What the doors of HTTP lead to."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        operations: Operations,
        telemetry: Telemetry,
        record: Record,
    ) -> None:
        self._settings = settings
        self._operations = operations
        self._telemetry = telemetry
        self._record = record
        self._open: dict[str, Listener] = {}

    @property
    def alarms(self) -> tuple[tuple[str, str], ...]:
        """What is wrong with the papers of open doors: which door, and what."""
        return tuple((name, why) for name, door in self._open.items() for why in door.alarms())

    async def operators(self, stack: contextlib.AsyncExitStack) -> None:
        """Open the operators' door; raises ConfigurationError for an address that is taken."""
        from gitsource.admin.server import Terms, serve_admin

        settings = self._settings()
        terms = Terms(
            settings.admin,
            insecure=settings.insecure,
            oldest=settings.tls.min_version,
            folder=Path(settings.folder),
            every=settings.tls.reload,
            record=self._record,
            failed_tokens=lambda: self._settings().limits.failed_tokens,
        )
        door = await serve_admin(self._operations, self._telemetry, settings.listen.admin, terms)
        stack.push_async_callback(door.close)
        self._open["admin"] = door
        _told("operators", "admin", door)

    async def webhook(
        self,
        stack: contextlib.AsyncExitStack,
        ledger: Ledger,
        announced: Announcements,
        noted: Callable[[Row], None],
    ) -> None:
        """Open the webhook's door, if one is wanted; raises like `operators`."""
        settings = self._settings()
        if not settings.webhook.listen:
            return
        from gitsource.triggers.followed import followed_by
        from gitsource.triggers.webhook import Behind, serve_webhook

        await asyncio.to_thread(ledger.load)
        behind = Behind(
            lambda: followed_by(replace(self._settings(), webhook=settings.webhook)),
            announced.heard,
            self._telemetry.delivered,
            ledger,
            missed=self._operations.behind,
            noted=noted,
        )
        door = await serve_webhook(
            settings.webhook,
            behind,
            insecure=settings.insecure_webhook,
            oldest=settings.tls.min_version,
            folder=Path(settings.folder),
            every=settings.tls.reload,
            record=self._record,
        )
        stack.push_async_callback(ledger.close)
        stack.push_async_callback(door.close)
        self._open["webhook"] = door
        _told("webhooks", "webhook", door)


def _told(who: str, name: str, door: Listener) -> None:
    log.info("listening for %s on %s", who, door.address, extra={"port": door.port, "door": name})
