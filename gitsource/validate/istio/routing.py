"""
Istio's rules for what HTTP, TLS and TCP routes share: gateways they hold for, where they send.

Rule: the same words for the same mistake, whatever the protocol: one code for all three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.headers import operations
from gitsource.validate.istio.names import is_dns_label, is_fqdn
from gitsource.validate.istio.policies import destination
from gitsource.validate.istio.subject import error, warning
from gitsource.validate.istio.values import labels, port


def gateways(
    path: FieldPath, names: Iterable[str], *, converted: bool = False
) -> Iterator[Problem]:
    """Judge *names* of gateways; of *converted* routes, only their namespaces."""
    told = error
    for index, name in enumerate(names):
        if name == "mesh":
            told = warning
            continue
        at = (*path, index)
        flaw = _gateway_flaw(name, converted=converted)
        if flaw:
            yield told("VS-08", at, flaw)
        if "/" in name:
            continue
        if "." in name and not flaw:
            own, namespace, *_ = name.split(".")
            message = f"{shown(name)} is the old form: write {shown(f'{namespace}/{own}')}"
            yield warning("VS-08", at, message)
        told = warning  # Istio looks at no gateway after one without a slash


def _gateway_flaw(name: str, *, converted: bool) -> str:
    namespace, slash, own = name.partition("/")
    if not slash:
        fits = is_fqdn(name)
    else:
        fits = is_dns_label(namespace) and own != "" and (converted or is_dns_label(own))
    return "" if fits else f"{shown(name)} names no gateway: write namespace/name, or mesh"


def source(codes: tuple[str, str], path: FieldPath, match: Any) -> Iterator[Problem]:
    """Judge the port and the source labels of *match*, under these two codes, and its gateways."""
    if match.port:
        yield from port(codes[0], (*path, "port"), match.port)
    if match.source_labels:
        yield from labels(codes[1], (*path, "sourceLabels"), match.source_labels)
    if match.gateways:
        yield from gateways((*path, "gateways"), match.gateways)


def destinations(
    path: FieldPath, entries: Sequence[Any], *, converted: bool, http: bool = False
) -> Iterator[Problem]:
    """
    Judge the *entries* of a route; those of *converted* routes may send to any name.

    Those of *http* routes may change headers.
    """
    total = 0
    for index, entry in enumerate(entries):
        if not entry.HasField("destination"):
            message = "the entry has no destination: name a host to send to"
            yield error("VS-46", (*path, index, "destination"), message)
        elif not converted:
            yield from destination("VS-47", (*path, index, "destination"), entry.destination)
        if http and entry.HasField("headers"):
            yield from operations("VS-50", (*path, index, "headers"), entry.headers)
        weight = entry.weight
        if weight < 0:
            message = f"the weight {weight} is below 0: use 0 or more"
            yield error("VS-48", (*path, index, "weight"), message)
        total += weight
    if total % 2**32 == 0 and len(entries) > 1:  # Istio sums them up in 32 bits
        message = "all weights together are 0, so nothing is sent anywhere: give one a weight"
        yield error("VS-49", path, message)
