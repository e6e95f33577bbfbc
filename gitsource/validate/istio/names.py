"""
What Istio takes for a name: hosts, labels, addresses, paths.

Rule: each function answers one question of Istio's validator, with its answer, quirks included; no
regular expression here can be slow, whatever the text.
"""

from __future__ import annotations

import ipaddress
import re

_DNS_LABEL = re.compile("[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_WILDCARD_LABEL = re.compile(r"\*|(?:\*-?)?[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?")
_LABEL_NAME = re.compile("[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile("(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_SNI_ROUTE = re.compile(r"outbound_\.(?=[^_]*[0-9])[^.]*\._\.(?=.*[A-Za-z]).+")

LONGEST_NAME = 255
UNIX = "unix://"


def is_dns_label(text: str) -> bool:
    """Say whether *text* is 1 to 63 letters, digits and hyphens, with no hyphen at either end."""
    return bool(_DNS_LABEL.fullmatch(text))


def is_fqdn(text: str) -> bool:
    """Say whether *text* is a domain name without wildcards; it may end in one dot."""
    return bool(text) and len(text) <= LONGEST_NAME and _are_labels(_labels(text))


def is_wildcard_domain(text: str) -> bool:
    """Say whether *text* is a domain name whose first label may be, or start with, ``*``."""
    if not text or len(text) > LONGEST_NAME:
        return False
    first, *rest = _labels(text)
    if len(first) > 63 or not _WILDCARD_LABEL.fullmatch(first):
        return False
    return not rest or _are_labels(rest)


def _labels(text: str) -> list[str]:
    return text.removesuffix(".").split(".")


def _are_labels(labels: list[str]) -> bool:
    return all(map(is_dns_label, labels)) and not labels[-1].isdecimal()


def is_gateway_domain(text: str) -> bool:
    """Say whether *text* is a host of a route that is bound to gateways only."""
    if text.startswith("outbound_"):
        return bool(_SNI_ROUTE.fullmatch(text))
    return is_wildcard_domain(text)


def is_partial_wildcard(text: str) -> bool:
    """Say whether the ``*`` in *text* stands for less than whole labels."""
    return len(text) > 1 and "*" in text and not text.startswith("*.")


def is_ip(text: str) -> bool:
    """Say whether *text* is a literal IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Say whether *text* is an address, a slash and the length of a prefix in digits."""
    address, slash, bits = text.partition("/")
    if not slash or not is_ip(address) or "%" in address or not re.fullmatch("[0-9]{1,3}", bits):
        return False
    if bits != "0" and bits.startswith("0"):
        return False
    return int(bits) <= (128 if ":" in address else 32)


def is_subnet(text: str) -> bool:
    """Say whether *text* is a CIDR prefix or an address."""
    return is_cidr(text) if text.count("/") == 1 else is_ip(text)


def is_unix_path(text: str) -> bool:
    """Say whether *text*, what follows ``unix://``, is an absolute path or an abstract socket."""
    return text.startswith("@") or (text.startswith("/") and not text.endswith("/"))


def label_flaw(key: str, value: str) -> str:
    """Say what is wrong with one label; empty if nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (0 < len(prefix) <= 253 and all(map(is_dns_label, prefix.split(".")))):
        return f"the part before the / of {key!r} has to be a domain name"
    if not _LABEL_NAME.fullmatch(name):
        return (
            f"the key {key!r} has to be 1 to 63 letters, digits, '-', '_' and '.', with a letter "
            "or a digit first and last"
        )
    if not _LABEL_VALUE.fullmatch(value):
        return (
            f"the value {value!r} of {key!r} has to be letters, digits, '-', '_' and '.', with a "
            "letter or a digit first and last, or empty"
        )
    return ""


def covers(wide: str, narrow: str) -> bool:
    """Say whether the host *wide* (which may start with ``*``) takes in all of *narrow*."""
    if not wide.startswith("*"):
        return wide == narrow
    return len(narrow) >= len(wide) and narrow.removeprefix("*").endswith(wide[1:])


def overlap(one: str, other: str) -> bool:
    """Say whether there is a name that both hosts match."""
    return covers(one, other) or covers(other, one)
