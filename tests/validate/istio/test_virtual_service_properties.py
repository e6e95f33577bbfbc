"""VirtualServices drawn from the ranges of the rules are taken; one thing made worse is told."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
FEW = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def errors(spec):
    """Return the codes of the errors in a VirtualService of *spec*."""
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": spec,
    }
    judged = judge(json.dumps(document).encode(), None, CATALOG, bounds(CATALOG), json=True)
    findings = [*judged.findings, *(f for one in judged.documents for f in one.findings)]
    return {f.code for f in findings if not f.warning}


def some(**fields):
    """Return mappings with any of *fields*."""
    return st.fixed_dictionaries({}, optional=fields)


def one_of(**fields):
    """Return mappings with one of *fields*."""
    return st.one_of(*(st.fixed_dictionaries({name: what}) for name, what in fields.items()))


# --------------------------------------------------------------------------- what is taken

LABELS = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9]{0,9}[A-Za-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join).map(lambda name: f"{name}.io")
HOSTS = LABELS | NAMES | NAMES.map(lambda name: f"{name}.") | NAMES.map(lambda name: f"*.{name}")
ADDRESSES = st.ip_addresses().map(str)
SUBNETS = ADDRESSES | st.ip_addresses(v=4).map(lambda ip: f"{ip}/{ip.packed[0] % 33}")
PORTS = st.integers(1, 65535)
TIMES = st.integers(1, 10**9).map(lambda n: f"{n}ms") | st.integers(1, 10**6).map(lambda n: f"{n}s")
PERCENT = some(value=st.floats(0.0001, 100) | st.just(0) | st.integers(1, 100))
TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=8)
PATTERNS = st.sampled_from(["/a/.*", "^a[0-9]+$", "(a|b)*", r"\d{2,5}", "(?i)x", r"[[:alpha:]\pL]"])
MATCHES = one_of(exact=TEXTS, prefix=TEXTS.filter(bool), regex=PATTERNS)
HEADERS = st.from_regex(r"[a-zA-Z0-9!#$&'*+.^_`|~-]{1,9}", fullmatch=True)
VALUES = TEXTS.map(lambda text: text.replace("%", "%%")) | st.sampled_from(
    ["%HOSTNAME%", "a %REQ(x-id)% b", '%M(["a", "b"])%', "100%%", "a\tb"]
)
WORKLOADS = st.dictionaries(LABELS | NAMES.map(lambda name: f"{name}/app"), LABELS | st.just(""))
GATEWAYS = st.lists(
    st.tuples(LABELS, LABELS).map("/".join) | LABELS.map("front-{}".format),
    min_size=1,
    max_size=2,
)
DESTINATIONS = st.fixed_dictionaries(
    {"host": HOSTS}, optional={"subset": LABELS, "port": st.fixed_dictionaries({"number": PORTS})}
)
OPERATIONS = some(
    set=st.dictionaries(HEADERS.filter(lambda name: name.lower() != "host"), VALUES, max_size=2),
    add=st.dictionaries(HEADERS.filter(lambda name: name.lower() != "host"), VALUES, max_size=2),
    remove=st.lists(HEADERS.filter(lambda name: name.lower() != "host"), max_size=2),
)
CHANGES = some(request=OPERATIONS, response=OPERATIONS)
REQUESTS = some(
    name=TEXTS,
    uri=MATCHES | st.just({"prefix": ""}),
    scheme=MATCHES,
    method=MATCHES,
    authority=MATCHES,
    headers=st.dictionaries(HEADERS | st.just(":path"), MATCHES | st.just({}), max_size=2),
    withoutHeaders=st.dictionaries(HEADERS, MATCHES | st.just({"regex": "*"}), max_size=2),
    queryParams=st.dictionaries(TEXTS, MATCHES, max_size=2),
    port=PORTS,
    sourceLabels=WORKLOADS,
    sourceNamespace=LABELS,
    gateways=GATEWAYS,
    ignoreUriCase=st.booleans(),
    statPrefix=TEXTS,
)
CORS = some(
    allowOrigins=st.lists(
        one_of(exact=TEXTS.filter(bool), prefix=TEXTS.filter(bool), regex=PATTERNS), max_size=2
    ),
    allowMethods=st.lists(st.sampled_from(["GET", "POST", "CONNECT", "*"]), max_size=2),
    allowHeaders=st.lists(HEADERS | st.just("*"), max_size=2),
    exposeHeaders=st.lists(HEADERS | st.just("*"), max_size=2),
    maxAge=st.integers(1, 10**6).map(lambda n: f"{n}s"),
    allowCredentials=st.booleans(),
    unmatchedPreflights=st.sampled_from(["UNSPECIFIED", "FORWARD", "IGNORE"]),
)
ABORTS = st.tuples(
    one_of(httpStatus=st.integers(200, 600), grpcStatus=st.sampled_from(["OK", "DATA_LOSS"])),
    some(percentage=PERCENT),
).map(lambda parts: parts[0] | parts[1])
DELAYS = some(fixedDelay=TIMES, percentage=PERCENT)
FAULTS = one_of(abort=ABORTS, delay=DELAYS) | st.fixed_dictionaries(
    {"abort": ABORTS, "delay": DELAYS}
)
RETRIES = st.just({"attempts": 0}) | st.fixed_dictionaries(
    {"attempts": st.integers(1, 2**31 - 1)},
    optional={
        "perTryTimeout": TIMES,
        "backoff": TIMES,
        "retryOn": st.sampled_from(["5xx", "503,reset", "unavailable,retriable-4xx,+0429"]),
        "retryRemoteLocalities": st.booleans(),
        "retryIgnorePreviousHosts": st.booleans(),
    },
)
REWRITES = st.sampled_from(
    [
        {"uri": "/"},
        {"authority": "shop.io"},
        {"uri": "/a", "authority": "shop.io"},
        {"uriRegexRewrite": {"match": "^/a/(.*)", "rewrite": r"/\1"}},
    ]
)
REDIRECTS = st.fixed_dictionaries(
    {"uri": TEXTS.filter(bool)},
    optional={
        "authority": TEXTS,
        "scheme": st.sampled_from(["http", "https"]),
        "redirectCode": st.integers(300, 399),
    },
)
ENTRIES = st.fixed_dictionaries(
    {"destination": DESTINATIONS, "weight": st.integers(1, 100)}, optional={"headers": CHANGES}
)
MIRRORS = st.one_of(
    some(mirror=DESTINATIONS, mirrorPercentage=PERCENT),
    st.fixed_dictionaries({"mirrors": st.lists(some(percentage=PERCENT), max_size=2)}).flatmap(
        lambda drawn: st.fixed_dictionaries(
            {"mirrors": st.tuples(*(_sent(mirror) for mirror in drawn["mirrors"])).map(list)}
        )
    ),
)


def _sent(mirror):
    return DESTINATIONS.map(lambda destination: mirror | {"destination": destination})


COMMON = {
    "name": TEXTS,
    "match": st.lists(REQUESTS, max_size=2),
    "headers": CHANGES,
    "corsPolicy": CORS,
    "timeout": TIMES,
    "retries": RETRIES,
}
SENDING = st.tuples(
    st.fixed_dictionaries(
        {"route": st.lists(ENTRIES, min_size=1, max_size=3)},
        optional={**COMMON, "fault": FAULTS, "rewrite": REWRITES},
    ),
    MIRRORS,
).map(lambda parts: parts[0] | parts[1])
ANSWERING = st.fixed_dictionaries(
    {
        "directResponse": st.fixed_dictionaries(
            {"status": st.integers(200, 600)},
            optional={"body": one_of(string=TEXTS, bytes=st.sampled_from(["", "YWJj"]))},
        )
    },
    optional=COMMON,
)
REDIRECTING = st.fixed_dictionaries({"redirect": REDIRECTS}, optional=COMMON)
TCP = st.fixed_dictionaries(
    {
        "route": st.lists(
            ENTRIES.map(lambda entry: entry | {"headers": None}), min_size=1, max_size=2
        )
    },
    optional={
        "match": st.lists(
            some(
                destinationSubnets=st.lists(SUBNETS, max_size=2),
                port=PORTS,
                sourceLabels=WORKLOADS,
                gateways=GATEWAYS,
                sourceNamespace=TEXTS,
                sourceSubnet=TEXTS,
            ),
            max_size=2,
        )
    },
).map(lambda route: route | {"route": [_plain(entry) for entry in route["route"]]})


def _plain(entry):
    return {"destination": entry["destination"], "weight": entry["weight"]}


@st.composite
def services(draw):
    """Return the spec of a VirtualService that istiod takes."""
    name = draw(NAMES)
    hosts = draw(st.sampled_from([[f"a.{name}"], [f"*.{name}"], [f"a.{name}", f"*.b.{name}"]]))
    spec = {"hosts": hosts, "http": draw(st.lists(SENDING | ANSWERING | REDIRECTING, max_size=3))}
    if draw(st.booleans()):
        spec["gateways"] = draw(GATEWAYS)
    spec["tcp"] = draw(st.lists(TCP, min_size=not spec["http"], max_size=2))
    if draw(st.booleans()):
        sni = {"sniHosts": [hosts[0]], "port": draw(PORTS), "sourceLabels": draw(WORKLOADS)}
        spec["tls"] = [{"match": [sni], "route": draw(TCP)["route"]}]
    if draw(st.booleans()):
        spec["exportTo"] = draw(st.sampled_from([["*"], ["."], [".", "billing"], []]))
    return spec


@FEW
@given(services())
def test_what_keeps_to_the_rules_is_taken(spec):
    assert set() == errors(spec)


@FEW
@given(st.lists(SENDING | ANSWERING | REDIRECTING, min_size=1, max_size=3))
def test_a_delegate_that_keeps_to_the_rules_is_taken(routes):
    assert set() == errors({"http": routes})


# --------------------------------------------------------------------------- what is told

OF_A_SERVICE = [
    ("VS-01", {"http": [], "tcp": [], "tls": []}),
    ("VS-05", {"hosts": ["a_b"]}),
    ("VS-06", {"hosts": ["*"], "gateways": []}),
    ("VS-07", {"hosts": ["a.io", "*.io"], "tls": []}),
    ("VS-08", {"gateways": ["a/b/c"]}),
    ("VS-10", {"exportTo": [".", "."]}),
    ("VS-10", {"exportTo": ["~"]}),
    ("VS-110", {"tls": [{"route": [{"destination": {"host": "a"}}]}]}),
    ("VS-120", {"tls": [{"match": [{"sniHosts": ["1.2.3.4"]}]}]}),
    ("VS-130", {"tcp": [{}]}),
]
TO = {"host": "a"}
OF_A_ROUTE = [
    ("VS-21", {"redirect": {"uri": "/"}}),
    ("VS-25", {"directResponse": {"status": 200}}),
    ("VS-28", {"mirror": TO, "mirrors": [{"destination": TO}]}),
    ("VS-30", {"delegate": {"name": "a"}}),
    ("VS-35", {"match": [{"headers": {"a": {"prefix": ""}}}]}),
    ("VS-36", {"match": [{"withoutHeaders": {"a b": {}}}]}),
    ("VS-37", {"match": [{"uri": {"regex": "["}}]}),
    ("VS-38", {"match": [{"queryParams": {"a": {"regex": ""}}}]}),
    ("VS-39", {"match": [{"port": 65536}]}),
    ("VS-40", {"match": [{"sourceLabels": {"a": "-"}}]}),
    ("VS-41", {"match": [{"sourceNamespace": "a.b"}]}),
    ("VS-46", {"route": [{"weight": 1}]}),
    ("VS-47", {"route": [{"destination": {"host": "*"}}]}),
    ("VS-48", {"route": [{"destination": TO, "weight": -1}]}),
    ("VS-49", {"route": [{"destination": TO}, {"destination": TO}]}),
    ("VS-50", {"headers": {"response": {"set": {"a": "%"}}}}),
    ("VS-51", {"headers": {"request": {"set": {"host": "a"}, "add": {":authority": "b"}}}}),
    ("VS-52", {"timeout": "0s"}),
    ("VS-53", {"mirror": {"host": "a b"}}),
    ("VS-54", {"mirrorPercent": 101}),
    ("VS-55", {"mirrorPercentage": {"value": -0.1}}),
    ("VS-56", {"mirrors": [{"percentage": {"value": 1}}]}),
    ("VS-60", {"corsPolicy": {"allowOrigins": [{}]}}),
    ("VS-62", {"corsPolicy": {"allowMethods": ["get"]}}),
    ("VS-63", {"corsPolicy": {"exposeHeaders": [" "]}}),
    ("VS-64", {"corsPolicy": {"maxAge": "0s"}}),
    ("VS-65", {"corsPolicy": {"maxAge": "1.5s"}}),
    ("VS-70", {"fault": {}}),
    ("VS-71", {"fault": {"delay": {"percentage": {"value": 101}}}}),
    ("VS-72", {"fault": {"abort": {"httpStatus": 199}}}),
    ("VS-76", {"fault": {"delay": {"fixedDelay": "1.0005s"}}}),
    ("VS-95", {"retries": {"attempts": -1}}),
    ("VS-96", {"retries": {"perTryTimeout": "1s"}}),
    ("VS-98", {"retries": {"attempts": 1, "retryOn": "5xx,"}}),
    ("VS-101", {"rewrite": {}}),
    ("VS-103", {"rewrite": {"uriRegexRewrite": {"match": "(", "rewrite": "a"}}}),
]


@pytest.mark.parametrize(("code", "worse"), OF_A_SERVICE)
@settings(FEW, max_examples=8)
@given(spec=services())
def test_one_fatal_change_of_a_service_is_told(code, worse, spec):
    assert code in errors(spec | worse)


PLAIN = st.fixed_dictionaries(
    {"route": st.lists(ENTRIES, min_size=1, max_size=2)},
    optional={"match": COMMON["match"], "timeout": TIMES, "retries": RETRIES, "corsPolicy": CORS},
)
"""Routes that every change of `OF_A_ROUTE` leaves with one flaw."""


@pytest.mark.parametrize(("code", "worse"), OF_A_ROUTE)
@settings(FEW, max_examples=8)
@given(spec=services(), route=PLAIN)
def test_one_fatal_change_of_a_route_is_told_and_nothing_else(code, worse, spec, route):
    assert {code} == errors(spec | {"http": [*spec["http"], route | worse]})
