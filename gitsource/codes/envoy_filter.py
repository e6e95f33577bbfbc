"""Istio's rules for EnvoyFilter (EF): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "EF-01",
        "warning",
        "EnvoyFilter",
        "use another kind where one does the same; look at each filter again before an upgrade",
    ),
    Code(
        "EF-02",
        "error",
        "labels of workloadSelector",
        "name each label in full: no empty key, no wildcard",
    ),
    Code(
        "EF-03",
        "error",
        "null in configPatches",
        "write the patch, or remove the list item",
    ),
    Code(
        "EF-04",
        "error",
        "patch of a waypoint without effect",
        "patch what waypoints have, and match it by what it has",
        note=(
            "What such a patch puts in place is not judged, as in Istio. Which applyTo and match "
            "go together in waypoints is: Istio's validator refuses the others, in the releases "
            "that know this context."
        ),
    ),
    Code(
        "EF-05",
        "error",
        "applyTo missing",
        "say what is patched, such as HTTP_FILTER or CLUSTER",
    ),
    Code(
        "EF-06",
        "error",
        "patch missing",
        "say what becomes of the object: patch with an operation, and a value unless it is REMOVE",
    ),
    Code(
        "EF-07",
        "error",
        "operation missing",
        "say how the object is patched, such as MERGE or INSERT_BEFORE",
    ),
    Code(
        "EF-08",
        "error",
        "value missing",
        "write what the operation puts in place; only REMOVE needs nothing",
    ),
    Code(
        "EF-09",
        "error",
        "proxyVersion is no regular expression",
        "mend the expression; RE2 has no look-around and no back references",
    ),
    Code(
        "EF-10",
        "warning",
        "long proxyVersion",
        "shorten the expression: versions look like 1.29.2",
    ),
    Code(
        "EF-15",
        "error",
        "listener object matched by something else",
        "match LISTENER, FILTER_CHAIN, NETWORK_FILTER and HTTP_FILTER by listener",
    ),
    Code(
        "EF-16",
        "warning",
        "filter match without effect",
        "remove the filter from the match, or patch NETWORK_FILTER or HTTP_FILTER",
    ),
    Code(
        "EF-17",
        "error",
        "filter match without a name",
        "name the network filter that is matched",
    ),
    Code(
        "EF-18",
        "error",
        "subFilter match outside of HTTP_FILTER",
        "remove subFilter, or set applyTo to HTTP_FILTER",
    ),
    Code(
        "EF-19",
        "error",
        "subFilter of a filter that has none",
        "name envoy.filters.network.http_connection_manager: only it holds HTTP filters",
    ),
    Code(
        "EF-20",
        "error",
        "subFilter match without a name",
        "name the HTTP filter that is matched",
    ),
    Code(
        "EF-21",
        "warning",
        "old name of a filter",
        "write the name that the message gives",
    ),
    Code(
        "EF-25",
        "error",
        "route object matched by something else",
        "match ROUTE_CONFIGURATION, VIRTUAL_HOST and HTTP_ROUTE by routeConfiguration",
    ),
    Code(
        "EF-26",
        "error",
        "cluster matched by something else",
        "match CLUSTER by cluster",
    ),
    Code(
        "EF-30",
        "error",
        "value that is not what applyTo names",
        "change the value to what Envoy's message asks for",
        note=(
            "Judged with istiod's leniency: unknown fields, numbers without a name for an enum, a "
            "second member of a oneof and nulls in lists are passed over, and duration units are "
            "Go's. Everything else has to be what Envoy's v3 message takes."
        ),
    ),
    Code(
        "EF-31",
        "error",
        "unknown type in @type",
        "mend the name; Envoy's v2 API is gone, so write the v3 name of the type",
        note=(
            "Types that istiod has and we have not (Istio's own, and those contributed to Envoy) "
            "are taken as they are. Envoy's frozen packages are those before v3: istiod refuses "
            "their types, so the warning of a frozen package (EF-33) has nothing left to speak of."
        ),
        implements=("EF-33",),
    ),
    Code(
        "EF-32",
        "warning",
        "part of the value that istiod passes over",
        "mend the spelling of the field, or remove it; a newer Envoy may know it",
        note=(
            "What a TypedStruct holds is left to the proxy by istiod; here it is judged as the "
            "message it stands for, and anything wrong with it is this warning."
        ),
    ),
    Code(
        "EF-34",
        "warning",
        "filter configured by its name alone",
        "add typed_config with the @type of the filter's configuration",
        note="Istio looks at single messages only; filters in lists are judged here as well.",
    ),
)
