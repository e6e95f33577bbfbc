"""What a history comes to commit by commit is what each revision comes to by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.build.builder import Builder
from gitsource.build.joining import join
from gitsource.catalog.whole import Catalog
from gitsource.model import Finding, Revision, TreeEntry
from gitsource.relate import load, related
from gitsource.settings.judging import Build, References
from gitsource.settings.units import Severities, Words
from gitsource.snapshot.build import Proposal, Standing, accept, nothing, propose

RULES = References(
    codes=Severities((("GS414", "error"),)), service_hosts=Words(("*.ns1.svc.cluster.local",))
)
CATALOG = Catalog()
BUILDER = Builder(CATALOG, Build(workers=1))

NAMES = st.sampled_from(["one", "two"])
NAMESPACES = st.sampled_from(["ns1", "ns1", "ns1", "ns2", "istio-system"])
HOSTS = ["cart", "cart.ns1.svc.cluster.local", "x.example.com", "y.example.com", "*.example.com"]
EXPORTS = st.sampled_from([[], [], ["*"], ["."], ["ns2"], ["ns1", "ns2"]])
GATEWAYS = st.sampled_from(["mesh", "one", "two", "ns1/one", "istio-system/two"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]), min_size=1)


def document(group: str, kind: str, spec: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return documents of *kind* with a *spec*."""
    metadata = st.fixed_dictionaries({"name": NAMES, "namespace": NAMESPACES})
    return st.fixed_dictionaries(
        {
            "apiVersion": st.just(group),
            "kind": st.just(kind),
            "metadata": metadata,
            "spec": spec,
        }
    )


def some(*values: Any, least: int = 1) -> st.SearchStrategy[list[Any]]:
    """Return short lists of *values*, each at most once."""
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


DESTINATION = st.fixed_dictionaries(
    {"host": st.sampled_from([*HOSTS[:3], "shadow"])},
    optional={"subset": st.sampled_from(["v1", "v2"])},
)
ROUTES = st.lists(
    st.fixed_dictionaries(
        {"route": st.lists(st.fixed_dictionaries({"destination": DESTINATION}), min_size=1)},
        optional={"match": st.just([{"uri": {"prefix": "/x"}}])},
    ),
    min_size=1,
    max_size=2,
)
DELEGATING = st.lists(
    st.fixed_dictionaries(
        {
            "delegate": st.fixed_dictionaries({"name": NAMES}, optional={"namespace": NAMESPACES}),
            "match": st.just([{"uri": {"prefix": "/d"}}]),
        }
    ),
    min_size=1,
    max_size=1,
)
ISTIO = "networking.istio.io/v1"
ROOT = document(
    ISTIO,
    "VirtualService",
    st.fixed_dictionaries(
        {"hosts": some(*HOSTS), "http": ROUTES | DELEGATING, "exportTo": EXPORTS},
        optional={"gateways": st.lists(GATEWAYS, min_size=1, max_size=2, unique=True)},
    ),
)
DELEGATE = document(
    ISTIO, "VirtualService", st.fixed_dictionaries({"http": ROUTES, "exportTo": EXPORTS})
)
RULE = document(
    ISTIO,
    "DestinationRule",
    st.fixed_dictionaries(
        {
            "host": st.sampled_from(["*.local", "*", *HOSTS]),
            "exportTo": EXPORTS,
            "subsets": some("v1", "v2").map(lambda names: [{"name": name} for name in names]),
        },
        optional={"trafficPolicy": st.just({"loadBalancer": {"simple": "RANDOM"}})},
    ),
)
SERVER = st.sampled_from(["HTTP", "TCP", "TLS"]).flatmap(
    lambda protocol: st.fixed_dictionaries(
        {
            "port": st.just({"number": 80, "name": "p", "protocol": protocol}),
            "hosts": some("*", "ns1/x.example.com", *HOSTS[2:]),
            **({"tls": st.just({"mode": "PASSTHROUGH"})} if protocol == "TLS" else {}),
        }
    )
)
GATEWAY = document(
    ISTIO,
    "Gateway",
    st.fixed_dictionaries(
        {
            "selector": st.just({"istio": "ingress"}),
            "servers": st.lists(SERVER, min_size=1, max_size=1),
        }
    ),
)
ENTRY = document(
    ISTIO,
    "ServiceEntry",
    st.fixed_dictionaries(
        {
            "hosts": some(*HOSTS[2:]),
            "exportTo": EXPORTS,
            "ports": st.just([{"number": 80, "name": "http", "protocol": "HTTP"}]),
        }
    ),
)
WORKLOAD = document(
    "apps/v1",
    "Deployment",
    LABELS.map(lambda labels: {"template": {"metadata": {"labels": labels}}}),
)
SERVICE = document("v1", "Service", LABELS.map(lambda labels: {"selector": labels}))
POLICY = document(
    "security.istio.io/v1",
    "PeerAuthentication",
    LABELS.map(lambda labels: {"selector": {"matchLabels": labels}}) | st.just({}),
)
ADS = {"ads": {}}
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"


def envoys(package: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return resources of Envoy's of the message *package* with *fields*."""
    url = st.just(f"type.googleapis.com/envoy.{package}")
    return st.fixed_dictionaries({"@type": url, **fields})


ENVOYS = st.one_of(
    envoys(
        "config.cluster.v3.Cluster",
        name=NAMES,
        type=st.just("EDS"),
        eds_cluster_config=st.just({"eds_config": ADS}),
    ),
    envoys("config.endpoint.v3.ClusterLoadAssignment", cluster_name=NAMES),
    envoys(
        "config.route.v3.RouteConfiguration",
        name=NAMES,
        virtual_hosts=NAMES.map(
            lambda name: [{"name": "a", "routes": [{"route": {"cluster": name}}]}]
        ),
    ),
    envoys(
        "config.listener.v3.Listener",
        name=NAMES,
        address=st.sampled_from([80, 81]).map(
            lambda port: {"socket_address": {"address": "::", "port_value": port}}
        ),
        api_listener=NAMES.map(
            lambda name: {
                "api_listener": {
                    "@type": f"{HCM}.HttpConnectionManager",
                    "rds": {"route_config_name": name, "config_source": ADS},
                }
            }
        )
        | st.none(),
    ),
)
FILE = st.lists(
    ENVOYS | ROOT | DELEGATE | RULE | GATEWAY | ENTRY | WORKLOAD | SERVICE | POLICY,
    min_size=1,
    max_size=3,
).map(lambda documents: "\n---\n".join(json.dumps(each) for each in documents))
PATHS = st.sampled_from([f"{name}.yaml" for name in "abcdef"])
COMMIT = st.dictionaries(PATHS, st.none() | FILE | FILE, min_size=1, max_size=3)


def blob(text: str) -> str:
    """Return what stands for the content *text* in a tree: here, the text itself in hex."""
    return text.encode().hex()


def contents(blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the content of each of *blobs*."""
    for each in blobs:
        yield each, bytes.fromhex(each)


def proposed(base: Standing, number: int, changes: Mapping[str, str | None]) -> Proposal:
    """Return what a revision comes to that makes *changes* to *base*."""
    entries = [TreeEntry(path, "100644", blob(t)) for path, t in changes.items() if t is not None]
    states: dict[str, Any] = {path: None for path, text in changes.items() if text is None}
    facts: dict[str, bytes | None] = dict(states)
    findings: list[Finding] = []
    for entry, result in BUILDER.results(entries, contents, contents):
        states[entry.path], found = join(entry, 0, result)
        facts[entry.path] = result.facts
        findings += found
    if base.references is None:
        base.references = load(base, BUILDER, contents, contents)
    told = base.snapshot.findings
    blobs = {**{p: s.blob for p, s in base.files.items()}, **{e.path: e.blob for e in entries}}
    news = related(base.references, facts, RULES, told, blobs.__getitem__, contents, CATALOG)
    revision = Revision(f"{number:040}", f"{number:040}", number)
    return propose(
        base, revision, states, (*findings, *news.findings), references=news.draft,
        told_anew=news.affected,
    )  # fmt: skip


def of_others(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* but for names defined twice, which are told of the one that came last."""
    return [finding for finding in findings if finding.code != "GS304"]


def by_itself(files: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return the findings of a revision that holds *files*, judged from nothing."""
    return proposed(nothing(), 1, files).findings


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COMMIT, st.booleans()), min_size=2, max_size=6))
def test_each_commit_is_judged_as_if_it_were_the_first(
    history: list[tuple[dict[str, str | None], bool]],
) -> None:
    """Also when some are held, and when gitsource was started anew before one."""
    standing, files = nothing(), {}
    for number, (changes, restarted) in enumerate(history):
        if restarted:
            standing.references = None
        after: dict[str, str | None] = {**files, **changes}
        there = {path: text for path, text in after.items() if text is not None}
        proposal = proposed(standing, number, changes)

        assert of_others(by_itself(there)) == of_others(proposal.findings)

        if proposal.acceptable:
            accept(standing, proposal)
            files = there
