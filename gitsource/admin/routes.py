"""
The admin door's routes: each request translated into one call, each error into one answer.

Rule: GET only reads. A command is a POST with a JSON content type, which a page of another site
cannot send without asking first, and no answer allows it to. On a loopback address the Host header
must name this machine, so that a name rebound to it in a browser reaches nothing.

This module imports aiohttp; import it lazily (`gitsource.admin.server` does).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from gitsource.admin import page
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
from gitsource.listener import is_loopback

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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _RequestError(Exception):
    """The request itself is wrong."""

    def __init__(self, status: int, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.hint = hint


def application(
    operations: Operations, metrics: Metrics, host: str, *, body_deadline: float = BODY_DEADLINE
) -> web.Application:
    """Return the admin application; *host* is the one it will be bound to."""
    routes = _Routes(operations, metrics, host, body_deadline)
    app = web.Application(middlewares=[routes.guard])
    app.on_response_prepare.append(_add_headers)
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
        self, operations: Operations, metrics: Metrics, host: str, body_deadline: float
    ) -> None:
        self._operations = operations
        self._metrics = metrics
        self._loopback = is_loopback(host)
        self._body_deadline = body_deadline
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()

    # ------------------------------------------------------------------ around every request

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign hosts and pages, and turn every error into JSON."""
        try:
            self._check_host(request)
            return await handler(request)
        except _RequestError as refusal:
            return _error(refusal.status, str(refusal), refusal.hint, "operator")
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

    def _check_host(self, request: web.Request) -> None:
        told = request.headers.getall("Host", [])
        host = _host_of(f"//{told[0]}") if len(told) == 1 else None
        if host is None:
            raise _RequestError(400, "the Host header is missing or no host")
        if self._loopback and not is_loopback(host):
            raise _RequestError(
                403,
                "this door is for this machine, and the Host header names another",
                "ask 127.0.0.1 or localhost, or bind listen.admin to the address you use",
            )
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != told[0]:
            raise _RequestError(403, "requests from pages of other sites are refused")

    # ------------------------------------------------------------------ reading

    async def page(self, _request: web.Request) -> web.Response:
        """The status page."""
        text = page.render(await self._operations.status())
        return web.Response(text=text, content_type="text/html")

    async def healthz(self, _request: web.Request) -> web.Response:
        """That this is answered says that the event loop lives."""
        return _answer({"alive": True})

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 once a snapshot is served, 503 before."""
        told = readiness(await self._operations.status())
        return _answer(told, status=200 if told["ready"] else 503)

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
            raise _RequestError(400, "a parameter is given twice")
        asked = read_wait(request.query)
        return _answer(await self._operations.wait(asked.revision, asked.sinks, asked.timeout))

    # ------------------------------------------------------------------ commands

    async def command(self, request: web.Request) -> web.Response:
        """Carry out a command. One that has begun is finished, even if its caller goes away."""
        name = request.path.strip("/")
        told: dict[str, Any] = dict(read_command(name, await self._body(request)))
        if "who" in told and not told["who"]:
            told["who"] = f"someone at {request.remote}"
        if name == "sync":
            hint = '"timeout": "30" is how many seconds the sinks get'
            timeout = read_timeout(told.pop("timeout") or "0", hint)
            told["reason"] = told["reason"] or "operator"
        log.info("command", extra={"command": name, **told})
        if name == "sync":
            told["timeout"] = timeout
        act: Coroutine[Any, Any, dict[str, Any]] = getattr(self._operations, name)(**told)
        task = asyncio.create_task(act, name=f"admin {name}")
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return _answer(await asyncio.shield(task))

    def _done(self, task: asyncio.Task[dict[str, Any]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; the error was theirs

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            raise _RequestError(415, "a command is sent as JSON", "Content-Type: application/json")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise _RequestError(415, "a command is sent uncompressed")
        if (request.content_length or 0) > LARGEST_BODY:
            raise _RequestError(413, "the body is too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_deadline):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > LARGEST_BODY:
                        raise _RequestError(413, "the body is too large")
        except TimeoutError:
            raise _RequestError(408, "the body took too long") from None
        return bytes(body)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


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
