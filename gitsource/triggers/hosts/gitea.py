"""
Gitea and those that share its past: Forgejo and Gogs.

Rule: the signature is bare hexadecimal, and over the *payload* where that came in a form. All three
send GitHub's headers as well, so they are looked for before GitHub is.
"""

from __future__ import annotations

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts import github
from gitsource.triggers.hosts.proof import MISSING, SHA1, hex_signature
from gitsource.triggers.hosts.said import Host, Terms

FAMILY = ("forgejo", "gitea", "gogs")


def _unproven(delivery: Delivery, terms: Terms) -> str:
    signed = delivery.payload_text()
    for name in FAMILY:
        if delivery.has(f"x-{name}-signature"):
            given = delivery.header(f"x-{name}-signature")
            return hex_signature(given, signed, terms.secrets, prefix="")
    if delivery.has("x-hub-signature-256"):
        return hex_signature(delivery.header("x-hub-signature-256"), signed, terms.secrets)
    if not delivery.has("x-hub-signature"):
        return MISSING
    if not terms.allow_sha1:
        return SHA1
    given = delivery.header("x-hub-signature")
    return hex_signature(given, signed, terms.secrets, prefix="sha1=", digest="sha1")


def _host(name: str) -> Host:
    # Forgejo sends Gitea's headers too, and both send those of Gogs.
    events = tuple(f"x-{each}-event" for each in (name, *FAMILY))
    ids = tuple(f"x-{each}-delivery" for each in (name, *FAMILY))
    return Host(
        name=name,
        sent=lambda delivery: delivery.has(f"x-{name}-event"),
        event=lambda delivery: delivery.first(*events),
        id=lambda delivery, _payload: delivery.first(*ids),
        unproven=_unproven,
        read=github.read,
        forms=True,
    )


FORGEJO, GITEA, GOGS = map(_host, FAMILY)
