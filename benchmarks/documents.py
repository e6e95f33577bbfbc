"""
Configuration documents for the benchmarks: valid, 1-3 KB of YAML each, told by a number.

Rule: a document is a pure function of its number and its generation, so a repository of any size is
the same on every machine, and a changed file is the same document, one generation on. Hosts, labels
and digests vary with the number, or the packs would deflate far better than real ones do. What a
document refers to is there, among the ten whose numbers differ in the last digit only: a
VirtualService is bound to their Gateway and routes to subsets that their DestinationRules define.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import envoy_documents

GENERATOR = 3
"""Raised when the texts change, so that cached repositories are made anew."""

GROUP = "istio/networking/v1alpha3/"
COLLECTIONS = {
    "VirtualService": GROUP + "virtualservices",
    "DestinationRule": GROUP + "destinationrules",
    "ServiceEntry": GROUP + "serviceentries",
    "Gateway": GROUP + "gateways",
    **envoy_documents.COLLECTIONS,
}
MIX = ("VirtualService",) * 4 + ("DestinationRule",) * 3 + ("ServiceEntry",) * 2 + ("Gateway",)
"""The kind of each document, by its number modulo ten."""


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "account audit basket billing booking campaign catalog checkout claim content coupon credit "
    "customer delivery device discount event export feed fraud identity image inventory invoice "
    "ledger loyalty mail media menu metering notification offer order partner payment policy price "
    "profile quote rating recommendation refund report review reward risk route schedule search "
    "seller session settlement shipping stock subscription supplier support tax ticket token track "
    "translation travel trial user vault video voucher wallet warehouse webhook wishlist"
)
_SECOND = _words(
    "api adapter aggregator agent archive bridge broker cache collector composer consumer crawler "
    "dispatcher engine exporter gateway handler importer indexer listener loader manager matcher "
    "mapper monitor planner poller processor producer proxy publisher queue reader receiver "
    "recorder registry relay renderer resolver router sampler scheduler sender server signer "
    "sorter store streamer sync tagger tracker updater validator verifier viewer watcher worker "
    "writer"
)
_TEAMS = _words(
    "atlas borealis cobalt delta ember falcon granite harbor iris juniper krypton lotus meridian "
    "nova onyx pioneer quartz raven saffron tundra umber vertex willow xenon yarrow zephyr"
)
_HEADERS = _words(
    "x-tenant x-channel x-cohort x-device-class x-experiment x-locale x-plan x-region"
)
_ZONES = _words("eu-west-1 eu-central-1 us-east-1 us-west-2 ap-south-1 ap-northeast-1 sa-east-1")
_RETRY = ("5xx", "gateway-error,connect-failure", "reset,refused-stream", "5xx,retriable-4xx")


def kind_of(number: int, mix: Sequence[str] = MIX) -> str:
    """Return the kind of document *number*."""
    return mix[number % len(mix)]


def path_of(number: int) -> str:
    """Return the path of the file that holds document *number*: a hundred files a folder."""
    folder = number // 100
    return f"mesh/{folder // 100:02d}/{folder % 100:02d}/{_service(number)}-{number:06d}.yaml"


def name_of(number: int) -> str:
    """Return ``namespace/name`` of document *number*, as a sink sees it."""
    return f"{_namespace(number)}/{_service(number)}-{number:06d}"


def document(number: int, generation: int = 0, mix: Sequence[str] = MIX) -> str:
    """Return the text of document *number*; another *generation* is a change of its spec."""
    kind = kind_of(number, mix)
    if kind in envoy_documents.TYPES:
        return envoy_documents.document(kind, number, generation, mix, name_of)
    dice = random.Random(number * 7919 + 13)
    if kind == "VirtualService":
        spec = _virtual_service(dice, number, generation, mix)
    else:
        spec = _SPECS[kind](dice, number, generation)
    team = dice.choice(_TEAMS)
    head = f"""\
# Owned by {team}; see the service page of {_service(number)} before changing limits.
# Reviewed in {dice.getrandbits(160):040x}
apiVersion: networking.istio.io/{dice.choice(("v1", "v1", "v1beta1", "v1alpha3"))}
kind: {kind}
metadata:
  name: {_service(number)}-{number:06d}
  namespace: {_namespace(number)}
  labels:
    app: {_service(number)}
    version: v{dice.randrange(9)}.{dice.randrange(40)}.{dice.randrange(90)}
    team: {team}
  annotations:
    example.com/generation: "{generation}"
spec:
"""
    return head + spec


def _service(number: int) -> str:
    return f"{_FIRST[number * 31 % len(_FIRST)]}-{_SECOND[number * 17 % len(_SECOND)]}"


def _namespace(number: int) -> str:
    return f"{_TEAMS[number * 7 % len(_TEAMS)]}-{('prod', 'canary', 'shared')[number % 3]}"


def _host(dice: random.Random) -> str:
    return f"{dice.choice(_FIRST)}-{dice.choice(_SECOND)}-{dice.randrange(10000):04d}"


def _in_cluster(number: int) -> str:
    return f"{_service(number)}-{number:06d}.{_namespace(number)}.svc.cluster.local"


def _domain(number: int) -> str:
    return f"mesh{number % 50:02d}-{number:06d}.example.com"


def _beside(number: int, kind: str, mix: Sequence[str]) -> list[int]:
    """Return the documents of *kind* among the ten that *number* is one of."""
    ten = range(number - number % len(mix), number - number % len(mix) + len(mix))
    return [each for each in ten if kind_of(each, mix) == kind]


def _virtual_service(dice: random.Random, number: int, generation: int, mix: Sequence[str]) -> str:
    own = f"{_service(number)}-{number:06d}"
    gateways, rules = _beside(number, "Gateway", mix), _beside(number, "DestinationRule", mix)
    lines = [
        "  hosts:",
        f"  - {_in_cluster(number)}",
        f"  - {own}.{_domain(gateways[0] if gateways else number)}",
        "  gateways:",
        "  - mesh",
        *(f"  - {name_of(gateway)}" for gateway in gateways),
        "  http:",
    ]
    for at in range(dice.randrange(1, 4)):
        canary = dice.randrange(1, 50) if at else 1 + (number + generation * 7) % 49
        target = _in_cluster(dice.choice(rules) if rules else dice.randrange(10_000))
        lines += [
            f"  - name: {dice.choice(_SECOND)}-{at}",
            "    match:",
            "    - uri:",
            f"        prefix: /{dice.choice(_FIRST)}/v{dice.randrange(1, 6)}/{_host(dice)}",
            "      headers:",
            f"        {dice.choice(_HEADERS)}:",
            f"          exact: {dice.choice(_TEAMS)}-{dice.randrange(100000)}",
        ]
        if dice.random() < 0.4:
            lines += [
                "    - uri:",
                f"        regex: ^/{dice.choice(_FIRST)}/[a-z0-9-]+/{dice.choice(_SECOND)}$",
                "      method:",
                f"        exact: {dice.choice(('GET', 'POST', 'PUT'))}",
            ]
        if dice.random() < 0.3:
            lines += ["    rewrite:", f"      uri: /{dice.choice(_FIRST)}/{dice.choice(_SECOND)}"]
        lines += [
            "    route:",
            "    - destination:",
            f"        host: {target}",
            *(["        subset: stable"] if rules else []),
            "        port:",
            f"          number: {dice.choice((80, 8080, 8443, 9090, 9443))}",
            f"      weight: {100 - canary}",
            "    - destination:",
            f"        host: {target}",
            *(["        subset: canary"] if rules else []),
            f"      weight: {canary}",
            f"    timeout: {dice.randrange(1, 60)}s",
            "    retries:",
            f"      attempts: {dice.randrange(1, 6)}",
            f"      perTryTimeout: {dice.randrange(100, 2900)}ms",
            f"      retryOn: {dice.choice(_RETRY)}",
        ]
        if dice.random() < 0.3:
            lines += [
                "    headers:",
                "      request:",
                "        set:",
                f"          x-routed-by: {_host(dice)}",
                "        remove:",
                f"        - {dice.choice(_HEADERS)}-debug",
            ]
    return "\n".join(lines) + "\n"


def _destination_rule(dice: random.Random, number: int, generation: int) -> str:
    lines = [
        f"  host: {_in_cluster(number)}",
        "  trafficPolicy:",
        "    loadBalancer:",
    ]
    if dice.random() < 0.5:
        lines.append(f"      simple: {dice.choice(('ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM'))}")
    else:
        lines += [
            "      consistentHash:",
            "        httpCookie:",
            f"          name: {dice.choice(_FIRST)}-affinity-{dice.randrange(1000)}",
            f"          ttl: {dice.randrange(60, 3600)}s",
        ]
    lines += [
        "    connectionPool:",
        "      tcp:",
        f"        maxConnections: {64 + (number + generation * 13) % 4000}",
        f"        connectTimeout: {dice.randrange(50, 950)}ms",
        "      http:",
        f"        http1MaxPendingRequests: {dice.randrange(64, 2048)}",
        f"        http2MaxRequests: {dice.randrange(64, 4096)}",
        f"        maxRequestsPerConnection: {dice.randrange(1, 200)}",
        f"        idleTimeout: {dice.randrange(30, 900)}s",
        "    outlierDetection:",
        f"      consecutive5xxErrors: {dice.randrange(3, 20)}",
        f"      interval: {dice.randrange(5, 60)}s",
        f"      baseEjectionTime: {dice.randrange(10, 300)}s",
        f"      maxEjectionPercent: {dice.randrange(10, 100)}",
        "    tls:",
        "      mode: ISTIO_MUTUAL",
        "  subsets:",
    ]
    for name in ("stable", "canary", "shadow", "previous")[: dice.randrange(2, 5)]:
        lines += [
            f"  - name: {name}",
            "    labels:",
            f"      version: v{dice.randrange(400)}",
            f"      build: b{dice.getrandbits(40):010x}",
            f"      zone: {dice.choice(_ZONES)}",
        ]
        if dice.random() < 0.5:
            lines += [
                "    trafficPolicy:",
                "      connectionPool:",
                "        http:",
                f"          http2MaxRequests: {dice.randrange(16, 512)}",
                f"          maxRetries: {dice.randrange(1, 9)}",
            ]
    return "\n".join(lines) + "\n"


def _service_entry(dice: random.Random, number: int, generation: int) -> str:
    lines = ["  hosts:"]
    lines += [f"  - {_host(dice)}.partner{dice.randrange(300):03d}.example.net" for _ in range(3)]
    lines += [f"  - {_service(number)}-{number:06d}.external.example.com", "  addresses:"]
    lines += [f"  - 10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}/32"]
    lines += ["  exportTo:", f'  - "{dice.choice(("*", "."))}"', "  ports:"]
    for at, (port, protocol) in enumerate(((443, "TLS"), (8443, "HTTPS"), (9000, "GRPC"))):
        lines += [
            f"  - number: {port}",
            f"    name: {protocol.lower()}-{at}",
            f"    protocol: {protocol}",
        ]
    lines += ["  location: MESH_EXTERNAL", "  resolution: STATIC", "  endpoints:"]
    for at in range(dice.randrange(2, 7)):
        low = f"{dice.randrange(256)}.{dice.randrange(1, 255)}"
        weight = dice.randrange(1, 100) if at else 1 + (number + generation * 11) % 99
        lines += [
            f"  - address: 172.{16 + dice.randrange(16)}.{low}",
            f"    locality: {dice.choice(_ZONES)}/{dice.choice('abc')}",
            f"    weight: {weight}",
            f"    network: net-{dice.getrandbits(24):06x}",
            "    ports:",
            f"      tls-0: {dice.randrange(20000, 40000)}",
            f"      grpc-2: {dice.randrange(20000, 40000)}",
            "    labels:",
            f"      version: v{dice.randrange(400)}",
            f"      pod: {_host(dice)}",
        ]
    lines += ["  subjectAltNames:"]
    lines += [f"  - spiffe://cluster.local/ns/{dice.choice(_TEAMS)}-prod/sa/{_host(dice)}"]
    return "\n".join(lines) + "\n"


def _gateway(dice: random.Random, number: int, generation: int) -> str:
    lines = [
        "  selector:",
        "    istio: ingressgateway",
        f"    shard: shard-{(number + generation * 3) % 64:02d}",
        f"    pool: {dice.choice(_TEAMS)}",
        "  servers:",
    ]
    for at in range(dice.randrange(2, 5)):
        hosts = [
            f"    - {dice.choice(_TEAMS)}-prod/{_host(dice)}.mesh{number % 50:02d}.example.com"
            for _ in range(dice.randrange(2, 5))
        ]
        lines += [
            "  - port:",
            f"      number: {443 + at * 1000}",
            f"      name: https-{at}",
            "      protocol: HTTPS",
            "    hosts:",
            *hosts,
            "    tls:",
            "      mode: SIMPLE",
            f"      credentialName: {_host(dice)}-{dice.getrandbits(32):08x}",
            f"      minProtocolVersion: {dice.choice(('TLSV1_2', 'TLSV1_3'))}",
        ]
    lines += [
        "  - port:",
        "      number: 80",
        "      name: http",
        "      protocol: HTTP",
        "    hosts:",
        f'    - "*.{_domain(number)}"',
        "    tls:",
        "      httpsRedirect: true",
    ]
    return "\n".join(lines) + "\n"


_SPECS: dict[str, Callable[[random.Random, int, int], str]] = {
    "DestinationRule": _destination_rule,
    "ServiceEntry": _service_entry,
    "Gateway": _gateway,
}
