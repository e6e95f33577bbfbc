"""
Envoy's resources for the benchmarks: valid, about 1.5 KB of Protobuf each, told by a number.

Rule: as in `documents`: a pure function of number and generation. Whatever a resource refers to is
there, among the twenty of its `MESH`: an EDS cluster has its endpoints nine numbers on, the
listener has the route table that follows it, and that routes to the clusters.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

PREFIX = "type.googleapis.com/"
TYPES = {
    "Cluster": "envoy.config.cluster.v3.Cluster",
    "ClusterLoadAssignment": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "Listener": "envoy.config.listener.v3.Listener",
    "RouteConfiguration": "envoy.config.route.v3.RouteConfiguration",
    "LeanCluster": "envoy.config.cluster.v3.Cluster",
}
COLLECTIONS = {
    "Cluster": "envoy/clusters",
    "ClusterLoadAssignment": "envoy/endpoints",
    "Listener": "envoy/listeners",
    "RouteConfiguration": "envoy/routes",
    "LeanCluster": "envoy/clusters",
}
URLS = {COLLECTIONS[kind]: PREFIX + TYPES[kind] for kind in TYPES}
"""What clients call the collections."""

CLUSTERS = ("Cluster",)
LEAN = ("LeanCluster",)
"""Clusters of some 200 bytes."""
MESH = ("Cluster",) * 9 + ("ClusterLoadAssignment",) * 9 + ("Listener", "RouteConfiguration")

Name: TypeAlias = Callable[[int], str]
"""From the number of a document, what its resource is called."""
Make: TypeAlias = Callable[[random.Random, int, int, Sequence[str], Name], list[str]]

_ZONES = ("eu-west-1a", "eu-west-1b", "eu-central-1a", "us-east-1c", "us-west-2a", "ap-south-1b")
_POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")


def document(
    kind: str,
    number: int,
    generation: int,
    mix: Sequence[str],
    name_of: Name,
) -> str:
    """Return the text of document *number*, which is of *kind* in this *mix*."""
    dice = random.Random(number * 6271 + 29)
    make = _MAKERS[kind]
    lines = make(dice, number, generation, mix, name_of)
    head = f"# Owned by {dice.getrandbits(64):016x}; generation {generation}\n"
    return head + f'"@type": {PREFIX}{TYPES[kind]}\n' + "\n".join(lines) + "\n"


def _cluster(
    dice: random.Random, number: int, generation: int, mix: Sequence[str], name_of: Name
) -> list[str]:
    name, mesh = name_of(number), tuple(mix) == MESH
    lines = [
        f"name: {name}",
        f"alt_stat_name: {name.replace('/', '_')}",
        f"connect_timeout: {dice.randrange(100, 900) / 1000}s",
        f"lb_policy: {dice.choice(_POLICIES)}",
        "per_connection_buffer_limit_bytes: 32768",
    ]
    if mesh:
        lines += [
            "type: EDS",
            "eds_cluster_config:",
            "  eds_config: {ads: {}, resource_api_version: V3}",
            f"  service_name: {name_of(number + 9)}",
        ]
    else:
        lines += [
            "type: STRICT_DNS",
            "dns_lookup_family: V4_ONLY",
            "load_assignment:",
            f"  cluster_name: {name}",
            *(f"  {line}" for line in _localities(dice, 0, 3)),
        ]
    limit = 256 + (number + generation * 13) % 4000
    lines += [
        "circuit_breakers:",
        "  thresholds:",
        f"  - {{priority: DEFAULT, max_connections: {limit}, max_requests: {limit * 2}}}",
        f"  - {{priority: HIGH, max_connections: {dice.randrange(64, 999)}, max_retries: 9}}",
        "outlier_detection:",
        f"  consecutive_5xx: {dice.randrange(3, 20)}",
        f"  interval: {dice.randrange(5, 60)}s",
        f"  base_ejection_time: {dice.randrange(10, 300)}s",
        "health_checks:",
    ]
    for at in range(3 if mesh else 2):
        lines += [
            f"- timeout: {dice.randrange(1, 9)}s",
            f"  interval: {dice.randrange(10, 90)}s",
            "  unhealthy_threshold: 3",
            "  healthy_threshold: 2",
            "  http_health_check:",
            f"    host: {name.partition('/')[2]}.example.com",
            f"    path: /healthz/{at}/{dice.getrandbits(80):020x}",
            "    request_headers_to_add:",
            f"    - header: {{key: x-probe, value: x{dice.getrandbits(160):040x}}}",
        ]
    hosts = [f"{dice.getrandbits(64):016x}.svc.example.com" for _ in range(5 if mesh else 3)]
    tls = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    lines += [
        "transport_socket:",
        "  name: envoy.transport_sockets.tls",
        "  typed_config:",
        f'    "@type": {PREFIX}{tls}',
        f"    sni: {name.partition('/')[2]}.mesh.example.com",
        "    common_tls_context:",
        "      alpn_protocols: [istio, h2]",
        "      validation_context:",
        "        trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}",
        "        match_typed_subject_alt_names:",
    ]
    lines += [f"        - {{san_type: DNS, matcher: {{exact: {host}}}}}" for host in hosts]
    lines += ["metadata:", "  filter_metadata:", "    bench.example.com:"]
    facts = range(8 if mesh else 4)
    return lines + [f"      fact-{at}: x{dice.getrandbits(160):040x}" for at in facts]


def _lean_cluster(
    dice: random.Random, number: int, generation: int, _mix: Sequence[str], name_of: Name
) -> list[str]:
    return [
        f"name: {name_of(number)}",
        f"connect_timeout: {dice.randrange(100, 900) / 1000}s",
        "type: STRICT_DNS",
        "load_assignment:",
        f"  cluster_name: {name_of(number)}",
        *(f"  {line}" for line in _localities(dice, (number + generation) % 128, 1, 1)),
    ]


def _localities(dice: random.Random, weight: int, count: int, each: int = 2) -> list[str]:
    lines = ["endpoints:"]
    for at in range(count):
        zone = dice.choice(_ZONES)
        lines += [
            f"- locality: {{region: {zone[:-1]}, zone: {zone}, sub_zone: rack-{at}}}",
            f"  load_balancing_weight: {1 + weight + at}",
            "  lb_endpoints:",
        ]
        for _ in range(each):
            host = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
            port = dice.choice((8080, 8443, 9090))
            address = f"{{socket_address: {{address: {host}, port_value: {port}}}}}"
            lines.append(f"  - endpoint: {{address: {address}}}")
    return lines


def _endpoints(
    dice: random.Random, number: int, generation: int, _mix: Sequence[str], name_of: Name
) -> list[str]:
    lines = [f"cluster_name: {name_of(number)}", "endpoints:"]
    for at in range(3):
        zone = dice.choice(_ZONES)
        lines += [
            f"- locality: {{region: {zone[:-1]}, zone: {zone}, sub_zone: rack-{at}}}",
            f"  load_balancing_weight: {1 + (number + generation * 11) % 99}",
            "  lb_endpoints:",
        ]
        for _ in range(4):
            host = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
            lines += [
                f"  - load_balancing_weight: {dice.randrange(1, 100)}",
                "    endpoint:",
                f"      address: {{socket_address: {{address: {host}, port_value: 8443}}}}",
                f"      hostname: pod-{dice.getrandbits(40):010x}",
                "    metadata:",
                "      filter_metadata:",
                f"        envoy.lb: {{build: x{dice.getrandbits(64):016x}}}",
            ]
    return lines


def _listener(
    dice: random.Random, number: int, generation: int, _mix: Sequence[str], name_of: Name
) -> list[str]:
    filters = f"{PREFIX}envoy.extensions.filters"
    manager = f"{filters}.network.http_connection_manager.v3.HttpConnectionManager"
    host, port = f"10.9.{number // 20 // 250}.{number // 20 % 250 + 1}", 15000 + generation % 999
    lines = [
        f"name: {name_of(number)}",
        "address:",
        f"  socket_address: {{address: {host}, port_value: {port}}}",
        "bind_to_port: false",
        "traffic_direction: OUTBOUND",
        "filter_chains:",
        "- filters:",
        "  - name: envoy.filters.network.http_connection_manager",
        "    typed_config:",
        f'      "@type": {manager}',
        f"      stat_prefix: {name_of(number).replace('/', '_')}",
        f"      server_name: x{dice.getrandbits(128):032x}",
        "      rds:",
        "        config_source: {ads: {}, resource_api_version: V3}",
        f"        route_config_name: {name_of(number + 1)}",
        "      http_filters:",
        "      - name: envoy.filters.http.router",
        f'        typed_config: {{"@type": {filters}.http.router.v3.Router}}',
        "metadata:",
        "  filter_metadata:",
        "    bench.example.com:",
    ]
    return lines + [f"      fact-{at}: x{dice.getrandbits(160):040x}" for at in range(18)]


def _routes(
    dice: random.Random, number: int, generation: int, _mix: Sequence[str], name_of: Name
) -> list[str]:
    base = number - number % len(MESH)
    lines = [
        f"name: {name_of(number)}",
        "virtual_hosts:",
        f"- name: {name_of(number)}",
        f'  domains: ["web-{number:06d}.example.com", "web-{number:06d}.example.com:*"]',
        "  routes:",
    ]
    for at in range(9):
        seconds = 1 + (number + generation * 7 + at) % 60
        lines += [
            f"  - match: {{prefix: /{dice.getrandbits(96):024x}/{at}}}",
            "    route:",
            f"      cluster: {name_of(base + at)}",
            f"      timeout: {seconds}s",
            f"      prefix_rewrite: /{dice.getrandbits(64):016x}",
            "    request_headers_to_add:",
            f"    - header: {{key: x-routed-by, value: x{dice.getrandbits(80):020x}}}",
        ]
    return lines


_MAKERS: dict[str, Make] = {
    "Cluster": _cluster,
    "LeanCluster": _lean_cluster,
    "ClusterLoadAssignment": _endpoints,
    "Listener": _listener,
    "RouteConfiguration": _routes,
}
