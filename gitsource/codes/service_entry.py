"""Istio's rules for ServiceEntry (SE): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "SE-01",
        "error",
        "workload selector of a service that selects nothing sound",
        "name labels and values in full: a selector takes neither * nor an empty name",
        note=(
            "as in Istio, a selector without labels is a warning; such a service has no workloads"
        ),
    ),
    Code(
        "SE-02",
        "error",
        "endpoints beside a workload selector",
        "keep endpoints, or keep workloadSelector",
    ),
    Code(
        "SE-03",
        "error",
        "service without hosts",
        "name the service under hosts",
        implements=("SE-40",),
    ),
    Code(
        "SE-04",
        "error",
        "host that takes in every service",
        "name hosts, such as *.example.com, in place of *",
    ),
    Code(
        "SE-05",
        "error",
        "host that is no domain name",
        "write a domain name; its first label may be *",
        note="as in Istio, an IP address is no host: its last label is a number",
    ),
    Code(
        "SE-06",
        "warning",
        "wildcard for a part of a label",
        "make the * a label of its own, as in *.example.com",
    ),
    Code(
        "SE-07",
        "error",
        "address that is neither an IP address nor a range",
        "write an IP address, or a range such as 10.1.0.0/16",
    ),
    Code(
        "SE-08",
        "error",
        "range of addresses with a resolution that takes none",
        "write single addresses, or set resolution to NONE or STATIC",
    ),
    Code(
        "SE-10",
        "error",
        "port that is null",
        "write the port's name and number, or remove the item",
    ),
    Code(
        "SE-11",
        "error",
        "port name given twice",
        "give each port of the service a name of its own",
    ),
    Code(
        "SE-12",
        "error",
        "port number given twice",
        "keep one port for each number",
    ),
    Code(
        "SE-13",
        "error",
        "target port out of range",
        "use a number from 1 to 65535",
        note=(
            "as in Istio's validator, an explicit 0 counts as absent; the resource definition "
            "refuses it"
        ),
    ),
    Code(
        "SE-14",
        "error",
        "port name that is no DNS label",
        "use 1 to 63 letters, digits and '-', such as http",
    ),
    Code(
        "SE-15",
        "error",
        "protocol that Istio does not know",
        "use HTTP, HTTPS, HTTP2, GRPC, GRPC-Web, TLS, TCP, UDP, Mongo, MySQL or Redis",
    ),
    Code(
        "SE-16",
        "error",
        "port number out of range",
        "use a number from 1 to 65535",
    ),
    Code(
        "SE-17",
        "warning",
        "TCP port of a service without addresses",
        "give the service addresses, or the port an HTTP or TLS protocol",
        note=(
            "Istio gives the service an address by itself unless resolution is NONE or the label "
            "networking.istio.io/enable-autoallocate-ip is false; we take this to be switched on, "
            "as it is by default. As in Istio, tcp in lower case is passed over"
        ),
    ),
    Code(
        "SE-20",
        "error",
        "endpoints with resolution NONE",
        "remove the endpoints, or set resolution to STATIC or DNS",
        note="as in Istio, a workload selector with resolution NONE is a warning",
    ),
    Code(
        "SE-25",
        "error",
        "endpoint that resolution STATIC does not take",
        "use an IP address, the port names of the service, and a socket for one port only",
        note=(
            "what a WorkloadEntry may not say either is told under WE-01 to WE-08, and a null "
            "endpoint under SE-32, whatever the resolution"
        ),
    ),
    Code(
        "SE-30",
        "error",
        "wildcard host to be looked up in DNS",
        "write a full name, or endpoints, or set resolution to NONE or DYNAMIC_DNS",
        note="Istio tells of the first such host only, we of each",
    ),
    Code(
        "SE-31",
        "error",
        "several endpoints with resolution DNS_ROUND_ROBIN",
        "keep one endpoint, or set resolution to DNS",
    ),
    Code(
        "SE-32",
        "error",
        "endpoint that is null",
        "write the endpoint's address, or remove the item",
    ),
    Code(
        "SE-33",
        "error",
        "endpoint without an address that DNS takes",
        "write a domain name or an IP address; sockets need resolution STATIC",
    ),
    Code(
        "SE-34",
        "error",
        "label of an endpoint that is none",
        "use letters, digits, '-', '_' and '.', with a letter or a digit first and last",
    ),
    Code(
        "SE-35",
        "error",
        "endpoint port that the service does not have",
        "use the names of the service's ports as keys",
    ),
    Code(
        "SE-36",
        "error",
        "endpoint port that is none",
        "map the name of a port of the service to a number from 1 to 65535",
    ),
    Code(
        "SE-37",
        "warning",
        "hosts that share addresses on a TCP port",
        "write a ServiceEntry for each host",
    ),
    Code(
        "SE-41",
        "error",
        "full host name with resolution DYNAMIC_DNS",
        "use resolution DNS for it; DYNAMIC_DNS is for wildcards",
    ),
    Code(
        "SE-42",
        "error",
        "addresses with resolution DYNAMIC_DNS",
        "remove the addresses",
    ),
    Code(
        "SE-43",
        "error",
        "endpoints with resolution DYNAMIC_DNS",
        "remove the endpoints",
    ),
    Code(
        "SE-44",
        "error",
        "protocol in which DYNAMIC_DNS cannot see the host",
        "use HTTP, HTTP2, GRPC or TLS",
        note="as in Istio, HTTPS and an absent protocol are refused",
    ),
    Code(
        "SE-46",
        "error",
        "waypoint for a DYNAMIC_DNS service of the mesh",
        "remove the label istio.io/use-waypoint, or set location to MESH_EXTERNAL",
    ),
    Code(
        "SE-51",
        "error",
        "several hosts on a port that cannot tell them apart",
        "keep one host, or use an HTTP or TLS protocol on every port",
        note=(
            "as in Istio, a port without protocol cannot; Istio tells of the first such port only, "
            "we of each"
        ),
    ),
    Code(
        "SE-52",
        "error",
        "exportTo that names no namespaces",
        "name namespaces, or '.', '*' or '~' alone",
    ),
)
