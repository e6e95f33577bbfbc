"""
What a client is started with so that it takes its configuration from here.

Rule: pure. Texts of the caller are written as JSON strings, which are YAML too, so that none of
them can add a line. Envoy tells its node once a stream: it is 60 kB, and every ACK would carry it.

Envoy looks at files again only if they are named by a secret that it got by SDS, be that from a
file; it speaks TLS 1.3 to what it dials only if it is told to. gRPC looks at them by itself.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal


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
    cert: str = ""
    """PEM file with the certificate chain that the client shows; empty: it shows none."""
    key: str = ""
    """PEM file with its private key."""
    secrets: str = ""
    """For Envoy: folder with what `envoy_secret` gives, as ``ca.yaml`` and ``client.yaml``; empty:
    files are read once, at the start."""

    @property
    def name(self) -> str:
        """What has to be in the source's certificate."""
        return self.server_name or self.host

    @property
    def by_address(self) -> bool:
        """Whether that is an address, which is not said in a handshake."""
        try:
            ipaddress.ip_address(self.name)
        except ValueError:
            return False
        return True


REFRESH = "10s"
"""How often gRPC looks at the files of its bootstrap; it takes ten minutes if it is not told."""
SECRETS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


def _certificate(client: Client) -> str:
    chain, key = json.dumps(client.cert), json.dumps(client.key)
    return f"certificate_chain: {{filename: {chain}}}, private_key: {{filename: {key}}}"


def _folder(path: str) -> str:
    return f"watched_directory: {{path: {json.dumps(str(PurePosixPath(path).parent))}}}"


def _names(client: Client) -> str:
    kind = "IP_ADDRESS" if client.by_address else "DNS"
    matcher = f"{{exact: {json.dumps(client.name)}}}"
    return f"match_typed_subject_alt_names: [{{san_type: {kind}, matcher: {matcher}}}]"


def _secret(client: Client, which: str) -> str:
    path = json.dumps(str(PurePosixPath(client.secrets) / f"{which}.yaml"))
    where = f"{{resource_api_version: V3, path_config_source: {{path: {path}}}}}"
    return f"{{name: gitsource-{which}, sds_config: {where}}}"


def _transport_socket(client: Client) -> str:
    """Return how Envoy speaks TLS to its source."""
    lines = [] if client.by_address else [f"sni: {json.dumps(client.name)}"]
    lines += [
        "common_tls_context:",
        "  alpn_protocols: [h2]",
        "  tls_params: {tls_maximum_protocol_version: TLSv1_3}",
    ]
    if client.secrets:
        if client.cert:
            lines.append("  tls_certificate_sds_secret_configs:")
            lines.append(f"  - {_secret(client, 'client')}")
        lines += [
            "  combined_validation_context:",
            f"    default_validation_context: {{{_names(client)}}}",
            f"    validation_context_sds_secret_config: {_secret(client, 'ca')}",
        ]
    else:
        if client.cert:
            lines.append(f"  tls_certificates: [{{{_certificate(client)}}}]")
        lines += [
            "  validation_context:",
            f"    trusted_ca: {{filename: {json.dumps(client.ca)}}}",
            f"    {_names(client)}",
        ]
    body = "".join(f"        {line}\n" for line in lines).rstrip()
    context = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/{context}
{body}"""


def envoy_secret(client: Client, which: Literal["ca", "client"]) -> str:
    """
    Return a file by which Envoy sees that what it trusts, or shows, has changed.

    One of them a file: Envoy takes no more.
    """
    if which == "ca":
        trusted = f"trusted_ca: {{filename: {json.dumps(client.ca)}}}, {_folder(client.ca)}"
        body = f"validation_context: {{{trusted}}}"
    else:
        body = f"tls_certificate: {{{_certificate(client)}, {_folder(client.cert)}}}"
    return f"""\
# Envoy reads the files anew once something in their folder is renamed.
resources:
- "@type": {SECRETS}
  name: gitsource-{which}
  {body}
"""


def envoy(client: Client, *, delta: bool) -> str:
    """Return a bootstrap for Envoy: everything over one ADS stream, SotW or *delta*."""
    tls = _transport_socket(client) if client.ca else ""
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
    dns_lookup_family: ALL
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
    files = {"ca_certificate_file": client.ca}
    if client.cert:
        files |= {"certificate_file": client.cert, "private_key_file": client.key}
    files["refresh_interval"] = REFRESH
    credentials = {"type": "tls", "config": files}
    node: dict[str, object] = {"id": client.node_id}
    if client.cluster:
        node["cluster"] = client.cluster
    if client.metadata:
        node["metadata"] = dict(client.metadata)
    server = {
        "server_uri": f"dns:///{client.name}:{client.port}"
        if client.ca
        else f"{client.host}:{client.port}",
        "channel_creds": [credentials if client.ca else {"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    told: dict[str, object] = {"xds_servers": [server], "node": node}
    if client.cert:
        # For the connections to backends, if a Cluster wants TLS by the instance of this name.
        told["certificate_providers"] = {
            "default": {"plugin_name": "file_watcher", "config": files}
        }
    return json.dumps(told, indent=2) + "\n"


def istio(client: Client) -> str:
    """Return the part of Istio's MeshConfig that makes istiod a sink."""
    address = json.dumps(f"xds://{client.host}:{client.port}")
    text = f"""\
# In istiod's MeshConfig; istiod reads it when it starts, and does not start without its sources.
configSources:
- address: {address}
"""
    if client.ca:
        sni = json.dumps(client.name)
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
