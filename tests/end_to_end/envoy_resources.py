"""What tests commit for Envoy and for gRPC's clients: a document a resource, typed at its root."""

from __future__ import annotations

import json
from typing import Any

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"
SCOPED_ROUTES = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

OVER_ADS = {"ads": {}, "resource_api_version": "V3"}

Doc = dict[str, Any]


def written(*docs: Doc) -> str:
    """Return a YAML file with these documents."""
    return "".join(f"---\n{json.dumps(doc, indent=2)}\n" for doc in docs)


def cluster(name: str, **more: Any) -> Doc:
    """Return a cluster whose endpoints come over ADS too."""
    return {
        "@type": CLUSTER,
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": OVER_ADS},
        **more,
    }


def endpoints(name: str, *ports: int) -> Doc:
    """Return the endpoints of a cluster: ports of loopback, in one locality."""
    return {
        "@type": ENDPOINTS,
        "cluster_name": name,
        "endpoints": [
            {
                "locality": {"zone": "z1"},
                "load_balancing_weight": 1,
                "lb_endpoints": [
                    {
                        "load_balancing_weight": 1,
                        "endpoint": {
                            "address": {
                                "socket_address": {"address": "127.0.0.1", "port_value": port}
                            }
                        },
                    }
                    for port in ports
                ],
            }
        ],
    }


def routes(name: str, to: str, **more: Any) -> Doc:
    """Return a route table that sends everything to one cluster."""
    rule = {"match": {"prefix": ""}, "route": {"cluster": to}}
    return {
        "@type": ROUTES,
        "name": name,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [rule]}],
        **more,
    }


def connection_manager(route_table: str, *filters: Doc, **more: Any) -> Doc:
    """Return an HTTP connection manager; its routes, if it names a table, come over ADS."""
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    known = {"rds": {"route_config_name": route_table, "config_source": OVER_ADS}}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
        ".v3.HttpConnectionManager",
        "stat_prefix": "web",
        **(known if route_table else {}),
        **more,
        "http_filters": [
            *filters,
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router}},
        ],
    }


def listener(name: str, port: int, manager: str | Doc, *, secret: str = "") -> Doc:
    """
    Return a listener of Envoy's; with *secret* it speaks TLS with a certificate over SDS.

    *manager* is a connection manager, or the name of the route table for one.
    """
    known = connection_manager(manager) if isinstance(manager, str) else manager
    name_of_filter = "envoy.filters.network.http_connection_manager"
    chain: Doc = {"filters": [{"name": name_of_filter, "typed_config": known}]}
    if secret:
        context = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"type.googleapis.com/{context}",
                "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [{"name": secret, "sds_config": OVER_ADS}]
                },
            },
        }
    return {
        "@type": LISTENER,
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [chain],
    }


def api_listener(name: str, route_table: str) -> Doc:
    """Return a listener as gRPC's clients take it: their target's name, and no address."""
    return {
        "@type": LISTENER,
        "name": name,
        "api_listener": {"api_listener": connection_manager(route_table)},
    }
