"""
What a client is started with so that it takes its configuration from here.

Rule: pure. Texts of the caller are written as JSON strings, which are YAML too, so that none of
them can add a line. Envoy tells its node once a stream: it is 60 kB, and every ACK would carry it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Client:
    """Who the client is and where it finds its source."""

    host: str
    port: int
    node_id: str
    cluster: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    ca: str = ""
    """PEM file that the source's certificate is verified with, or for istiod its text; empty:
    plaintext."""
    server_name: str = ""
    """Name in the source's certificate; empty: the host."""


def envoy(client: Client, *, delta: bool) -> str:
    """Return a bootstrap for Envoy: everything over one ADS stream, SotW or *delta*."""
    name = json.dumps(client.server_name or client.host)
    tls = (
        f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: {name}
        common_tls_context:
          alpn_protocols: [h2]
          validation_context:
            trusted_ca: {{filename: {json.dumps(client.ca)}}}
            match_typed_subject_alt_names:
            - {{san_type: DNS, matcher: {{exact: {name}}}}}"""
        if client.ca
        else ""
    )
    node = {"id": client.node_id, "cluster": client.cluster or client.node_id}
    if client.metadata:
        node["metadata"] = dict(client.metadata)  # type: ignore[assignment]
    address = json.dumps({"address": client.host, "port_value": client.port})
    return f"""\
# Envoy takes clusters, endpoints, listeners, routes and secrets from gitsource, over ADS.
node: {json.dumps(node)}
admin:
  address: {{socket_address: {{address: 127.0.0.1, port_value: 19000}}}}
dynamic_resources:
  ads_config:
    api_type: {"DELTA_GRPC" if delta else "GRPC"}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services:
    - envoy_grpc: {{cluster_name: gitsource}}
  cds_config: {{ads: {{}}, resource_api_version: V3}}
  lds_config: {{ads: {{}}, resource_api_version: V3}}
static_resources:
  clusters:
  - name: gitsource
    type: STRICT_DNS
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config:
          http2_protocol_options:
            connection_keepalive: {{interval: 30s, timeout: 5s}}
    load_assignment:
      cluster_name: gitsource
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {address}}}}}{tls}
"""


def grpc(client: Client) -> str:
    """Return a bootstrap for gRPC's own xDS client (`GRPC_XDS_BOOTSTRAP`)."""
    credentials = {"type": "tls", "config": {"ca_certificate_file": client.ca}}
    node: dict[str, object] = {"id": client.node_id}
    if client.cluster:
        node["cluster"] = client.cluster
    if client.metadata:
        node["metadata"] = dict(client.metadata)
    server = {
        "server_uri": f"dns:///{client.server_name or client.host}:{client.port}"
        if client.ca
        else f"{client.host}:{client.port}",
        "channel_creds": [credentials if client.ca else {"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    return json.dumps({"xds_servers": [server], "node": node}, indent=2) + "\n"


def istio(client: Client) -> str:
    """Return the part of Istio's MeshConfig that makes istiod a sink."""
    address = json.dumps(f"xds://{client.host}:{client.port}")
    text = f"""\
# In istiod's MeshConfig; istiod reads it when it starts, and does not start without its sources.
configSources:
- address: {address}
"""
    if client.ca:
        sni = json.dumps(client.server_name or client.host)
        text += f"""\
  tlsSettings:  # since Istio 1.26; before it, istiod speaks plaintext
    mode: SIMPLE
    sni: {sni}
    subjectAltNames: [{sni}]
    caCertificates: {json.dumps(client.ca)}
"""
    return (
        text
        + """\
# Without this line istiod no longer reads what is in Kubernetes.
- address: "k8s://"
"""
    )
