"""
The keys under which documents find each other, and how hosts and gateways are written in them.

Rule: a key is ``topic|variant`` and its first letter says what it is about (`LETTERS`). Whoever
depends on a topic is judged again when what is found under any of its variants changes. Names are
made the same here, once: a short host gets its namespace, and every cluster's domain is left out,
since nobody tells us which one it is.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

LETTERS = {
    "g": "a Gateway by name",
    "d": "a subset of a host",
    "h": "a host that something defines",
    "v": "a VirtualService that binds a host to a gateway",
    "p": "a server for a host on a port of selected gateways",
    "P": "a port of selected gateways, by the family of its protocol",
    "V": "a VirtualService without hosts, by name",
    "U": "a use of a VirtualService without hosts",
    "s": "the policy of its kind for what a selector selects",
    "r": "what a DestinationRule says of a host",
    "w": "a workload by one of its labels",
    "W": "a workload by its namespace",
    "x": "an Envoy resource by type and name",
    "a": "a Listener by the address that it takes",
    "c": "what may stand for a workload, by one of its labels: a Service, a ServiceEntry",
}
"""What each first letter of a key is about."""

HIDDEN = "~"
"""The variant of something exported that says that it is there, not that it is seen."""

_IN_CLUSTER = re.compile(r"((?:\*|[^.|]+)\.[^.|]+\.svc|\*\.svc)(?:\..*)?")
_MOST_LABELS = 130
"""A name of 253 characters has fewer labels."""


def digest(*words: str) -> str:
    """Return a short text for *words*, another one for others."""
    raw = hashlib.blake2b("\0".join(words).encode(), digest_size=9).digest()
    return b2a_base64(raw, newline=False).decode()


def topic_of(key: str) -> str:
    """Return what those who depend on *key* are registered under."""
    return key.rpartition("|")[0]


@lru_cache(4096)
def canonical(host: str, namespace: str) -> str:
    """
    Return *host* as written in a resource of *namespace*, in the one form that keys have.

    A short name is a service of the namespace; ``name.namespace.svc`` stands for itself under any
    cluster domain.
    """
    if "." not in host:
        return host if "*" in host else f"{host}.{namespace}.svc"
    found = _IN_CLUSTER.fullmatch(host)
    return found[1] if found else host


@lru_cache(4096)
def covering(host: str) -> tuple[str, ...]:
    """Return every canonical host that *host* is, or is covered by: the closest first."""
    labels = host.split(".")[:_MOST_LABELS]
    found = [host]
    found += [f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels))]
    if labels[-1] == "svc":
        found += ["*.cluster.local", "*.local"]
    return (*found, "*")


def covers(pattern: str, host: str) -> bool:
    """Whether the canonical *pattern*, which may begin with a star, covers *host*."""
    if pattern in {host, "*"}:
        return True
    if not pattern.startswith("*."):
        return False
    cluster = pattern in {"*.cluster.local", "*.local"} and host.endswith(".svc")
    return cluster or host.endswith(pattern[1:])


def gateway(name: str, namespace: str) -> str:
    """
    Return the Gateway that a VirtualService of *namespace* calls *name*, as ``namespace/name``.

    ``mesh`` is itself. Names such as ``web.shop.svc.cluster.local`` are an old way to say shop/web.
    """
    if name == "mesh":
        return name
    first, slash, second = name.partition("/")
    if slash:
        return f"{namespace}/{second}" if first == "." else name
    first, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{first}" if dot else f"{namespace}/{name}"


def exported(topic: str, to: Iterable[str], namespace: str) -> Iterator[str]:
    """Yield the keys of what *namespace* exports *to* others, under *topic*; none: to everybody."""
    seen = {namespace if each == "." else each for each in to} or {"*"}
    if "*" in seen:
        yield f"{topic}|*"
        return
    for each in sorted({*seen, namespace} - {"~"}):
        yield f"{topic}|{each}"
    yield f"{topic}|{HIDDEN}"


def seen_from(topic: str, namespace: str) -> tuple[str, str]:
    """Return the keys under *topic* of what *namespace* sees."""
    return f"{topic}|*", f"{topic}|{namespace}"


def pairs(labels: Mapping[str, str]) -> list[str]:
    """Return *labels* as sorted ``key=value``."""
    return sorted(f"{key}={labels[key]}" for key in labels)
