"""
The admin door's routes: each request translated into one call, each error into one answer.

Rule: GET only reads. A command is a POST with a JSON content type, which a page of another site
cannot send without asking first, and no answer allows it to; who may ask at all is `guard`'s to
say, before anything else. Every command is in the audit log, with who gave it and what came of it:
who is what was proved, and what a caller says of itself only where nothing was.

This module imports aiohttp; import it lazily (`gitsource.admin.server` does).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gitsource.admin import page
from gitsource.admin.access import Caller
from gitsource.admin.commands import (
    COMMANDS,
    read_command,
    read_explain,
    read_sink,
    read_snapshot,
    read_timeout,
    read_wait,
    read_webhook,
)
from gitsource.admin.guard import Guard, RequestError, check_origin, where
from gitsource.admin.operations import Metrics, Operations
from gitsource.admin.readiness import readiness
from gitsource.errors import (
    ConfigurationError,
    GitsourceError,
    MirrorError,
    RefMissing,
    RevisionRejected,
    StateError,
)
from gitsource.observe.happenings import Fact, Happening
from gitsource.settings_checks.addresses import is_loopback

log = logging.getLogger("gitsource.admin")

LARGEST_BODY = 64 * 1024
"""Bytes of a command's body."""
BODY_DEADLINE = 5.0
"""Seconds a command's body may take."""

_HEADERS = {
    "Server": "gitsource",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{page.STYLE_HASH}'; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    ),
}

STATUS_OF: tuple[tuple[type[GitsourceError], int], ...] = (
    (ConfigurationError, 400),
    (RefMissing, 404),
    (RevisionRejected, 422),
    (MirrorError, 502),
    (StateError, 500),
    (GitsourceError, 503),
)
"""HTTP status of each branch of the error tree, the first that fits."""

CALLER = web.RequestKey("caller", Caller)
"""Under which a request carries who asks."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    operations: Operations,
    metrics: Metrics,
    host: str,
    *,
    guard: Guard | None = None,
    encrypted: bool = False,
    body_deadline: float = BODY_DEADLINE,
) -> web.Application:
    """Return the admin application; *host* is the one it will be bound to."""
    routes = _Routes(operations, metrics, host, guard or Guard(), body_deadline)
    app = web.Application(middlewares=[routes.guarded])
    app.on_response_prepare.append(_add_headers)
    if encrypted:
        app.on_response_prepare.append(_add_strictness)
    app.router.add_get("/", routes.page)
    app.router.add_get("/healthz", routes.healthz)
    app.router.add_get("/readyz", routes.readyz)
    app.router.add_get("/metrics", routes.metrics)
    app.router.add_get("/status", routes.status)
    app.router.add_get("/snapshot", routes.snapshot)
    app.router.add_get("/sinks", routes.sinks)
    app.router.add_get("/sink", routes.sink)
    app.router.add_get("/webhooks", routes.webhooks)
    app.router.add_get("/webhook", routes.webhook)
    app.router.add_get("/history", routes.history)
    app.router.add_get("/explain", routes.explain)
    app.router.add_get("/wait", routes.wait, allow_head=False)
    for name in COMMANDS:
        app.router.add_post(f"/{name}", routes.command)
    return app


class _Routes:
    def __init__(
        self,
        operations: Operations,
        metrics: Metrics,
        host: str,
        guard: Guard,
        body_deadline: float,
    ) -> None:
        self._operations = operations
        self._metrics = metrics
        self._guard = guard
        self._loopback = is_loopback(host)
        self._body_deadline = body_deadline
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()

    # ------------------------------------------------------------------ around every request

    @web.middleware
    async def guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign pages and whoever may not, and turn every error into JSON."""
        try:
            check_origin(request, loopback=self._loopback)
            request[CALLER] = self._guard.admitted(request)
            return await handler(request)
        except RequestError as refusal:
            answer = _error(refusal.status, str(refusal), refusal.hint, "operator")
            if refusal.status == 401:
                answer.headers["WWW-Authenticate"] = 'Bearer realm="gitsource"'
            return answer
        except GitsourceError as error:
            status = next(code for kind, code in STATUS_OF if isinstance(error, kind))
            return _error(status, str(error), error.hint, error.fault)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            answer = _error(405, f"{request.method} is not for this path", f"use {allowed}")
            answer.headers["Allow"] = allowed
            return answer
        except web.HTTPException as error:
            return _error(error.status, error.reason.lower(), "docs/operations.md lists the paths")
        except Exception:
            log.exception("an admin request died", extra={"path": request.path})
            return _error(500, "gitsource failed; its log says why", "", "gitsource")

    # ------------------------------------------------------------------ reading

    async def page(self, _request: web.Request) -> web.Response:
        """The status page."""
        text = page.render(await self._operations.status())
        return web.Response(text=text, content_type="text/html")

    async def healthz(self, _request: web.Request) -> web.Response:
        """That this is answered says that the event loop lives."""
        return _answer({"alive": True})

    async def readyz(self, request: web.Request) -> web.Response:
        """200 once a snapshot is served, 503 before; the reasons for who may read."""
        told = readiness(await self._operations.status())
        status = 200 if told["ready"] else 503
        if not request[CALLER].may("viewer"):
            return _answer({"ready": told["ready"]}, status)
        if self._guard.note:
            told["reasons"].append(self._guard.note)
        return _answer(told, status)

    async def metrics(self, _request: web.Request) -> web.Response:
        """All metrics, for Prometheus."""
        return web.Response(
            body=self._metrics.render(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def status(self, _request: web.Request) -> web.Response:
        """How things stand."""
        return _answer(await self._operations.status())

    async def snapshot(self, request: web.Request) -> web.Response:
        """What is served, as versions."""
        collection, after = read_snapshot(request.query)
        return _answer(await self._operations.snapshot(collection, after))

    async def sinks(self, _request: web.Request) -> web.Response:
        """The open streams, and what was refused lately."""
        return _answer(await self._operations.sinks())

    async def sink(self, request: web.Request) -> web.Response:
        """What one sink was sent and has accepted."""
        name, bodies = read_sink(request.query)
        return _answer(await self._operations.sink(name, bodies=bodies))

    async def webhooks(self, _request: web.Request) -> web.Response:
        """The webhook deliveries of late."""
        return _answer(await self._operations.webhooks())

    async def webhook(self, request: web.Request) -> web.Response:
        """One webhook delivery."""
        return _answer(await self._operations.webhook(read_webhook(request.query)))

    async def history(self, _request: web.Request) -> web.Response:
        """What looks at revisions came to."""
        return _answer(await self._operations.history())

    async def explain(self, request: web.Request) -> web.Response:
        """Why a commit did or did not go out."""
        return _answer(await self._operations.explain(read_explain(request.query)))

    async def wait(self, request: web.Request) -> web.Response:
        """Answer when a revision has been accepted, or cannot be, or the time is up."""
        if len(set(request.query)) != len(request.query):
            raise RequestError(400, "a parameter is given twice")
        asked = read_wait(request.query)
        return _answer(await self._operations.wait(asked.revision, asked.sinks, asked.timeout))

    # ------------------------------------------------------------------ commands

    async def command(self, request: web.Request) -> web.Response:
        """Carry out a command. One that has begun is finished, even if its caller goes away."""
        name = request.path.strip("/")
        caller: Caller = request[CALLER]
        told: dict[str, Any] = dict(read_command(name, await self._body(request)))
        claimed = told.get("who", "")
        if "who" in told:
            told["who"] = _who(caller, claimed, where(request))
        order = _Order(name, caller.identity or claimed, where(request), dict(told), claimed)
        if name == "sync":
            hint = '"timeout": "30" is how many seconds the sinks get'
            timeout = read_timeout(told.pop("timeout") or "0", hint)
            told["reason"] = told["reason"] or "operator"
        log.info("command", extra={"command": name, **told})
        if name == "sync":
            told["timeout"] = timeout
        act: Coroutine[Any, Any, dict[str, Any]] = getattr(self._operations, name)(**told)
        task = asyncio.create_task(self._recorded(act, order), name=f"admin {name}")
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return _answer(await asyncio.shield(task))

    async def _recorded(
        self, act: Coroutine[Any, Any, dict[str, Any]], order: _Order
    ) -> dict[str, Any]:
        """Carry *order* out, and tell the audit log what came of it."""
        try:
            done = await act
        except GitsourceError as error:
            self._guard.record(order.told("failed", error=str(error)))
            raise
        except BaseException:
            self._guard.record(order.told("failed", error="gitsource failed, or was ended"))
            raise
        meant = done.get("pinned") or done.get("allowed") or done.get("revision")
        told = {"result": str(done.get("outcome") or ""), "commit": str(meant or "")}
        self._guard.record(order.told("ok", **told))
        return done

    def _done(self, task: asyncio.Task[dict[str, Any]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; the error was theirs

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            raise RequestError(415, "a command is sent as JSON", "Content-Type: application/json")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise RequestError(415, "a command is sent uncompressed")
        if (request.content_length or 0) > LARGEST_BODY:
            raise RequestError(413, "the body is too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_deadline):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > LARGEST_BODY:
                        raise RequestError(413, "the body is too large")
        except TimeoutError:
            raise RequestError(408, "the body took too long") from None
        return bytes(body)


@dataclass(frozen=True, slots=True)
class _Order:
    """A command as the audit log is told of it."""

    name: str
    who: str
    peer: str
    parameters: Mapping[str, Any]
    claimed: str

    def told(self, outcome: str, **more: Fact) -> Happening:
        facts: dict[str, Fact] = {"command": self.name}
        for key in ("revision", "sink"):
            if self.parameters.get(key):
                facts[key] = str(self.parameters[key])
        if self.claimed and self.claimed != self.who:
            facts["claimed"] = self.claimed
        facts.update({key: value for key, value in more.items() if value})
        reason = str(self.parameters.get("reason", ""))
        return Happening("command", self.who, self.peer, outcome, reason, facts)


def _who(caller: Caller, claimed: str, peer: str) -> str:
    """Return who is named as having given an order: what is proved comes before what is said."""
    if not caller.identity:
        return claimed or f"someone at {peer.rpartition(':')[0].strip('[]') or peer}"
    return f"{caller.identity} ({claimed})" if claimed else caller.identity


def _answer(told: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(told) + "\n", status=status, content_type="application/json"
    )


def _error(status: int, error: str, hint: str = "", fault: str = "operator") -> web.Response:
    response = _answer({"error": error, "hint": hint, "fault": fault}, status)
    if status in (408, 413, 415):
        response.force_close()  # the rest of the body is not worth reading
    return response


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


async def _add_strictness(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Strict-Transport-Security"] = "max-age=31536000"
