"""
Istio's rules for Sidecar (SC): what each is called, and what to do.

What a Sidecar shares with other kinds is told under their codes: connection pools under DR-30 to
DR-37 (SC-35, SC-37), TLS under GW-30 to GW-42 (SC-32).
"""

from __future__ import annotations

from gitsource.codes.code import Code, table

_PORT = "use a number from 1 to 65535"
_NAME = "use 1 to 63 letters, digits and '-', such as http, or leave the name out"
_PROTOCOL = "use HTTP, HTTPS, HTTP2, GRPC, GRPC-Web, TLS, TCP, UDP, Mongo, MySQL or Redis"
_CERTIFICATE = "remove it, and name serverCertificate and privateKey, files of the proxy"

ROWS = table(
    Code(
        "SC-01",
        "error",
        "workload selector of a Sidecar that selects nothing sound",
        "name labels and values in full: a selector takes neither * nor an empty name",
        note="as in Istio, a selector without labels is a warning",
    ),
    Code(
        "SC-02",
        "error",
        "Sidecar that sets nothing",
        "give it egress, ingress, outboundTrafficPolicy or inboundConnectionPool",
    ),
    Code(
        "SC-10",
        "error",
        "ingress listener that is null",
        "write the listener's port, or remove the item",
    ),
    Code(
        "SC-11",
        "error",
        "ingress listener without a port",
        "set port.number and port.protocol",
    ),
    Code(
        "SC-12",
        "error",
        "target port of an ingress listener",
        "remove targetPort; defaultEndpoint says where the traffic goes",
    ),
    Code("SC-13", "error", "name of an ingress port that is no DNS label", _NAME),
    Code("SC-14", "error", "protocol of an ingress port that Istio does not know", _PROTOCOL),
    Code("SC-15", "error", "number of an ingress port out of range", _PORT),
    Code(
        "SC-16",
        "error",
        "ingress bound to what is no IP address",
        "write an IP address, or leave bind out",
    ),
    Code(
        "SC-17",
        "error",
        "two ingress listeners on one port",
        "keep one listener for each port number, whatever they bind to",
    ),
    Code(
        "SC-20",
        "error",
        "default endpoint that is not at the workload itself",
        "write 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///path",
    ),
    Code("SC-25", "error", "client names in the TLS of a Sidecar", "remove subjectAltNames"),
    Code("SC-26", "error", "redirect to HTTPS in a Sidecar", "remove httpsRedirect"),
    Code("SC-27", "error", "credential name in the TLS of a Sidecar", _CERTIFICATE),
    Code("SC-28", "error", "credential names in the TLS of a Sidecar", _CERTIFICATE),
    Code("SC-29", "error", "several certificates in the TLS of a Sidecar", _CERTIFICATE),
    Code(
        "SC-30",
        "error",
        "mode of TLS that a Sidecar does not take",
        "use SIMPLE or MUTUAL; mutual TLS of the mesh is for PeerAuthentication",
    ),
    Code(
        "SC-31",
        "error",
        "TLS on a port of another protocol",
        "make the port's protocol HTTPS or TLS, or remove tls",
    ),
    Code(
        "SC-36",
        "warning",
        "HTTP bounds on a port that is not HTTP",
        "remove connectionPool.http, or make the port's protocol HTTP, HTTP2 or GRPC",
    ),
    Code(
        "SC-40",
        "error",
        "egress listener that is null",
        "write the listener's hosts, or remove the item",
    ),
    Code(
        "SC-41",
        "error",
        "egress listener without a port that is not the last",
        "put the listener without a port last: it takes all the rest",
    ),
    Code(
        "SC-42",
        "error",
        "two egress listeners without a port",
        "keep one, or give the other a port",
        note=(
            "Istio refuses the first of the two, since it is not the last; we tell of the second, "
            "which is one too many"
        ),
    ),
    Code("SC-43", "error", "target port of an egress listener", "remove targetPort"),
    Code("SC-44", "error", "name of an egress port that is no DNS label", _NAME),
    Code("SC-45", "error", "protocol of an egress port that Istio does not know", _PROTOCOL),
    Code(
        "SC-46",
        "error",
        "egress listener with neither a port nor a socket",
        "set port.number, or bind to unix:///path/to/socket or unix://@name",
    ),
    Code(
        "SC-47",
        "error",
        "captured traffic to a socket",
        "set captureMode to NONE, or leave it out",
    ),
    Code("SC-48", "error", "number of an egress port out of range", _PORT),
    Code(
        "SC-49",
        "error",
        "egress port bound to what is no IP address",
        "write an IP address, or leave bind out; for a socket, leave port.number out",
    ),
    Code(
        "SC-50",
        "error",
        "two egress listeners on one socket",
        "keep one listener for each socket",
    ),
    Code(
        "SC-51",
        "error",
        "two egress listeners on one port",
        "keep one listener for each port number, whatever they bind to",
    ),
    Code(
        "SC-55",
        "error",
        "egress listener without hosts",
        "name hosts as namespace/host; ~/* is none at all",
    ),
    Code(
        "SC-56",
        "error",
        "egress host without a namespace",
        "write namespace/host; ./ is the Sidecar's own namespace, */ any",
    ),
    Code(
        "SC-57",
        "error",
        "egress host of which half is missing",
        "write namespace/host; * is any",
    ),
    Code(
        "SC-58",
        "error",
        "namespace of an egress host that is none",
        "use the name of a namespace, '*', '.' or '~'",
    ),
    Code(
        "SC-59",
        "error",
        "egress host that is a short name",
        "write the name in full, such as db.shop.svc.cluster.local",
    ),
    Code(
        "SC-60",
        "error",
        "egress host that is no domain name",
        "write a domain name, such as *.example.com, or *",
        note="as in Istio, an IP address is no host here",
    ),
    Code(
        "SC-61",
        "error",
        "wildcard for a part of a label in an egress host",
        "make the * a label of its own, as in *.example.com",
    ),
    Code(
        "SC-62",
        "warning",
        "egress host that is said twice",
        "keep the widest of the hosts of one namespace",
        note=(
            "as in Istio, only equal names and * are compared: *.example.com beside "
            "a.example.com is passed over"
        ),
    ),
    Code(
        "SC-63",
        "warning",
        "egress hosts beside one that takes in all",
        "remove the other hosts, or */*",
    ),
    Code(
        "SC-71",
        "error",
        "egress proxy without traffic",
        "set outboundTrafficPolicy.mode to ALLOW_ANY, or remove egressProxy",
    ),
    Code(
        "SC-72",
        "error",
        "egress proxy that is no full name",
        "write the full name of a service; wildcards and addresses are none",
    ),
    Code("SC-73", "error", "egress proxy without a port", "set egressProxy.port.number"),
    Code(
        "SC-74",
        "error",
        "egress proxy that is no destination",
        "use a DNS label as subset and a port from 1 to 65535",
    ),
)
