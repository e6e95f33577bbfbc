"""
Taking webhook deliveries: an HTTP door of its own, apart from the operators' one.

Rule: answer at once. The body is read under a cap and a deadline, its signature checked, and the
answer given; looking at the repository is somebody else's task, which is only poked. Every delivery
gets one verdict, which is counted and logged; all failures of a signature read the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError
from gitsource.listener import Listener, listen, load
from gitsource.settings import Webhook
from gitsource.triggers.delivery import Delivery, Seen, Verdict, acceptable_type, judge
from gitsource.triggers.secrets_file import SecretsFile
from gitsource.triggers.watch import full_ref

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("gitsource.triggers")

DEADLINE = 5.0
"""Seconds a body may take; the senders themselves give up after 5 to 30."""
LARGE = 64 * 1024
"""Bytes from which a body is hashed and parsed in a thread, so that the loop goes on serving."""
COMPLAINTS_EVERY = 10.0
"""Seconds between log lines about refused deliveries: anybody can send those, and many."""


async def serve_webhook(
    settings: Webhook,
    ref: str,
    poke: Callable[[str], None],
    count: Callable[[str], None],
    *,
    deadline: float = DEADLINE,
) -> Listener:
    """
    Open the door that *settings* describe; close the listener that is returned to shut it.

    *poke* asks for a look and returns at once; *count* is told each verdict's label; *ref* is the
    one that is followed, as configured.

    Raises ConfigurationError if there is no secret, or the address cannot be bound.
    """
    if settings.listen is None or settings.secret_file is None:
        raise ConfigurationError(
            "webhook.listen is set without webhook.secret_file",
            hint="anybody could cause looks at the repository: give the file with the secret",
        )
    secrets = SecretsFile(Path(settings.secret_file))
    await load("aiohttp.web")
    receiver = _Receiver(ref, poke, count, secrets, settings.max_body, deadline)
    return await listen(receiver.app(), settings.listen, "webhook.listen")


class _Receiver:
    """Reads deliveries, has them judged, and answers."""

    def __init__(
        self,
        ref: str,
        poke: Callable[[str], None],
        count: Callable[[str], None],
        secrets: SecretsFile,
        max_body: int,
        deadline: float,
    ) -> None:
        self._ref = full_ref(ref)
        self._poke = poke
        self._count = count
        self._secrets = secrets
        self._max_body = max_body
        self._deadline = deadline
        self._seen = Seen()
        self._complained = float("-inf")
        self._unreported = 0

    def app(self) -> web.Application:
        """Return the routes."""
        from aiohttp import web

        app = web.Application()
        app.on_response_prepare.append(_name_no_version)
        app.router.add_post("/webhook", self.receive)
        app.router.add_post("/", self.receive)
        return app

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        from aiohttp import web

        headers = {key.lower(): tuple(request.headers.getall(key)) for key in request.headers}
        delivery, verdict = await self._judge(request, Delivery(headers, b""))
        self._count(verdict.label)
        self._report(delivery, verdict, request.remote or "")
        if verdict is Verdict.ACCEPTED:
            self._seen.add(delivery.id)
            self._poke("webhook")
        key = "error" if verdict.status >= 400 else "message"
        response = web.json_response(
            {"verdict": verdict.label, key: verdict.text}, status=verdict.status
        )
        if verdict in (Verdict.TOO_LARGE, Verdict.TOO_SLOW, Verdict.WRONG_TYPE):
            response.force_close()  # the rest of the body is not worth reading
        return response

    async def _judge(self, request: web.Request, head: Delivery) -> tuple[Delivery, Verdict]:
        if not acceptable_type(head):
            return head, Verdict.WRONG_TYPE
        if (request.content_length or 0) > self._max_body:
            return head, Verdict.TOO_LARGE
        try:
            async with asyncio.timeout(self._deadline):
                body = await self._read(request)
        except TimeoutError:
            return head, Verdict.TOO_SLOW
        if body is None:
            return head, Verdict.TOO_LARGE
        delivery = Delivery(head.headers, body)
        secrets = self._secrets.current()
        if len(body) > LARGE:
            verdict = await asyncio.to_thread(judge, delivery, secrets, self._ref)
        else:
            verdict = judge(delivery, secrets, self._ref)
        if verdict is Verdict.ACCEPTED and delivery.id in self._seen:
            verdict = Verdict.DUPLICATE
        return delivery, verdict

    async def _read(self, request: web.Request) -> bytes | None:
        """Return the body, None as soon as it is too large, whatever its length header says."""
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._max_body:
                return None
        return bytes(body)

    def _report(self, delivery: Delivery, verdict: Verdict, peer: str) -> None:
        fields: dict[str, object] = {
            "verdict": verdict.label,
            "event": delivery.event[:80] or "-",
            "delivery": delivery.id or "-",
            "peer": peer,
        }
        if verdict.status < 400:
            log.info("webhook delivery", extra=fields)
            return
        now = time.monotonic()
        if now - self._complained < COMPLAINTS_EVERY:
            self._unreported += 1
            return
        fields["unreported"] = self._unreported
        self._complained, self._unreported = now, 0
        log.warning("webhook delivery refused", extra=fields)


async def _name_no_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "gitsource"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
