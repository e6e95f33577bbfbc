"""
What comes before a request: may it come from there, who asks, and may they ask that.

Rule: a request that a page of another site could have caused is refused, whatever it asks; so is
one whose Host header names another machine on a loopback address (a name rebound in a browser).
Then comes who asks (`access`); GET takes the role `viewer`, everything else `operator`. Each
refusal for who somebody is, or is not, is in the audit log. Nobody is told why they are nobody.

This module imports aiohttp; import it lazily (`gitsource.admin.server` does).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from gitsource.admin.access import Access, Caller, Role, Shown
from gitsource.doors.tls import address_of, chain_of
from gitsource.observe.happenings import Happening, Record, unrecorded
from gitsource.security.failures import Failures
from gitsource.security.identity import Rules, Unproved, peer_of
from gitsource.settings_checks.addresses import is_loopback

READING = frozenset(("GET", "HEAD"))
"""Methods that change nothing; every other one takes an operator."""
NAMES = ("spiffe", "dns", "cn")
"""What of a certificate names an operator, best first."""


class RequestError(Exception):
    """The request itself is wrong, or not allowed."""

    def __init__(self, status: int, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Guard:
    """Who is let in, and to what."""

    access: Access = field(default_factory=Access)
    open: frozenset[str] = frozenset()
    """Paths that are for everybody."""
    trust_domains: frozenset[str] = frozenset()
    """SPIFFE trust domains of which a caller may be."""
    note: str = ""
    """What is wrong with the door itself; told with readiness."""
    record: Record = unrecorded
    failures: Failures = field(default_factory=lambda: Failures(lambda: 0))
    """How often an address may send a token that is no good."""
    fallen: Callable[[Sequence[bytes]], str] = lambda _chain: ""
    """Why a certificate that was good when its connection was made is so no longer."""

    def admitted(self, request: web.Request) -> Caller:
        """Return who asks; raises `RequestError` for who may not ask this."""
        wanted: Role = "viewer" if request.method in READING else "operator"
        caller, blocked = self._caller(request)
        if caller.may(wanted) or (wanted == "viewer" and request.path in self.open):
            return caller
        if caller.role is None:
            self._refused(request, caller, caller.why)
            if blocked:
                raise RequestError(
                    429,
                    "too many tokens from this address were no good; none is looked at for a while",
                    "wait a minute; behind a proxy many share one address (limits.failed_tokens)",
                )
            raise RequestError(
                401,
                "who is asking? this door is for those who are known to it",
                "send `Authorization: Bearer TOKEN` (--admin-token-file), or show a certificate",
            )
        self._refused(request, caller, f"the role {caller.role} may not do this")
        raise RequestError(
            403, f"this takes the role {wanted}, and you have {caller.role}", "ask an operator"
        )

    def _caller(self, request: web.Request) -> tuple[Caller, bool]:
        """Return who asks, and whether nobody looked since too many from there were no good."""
        shown, now, peer = self._shown(request), time.monotonic(), where(request)
        if not shown.authorization:
            return self.access.caller(shown), False
        if self.failures.blocked(peer, now):
            why = "too many tokens from this address were no good (limits.failed_tokens)"
            return Caller(why=why), True
        caller = self.access.caller(shown)
        if caller.role is None:
            self.failures.failed(peer, now)
        return caller, False

    def _refused(self, request: web.Request, caller: Caller, why: str) -> None:
        facts = {"door": "admin", "method": request.method, "path": request.path}
        peer = where(request)
        self.record(Happening("refuse", caller.identity, peer, "refused", why, facts))

    def _shown(self, request: web.Request) -> Shown:
        authorization = tuple(request.headers.getall("Authorization", ()))
        transport = request.transport
        if transport is None:
            return Shown(authorization)
        chain = chain_of(transport)
        if not chain:
            return Shown(authorization, user=_user(transport.get_extra_info("socket")))
        if why := self.fallen(chain):
            return Shown(authorization, unproved=why)
        rules = Rules(NAMES, dict.fromkeys(self.trust_domains))
        try:
            peer = peer_of(chain, rules, address_of(transport), time.time())
        except Unproved as error:
            return Shown(authorization, unproved=str(error))
        return Shown(authorization, peer)


def check_origin(request: web.Request, *, loopback: bool) -> None:
    """Refuse what names another machine, or what a page of another site may have caused."""
    told = request.headers.getall("Host", [])
    host = _host_of(f"//{told[0]}") if len(told) == 1 else None
    if host is None:
        raise RequestError(400, "the Host header is missing or no host")
    if loopback and not is_loopback(host):
        raise RequestError(
            403,
            "this door is for this machine, and the Host header names another",
            "ask 127.0.0.1 or localhost, or bind listen.admin to the address you use",
        )
    origins = request.headers.getall("Origin", [])
    if any(_place_of(origin) != told[0] for origin in origins):
        raise RequestError(403, "requests from pages of other sites are refused")
    # Browsers tell this of every request, and no page can have them tell otherwise.
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in {"none", "same-origin"} and not _followed(request):
        raise RequestError(403, "requests from pages of other sites are refused")


def _followed(request: web.Request) -> bool:
    """Whether somebody followed a link to a page: nothing of it gets back to where it was."""
    mode, goal = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest"))
    return request.method == "GET" and (mode, goal) == ("navigate", "document")


def where(request: web.Request) -> str:
    """Return the address that a request came from."""
    return address_of(request.transport) if request.transport is not None else ""


def _user(sock: socket.socket | None) -> int | None:
    """Return the user at the other end of a Unix socket; None for any other connection."""
    if sock is None or sock.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return None
    told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", told)
    return int(user)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _place_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
