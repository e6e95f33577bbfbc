"""
A peer that a subject is about: what a rule means, shown on one that it is for.

Rule: a sample proves all that the subject asks for and nothing else, so what it may receive is what
every sink of that kind may receive at least. No I/O.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitsource.security.authorize.subjects import PROTOCOLS, mismatch
from gitsource.security.peer import Peer
from gitsource.settings.rights import Subject

ANY = "any"
"""Stands for any text."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a sample says of itself."""

    id: str = ANY
    cluster: str = ANY
    metadata: Mapping[str, str] = field(default_factory=dict)
    region: str = ANY
    zone: str = ANY
    sub_zone: str = ANY


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer."""

    peer: Peer
    node: Said
    protocol: str


def sample(subject: Subject) -> Sample:
    """Return a peer that *subject* is about."""
    spiffe = _plain(subject.spiffe[0]) if subject.spiffe else ""
    if subject.trust_domains and not spiffe:
        spiffe = f"spiffe://{_plain(subject.trust_domains[0])}/{ANY}"
    dns = tuple(map(_plain, subject.dns[:1]))
    ips = tuple(str(ipaddress.ip_network(one, strict=False)[0]) for one in subject.ips[:1])
    claims = {key: _plain(glob) for key, glob in subject.claims}
    identity = _plain(subject.identities[0]) if subject.identities else ""
    known = bool(spiffe or dns or ips or claims or identity) or subject.any == "known"
    peer = Peer(
        means=("jwt" if claims else "mtls") if known else "none",
        spiffe_id=spiffe,
        dns=dns,
        ips=ips,
        claims=claims,
        identity=identity or spiffe or (f"known:{ANY}" if known else ""),
    )
    nodes = subject.nodes
    node = Said(
        _first(nodes.ids),
        _first(nodes.clusters),
        {key: _plain(glob) for key, glob in nodes.metadata},
        _first(nodes.locality.region),
        _first(nodes.locality.zone),
        _first(nodes.locality.sub_zone),
    )
    spoken = (one for one in reversed(PROTOCOLS) if not mismatch(subject, peer, node, one))
    return Sample(peer, node, next(spoken, "xds"))


def _first(globs: tuple[str, ...]) -> str:
    return _plain(globs[0]) if globs else ANY


def _plain(glob: str) -> str:
    """Return a text that *glob* matches."""
    opened = re.sub(r"\[(.)[^]]*\]", r"\1", glob)
    return re.sub(r"\*+", ANY, opened).replace("?", "x")


def described(subject: Subject) -> str:
    """Return *subject* in words, on one line."""
    parts = [
        f"{name} {' or '.join(getattr(subject, name))}"
        for name in ("spiffe", "trust_domains", "dns", "ips", "identities", "protocols")
        if getattr(subject, name)
    ]
    parts += [f"claim {key}={glob}" for key, glob in subject.claims]
    if subject.any != "none":
        parts.insert(0, "whoever is known" if subject.any == "known" else "everybody")
    nodes = subject.nodes
    parts += [f"node {' or '.join(globs)}" for globs in (nodes.ids, nodes.clusters) if globs]
    parts += [f"node {key}={glob}" for key, glob in nodes.metadata]
    return ", ".join(parts).replace("trust_domains", "trust domain")
