"""
The findings of one document about others: what it refers to, and what excludes it.

Rule: all are warnings unless the settings say otherwise (`references.severity`): another source
than this repository may define what is missing here.
"""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "GS401",
        "warning",
        "Gateway that does not exist",
        "name a Gateway of the repository, as namespace/name if it is in another namespace",
    ),
    Code(
        "GS402",
        "warning",
        "Gateway without a server for the hosts",
        "add one of the hosts to a server of the Gateway, or bind another Gateway",
        note="one host that is admitted is enough; namespaces before a server's hosts count",
    ),
    Code(
        "GS403",
        "warning",
        "subset that no DestinationRule defines",
        "define the subset in a DestinationRule for the host, or send to the host without it",
        note="told once for each subset of a document, where it is used first",
    ),
    Code(
        "GS404",
        "warning",
        "not exported to where it is used",
        "add the namespace to exportTo of what is named, or use something else",
        note="what a namespace defines is always taken to be seen there; a missing exportTo is "
        "taken for everybody, whatever the mesh's defaults are",
    ),
    Code(
        "GS405",
        "warning",
        "host that nothing defines",
        "add a ServiceEntry, mend the name, or have references.service_hosts cover it",
        note="only found when references.service_hosts names the hosts that exist elsewhere; "
        "ServiceEntries and Services of the repository count by themselves",
    ),
    Code(
        "GS406",
        "warning",
        "host bound twice",
        "join the two VirtualServices, or make hosts or matches differ",
        note="in the mesh a host belongs to one VirtualService of those that the same namespaces "
        "see. A gateway joins the routes of several, as is good practice: there only routes with "
        "the same match exclude each other",
    ),
    Code(
        "GS407",
        "warning",
        "host served twice on a port",
        "keep the host in one of the Gateways",
        note="Gateways with exactly the same selector are compared",
    ),
    Code(
        "GS408",
        "warning",
        "port with two protocols",
        "use another port: HTTP goes with HTTP, TLS with TLS, TCP with nothing",
    ),
    Code(
        "GS409",
        "warning",
        "host served twice with different TLS",
        "make mode and credentials alike, or keep the host in one of the Gateways",
    ),
    Code(
        "GS410",
        "warning",
        "selector that selects no workload",
        "mend the labels, or remove what is for nobody",
        note="only found in namespaces of whose workloads the repository tells (WorkloadEntry, "
        "WorkloadGroup, Pods and what makes Pods), never in the root namespace",
    ),
    Code(
        "GS411",
        "warning",
        "delegate that does not exist",
        "name a VirtualService without hosts, with its namespace if that is another",
    ),
    Code(
        "GS412",
        "warning",
        "delegate that nobody uses",
        "delegate to it from a VirtualService with hosts, or give it hosts",
    ),
    Code(
        "GS413",
        "warning",
        "second one for the same workloads",
        "join the two: Istio uses the oldest of a namespace",
        note="Sidecar, PeerAuthentication and Telemetry with the same selector, or none",
    ),
    Code(
        "GS414",
        "warning",
        "second rule for a host",
        "join the two DestinationRules, or make their subsets differ",
        note="Istio joins the subsets of several DestinationRules for a host in a namespace, as is "
        "good practice: only a subset or a trafficPolicy that two of them have is told",
    ),
    Code(
        "GS451",
        "warning",
        "Cluster that does not exist",
        "define the Cluster, or mend the name where it is routed to",
        note="routes of every kind, weights and mirrors among them, and TCP proxies. A cluster of "
        "the bootstrap is not known here: set references.codes, or suppress the warning",
    ),
    Code(
        "GS452",
        "warning",
        "Cluster without its endpoints",
        "define a ClusterLoadAssignment with the name of the Cluster, or its service_name",
        note="only of Clusters whose eds_config is ads or self",
    ),
    Code(
        "GS453",
        "warning",
        "routes that do not exist",
        "define the RouteConfiguration that the Listener names",
        note="only where the config_source is ads or self",
    ),
    Code(
        "GS454",
        "warning",
        "scope without its routes",
        "define the RouteConfiguration that the ScopedRouteConfiguration names",
    ),
    Code(
        "GS455",
        "warning",
        "Secret that does not exist",
        "define the Secret, or mend the name",
        note="only where the sds_config is ads or self",
    ),
    Code(
        "GS456",
        "warning",
        "address taken twice",
        "give one of the Listeners another address or port, or show them to different nodes",
    ),
    Code(
        "GS457",
        "warning",
        "configuration of a filter that does not exist",
        "define the TypedExtensionConfig with the name of the filter",
        note="only where the config_source is ads or self",
    ),
    Code(
        "GS458",
        "warning",
        "works over delta xDS alone",
        "set api_type to DELTA_GRPC in the config_source, or with ads in the bootstrap of nodes",
        note="virtual hosts, clusters and endpoints on demand (VHDS, ODCDS, LEDS)",
    ),
)
