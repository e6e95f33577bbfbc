"""
Opening the operators' door.

Rule: the door opens after the gRPC server serves: importing what it needs (aiohttp, the metrics
library) takes a fifth of a second, in a thread, and no sink has to wait for that. On a network it
opens for those alone who prove who they are, over TLS, unless `insecure` says otherwise, and then
it says so wherever it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitsource.admin.access import Access
from gitsource.admin.operations import Metrics, Operations
from gitsource.admin.token_files import TokenFiles
from gitsource.doors.listener import Listener, listen, load, socket_path, split_address
from gitsource.doors.papers import papers_of
from gitsource.doors.tls import Tls
from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Record, unrecorded
from gitsource.security.failures import Failures
from gitsource.settings.doors import Admin
from gitsource.settings.serving import Limits
from gitsource.settings_checks.http_doors import unguarded

log = logging.getLogger("gitsource.admin")


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms callers are let in."""

    admin: Admin = field(default_factory=Admin)
    insecure: bool = False
    """Whether an address on a network may lack TLS and login."""
    oldest: str = "1.3"
    """The oldest TLS that is spoken."""
    folder: Path = field(default_factory=Path)
    """From which relative paths count."""
    every: float = 5.0
    """Seconds between two looks at the files of TLS."""
    record: Record = unrecorded
    failed_tokens: Callable[[], int] = lambda: Limits().failed_tokens
    """How many tokens of one address may be no good in a minute; 0: there is no bound."""


async def serve_admin(
    operations: Operations, metrics: Metrics, address: str, terms: Terms | None = None
) -> Listener:
    """
    Open the door at *address*; close the listener that is returned to shut it.

    Raises ConfigurationError if the address is none, cannot be bound, or is open to a network
    without login and TLS; or if a file with tokens or certificates is no good.
    """
    terms = terms or Terms()
    admin = terms.admin
    host = "localhost" if socket_path(address) else split_address(address, "listen.admin")[0]
    lacking = unguarded(address, admin)
    if lacking and not terms.insecure:
        raise ConfigurationError(f"listen.admin: {address}: {lacking}")
    access = _access(terms)
    note = ""
    if lacking:
        note = f"the operators' door is open to whoever reaches {address} (insecure)"
        log.warning("%s", note)
    await load("gitsource.admin.routes")
    await load("prometheus_client")
    from gitsource.admin.guard import Guard
    from gitsource.admin.routes import application

    tls, closing = await _tls(terms)
    failures = Failures(terms.failed_tokens)
    told = Guard(access, frozenset(admin.open), _trust_domains(admin), note, terms.record, failures)
    if tls is not None:
        told = replace(told, fallen=tls.fallen)
    app = application(operations, metrics, host, guard=told, encrypted=tls is not None)
    try:
        return await listen(app, address, "listen.admin", tls=tls, closing=closing)
    except BaseException:
        closing()
        raise


def _access(terms: Terms) -> Access:
    admin = terms.admin
    tokens = TokenFiles(admin.tokens, terms.folder, terms.record)
    asked = bool(admin.tokens or admin.identities)
    return Access(tokens.current, admin.identities, asked=asked)


def _trust_domains(admin: Admin) -> frozenset[str]:
    """Return the trust domains of which an operator may be."""
    told = (row.identity for row in admin.identities if row.identity.startswith("spiffe://"))
    return frozenset(each.removeprefix("spiffe://").partition("/")[0] for each in told)


async def _tls(terms: Terms) -> tuple[Tls | None, Callable[[], None]]:
    admin, folder = terms.admin, terms.folder
    if not (admin.cert and admin.key):
        return None, lambda: None
    return await papers_of(
        "admin",
        folder / admin.cert,
        folder / admin.key,
        record=terms.record,
        ca=folder / admin.ca if admin.ca else None,
        crl=folder / admin.crl if admin.crl else None,
        oldest=terms.oldest,
        every=terms.every,
    )
