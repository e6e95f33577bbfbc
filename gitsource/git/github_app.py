"""
A GitHub App's way to a repository: a signed assertion (JWT) buys a token that is good for an hour.

Rule: a token is asked for when it is needed, kept in memory, and asked for anew while it still has
some minutes. GitHub's clock counts and not ours: what it says the time is corrects us. Errors say
whose fault it is: the App's number or key (401), the installation (404), its rights (403), the way.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitsource.errors import AccessRefused, RemoteUnreachable
from gitsource.git.access import forms
from gitsource.observe.neutral import neutral, without_credentials
from gitsource.settings.following import GitHubApp

EARLY = 300.0
"""Seconds before its end from which on a token is not used any more: a fetch takes a while."""
LASTS = 540.0
"""Seconds for which an assertion is good; GitHub takes ten minutes at most."""
SKEW = 60.0
"""Seconds by which an assertion is dated back, since clocks differ."""
ANSWER = 64 * 1024
"""The most bytes of an answer that are read."""


@dataclass(frozen=True)
class App:
    """An App, and its key as it was read just now."""

    row: GitHubApp
    key: bytes = field(repr=False)
    key_file: Path


@dataclass(frozen=True)
class Way:
    """How the API is reached."""

    proxy: str = field(default="", repr=False)
    """URL, with user and password."""
    ca: Path | None = None
    timeout: float = 30.0
    """Seconds for all of it."""


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    date: float | None = None
    """What time it says it is, in seconds since the epoch."""


@dataclass
class _Held:
    token: str = field(repr=False)
    ends: float
    """By the clock that nobody sets."""
    key: bytes = field(repr=False)


class Tokens:
    """
    The tokens that were got, an installation each; for any number of threads.

    *wall* tells the time of day in seconds since the epoch, *steady* never jumps.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._held: dict[GitHubApp, _Held] = {}

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._held)} installations>"

    def __reduce__(self) -> tuple[type[Tokens], tuple[()]]:
        """Travel to another process without any token."""
        return Tokens, ()

    def get(self, app: App, way: Way) -> str:
        """
        Return a token that is good for some minutes yet.

        Raises AccessRefused or RemoteUnreachable, saying why there is none.
        """
        with self._lock:
            held = self._held.get(app.row)
            if held is not None and self._steady() < held.ends - EARLY and held.key == app.key:
                return held.token
            self._held.pop(app.row, None)
            token, lasts = self._bought(app, way)
            self._held[app.row] = _Held(token, self._steady() + lasts, app.key)
            return token

    def _bought(self, app: App, way: Way) -> tuple[str, float]:
        """Return a new token, and how many seconds it lasts."""
        row = app.row
        url = f"{row.api_url.rstrip('/')}/app/installations/{row.installation_id}/access_tokens"
        answer = _ask(url, assertion(app, self._wall()), way)
        if answer.status == 401 and answer.date is not None:
            ahead = answer.date - self._wall()
            if abs(ahead) > SKEW / 2:
                answer = _ask(url, assertion(app, self._wall() + ahead), way)
        token = answer.body.get("token")
        good = isinstance(token, str) and token.isascii() and token.isprintable()
        if answer.status != 201 or not good or not token:
            raise refusal(app, answer)
        now = self._wall() if answer.date is None else answer.date
        return str(token), lasting(answer.body.get("expires_at"), now)

    def forget(self, row: GitHubApp) -> None:
        """Let go of the token of an installation, because the Git host did not take it."""
        with self._lock:
            self._held.pop(row, None)


def assertion(app: App, now: float) -> str:
    """Return the signed claim to be *app*, good for some minutes around *now*."""
    import jwt

    claims = {"iat": int(now - SKEW), "exp": int(now + LASTS - SKEW), "iss": str(app.row.app_id)}
    try:
        return jwt.encode(claims, app.key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise AccessRefused(
            f"GitHub App {app.row.app_id}: {app.key_file} is no RSA private key in PEM",
            hint="download a private key from the App's settings into github_app.private_key_file",
            kind="credentials",
        ) from error


def lasting(expires_at: object, now: float) -> float:
    """Return for how many seconds a token lasts that ends at *expires_at* (ISO 8601)."""
    try:
        told = datetime.fromisoformat(str(expires_at))
    except ValueError:
        return EARLY + 60
    told = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    # However long it claims to last, an hour is the most that GitHub gives.
    return min(told.timestamp() - now, 3600.0)


def refusal(app: App, answer: Answer) -> RemoteUnreachable:
    """Return the error for an *answer* without a token in it."""
    row = app.row
    told = neutral(without_credentials(str(answer.body.get("message", ""))))[:200]
    where = f"GitHub App {row.app_id}: {row.api_url} answers {answer.status}"
    text = f"{where}: {told}" if told else where
    match answer.status:
        case 401:
            hint = f"github_app.app_id is not the App whose key {app.key_file} is, or that key was "
            return AccessRefused(text, hint=f"{hint}withdrawn there", kind="authentication")
        case 404:
            hint = f"the App has no installation {row.installation_id}: see the address of "
            hint += "`Configure` under the organisation's installed GitHub Apps"
            return AccessRefused(text, hint=hint, kind="authentication")
        case 403 | 422:
            hint = "the installation is suspended, or may not read contents, or asked too often"
            return AccessRefused(text, hint=hint, kind="permission")
        case 201:
            text = f"GitHub App {row.app_id}: {row.api_url} answers without a token"
            return RemoteUnreachable(text, hint="check github_app.api_url")
        case _:
            return RemoteUnreachable(text, hint="check github_app.api_url, or wait for GitHub")


def _ask(url: str, claim: str, way: Way) -> Answer:
    """POST to *url* as the one who makes *claim*."""
    import asyncio  # costly, and most repositories are not reached by an App

    try:
        return asyncio.run(_asked(url, claim, way))
    except Exception as error:
        raised = _unreached(error, url, forms(way.proxy, claim))
        if raised is None:
            raise
        raise raised from None  # what libraries say may have the proxy's password in it


def _unreached(error: Exception, url: str, secrets: Sequence[str]) -> RemoteUnreachable | None:
    """Return what *error* means in our words; None if it is a fault of ours."""
    import ssl

    import aiohttp

    why, kind, raised = "no answer", "refused", RemoteUnreachable
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        why, kind, raised = "TLS", "tls", AccessRefused
    elif "socks" in type(error).__module__ or isinstance(
        error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError
    ):
        why, kind = "the proxy", "proxy"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        why, kind = "its name is not found", "dns"
    elif not isinstance(error, OSError | aiohttp.ClientError):
        return None
    text = str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    text = neutral(without_credentials(text))[:200] or type(error).__name__
    hint = "check github_app.api_url, and ca and proxy of the same row"
    return raised(f"{url}: {why}: {text}", hint=hint, kind=kind)


def _proxy_of_environment(url: str) -> str:
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    host = urlsplit(url).hostname or ""
    return "" if proxy_bypass(host) else getproxies().get("https", "")


async def _asked(url: str, claim: str, way: Way) -> Answer:
    import ssl

    import aiohttp

    context = ssl.create_default_context(cafile=None if way.ca is None else str(way.ca))
    options: dict[str, Any] = {}
    proxy = way.proxy or _proxy_of_environment(url)
    if proxy.startswith("socks"):
        from aiohttp_socks import ProxyConnector

        by_proxy = proxy.startswith("socks5h")
        address = proxy.replace("socks5h", "socks5", 1)
        connector: aiohttp.BaseConnector = ProxyConnector.from_url(
            address, rdns=by_proxy, ssl=context
        )
    else:
        connector = aiohttp.TCPConnector(ssl=context)
        if proxy:
            options["proxy"] = proxy
    headers = {
        "Authorization": f"Bearer {claim}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=way.timeout)
        ) as session,
        session.post(url, headers=headers, allow_redirects=False, **options) as response,
    ):
        data = b""
        while more := await response.content.read(ANSWER - len(data)):
            data += more
        try:
            body = json.loads(data)
        except ValueError:
            body = {}
        date = _date(response.headers.get("Date", ""))
        return Answer(response.status, body if isinstance(body, dict) else {}, date)


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
