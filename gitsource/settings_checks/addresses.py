"""
Addresses to listen on, as settings write them: which are this machine's alone.

Rule: pure; no name is looked up. What cannot be told from the text is a network's.
"""

from __future__ import annotations

from contextlib import suppress

UNIX = "unix:"
"""What the address of a Unix socket starts with."""


def is_loopback(host: str) -> bool:
    """Whether *host*, as written in an address or a Host header, can only be this machine."""
    import ipaddress  # lazily: only HTTP needs it

    if host.rstrip(".").lower() == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def is_private(address: str) -> bool:
    """Whether only this machine reaches *address* (``host:port`` or ``unix:/path``)."""
    if address.startswith(UNIX):
        return True
    return is_loopback(address.rpartition(":")[0].strip("[]"))
