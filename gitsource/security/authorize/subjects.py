"""
Whether a rule is about a peer, and if not, why.

Rule: what was proved decides; what a node says of itself can only make a rule be about fewer. Every
part that is given has to match, of a list one entry. Patterns never cross a border that matters:
`*` stays inside a part of a path and between two dots of a name. No I/O.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any

from gitsource.model import FieldPath
from gitsource.security.peer import Peer
from gitsource.selectors import Claims, NodeSelector
from gitsource.settings.rights import Subject
from gitsource.settings.views import ViewNodes

PROVED = ("spiffe", "trust_domains", "dns", "ips", "identities", "claims")
"""The parts of a subject that are about what was proved."""

PROTOCOLS = ("mcp", "mcp-legacy", "mcp-dial", "xds", "xds-delta")
"""What sinks may speak, as the status names it."""

SPIFFE = re.compile(
    r"spiffe://[a-z0-9._*-]{1,255}(/(?!\.{1,2}(/|$))(?!\*\*)[A-Za-z0-9._*-]+)*(/\*\*)?"
)
TRUST_DOMAIN = re.compile(r"[a-z0-9._*-]{1,255}")
DNS = re.compile(r"(?!.*\*\*)[a-z0-9_*-]+(\.[a-z0-9_*-]+)*", re.IGNORECASE)

_NO_NODES = ViewNodes()


def mismatch(
    subject: Subject, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
) -> str:
    """
    Return why *subject* is not *peer*, which says to be *node* and speaks *protocol*; empty if so.

    *node* is None for one that has not said anything yet; *hopeful* takes it for any that helps.
    """
    for why in _proved(subject, peer):
        if why:
            return why
    if subject.protocols and not any(_glob(one)(protocol) for one in subject.protocols):
        return f"it speaks {protocol}, not {_listed(subject.protocols)}"
    if subject.nodes != _NO_NODES and not hopeful:
        if node is None:
            return "the node has not said who it is"
        if not _nodes(subject.nodes).takes(node):
            return "what the node says of itself does not match"
    return ""


def _proved(subject: Subject, peer: Peer) -> Iterator[str]:
    """Yield why each part that is given does not match what *peer* proved; empty where it does."""
    if subject.any == "known" and not peer.known:
        yield "it did not prove who it is"
    parts = (
        ("SPIFFE ID", subject.spiffe, (peer.spiffe_id,), _path),
        ("trust domain", subject.trust_domains, (peer.trust_domain,), _glob),
        ("DNS name", subject.dns, peer.dns, _dns),
        ("IP address", subject.ips, peer.ips, _network),
        ("identity", subject.identities, (peer.identity,), _path),
    )
    for what, patterns, found, compiled in parts:
        if not patterns:
            continue
        texts = tuple(filter(None, found))
        if not texts:
            yield f"it proved no {what}"
        elif not any(compiled(pattern)(text) for pattern in patterns for text in texts):
            yield f"{what} {_listed(texts)} is not {_listed(patterns)}"
    for key, glob in subject.claims:
        told = tuple(claimed(peer.claims, key))
        if not told:
            yield f"its token has no claim {key}" if peer.claims else "it showed no token"
        elif not any(_glob(glob)(text) for text in told):
            yield f"claim {key} is {_listed(told)}, not {glob}"


def claimed(claims: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield the texts that *claims* have at *key*; a dot in it may lead into a mapping."""
    if key in claims:
        yield from _texts(claims[key])
        return
    for at, letter in enumerate(key):
        if letter == "." and isinstance(inner := claims.get(key[:at]), Mapping):
            yield from claimed(inner, key[at + 1 :])


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, bool):
            yield "true" if one else "false"
        elif isinstance(one, str | int | float):
            yield str(one)


def _listed(texts: Iterable[str]) -> str:
    return " or ".join(texts)


# --------------------------------------------------------------------------- patterns


def _divided(pattern: str, border: str) -> Callable[[str], bool]:
    """Return whether a text matches *pattern*, part by part between *border*s."""
    parts = pattern.split(border)
    further = len(parts) > 1 and parts[-1] == "**"
    compiled = [_glob(part) for part in (parts[:-1] if further else parts)]

    def holds(text: str) -> bool:
        told = text.split(border)
        rest = told[len(compiled) :]
        if bool(rest) is not further or not all(rest) or len(told) < len(compiled):
            return False
        return all(matches(one) for matches, one in zip(compiled, told, strict=False))

    return holds


@lru_cache(maxsize=4096)
def _path(pattern: str) -> Callable[[str], object]:
    return _divided(pattern, "/")


@lru_cache(maxsize=4096)
def _dns(pattern: str) -> Callable[[str], object]:
    holds = _divided(pattern.lower(), ".")
    return lambda text: holds(text.lower())


@lru_cache(maxsize=4096)
def _network(pattern: str) -> Callable[[str], object]:
    network = ipaddress.ip_network(pattern, strict=False)

    def holds(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return address.version == network.version and address in network

    return holds


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> Callable[[str], object]:
    return re.compile(translate(pattern)).match


@lru_cache(maxsize=1024)
def _nodes(row: ViewNodes) -> NodeSelector:
    return NodeSelector(row)


# --------------------------------------------------------------------------- what is wrong


def faults(subject: Subject) -> Iterator[tuple[FieldPath, str]]:
    """Yield what is wrong with *subject*, each with its place below it."""
    given = [name for name in PROVED if getattr(subject, name)]
    if subject.any != "none" and given:
        yield ("any",), f"any: {subject.any} stands alone, without {given[0]}"
    if subject.any == "none" and not given:
        text = "expected what the sink has to prove (spiffe, trust_domains, dns, ips, identities, "
        yield (), text + "claims), or any: known"
    if subject.any == "all" and subject.nodes != _NO_NODES:
        text = "what a node says of itself is never enough: name what it has to prove as well"
        yield ("nodes",), text
    for name, (sound, expected) in FORMS.items():
        for at, text in enumerate(getattr(subject, name)):
            if not sound(text):
                yield (name, at), f"expected {expected}"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_spoken(text: str) -> bool:
    return any(_glob(text)(protocol) for protocol in PROTOCOLS)


FORMS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "spiffe": (
        SPIFFE.fullmatch,
        "a SPIFFE ID such as spiffe://prod/ns/*/sa/istiod or spiffe://prod/**",
    ),
    "trust_domains": (TRUST_DOMAIN.fullmatch, "a trust domain such as prod.example.com"),
    "dns": (DNS.fullmatch, "a DNS name such as *.shop.example.com"),
    "ips": (_is_network, "an address or a network such as 10.0.0.0/8"),
    "protocols": (_is_spoken, f"one of {', '.join(PROTOCOLS)}, or a glob of them"),
}
"""How the entries of each part are written, and what is expected where one is not."""
