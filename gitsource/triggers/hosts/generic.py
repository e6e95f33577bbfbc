"""
Any sender that signs the raw body: ``X-Signature: sha256=<hex HMAC-SHA256>``, as Flux has it.

Rule: whatever the payload leaves out is taken for "it may be yours": who knows the secret and says
nothing more asks for a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts.proof import hex_signature
from gitsource.triggers.hosts.said import Host, Said, Terms, at, branch, move, moved, text


def _unproven(delivery: Delivery, terms: Terms) -> str:
    header = "x-hub-signature-256" if delivery.has("x-hub-signature-256") else "x-signature"
    return hex_signature(delivery.header(header), delivery.body, terms.secrets)


def _read(_event: str, payload: Mapping[str, Any]) -> Said:
    ref, told = branch(payload.get("ref")), payload.get("repository")
    addresses = [text(told), *(at(told, key) for key in ("url", "clone_url", "ssh_url"))]
    return moved((move(ref, payload.get("after") or payload.get("commit")),), addresses)


HOST = Host(
    name="generic",
    sent=lambda _delivery: True,
    event=lambda _delivery: "",
    id=lambda delivery, _payload: delivery.header("x-delivery-id"),
    unproven=_unproven,
    read=_read,
)
