"""
How an endpoint is picked: by hash, by locality, and new ones step by step.

Rule: a table size is judged as Envoy judges it, at a cost that does not grow with the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.locality import locality_setting, zone_setting
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import duration

TABLE_LIMIT = 5_000_011
"""The first Maglev table size that Envoy refuses."""


def load_balancer(
    subject: Subject, path: FieldPath, settings: Any, *, guarded: bool
) -> Iterator[Problem]:
    """Judge LoadBalancerSettings; *guarded*: outlierDetection stands beside them."""
    if settings.HasField("consistent_hash"):
        yield from _consistent_hash(subject, (*path, "consistentHash"), settings.consistent_hash)
    by_locality = settings.HasField("locality_lb_setting")
    if by_locality:
        at = (*path, "localityLbSetting")
        yield from locality_setting(subject, at, settings.locality_lb_setting, guarded=guarded)
    if settings.HasField("zone_aware_lb_setting"):
        at = (*path, "zoneAwareLbSetting")
        if by_locality:
            message = "zoneAwareLbSetting cannot stand beside localityLbSetting: keep one of them"
            yield error("DR-68", at, message)
        yield from zone_setting(subject, at, settings.zone_aware_lb_setting, guarded=guarded)
    if settings.HasField("warmup"):
        yield from _warmup((*path, "warmup"), settings.warmup)


def _consistent_hash(subject: Subject, path: FieldPath, consistent: Any) -> Iterator[Problem]:
    if consistent.HasField("http_cookie"):
        yield from _cookie(subject, (*path, "httpCookie"), consistent.http_cookie)
    if consistent.minimum_ring_size:
        at = (*path, "minimumRingSize")
        yield warning("DR-63", at, "minimumRingSize is deprecated: set ringHash.minimumRingSize")
        if chosen := consistent.WhichOneof("hash_algorithm"):
            name = "maglev" if chosen == "maglev" else "ringHash"
            yield error("DR-64", at, f"minimumRingSize cannot stand beside {name}: remove it")
    if consistent.HasField("maglev"):
        at = subject.place((*path, "maglev", "tableSize"))
        yield from _table_size(at, consistent.maglev.table_size)


def _cookie(subject: Subject, path: FieldPath, cookie: Any) -> Iterator[Problem]:
    if not cookie.name:
        yield error("DR-60", subject.place((*path, "name")), "the cookie has no name: set name")
    seen = set()
    for index, attribute in enumerate(cookie.attributes):
        at = subject.place((*path, "attributes", index, "name"))
        if not attribute.name:
            yield error("DR-61", at, "the attribute has no name: set name, or remove it")
        elif attribute.name in seen:
            yield error("DR-62", at, f"{shown(attribute.name)} is given twice: keep one")
        seen.add(attribute.name)


def _table_size(path: FieldPath, size: int) -> Iterator[Problem]:
    if not size:
        yield error("DR-65", path, "Maglev needs a tableSize: set a prime, such as 65537")
    elif size >= TABLE_LIMIT:
        yield error("DR-66", path, f"{size} is too large: use a prime below {TABLE_LIMIT}")
    elif not _is_prime(size):
        yield error("DR-67", path, f"{size} is not a prime number: use one, such as 65537")


def _is_prime(number: int) -> bool:
    """Say whether *number*, from 1 and below the limit, is a prime, or 1, which Envoy takes."""
    return all(number % prime or number == prime for prime in _primes())


@cache
def _primes() -> tuple[int, ...]:
    """Return the primes whose square is below the limit."""
    found: list[int] = []
    number = 2
    while number * number < TABLE_LIMIT:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return tuple(found)


def _warmup(path: FieldPath, warmup: Any) -> Iterator[Problem]:
    if not warmup.HasField("duration"):
        yield error("DR-69", (*path, "duration"), "the warm-up has no duration: set duration")
    else:
        yield from duration("DR-69", (*path, "duration"), warmup.duration)
    if warmup.minimum_percent.value > 100:
        message = f"{warmup.minimum_percent.value:g} is more than everything: use 100 or less"
        yield error("DR-70", (*path, "minimumPercent"), message)
    if warmup.HasField("aggression") and not warmup.aggression.value > 0:
        message = f"{warmup.aggression.value:g} is not above 0: use 1 for even growth"
        yield error("DR-71", (*path, "aggression"), message)
