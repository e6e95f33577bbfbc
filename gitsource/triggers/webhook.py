"""
Taking webhook deliveries: an HTTP door of its own, apart from the operators' one.

Rule: answer at once. What the head of a request tells is judged before the body is asked for; the
body is read under a cap and a deadline, its sender's proof checked, and the answer given. Looking
at the repository is somebody else's task, which is only told. Every delivery gets one verdict,
which is counted, logged and kept in the ledger; all failures of a proof are answered alike.

Memory: small bodies cost what the connections are capped to; only `LARGE_AT_ONCE` large ones are
read at a time, the others wait for their turn under the same deadline.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.doors.listener import Listener, listen, load
from gitsource.doors.papers import papers_of
from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Record, unrecorded
from gitsource.observe.neutral import neutral, without_credentials
from gitsource.settings.triggers import Webhook
from gitsource.triggers.delivery import Delivery, Verdict
from gitsource.triggers.followed import News
from gitsource.triggers.judge import Judgement, Rules, admit, judge
from gitsource.triggers.ledger import Ledger, Row
from gitsource.triggers.rate import Rate
from gitsource.triggers.secrets_file import SecretsFile

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("gitsource.triggers")

DEADLINE = 4.0
"""Seconds a body may take; the senders themselves give up after 5 to 30."""
LARGE = 64 * 1024
"""Bytes from which a body is hashed and parsed in a thread, so that the loop goes on serving."""
LARGE_AT_ONCE = 8
"""Bodies larger than that which are read at one time."""
COMPLAINTS_EVERY = 10.0
"""Seconds between log lines about refused deliveries: anybody can send those, and many."""
LONGEST_WORD = 200
"""Characters of what a sender chose that are kept in the ledger."""

_UNREAD = (Verdict.TOO_LARGE, Verdict.TOO_SLOW, Verdict.WRONG_TYPE)
"""Verdicts after which the rest of the body is not worth reading."""
_PROVEN = (
    Verdict.ACCEPTED,
    Verdict.SLOWED,
    Verdict.DUPLICATE,
    Verdict.OTHER_EVENT,
    Verdict.OTHER_REF,
    Verdict.OTHER_REPOSITORY,
    Verdict.NOT_JSON,
)
"""Verdicts that only a sender gets who knows a secret (where one is asked for)."""


@dataclass(frozen=True)
class Behind:
    """What is behind the door."""

    followed: Callable[[], News]
    """Which news matter now."""
    heard: Callable[[str, str], None]
    """Told the ref and the commit that it is said to be at (or nothing); returns at once."""
    count: Callable[[str], None]
    """Told each verdict's label."""
    ledger: Ledger = field(default_factory=Ledger)
    clock: Callable[[], float] = time.time
    missed: Callable[[], bool] = lambda: False
    """Whether the last look failed: then a delivery that comes again has something to say."""
    noted: Callable[[Row], None] = lambda _row: None
    """Told each delivery with its verdict."""


async def serve_webhook(
    settings: Webhook,
    behind: Behind,
    *,
    insecure: bool = False,
    deadline: float = DEADLINE,
    oldest: str = "1.3",
    folder: Path | None = None,
    every: float = 5.0,
    record: Record = unrecorded,
) -> Listener:
    """
    Open the door that *settings* describe; close the listener that is returned to shut it.

    *insecure*: without a file of secrets, whoever comes is believed. *oldest* is the oldest TLS
    that is spoken, *folder* from where relative paths count; *every* so many seconds the files of
    TLS are looked at again.

    Raises ConfigurationError if there is no secret, a certificate is no good, or the address cannot
    be bound.
    """
    if settings.listen is None or (settings.secret_file is None and not insecure):
        raise ConfigurationError(
            "webhook.listen is set without webhook.secret_file",
            hint="anybody could cause looks at the repository: give the file with the secret",
        )
    secrets = SecretsFile(Path(settings.secret_file)) if settings.secret_file is not None else None
    if secrets is None:
        log.warning("webhook deliveries are taken from anybody: insecure_webhook is set")
    await load("aiohttp.web")
    receiver = _Receiver(settings, behind, secrets, deadline)
    app = receiver.app()
    if not (settings.cert and settings.key):
        return await listen(app, settings.listen, "webhook.listen")
    base = folder or Path()
    tls, closing = await papers_of(
        "webhook",
        base / settings.cert,
        base / settings.key,
        record=record,
        oldest=oldest,
        every=every,
    )
    try:
        return await listen(app, settings.listen, "webhook.listen", tls=tls, closing=closing)
    except BaseException:
        closing()
        raise


class _Receiver:
    """Reads deliveries, has them judged, and answers."""

    def __init__(
        self, settings: Webhook, behind: Behind, secrets: SecretsFile | None, deadline: float
    ) -> None:
        self._settings = settings
        self._behind = behind
        self._secrets = secrets
        self._deadline = deadline
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._rate = Rate(settings.rate)
        self._later: tuple[str, str] | None = None
        self._complained = float("-inf")
        self._unreported = 0

    def app(self) -> web.Application:
        """Return the routes."""
        from aiohttp import web

        app = web.Application()
        app.on_response_prepare.append(_name_no_version)
        for path in ("/webhook", "/"):
            app.router.add_post(path, self.receive, expect_handler=self.expected)
        return app

    def _rules(self) -> Rules:
        told = self._settings
        secrets = self._secrets.current() if self._secrets is not None else None
        return Rules(secrets, told.host, told.header.lower(), told.allow_sha1)

    # ------------------------------------------------------------------ one request

    async def expected(self, request: web.Request) -> web.StreamResponse | None:
        """Answer ``Expect: 100-continue``: by going on, or by the verdict if the head has one."""
        from aiohttp import HttpVersion11, web

        if request.version < HttpVersion11 or request.headers["Expect"].lower() != "100-continue":
            raise web.HTTPExpectationFailed
        head = Delivery(_headers(request), b"")
        refused = self._refused(request, head)
        if refused is not None:
            return self._answer(request, head, refused, time.monotonic())
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # That line belongs to no response: the one that follows has written nothing yet.
        request.writer.output_size = 0
        return None

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        began = time.monotonic()
        head = Delivery(_headers(request), b"")
        refused = self._refused(request, head)
        if refused is not None:
            return self._answer(request, head, refused, began)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._deadline):
                    body = await self._read(request, held)
            except TimeoutError:
                return self._answer(request, head, self._of(head, Verdict.TOO_SLOW), began)
            if body is None:
                return self._answer(request, head, self._of(head, Verdict.TOO_LARGE), began)
            delivery = Delivery(head.headers, body)
            told = (delivery, self._rules(), self._behind.followed(), self._behind.clock())
            far = len(body) > LARGE
            judged = await asyncio.to_thread(judge, *told) if far else judge(*told)
        return self._answer(request, delivery, self._admitted(judged), began)

    def _refused(self, request: web.Request, head: Delivery) -> Judgement | None:
        """Return the verdict that follows from the head of a request, if one does."""
        _, wrong = admit(head, self._rules())
        if wrong is not None:
            return self._of(head, wrong)
        if (request.content_length or 0) > self._settings.max_body:
            return self._of(head, Verdict.TOO_LARGE)
        return None

    def _of(self, head: Delivery, verdict: Verdict) -> Judgement:
        host, _ = admit(head, self._rules())
        return Judgement(verdict, host.name, host.event(head))

    async def _read(self, request: web.Request, held: AsyncExitStack) -> bytes | None:
        """Return the body, None as soon as it is too large, whatever its length header says."""
        body, large = bytearray(), False
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._settings.max_body:
                return None
            if len(body) > LARGE and not large:
                large = True
                await held.enter_async_context(self._large)
        return bytes(body)

    def _admitted(self, judged: Judgement) -> Judgement:
        """Have an accepted delivery looked at, unless it was before; returns the last verdict."""
        if judged.verdict is not Verdict.ACCEPTED:
            return judged
        seen, now = self._behind.ledger.seen, self._behind.clock()
        if seen.has(judged.host, judged.id, now) and not self._behind.missed():
            return _with(judged, Verdict.DUPLICATE)
        seen.add(judged.host, judged.id, now)
        move = judged.move
        followed = self._behind.followed()
        told = (judged.repository,) if judged.repository else ()
        awaited = (followed.told_of(told) or followed).awaits(move.ref) and not move.deleted
        news = (move.ref, move.commit if awaited else "")
        wait = self._rate.take(time.monotonic())
        if self._later is not None:
            self._later = news
            return _with(judged, Verdict.SLOWED)
        if wait:
            self._later = news
            asyncio.get_running_loop().call_later(wait, self._look_later)
            return _with(judged, Verdict.SLOWED)
        self._behind.heard(*news)
        return judged

    def _look_later(self) -> None:
        news, self._later = self._later, None
        if news is not None:
            self._behind.heard(*news)

    # ------------------------------------------------------------------ telling

    def _answer(
        self, request: web.Request, delivery: Delivery, judged: Judgement, began: float
    ) -> web.Response:
        from aiohttp import web

        verdict, peer = judged.verdict, request.remote or ""
        seconds = round(time.monotonic() - began, 6)
        row = _row(self._behind, judged, peer, len(delivery.body), seconds)
        self._behind.ledger.add(row)
        self._behind.noted(row)
        self._behind.count(verdict.label)
        self._report(row)
        key = "error" if verdict.status >= 400 else "message"
        response = web.json_response(
            {"verdict": verdict.label, key: verdict.text}, status=verdict.status
        )
        if verdict in _UNREAD:
            response.force_close()
        return response

    def _report(self, row: Row) -> None:
        fields: dict[str, object] = {
            "verdict": row.verdict,
            "host": row.host,
            "event": row.event or "-",
            "delivery": row.delivery or "-",
            "peer": row.peer,
        }
        if row.status < 400:
            log.info("webhook delivery", extra=fields)
            if row.deleted and row.verdict in (Verdict.ACCEPTED.label, Verdict.SLOWED.label):
                log.warning("a webhook says that %s was deleted", row.ref, extra=fields)
            return
        now = time.monotonic()
        if now - self._complained < COMPLAINTS_EVERY:
            self._unreported += 1
            return
        fields |= {"reason": row.reason or "-", "unreported": self._unreported}
        self._complained, self._unreported = now, 0
        log.warning("webhook delivery refused", extra=fields)


def _headers(request: web.Request) -> dict[str, tuple[str, ...]]:
    return {key.lower(): tuple(request.headers.getall(key)) for key in request.headers}


def _with(judged: Judgement, verdict: Verdict) -> Judgement:
    return Judgement(
        verdict, judged.host, judged.event, judged.id, "", judged.move, judged.repository
    )


def _row(behind: Behind, judged: Judgement, peer: str, size: int, seconds: float) -> Row:
    verdict = judged.verdict
    return Row(
        number=behind.ledger.number(),
        at=behind.clock(),
        verdict=verdict.label,
        status=verdict.status,
        proven=verdict in _PROVEN or (verdict is Verdict.PING and bool(judged.id)),
        host=judged.host,
        event=neutral(judged.event)[:LONGEST_WORD],
        delivery=judged.id,
        peer=peer,
        reason=judged.reason,
        size=size,
        seconds=seconds,
        ref=neutral(judged.move.ref)[:LONGEST_WORD],
        commit=judged.move.commit,
        deleted=judged.move.deleted,
        repository=neutral(without_credentials(judged.repository))[:LONGEST_WORD],
    )


async def _name_no_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "gitsource"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Referrer-Policy"] = "no-referrer"
