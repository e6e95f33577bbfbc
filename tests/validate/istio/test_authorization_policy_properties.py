"""AuthorizationPolicies drawn from their messages are taken; one thing made worse is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh
from attached import attached, mutations, reattached

FEWER = settings(mesh.FEW, max_examples=4)
POLICY = "AuthorizationPolicy"
SOURCE = "istio.security.v1beta1.Source"
OPERATION = "istio.security.v1beta1.Operation"
CONDITION = "istio.security.v1beta1.Condition"
RULE = "istio.security.v1beta1.Rule"

WORDS = st.sampled_from(["a", "*", "shop-*", "*-x", "cluster.local/ns/shop/sa/cart", "é b"])
BLOCKS = mesh.ADDRESSES | mesh.RANGES | st.just("fe80::1%eth0")
ACCOUNTS = mesh.NAMES | st.builds("{}/{}".format, mesh.NAMES, mesh.NAMES)
DOMAINS = mesh.HOSTS | mesh.WILDCARDS | st.builds("{}*".format, mesh.NAMES)
PORTS = st.integers(0, 65535).map(str)
SEGMENTS = st.sampled_from(["{*}", "a", "a-b.c_d", "%20", "!$&'()+,;:@="])
TEMPLATES = st.builds(
    "/{}{}".format, st.lists(SEGMENTS, min_size=1).map("/".join), st.sampled_from(["", "/{**}"])
)
PATHS = TEMPLATES | st.sampled_from(["*", "/", "/a*", "*/b", "//a//b", "/a/*/b", "/{**}/a", "a?b"])


def some(values):
    return st.lists(values, min_size=1, max_size=3)


def sources(*, identity=True):
    """Return sources, of which those without *identity* say nothing of who calls."""
    told = some(WORDS) if identity else None
    domains = some(DOMAINS) if identity else None
    common = {
        "requestPrincipals": told,
        "notRequestPrincipals": told,
        "ipBlocks": some(BLOCKS),
        "notIpBlocks": some(BLOCKS),
        "remoteIpBlocks": some(BLOCKS),
        "notRemoteIpBlocks": some(BLOCKS),
        "trustDomains": domains,
        "notTrustDomains": domains,
    }
    names = ("principals", "notPrincipals", "namespaces", "notNamespaces")
    accounts = ("serviceAccounts", "notServiceAccounts")
    by_name = mesh.message(
        SOURCE, **common, **dict.fromkeys(names, told), **dict.fromkeys(accounts)
    )
    by_account = mesh.message(
        SOURCE,
        **common,
        **dict.fromkeys(names),
        **dict.fromkeys(accounts, some(ACCOUNTS) if identity else None),
    )
    return (by_name | by_account).filter(bool)


OPERATIONS = mesh.message(
    OPERATION,
    hosts=some(WORDS),
    notHosts=some(WORDS),
    ports=some(PORTS),
    notPorts=some(PORTS),
    methods=some(WORDS),
    notMethods=some(WORDS),
    paths=some(PATHS),
    notPaths=some(PATHS),
).filter(bool)
ANYBODY = {
    "source.ip": BLOCKS,
    "remote.ip": BLOCKS,
    "destination.ip": BLOCKS,
    "destination.port": PORTS,
    "connection.sni": WORDS,
    "request.headers[x-shop]": WORDS,
    "experimental.envoy.filters.a.b[c]": WORDS,
}
SOMEBODY = {
    "source.namespace": WORDS,
    "source.principal": WORDS,
    "source.serviceAccount": ACCOUNTS,
    "source.trustDomain": DOMAINS,
    "request.auth.principal": WORDS,
    "request.auth.audiences": WORDS,
    "request.auth.presenter": WORDS,
    "request.auth.claims[a][b c]": WORDS,
}


@st.composite
def conditions(draw, keys):
    key = draw(st.sampled_from(sorted(keys)))
    drawn = draw(
        mesh.message(
            CONDITION, "key", key=st.just(key), values=some(keys[key]), notValues=some(keys[key])
        )
    )
    return drawn if len(drawn) > 1 else {**drawn, "values": [draw(keys[key])]}


def rules(*, identity=True):
    return mesh.message(
        RULE,
        **{"from": some(st.builds(lambda s: {"source": s}, sources(identity=identity)))},
        to=some(st.builds(lambda operation: {"operation": operation}, OPERATIONS)),
        when=some(conditions({**ANYBODY, **SOMEBODY} if identity else ANYBODY)),
    )


@st.composite
def policies(draw):
    """Return an AuthorizationPolicy that Istio takes."""
    action = draw(st.sampled_from(["", "ALLOW", "DENY", "AUDIT", "CUSTOM"]))
    custom = action == "CUSTOM"
    must = [name for name, on in (("action", action), ("provider", custom)) if on]
    must += ["rules"] if action in ("DENY", "CUSTOM") else []
    least = 1 if "rules" in must else 0
    return draw(
        mesh.message(
            POLICY,
            *must,
            selector=None,
            targetRef=None,
            targetRefs=None,
            action=st.just(action) if action else None,
            provider=st.builds(lambda name: {"name": name}, mesh.NAMES) if custom else None,
            rules=st.lists(rules(identity=not custom), min_size=least, max_size=3),
        )
    )


@mesh.FEW
@given(attached(policies()))
def test_what_is_drawn_from_the_messages_is_taken(spec):
    assert set() == mesh.errors(POLICY, spec)


@mesh.FEW
@given(attached(policies()), st.sampled_from(mutations("AP-01", "AP-02", "AP-03")))
def test_what_is_attached_in_a_wrong_way_is_refused(spec, mutation):
    code, way = mutation

    assert code in mesh.errors(POLICY, reattached(spec, way))


def _source(**values):
    return {"from": [{"source": {"requestPrincipals": ["a"], **values}}]}


def _call(**values):
    return {"to": [{"operation": {"methods": ["GET"], **values}}]}


def _when(key, *values):
    return {"when": [{"key": key, "values": ["10.0.0.1", "1", *values]}]}


SEVENTEEN = [f"account-{number}" for number in range(17)]
FATAL = [
    ("AP-20", None),
    ("AP-21", {"from": [{}]}),
    ("AP-21", {"from": [{"source": {"principals": ["a"]}}, None]}),
    ("AP-22", {"from": [{"source": {}}]}),
    ("AP-22", {"from": [{"source": {"namespaces": []}}]}),
    ("AP-23", _source(serviceAccounts=["a"], namespaces=["b"])),
    ("AP-23", _source(notServiceAccounts=["a"], notPrincipals=["b"])),
    *(("AP-24", _source(ipBlocks=[text])) for text in ("a", "10.0.0", "1.2.3.4/33", "1.2.3.04")),
    ("AP-24", _source(notRemoteIpBlocks=["fe80::1%eth0/64"])),
    *(("AP-25", _source(**{name: ["a", ""]})) for name in ("namespaces", "trustDomains")),
    ("AP-26", _source(serviceAccounts=SEVENTEEN)),
    *(("AP-26", _source(serviceAccounts=[text])) for text in ("a*", "a/b/c", "/a", "a/", "/")),
    ("AP-26", _source(notServiceAccounts=["é" * 161])),
    *(("AP-27", _source(trustDomains=[text])) for text in ("a*b", "*a*", "a/b")),
    ("AP-30", {"to": [{}]}),
    ("AP-30", {"to": [None]}),
    ("AP-31", {"to": [{"operation": {}}]}),
    *(("AP-32", _call(ports=[text])) for text in ("a", "65536", "-1", "+1", "0x1", " 1", "1_0")),
    ("AP-32", _call(notPorts=["٣"])),
    *(("AP-33", _call(**{name: [""]})) for name in ("hosts", "ports", "methods", "paths")),
    *(("AP-34", _call(paths=[text])) for text in ("/{**}/{*}", "/{a}", "/{*}x", "/{*}//a", "{")),
    ("AP-34", _call(notPaths=["/{*}/é"])),
    ("AP-40", {"when": [{"values": ["a"]}]}),
    ("AP-40", {"when": [None]}),
    ("AP-41", {"when": [{"key": "source.ip"}]}),
    ("AP-42", _when("connection.sni", "")),
    *(("AP-43", _when(key)) for key in ("source", "Source.ip", "source.labels[a]", "a[b]")),
    *(("AP-44", _when(f"request.headers{end}")) for end in ("", "[]", "[a", "[a]b", "]")),
    ("AP-45", _when("destination.ip", "a")),
    ("AP-46", _when("destination.port", "a")),
    ("AP-47", _when("source.serviceAccount", "a*")),
    ("AP-48", _when("source.trustDomain", "a*b")),
    *(("AP-49", _when(f"destination.{key}")) for key in ("name", "user", "namespace", "labels[a]")),
]


@pytest.mark.parametrize(("code", "rule"), FATAL)
@FEWER
@given(spec=policies())
def test_one_rule_that_is_wrong_is_refused_among_good_ones(spec, code, rule):
    worse = {**spec, "rules": [*spec.get("rules", []), rule]}

    assert code in mesh.errors(POLICY, worse)


@mesh.FEW
@given(rules())
def test_an_authorizer_is_not_asked_who_calls(rule):
    spec = {"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [rule]}
    lists = {name for caller in rule.get("from", []) for name in caller["source"]}
    keys = {condition["key"] for condition in rule.get("when", [])}
    blocks = {"ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"}
    expected = {"AP-14"} if lists - blocks else set()
    expected |= {"AP-15"} if keys & SOMEBODY.keys() else set()

    assert expected == mesh.errors(POLICY, spec)
