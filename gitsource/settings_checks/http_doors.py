"""
What must hold of the settings of the HTTP doors: who may come in, and what is shown to them.

Rule: pure. On a network nobody gets at the operators' door by merely reaching it: it takes TLS, and
a token or a certificate with a role; `insecure` alone leaves that out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitsource.settings.doors import Admin
from gitsource.settings.triggers import Webhook
from gitsource.settings.whole import Settings
from gitsource.settings_checks.addresses import is_private

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
MAY_BE_OPEN = ("/healthz", "/readyz", "/metrics")
"""Paths of `admin.open`: what probes and Prometheus ask."""
PATTERN = re.compile(r"(spiffe://[A-Za-z0-9._-]+/\S+|(dns|cn):\S+)")
"""What `admin.identities` may name; a trust domain without a wildcard."""

Told = tuple[str, tuple[str | int, ...], str]
"""The setting, where in it, and what is wrong."""


def door_faults(settings: Settings) -> Iterator[Told]:
    """Yield what is wrong."""
    yield from _papers("admin", settings.admin)
    yield from _papers("webhook", settings.webhook)
    yield from _tokens(settings.admin)
    yield from _identities(settings.admin)
    for index, path in enumerate(settings.admin.open):
        if path not in MAY_BE_OPEN:
            yield "admin.open", (index,), f"expected some of {', '.join(MAY_BE_OPEN)}"
    why = unguarded(settings.listen.admin, settings.admin)
    if why and not settings.insecure:
        yield "listen.admin", (), why


def unguarded(address: str, admin: Admin) -> str:
    """Return what *address* lacks of what a network asks for; empty if nothing."""
    if is_private(address):
        return ""
    if not (admin.cert and admin.key):
        return (
            "on a network it needs admin.cert and admin.key, and admin.tokens or admin.identities "
            "(keep it on 127.0.0.1 or unix:/run/gitsource.sock, or set insecure)"
        )
    if not (admin.tokens or admin.identities):
        return (
            "on a network it needs admin.tokens or admin.identities: whoever reached it could give "
            "orders (keep it on 127.0.0.1, or set insecure)"
        )
    return ""


def _papers(group: str, told: Admin | Webhook) -> Iterator[Told]:
    if told.cert and not told.key:
        yield f"{group}.cert", (), f"needs {group}.key, the private key of the certificate"
    if told.key and not told.cert:
        yield f"{group}.key", (), f"needs {group}.cert, the certificate that it is for"


def _tokens(admin: Admin) -> Iterator[Told]:
    names: set[str] = set()
    for index, row in enumerate(admin.tokens):
        if not NAME.fullmatch(row.name):
            text = "expected a name such as prometheus or ada@example.com"
            yield "admin.tokens", (index, "name"), text
        elif row.name in names:
            yield "admin.tokens", (index, "name"), f"there is another {row.name}"
        names.add(row.name)
        if not row.file:
            yield "admin.tokens", (index,), "expected file, which has the token"


def _identities(admin: Admin) -> Iterator[Told]:
    if admin.identities and not (admin.ca and admin.cert):
        text = "needs admin.cert and admin.ca: without TLS nobody shows a certificate"
        yield "admin.identities", (), text
    for index, row in enumerate(admin.identities):
        if not PATTERN.fullmatch(row.identity):
            text = "expected a pattern such as spiffe://prod/ns/ops/sa/* or dns:ada.example.com"
            yield "admin.identities", (index, "identity"), text
