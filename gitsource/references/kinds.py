"""
Which documents have facts, by the message they become.

Rule: as the modules of `validate.istio` judge a kind, those of this package say what it has to do
with others: a kind without an entry here has nothing to do with any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import Facts
from gitsource.catalog.kinds import Kind
from gitsource.references import envoy, networking, workloads
from gitsource.references.facts import Fact, Said, Taken, gathered

Offering: TypeAlias = Callable[[Said], Iterator[str]]


def _nothing(_said: Said) -> Iterator[Any]:
    return iter(())


def _selecting(kind: str, also: Taken = _nothing) -> Taken:
    return partial(_both, also, partial(workloads.selecting, kind))


def _both(first: Taken, second: Taken, said: Said) -> Iterator[Fact]:
    return chain(first(said), second(said))


_NETWORKING = "istio.networking.v1alpha3."
_SECURITY = "istio.security.v1beta1."

TABLE: dict[str, tuple[Taken, Offering]] = {
    f"{_NETWORKING}VirtualService": (networking.virtual_service, _nothing),
    f"{_NETWORKING}Gateway": (networking.gateway_facts, networking.gateway_offers),
    f"{_NETWORKING}DestinationRule": (
        _selecting("DestinationRule", networking.destination_rule),
        _nothing,
    ),
    f"{_NETWORKING}ServiceEntry": (
        _selecting("ServiceEntry", networking.service_entry),
        _nothing,
    ),
    f"{_NETWORKING}WorkloadEntry": (workloads.workload_entry, workloads.workload_entry_offers),
    f"{_NETWORKING}WorkloadGroup": (workloads.workload_group, workloads.workload_group_offers),
    f"{_NETWORKING}Sidecar": (_selecting("Sidecar"), _nothing),
    f"{_NETWORKING}EnvoyFilter": (_selecting("EnvoyFilter"), _nothing),
    "istio.networking.v1beta1.ProxyConfig": (_selecting("ProxyConfig"), _nothing),
    f"{_SECURITY}AuthorizationPolicy": (_selecting("AuthorizationPolicy"), _nothing),
    f"{_SECURITY}PeerAuthentication": (_selecting("PeerAuthentication"), _nothing),
    f"{_SECURITY}RequestAuthentication": (_selecting("RequestAuthentication"), _nothing),
    "istio.telemetry.v1alpha1.Telemetry": (_selecting("Telemetry"), _nothing),
    "istio.extensions.v1alpha1.WasmPlugin": (_selecting("WasmPlugin"), _nothing),
    "istio.extensions.v1alpha1.TrafficExtension": (_selecting("TrafficExtension"), _nothing),
    **dict.fromkeys(envoy.BODIES, (envoy.resource, _nothing)),
}


def facts_of(kind: Kind, said: Said, suppressed: Iterable[str] = ()) -> Facts | None:
    """
    Return the facts of a document of *kind*; None if it has nothing to do with others.

    *suppressed* are the codes that it asks to be let alone with.
    """
    row = TABLE.get(kind.body)
    if row is None or kind.descriptors:
        return None
    taken, offering = row
    namespace = said.namespace if kind.namespaced else ""
    label = "/".join(filter(None, (kind.label, namespace, said.name)))
    facts = gathered(taken(said), offering(said), label, said.namespace)
    if facts.claims:
        facts.suppressed.extend(sorted(suppressed))
    return facts if facts.provides or facts.claims else None
