"""Istio's rules for DestinationRule (DR): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "DR-01",
        "error",
        "host that is no host name",
        "write a service name or a domain; only its first label may be a wildcard",
    ),
    Code(
        "DR-02",
        "error",
        "empty entry in subsets",
        "write the subset, or remove the entry",
    ),
    Code(
        "DR-03",
        "error",
        "subset defined twice",
        "give each subset of the rule a name of its own",
    ),
    Code(
        "DR-04",
        "error",
        "subset name not allowed",
        "use 1 to 63 letters, digits and hyphens, with a letter or digit first and last",
    ),
    Code(
        "DR-05",
        "error",
        "subset label that no pod can have",
        "write labels as Kubernetes takes them",
    ),
    Code(
        "DR-07",
        "error",
        "exportTo not allowed",
        "list namespaces, each once, or '.', or '*' alone",
    ),
    Code(
        "DR-08",
        "error",
        "workloadSelector that cannot select",
        "write whole labels, without wildcards",
        note="A selector without labels is a warning, as in Istio.",
    ),
    Code(
        "DR-09",
        "error",
        "rule with workloadSelector exported to other namespaces",
        "set exportTo to '.', or remove it or workloadSelector",
    ),
    Code(
        "DR-10",
        "error",
        "rule with workloadSelector exported beyond its namespace",
        "keep only '.' in exportTo, or remove workloadSelector",
    ),
    # ------------------------------------------------------------------- traffic policy
    Code(
        "DR-20",
        "error",
        "traffic policy that says nothing",
        "set one of its fields, or remove it",
        note="Istio loses the warnings of a subset's policy; they are told here.",
        implements=("DR-06",),
    ),
    Code(
        "DR-21",
        "error",
        "tunnel together with proxyProtocol",
        "keep one of the two",
    ),
    Code(
        "DR-22",
        "error",
        "tunnel protocol not known",
        "use CONNECT or POST, in capitals; CONNECT is the default",
    ),
    Code(
        "DR-23",
        "error",
        "tunnel to what is no host",
        "set targetHost to a domain name without wildcards, or an address",
    ),
    Code(
        "DR-24",
        "error",
        "tunnel without a valid port",
        "set targetPort to a number from 1 to 65535",
    ),
    Code(
        "DR-26",
        "error",
        "policy of a port that names no port or sets nothing",
        "set port, and one of loadBalancer, connectionPool, outlierDetection and tls",
        note="Istio loses the warnings of a port's policy; they are told here.",
    ),
    # ------------------------------------------------------------------- connection pool
    Code(
        "DR-30",
        "error",
        "connection pool that bounds nothing",
        "set http or tcp, or remove the pool",
        implements=("SC-35", "SC-37"),
    ),
    Code(
        "DR-31",
        "error",
        "negative bound on HTTP",
        "use 0 or more",
    ),
    Code(
        "DR-32",
        "error",
        "idle timeout of HTTP too short or too fine",
        "use whole milliseconds, at least 1ms",
    ),
    Code(
        "DR-33",
        "error",
        "upgrade to HTTP/2 together with useClientProtocol",
        "keep one of the two",
    ),
    Code(
        "DR-34",
        "error",
        "HTTP/2 keepalive incomplete or not allowed",
        "set interval and timeout, in whole milliseconds, at least 1ms",
    ),
    Code(
        "DR-35",
        "error",
        "negative bound on connections",
        "use 0 or more",
    ),
    Code(
        "DR-36",
        "error",
        "time of TCP too short or too fine",
        "use whole milliseconds, at least 1ms",
    ),
    Code(
        "DR-37",
        "error",
        "idle timeout of TCP negative or too fine",
        "use whole milliseconds; 0s turns the timeout off",
        note="Like Istio, takes anything below 1ms for 0s.",
    ),
    # ------------------------------------------------------------------- TLS
    Code(
        "DR-40",
        "error",
        "configmap:// without namespace and name",
        "write configmap://NAMESPACE/NAME",
        note="Like Istio, takes no notice of what follows the name after another slash.",
    ),
    Code(
        "DR-41",
        "error",
        "configmap:// of another namespace",
        "name a config map in the namespace of the rule",
    ),
    Code(
        "DR-42",
        "error",
        "certificates to judge by, and insecureSkipVerify",
        "remove what the server would be judged by, or insecureSkipVerify",
    ),
    Code(
        "DR-43",
        "error",
        "certificates to judge by, and insecureSkipVerify, in mode MUTUAL",
        "remove what the server would be judged by, or insecureSkipVerify",
    ),
    Code(
        "DR-44",
        "error",
        "certificates as files and as credentialName",
        "keep the files or credentialName, not both",
    ),
    Code(
        "DR-45",
        "error",
        "mutual TLS without a client certificate",
        "set clientCertificate, or credentialName",
    ),
    Code(
        "DR-46",
        "error",
        "mutual TLS without a private key",
        "set privateKey, or credentialName",
    ),
    # ------------------------------------------------------------------- outlier detection
    Code(
        "DR-50",
        "error",
        "time of outlier detection too short or too fine",
        "use whole milliseconds, at least 1ms",
    ),
    Code(
        "DR-51",
        "warning",
        "consecutiveErrors is deprecated",
        "use consecutive5xxErrors or consecutiveGatewayErrors",
    ),
    Code(
        "DR-52",
        "error",
        "local failures counted without being told apart",
        "set splitExternalLocalOriginErrors: true, or remove consecutiveLocalOriginFailures",
    ),
    Code(
        "DR-53",
        "error",
        "share of endpoints not from 0 to 100",
        "use a whole number from 0 to 100",
    ),
    # ------------------------------------------------------------------- load balancer
    Code(
        "DR-60",
        "error",
        "cookie without a name",
        "set httpCookie.name",
    ),
    Code(
        "DR-61",
        "error",
        "cookie attribute without a name",
        "set its name, or remove it",
    ),
    Code(
        "DR-62",
        "error",
        "cookie attribute given twice",
        "keep one of the two",
    ),
    Code(
        "DR-63",
        "warning",
        "minimumRingSize is deprecated",
        "set ringHash.minimumRingSize instead",
    ),
    Code(
        "DR-64",
        "error",
        "minimumRingSize together with ringHash or maglev",
        "move it to ringHash.minimumRingSize, or remove it",
    ),
    Code(
        "DR-65",
        "error",
        "Maglev table without a size",
        "set tableSize to a prime below 5000011, such as 65537",
    ),
    Code(
        "DR-66",
        "error",
        "Maglev table too large",
        "set tableSize to a prime below 5000011, such as 65537",
    ),
    Code(
        "DR-67",
        "error",
        "Maglev table whose size is no prime",
        "set tableSize to a prime below 5000011, such as 65537",
        note="Like Istio, takes 1 for a prime; of a size that DR-65 or DR-66 is about it is not "
        "said as well.",
    ),
    Code(
        "DR-68",
        "error",
        "localityLbSetting together with zoneAwareLbSetting",
        "keep one of the two",
    ),
    Code(
        "DR-69",
        "error",
        "warm-up without a valid duration",
        "set duration, in whole milliseconds, at least 1ms",
    ),
    Code(
        "DR-70",
        "error",
        "warm-up from more than everything",
        "set minimumPercent to 100 or less",
    ),
    Code(
        "DR-71",
        "error",
        "warm-up aggression not above 0",
        "set aggression to a number above 0; 1 is even growth",
    ),
    # ------------------------------------------------------------------- localities
    Code(
        "DR-72",
        "error",
        "distribute together with failover",
        "keep one of the two",
    ),
    Code(
        "DR-73",
        "error",
        "failover together with a topology label in failoverPriority",
        "remove the label, or failover",
    ),
    Code(
        "DR-74",
        "error",
        "weight of a locality not from 1 to 100",
        "use a whole number from 1 to 100; leave out localities that get nothing",
    ),
    Code(
        "DR-75",
        "error",
        "weights of localities that are not 100 together",
        "change the weights so that they add up to 100",
    ),
    Code(
        "DR-76",
        "error",
        "locality malformed or overlapping another",
        "write region, region/zone or region/zone/sub-zone, with '*' only at the end, so that "
        "no two take in the same place",
        note="Istio misses an overlap when '*' or 'region/*' comes after what it takes in. In "
        "distribute[].from that is the order of the file: a warning here. In distribute[].to the "
        "order is drawn by lot each time, so Istio may refuse it: an error here.",
    ),
    Code(
        "DR-77",
        "warning",
        "failover without outlier detection",
        "set outlierDetection beside loadBalancer: without it nothing is found to have failed",
    ),
    Code(
        "DR-78",
        "error",
        "failover from a region to itself",
        "name two different regions",
    ),
    Code(
        "DR-79",
        "error",
        "failover of less than a region",
        "name regions only, without zones",
    ),
    Code(
        "DR-80",
        "error",
        "wildcard in a failover",
        "name one region",
    ),
    Code(
        "DR-85",
        "error",
        "topology label in failoverPriority of zoneAwareLbSetting",
        "remove the label: balancing by zone knows of regions and zones by itself",
    ),
    Code(
        "DR-86",
        "warning",
        "failover by zone without outlier detection",
        "set outlierDetection beside loadBalancer: without it nothing is found to have failed",
    ),
    Code(
        "DR-87",
        "error",
        "failover by zone from a region to itself",
        "name two different regions",
    ),
    Code(
        "DR-88",
        "error",
        "failover by zone of less than a region",
        "name regions only, without zones",
    ),
    Code(
        "DR-89",
        "error",
        "wildcard in a failover by zone",
        "name one region",
    ),
)
