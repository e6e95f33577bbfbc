"""
Balancing by region, zone and sub-zone.

A locality is up to three parts with slashes between them; ``*`` at the end takes in all that
begins with the parts before it, as does leaving parts out.

Rule: the two settings that know of failover are judged alike, each under codes of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import Subject, error, warning

_TOPOLOGY = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)


@dataclass(frozen=True, slots=True)
class _Codes:
    """The codes of a setting's failover."""

    unguarded: str
    same: str
    part: str
    wildcard: str


_BY_LOCALITY = _Codes("DR-77", "DR-78", "DR-79", "DR-80")
_BY_ZONE = _Codes("DR-86", "DR-87", "DR-88", "DR-89")


def locality_setting(
    subject: Subject, path: FieldPath, setting: Any, *, guarded: bool
) -> Iterator[Problem]:
    """Judge a LocalityLoadBalancerSetting; *guarded*: outlierDetection stands beside it."""
    if setting.distribute and setting.failover:
        message = "failover cannot stand beside distribute: keep one of them"
        yield error("DR-72", (*path, "failover"), message)
        return
    if setting.failover:
        found = tuple(_topology_labels("DR-73", path, setting, "with failover"))
        yield from found
        if found:
            return
    if setting.distribute:
        found = tuple(_weights(subject, path, setting.distribute))
        yield from found
        if found:
            return
        yield from _localities(subject, path, setting.distribute)
    yield from _failover(_BY_LOCALITY, subject, path, setting, guarded=guarded)


def zone_setting(
    subject: Subject, path: FieldPath, setting: Any, *, guarded: bool
) -> Iterator[Problem]:
    """Judge a ZoneAwareLoadBalancerSetting; *guarded*: outlierDetection stands beside it."""
    yield from _topology_labels("DR-85", path, setting, "when balancing by zone")
    yield from _failover(_BY_ZONE, subject, path, setting, guarded=guarded)


def _topology_labels(code: str, path: FieldPath, setting: Any, where: str) -> Iterator[Problem]:
    for index, label in enumerate(setting.failover_priority):
        if label in _TOPOLOGY:
            message = f"{where}, regions and zones cannot be priorities: remove {shown(label)}"
            yield error(code, (*path, "failoverPriority", index), message)


# --------------------------------------------------------------------------- failover


def _failover(
    codes: _Codes, subject: Subject, path: FieldPath, setting: Any, *, guarded: bool
) -> Iterator[Problem]:
    if not guarded and (setting.failover or setting.failover_priority):
        name = "failover" if setting.failover else "failoverPriority"
        message = f"without outlierDetection nothing fails, so {name} is of no use: set it too"
        yield warning(codes.unguarded, (*path, name), message)
    for index, step in enumerate(setting.failover):
        at = (*path, "failover", index)
        if getattr(step, "from") == step.to:
            message = f"traffic cannot go from {shown(step.to)} to itself: name another region"
            yield error(codes.same, subject.place((*at, "to")), message)
        for name in ("from", "to"):
            yield from _region(codes, (*at, name), getattr(step, name))


def _region(codes: _Codes, path: FieldPath, region: str) -> Iterator[Problem]:
    if "/" in region:
        yield error(codes.part, path, f"{shown(region)} is less than a region: name the region")
    if "*" in region:
        yield error(codes.wildcard, path, f"{shown(region)} is more than a region: name one region")


# --------------------------------------------------------------------------- distribute


def _weights(subject: Subject, path: FieldPath, shares: Iterable[Any]) -> Iterator[Problem]:
    for index, share in enumerate(shares):
        at = (*path, "distribute", index)
        wrong = [key for key in sorted(share.to) if not 1 <= share.to[key] <= 100]
        for key in wrong:
            message = f"{share.to[key]} is no weight: use a whole number from 1 to 100"
            yield error("DR-74", (*at, "to", key), message)
        total = sum(share.to.values())
        if not wrong and total != 100:
            message = f"the weights add up to {total}: change them to add up to 100"
            yield error("DR-75", subject.place((*at, "to")), message)


def _localities(subject: Subject, path: FieldPath, shares: Iterable[Any]) -> Iterator[Problem]:
    given = []
    for index, share in enumerate(shares):
        at = (*path, "distribute", index)
        given.append((subject.place((*at, "from")), getattr(share, "from")))
        # Wider ones first, so that the narrower one is what is told of.
        to = sorted(share.to, key=lambda text: (_parts(text), text))
        yield from _disjoint(((*at, "to", key), key) for key in to)
    yield from _disjoint(given)


def _disjoint(given: Iterable[tuple[FieldPath, str]]) -> Iterator[Problem]:
    """Judge localities one by one, each in the light of those before it."""
    seen: set[tuple[str, ...]] = set()
    around: set[tuple[str, ...]] = set()
    for path, text in given:
        at_key = path[-2] == "to"
        if flaw := _flaw(text):
            yield error("DR-76", path, f"{shown(text)} is no locality: {flaw}", at_key=at_key)
            continue
        parts = _parts(text)
        steps = [parts[:length] for length in range(len(parts) + 1)]
        message = f"{shown(text)} overlaps another locality here: no two may take in the same place"
        if seen.intersection(steps):
            yield error("DR-76", path, message, at_key=at_key)
        elif parts in around:
            tell = warning if text.endswith("*") else error
            yield tell("DR-76", path, message, at_key=at_key)
        seen.add(parts)
        around.update(steps)


def _flaw(text: str) -> str:
    """Say what is wrong with the locality *text*; empty if nothing is."""
    if "*" in text[:-1]:
        return "write '*' once, at the end"
    if not all(text.split("/", 2)):
        return "write region, region/zone or region/zone/sub-zone, no part empty"
    return ""


def _parts(text: str) -> tuple[str, ...]:
    """Return the parts of the locality *text*, without the ``*`` that stands for any others."""
    parts = text.split("/", 2)
    return tuple(parts[:-1] if parts[-1] == "*" else parts)
