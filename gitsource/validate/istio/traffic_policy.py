"""
What applies to traffic once it has been routed: for a host, a subset or a port.

Rule: each setting is judged alike wherever it stands. Istio forgets the warnings of subsets and
ports; here they are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.client_tls import client_tls
from gitsource.validate.istio.connection_pool import connection_pool
from gitsource.validate.istio.load_balancer import load_balancer
from gitsource.validate.istio.names import is_fqdn, is_ip
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import duration, percent, port, unfit

_TUNNELS = ("", "CONNECT", "POST")


def traffic_policy(subject: Subject, path: FieldPath, policy: Any) -> Iterator[Problem]:
    """Judge a TrafficPolicy."""
    if not policy.ListFields():
        yield error("DR-20", path, "the traffic policy says nothing: set a field, or remove it")
        return
    if policy.HasField("tunnel") and policy.HasField("proxy_protocol"):
        message = "proxyProtocol cannot stand beside tunnel: keep one of them"
        yield error("DR-21", (*path, "proxyProtocol"), message)
        return
    yield from _settings(subject, path, policy)
    for index, settings in enumerate(policy.port_level_settings):
        yield from _port(subject, (*path, "portLevelSettings", index), settings)
    if policy.HasField("tunnel"):
        yield from _tunnel(subject, (*path, "tunnel"), policy.tunnel)


def _settings(subject: Subject, path: FieldPath, policy: Any) -> Iterator[Problem]:
    """Judge the four settings that a host and a port have in common."""
    guarded = policy.HasField("outlier_detection")
    if guarded:
        yield from _outlier_detection((*path, "outlierDetection"), policy.outlier_detection)
    if policy.HasField("connection_pool"):
        yield from connection_pool((*path, "connectionPool"), policy.connection_pool)
    if policy.HasField("load_balancer"):
        at = (*path, "loadBalancer")
        yield from load_balancer(subject, at, policy.load_balancer, guarded=guarded)
    if policy.HasField("tls"):
        yield from client_tls(subject.namespace, (*path, "tls"), policy.tls)


def _port(subject: Subject, path: FieldPath, settings: Any) -> Iterator[Problem]:
    fields = [field.name for field, _ in settings.ListFields()]
    if "port" not in fields:
        yield error("DR-26", (*path, "port"), "the settings name no port: set port.number")
    if not [name for name in fields if name != "port"]:
        yield error(
            "DR-26",
            path,
            "nothing is set for the port: set loadBalancer, connectionPool, outlierDetection "
            "or tls, or remove it",
        )
    yield from _settings(subject, path, settings)


def _tunnel(subject: Subject, path: FieldPath, tunnel: Any) -> Iterator[Problem]:
    if tunnel.protocol not in _TUNNELS:
        message = f"{shown(tunnel.protocol)} is no way to tunnel: use CONNECT or POST"
        yield error("DR-22", (*path, "protocol"), message)
    if not is_fqdn(tunnel.target_host) and not is_ip(tunnel.target_host):
        message = f"{unfit(tunnel.target_host, 'host')}: write a domain name or an address"
        yield error("DR-23", subject.place((*path, "targetHost")), message)
    yield from port("DR-24", subject.place((*path, "targetPort")), tunnel.target_port)


def _outlier_detection(path: FieldPath, outlier: Any) -> Iterator[Problem]:
    if outlier.HasField("base_ejection_time"):
        yield from duration("DR-50", (*path, "baseEjectionTime"), outlier.base_ejection_time)
    if outlier.HasField("interval"):
        yield from duration("DR-50", (*path, "interval"), outlier.interval)
    if outlier.consecutive_errors:
        message = "consecutiveErrors is deprecated: use consecutive5xxErrors"
        yield warning("DR-51", (*path, "consecutiveErrors"), message)
    local = outlier.consecutive_local_origin_failures.value
    if local > 0 and not outlier.split_external_local_origin_errors:
        yield error(
            "DR-52",
            (*path, "consecutiveLocalOriginFailures"),
            "local failures are counted with all others: set splitExternalLocalOriginErrors: "
            "true, or remove this",
        )
    yield from percent("DR-53", (*path, "maxEjectionPercent"), outlier.max_ejection_percent)
    yield from percent("DR-53", (*path, "minHealthPercent"), outlier.min_health_percent)
