"""
What Istio takes for a name: hosts, labels, addresses, paths.

Rule: each function answers one question of Istio's validator, with its answer, quirks included; no
regular expression here can be slow, whatever the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

_LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_WILDCARD_LABEL = re.compile(rf"\*|(?:\*-?)?{_LABEL}")
_DNS_PREFIX = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_QUALIFIED = re.compile("[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")

LONGEST_LABEL = 63
LONGEST_NAME = 255
LONGEST_PREFIX = 253
"""Characters of what stands before the slash in a label's key."""
UNIX = "unix://"
_REMEMBERED = 8192
"""Names whose answer is kept: the same hosts stand in document after document."""
_LARGEST = 2**63 - 1
"""The last label of a domain counts as a number up to here, since Istio reads it into 64 bits."""


def is_dns_label(text: str) -> bool:
    """Say whether *text* is 1 to 63 letters, digits and hyphens, with no hyphen at either end."""
    return len(text) <= LONGEST_LABEL and _DNS_LABEL.fullmatch(text) is not None


def is_fqdn(text: str) -> bool:
    """
    Say whether *text* is a domain name without wildcards; it may end in one dot.

    The last label may not be a number, but (as in Istio) ``10.0.0.1.`` is a name: what counts as
    its last label is the empty one after the dot.
    """
    return 0 < len(text) <= LONGEST_NAME and _are_labels(text)


def is_wildcard_domain(text: str) -> bool:
    """
    Say whether *text* is a domain name whose first label may be, or start with, ``*``.

    A single label may be a number.
    """
    return 0 < len(text) <= LONGEST_NAME and _is_wildcard_domain(text)


@lru_cache(maxsize=_REMEMBERED)
def _is_wildcard_domain(text: str) -> bool:
    first, dot, rest = text.partition(".")
    if len(first) > LONGEST_LABEL or not _WILDCARD_LABEL.fullmatch(first):
        return False
    return not dot or _are_labels(rest)


def _are_labels(text: str) -> bool:
    *labels, last = text.split(".")
    if last and (not is_dns_label(last) or (last.isdigit() and int(last) <= _LARGEST)):
        return False
    return all(map(is_dns_label, labels))


def is_gateway_domain(text: str, *, sni: bool) -> bool:
    """
    Say whether *text* is a host of a route that is bound to gateways only.

    With *sni* (the route matches by SNI), ``outbound_.<port>_.<subset>_.<host>`` is one too: a name
    that Istio makes for connections it passes on. Istio looks at the second and fourth part only.
    """
    if sni and text.startswith("outbound_"):
        parts = text.split("_")
        return (
            len(text) <= LONGEST_NAME
            and len(parts) > 3
            and re.search("[0-9]", parts[1]) is not None
            and re.search("[A-Za-z]", parts[3]) is not None
        )
    return is_wildcard_domain(text)


def is_partial_wildcard(text: str) -> bool:
    """Say whether the ``*`` in *text* stands for less than whole labels."""
    return len(text) > 1 and "*" in text and not text.startswith("*.")


def is_ip(text: str) -> bool:
    """Say whether *text* is a literal IPv4 or IPv6 address; the latter may name a zone."""
    address, percent, zone = text.partition("%")
    if percent and (not zone or ":" not in address):
        return False
    if ":" not in address:
        return _IPV4.fullmatch(address) is not None
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Say whether *text* is an address without a zone, a slash and the length of a prefix."""
    address, slash, bits = text.partition("/")
    if not slash or "%" in address or not re.fullmatch("0|[1-9][0-9]{0,2}", bits):
        return False
    return is_ip(address) and int(bits) <= (128 if ":" in address else 32)


def is_subnet(text: str) -> bool:
    """Say whether *text* is a CIDR prefix or an address."""
    return is_cidr(text) if text.count("/") == 1 else is_ip(text)


def is_unix_path(text: str) -> bool:
    """Say whether *text*, what follows ``unix://``, is an absolute path or an abstract socket."""
    return text.startswith("@") or (text.startswith("/") and not text.endswith("/"))


def label_key_flaw(key: str) -> str:
    """Say what is wrong with the key of a label; empty if nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= LONGEST_PREFIX and _DNS_PREFIX.fullmatch(prefix)):
        return "what stands before the / has to be a domain name"
    if len(name) > LONGEST_LABEL or not _QUALIFIED.fullmatch(name):
        return (
            "use 1 to 63 letters, digits, '-', '_' and '.', with a letter or a digit first and last"
        )
    return ""


def label_value_flaw(value: str) -> str:
    """Say what is wrong with the value of a label, whose length is free; empty if nothing is."""
    if value and not _QUALIFIED.fullmatch(value):
        return (
            "use letters, digits, '-', '_' and '.', with a letter or a digit first and last, or ''"
        )
    return ""


def covers(wide: str, narrow: str) -> bool:
    """
    Say whether the host *wide* (which may start with ``*``) takes in all of *narrow*.

    ``*`` may stand for nothing: ``*shop.io`` takes in ``shop.io``.
    """
    if not wide.startswith("*"):
        return wide == narrow
    return narrow.removeprefix("*").endswith(wide[1:])


def overlap(one: str, other: str) -> bool:
    """Say whether there is a name that both hosts match."""
    return covers(one, other) or covers(other, one)


class Hosts:
    """
    Many hosts, asked at once which of them `covers` a name.

    A look-up costs one step a length of wildcard, however many hosts there are.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._plain: dict[str, int] = {}
        self._suffixes: dict[str, int] = {}
        for index, host in enumerate(hosts):
            if host.startswith("*"):
                self._suffixes.setdefault(host[1:], index)
            else:
                self._plain.setdefault(host, index)
        self._lengths = sorted({len(suffix) for suffix in self._suffixes})

    def covering(self, host: str) -> list[int]:
        """Return the places of hosts that take in all of *host*, the first of equal ones."""
        found = [self._plain[host]] if host in self._plain else []
        text = host.removeprefix("*")
        for length in self._lengths:
            if length > len(text):
                break
            index = self._suffixes.get(text[len(text) - length :])
            if index is not None:
                found.append(index)
        return found


def overlaps(hosts: Iterable[str]) -> dict[int, int]:
    """Return the place of each host that shares names with an earlier one, and that one's place."""
    named = list(hosts)
    if len(set(named)) == len(named) and not any(host.startswith("*") for host in named):
        return {}
    known = Hosts(named)
    found: dict[int, int] = {}
    for index, host in enumerate(named):
        for other in known.covering(host):
            first, second = sorted((index, other))
            if first != second:
                found.setdefault(second, first)
    return found
