"""
Istio's rules for Sidecar: what it is for, and what happens to traffic for unknown hosts.

Rule: a Sidecar says something, since an empty one would cut its workloads off. Listeners are judged
in `sidecar_ingress` and `sidecar_egress`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.connection_pool import connection_pool
from gitsource.validate.istio.names import is_fqdn
from gitsource.validate.istio.policies import alpha_selector, destination
from gitsource.validate.istio.sidecar_egress import egress
from gitsource.validate.istio.sidecar_ingress import ingress
from gitsource.validate.istio.subject import SPEC, Subject, error

NULLS = {"ingress.*": "SC-10", "egress.*": "SC-40"}

_ALLOW_ANY = 1
_POOL: FieldPath = ("spec", "inboundConnectionPool")
_PROXY: FieldPath = ("spec", "outboundTrafficPolicy", "egressProxy")


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio would refuse, or warn of, in a Sidecar."""
    sidecar = subject.spec
    yield from alpha_selector("SC-01", ("spec", "workloadSelector"), sidecar)
    policy = sidecar.HasField("outbound_traffic_policy")
    pool = sidecar.HasField("inbound_connection_pool")
    if not (sidecar.egress or sidecar.ingress or policy or pool):
        message = (
            "the Sidecar sets nothing: give it egress, ingress, outboundTrafficPolicy or "
            "inboundConnectionPool"
        )
        yield error("SC-02", SPEC, message)
        return
    yield from ingress(subject)
    if pool:
        yield from connection_pool(_POOL, sidecar.inbound_connection_pool)
    yield from egress(subject)
    if policy and sidecar.outbound_traffic_policy.HasField("egress_proxy"):
        yield from _proxy(subject, _PROXY, sidecar.outbound_traffic_policy)


def _proxy(subject: Subject, path: FieldPath, policy: Any) -> Iterator[Problem]:
    if policy.mode != _ALLOW_ANY:
        message = "egressProxy takes the traffic for unknown hosts: set mode: ALLOW_ANY"
        yield error("SC-71", path, message)
        return
    proxy = policy.egress_proxy
    known = is_fqdn(proxy.host)
    if not known:
        message = f"{shown(proxy.host)} is no full name of a service: write one"
        yield error("SC-72", subject.place((*path, "host")), message)
    if not proxy.HasField("port"):
        message = "egressProxy has no port: set port.number"
        yield error("SC-73", path, message)
    elif known:
        yield from destination("SC-74", path, proxy)
