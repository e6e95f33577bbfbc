"""
Destination rules that Istio takes, drawn by hypothesis.

Rule: as in `mesh`: every field of every message is drawn, or said to be left out.
"""

from hypothesis import strategies as st

import mesh

BODY = "istio.networking.v1alpha3."
LOAD_BALANCER = BODY + "LoadBalancerSettings"
HASH = LOAD_BALANCER + ".ConsistentHashLB"
POOL = BODY + "ConnectionPoolSettings"
POLICY = BODY + "TrafficPolicy"

COUNTS = st.integers(0, 2**31 - 1)
PERCENT = st.integers(0, 100)
LENGTHS = st.sampled_from(["1ms", "30s", "0.25s", "1h30m", "1500ms", "7200s"])
PRIMES = st.sampled_from([1, 2, 3, 5, 101, 65537, 4999999])
PATHS = st.sampled_from(["/etc/certs/a.pem", "a"])
REGIONS = ["eu-west", "eu-north", "us-east", "us_west"]
LOCALITIES = st.sampled_from(
    [
        ["*"],
        ["eu-west", "eu-north/a", "eu-north/b/*"],
        ["eu-west/*", "us-east/a/1", "us-east/a/2/3", "us-east/b"],
        ["eu*", "us*"],
    ]
)
"""Each list takes in no place twice."""


@st.composite
def shares(draw):
    """Return weights of localities that are 100 together."""
    localities = draw(LOCALITIES)
    parts = draw(st.lists(st.integers(1, 20), min_size=len(localities), max_size=len(localities)))
    parts[0] += 100 - sum(parts)
    return dict(zip(localities, parts, strict=True))


def failovers(body):
    """Return a strategy for failovers from one region to another."""
    two = st.lists(st.sampled_from(REGIONS), min_size=2, max_size=2, unique=True)
    steps = two.flatmap(
        lambda pair: mesh.message(
            body, "from", "to", **{"from": st.just(pair[0]), "to": st.just(pair[1])}
        )
    )
    return st.lists(steps, max_size=2)


def locality_settings():
    """Return a strategy for settings by locality, with shares or with failover."""
    body = BODY + "LocalityLoadBalancerSetting"
    distribute = LOCALITIES.flatmap(
        lambda sources: st.tuples(
            *(
                mesh.message(
                    body + ".Distribute",
                    "from",
                    "to",
                    **{"from": st.just(source), "to": shares()},
                )
                for source in sources
            )
        )
    )
    own = st.lists(st.sampled_from(["version", "topology.istio.io/network"]), max_size=2)
    topology = st.lists(st.sampled_from(["topology.kubernetes.io/region", "version"]), max_size=2)
    enabled = st.booleans()
    return mesh.message(
        body,
        distribute=distribute.map(list),
        failover=None,
        enabled=enabled,
        failoverPriority=topology,
    ) | mesh.message(
        body,
        distribute=None,
        failover=failovers(body + ".Failover"),
        enabled=enabled,
        failoverPriority=own,
    )


def consistent_hashes():
    """Return a strategy for hashes by one key and one algorithm."""
    attribute = mesh.message(HASH + ".HTTPCookie.Attribute", "name", name=mesh.NAMES, value=PATHS)
    cookie = mesh.message(
        HASH + ".HTTPCookie",
        "name",
        name=mesh.NAMES,
        path=st.just("/"),
        ttl=st.just("0s") | LENGTHS,
        attributes=st.lists(attribute, max_size=2, unique_by=lambda one: one["name"]),
    )
    ring = mesh.message(HASH + ".RingHash", minimumRingSize=st.integers(0, 2**50))
    maglev = mesh.message(HASH + ".MagLev", "tableSize", tableSize=PRIMES)
    keys = st.sampled_from(
        [
            ("httpHeaderName", mesh.NAMES),
            ("httpCookie", cookie),
            ("useSourceIp", st.booleans()),
            ("httpQueryParameterName", mesh.NAMES),
            (None, None),
        ]
    )
    ways = st.sampled_from(
        [("ringHash", ring), ("maglev", maglev), ("minimumRingSize", COUNTS), (None, None)]
    )
    none = dict.fromkeys(
        (
            *("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"),
            *("minimumRingSize", "ringHash", "maglev"),
        )
    )
    return st.tuples(keys, ways).flatmap(
        lambda two: mesh.message(
            HASH, **(none | {name: values for name, values in two if name is not None})
        )
    )


def load_balancers():
    """Return a strategy for settings with one policy and one way to know of localities."""
    warmup = mesh.message(
        BODY + "WarmupConfiguration",
        "duration",
        duration=LENGTHS,
        minimumPercent=st.floats(0, 100),
        aggression=st.floats(0.1, 9),
    )
    zone = mesh.message(
        BODY + "ZoneAwareLoadBalancerSetting",
        enabled=st.booleans(),
        failover=failovers(BODY + "ZoneAwareLoadBalancerSetting.Failover"),
        failoverPriority=st.lists(mesh.NAMES, max_size=2),
        minClusterSize=st.integers(1, 2**31),
    )
    simple = st.sampled_from(["RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"])
    return st.tuples(st.booleans(), st.booleans()).flatmap(
        lambda two: mesh.message(
            LOAD_BALANCER,
            simple=simple if two[0] else None,
            consistentHash=None if two[0] else consistent_hashes(),
            localityLbSetting=locality_settings() if two[1] else None,
            zoneAwareLbSetting=None if two[1] else zone,
            warmupDurationSecs=LENGTHS,
            warmup=warmup,
        )
    )


def pools():
    """Return a strategy for connection pools."""
    keepalive = mesh.message(
        POOL + ".TCPSettings.TcpKeepalive",
        probes=st.integers(0, 2**32 - 1),
        time=LENGTHS,
        interval=LENGTHS,
    )
    tcp = mesh.message(
        POOL + ".TCPSettings",
        maxConnections=COUNTS,
        connectTimeout=LENGTHS,
        tcpKeepalive=keepalive,
        maxConnectionDuration=LENGTHS,
        idleTimeout=LENGTHS | st.just("0s"),
    )
    pings = mesh.message(
        POOL + ".HTTPSettings.ConnectionKeepalive",
        "interval",
        "timeout",
        interval=LENGTHS,
        timeout=LENGTHS,
    )

    def http(policy, *, client):
        return mesh.message(
            POOL + ".HTTPSettings",
            http1MaxPendingRequests=COUNTS,
            http2MaxRequests=COUNTS,
            maxRequestsPerConnection=COUNTS,
            maxRetries=COUNTS,
            idleTimeout=LENGTHS,
            h2UpgradePolicy=st.sampled_from(policy),
            useClientProtocol=st.just(client),
            maxConcurrentStreams=COUNTS,
            http2KeepAlive=pings,
        )

    either = http(["DEFAULT", "DO_NOT_UPGRADE"], client=True) | http(["UPGRADE"], client=False)
    return mesh.message(POOL, "tcp", tcp=tcp, http=either) | mesh.message(
        POOL, "http", tcp=tcp, http=either
    )


def outlier_detections():
    """Return a strategy for outlier detection."""
    return mesh.message(
        BODY + "OutlierDetection",
        consecutiveErrors=COUNTS,
        interval=LENGTHS,
        baseEjectionTime=LENGTHS,
        maxEjectionPercent=PERCENT,
        minHealthPercent=PERCENT,
        consecutiveGatewayErrors=COUNTS,
        consecutive5xxErrors=COUNTS,
        splitExternalLocalOriginErrors=st.just(True),  # noqa: FBT003  # a value of a document
        consecutiveLocalOriginFailures=st.none(),
        outlierDetectionHttpErrorCodes=st.lists(st.integers(100, 599), max_size=2),
    )


def tls_settings():
    """Return a strategy for TLS towards a host, in each mode with what it needs."""

    def tls(mode, *must, only):
        fields = {
            "clientCertificate": PATHS,
            "privateKey": PATHS,
            "caCertificates": PATHS,
            "caCrl": PATHS,
            "subjectAltNames": st.lists(mesh.NAMES, max_size=2),
            "insecureSkipVerify": st.just(True),  # noqa: FBT003  # a value of a document
            "credentialName": st.sampled_from(["partner", "configmap://shop/partner"]),
        }
        chosen = {name: values if name in only else None for name, values in fields.items()}
        return mesh.message(
            BODY + "ClientTLSSettings", "mode", *must, mode=st.just(mode), sni=mesh.NAMES, **chosen
        )

    pair = ("clientCertificate", "privateKey")
    return st.one_of(
        tls("DISABLE", only={*pair, "credentialName", "insecureSkipVerify", "subjectAltNames"}),
        tls("ISTIO_MUTUAL", only={"credentialName", "caCrl"}),
        tls("SIMPLE", only={*pair, "caCertificates", "subjectAltNames", "caCrl"}),
        tls("SIMPLE", only={"credentialName", "subjectAltNames"}),
        tls("SIMPLE", only={*pair, "insecureSkipVerify", "caCrl"}),
        tls("MUTUAL", *pair, only={*pair, "caCertificates", "subjectAltNames", "caCrl"}),
        tls("MUTUAL", *pair, only={*pair, "insecureSkipVerify"}),
        tls("MUTUAL", "credentialName", only={"credentialName", "insecureSkipVerify"}),
    )


def policies():
    """Return a strategy for traffic policies that set something."""
    common = {
        "loadBalancer": load_balancers(),
        "connectionPool": pools(),
        "outlierDetection": outlier_detections(),
        "tls": tls_settings(),
    }
    ports = st.sampled_from(sorted(common)).flatmap(
        lambda name: mesh.message(
            POLICY + ".PortTrafficPolicy",
            "port",
            name,
            port=mesh.message(BODY + "PortSelector", number=mesh.PORTS),
            **common,
        )
    )
    tunnel = mesh.message(
        POLICY + ".TunnelSettings",
        "targetHost",
        "targetPort",
        protocol=st.sampled_from(["CONNECT", "POST", ""]),
        targetHost=mesh.HOSTS | mesh.ADDRESSES,
        targetPort=mesh.PORTS,
    )
    proxy = mesh.message(POLICY + ".ProxyProtocol", version=st.sampled_from(["V1", "V2"]))
    budget = mesh.message(
        POLICY + ".RetryBudget",
        percent=st.floats(0, 100),
        minRetryConcurrency=COUNTS,
        budgetInterval=LENGTHS,
    )
    few = st.lists(ports, min_size=1, max_size=2)
    one = st.tuples(st.sampled_from([*sorted(common), "portLevelSettings"]), st.booleans())
    return one.flatmap(
        lambda two: mesh.message(
            POLICY,
            two[0],
            **common,
            portLevelSettings=few,
            tunnel=tunnel if two[1] else None,
            proxyProtocol=None if two[1] else proxy,
            retryBudget=budget,
        )
    )


@st.composite
def rules(draw):
    """Return a DestinationRule that Istio takes."""
    subset = mesh.message(
        BODY + "Subset", "name", name=mesh.NAMES, labels=mesh.LABELS, trafficPolicy=policies()
    )
    exports = [["."], ["*"], [], ["payments", "."], ["payments", "shop"]]
    selected = draw(st.booleans())
    selector = mesh.message("istio.type.v1beta1.WorkloadSelector", matchLabels=mesh.SELECTED)
    return draw(
        mesh.message(
            "DestinationRule",
            "host",
            host=mesh.HOSTS | mesh.WILDCARDS | st.sampled_from(["*", "reviews", "*-db.shop.io"]),
            trafficPolicy=policies(),
            subsets=st.lists(subset, max_size=2, unique_by=lambda one: one["name"]),
            exportTo=st.sampled_from([["."], ["shop"], []] if selected else exports),
            workloadSelector=selector if selected else None,
        )
    )
