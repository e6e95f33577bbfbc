"""Lists of rules put together: what is allowed, what only some may have, what is denied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import may

from gitsource.publish.words import Node
from gitsource.security.authorize.explain import explain
from gitsource.security.authorize.policy import CLOSED, OPEN, AllOf, AnyOf, Granted, Not
from gitsource.security.authorize.rights import EVERYTHING, NOTHING, Rights
from gitsource.security.authorize.rules import MOST, Rules, book, faults, listed
from gitsource.security.peer import NOBODY, Peer
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.views import ViewNodes, ViewResources, ViewRow


def peer(path):
    told = f"spiffe://{path}"
    return Peer(means="mtls", spiffe_id=told, identity=told)


def rule(path, effect="allow", *, nodes=(), **resources):
    to = Subject(spiffe=(f"spiffe://{path}",), nodes=ViewNodes(ids=nodes))
    return Rule(to=to, resources=RuleResources(**resources), effect=effect)


def of(*rules, repository=(), ceiling=(), views=()):
    settings = Authorization(policy=rules, ceiling=ceiling)
    return book(settings, views, (listed(repository, views, "git"),))


def allowed(some, who, namespace, node=None, protocol="xds"):
    rights = some.policy.allows(who, node, protocol)
    return rights.admits("c/1", namespace, {}, {})


ISTIOD, OTHER = peer("cluster-a/ns/istio-system/sa/istiod"), peer("cluster-b/ns/x/sa/y")
FOO = {"namespaces": ("foo",)}


def test_what_no_rule_allows_is_denied():
    some = of(rule("cluster-a/**", **FOO))

    assert allowed(some, ISTIOD, "foo")
    assert not allowed(some, ISTIOD, "bar")
    assert not allowed(some, OTHER, "foo")
    assert not allowed(some, NOBODY, "foo")
    assert NOTHING == of().policy.allows(ISTIOD, None, "xds")


def test_only_takes_from_all_others_whatever_they_are_allowed():
    everything = Rule(to=Subject(any="known"), resources=RuleResources(collections=("*",)))
    some = of(everything, rule("cluster-a/**", "only", **FOO))

    assert allowed(some, ISTIOD, "foo")
    assert not allowed(some, OTHER, "foo")
    assert allowed(some, OTHER, "bar")


def test_deny_wins_over_what_is_allowed():
    some = of(rule("cluster-a/**", collections=("*",)), rule("cluster-a/**", "deny", **FOO))

    assert not allowed(some, ISTIOD, "foo")
    assert allowed(some, ISTIOD, "bar")


def test_the_repository_grants_nothing_beyond_the_ceiling():
    some = of(
        ceiling=(rule("cluster-a/**", **FOO),),
        repository=(
            rule("cluster-a/**", namespaces=("foo", "bar")),
            rule("cluster-b/**", collections=("*",)),
        ),
    )

    assert allowed(some, ISTIOD, "foo")
    assert not allowed(some, ISTIOD, "bar")
    assert not allowed(some, OTHER, "foo")


def test_the_repository_takes_nothing_of_what_the_settings_grant():
    some = of(
        rule("cluster-a/**", **FOO),
        ceiling=(rule("cluster-b/**", **FOO),),
        repository=(rule("cluster-a/**", "deny", **FOO), rule("cluster-b/**", "only", **FOO)),
    )

    assert allowed(some, ISTIOD, "foo")
    assert allowed(some, OTHER, "foo")


def test_the_settings_deny_what_the_repository_grants():
    some = of(
        rule("cluster-a/**", "deny", **FOO),
        ceiling=(rule("**", collections=("*",)),),
        repository=(rule("cluster-a/**", collections=("*",)),),
    )

    assert not allowed(some, ISTIOD, "foo")


def test_a_rule_of_views_grants_what_they_show_whomever_they_take():
    shop = ViewRow("shop", ViewNodes(ids=("nobody",)), ViewResources(namespaces=("foo",)))
    some = of(rule("cluster-a/**", views=("shop", "gone")), views=(shop,))

    assert allowed(some, ISTIOD, "foo")
    assert not allowed(some, ISTIOD, "bar")
    assert not allowed(of(rule("cluster-a/**", views=("gone",))), ISTIOD, "foo")


def test_the_most_that_a_sink_may_receive_is_known_before_its_node_is():
    some = of(
        rule("cluster-a/**", nodes=("istiod-*",), **FOO),
        rule("cluster-a/**", "deny", namespaces=("bar",)),
    )
    hopeful = some.policy.allows(ISTIOD, None, "xds", hopeful=True)

    assert not allowed(some, ISTIOD, "foo")
    assert hopeful == some.policy.allows(ISTIOD, Node("istiod-1"), "xds")
    assert some.policy.allows(OTHER, None, "xds", hopeful=True).nothing


def test_policies_are_put_together_from_small_ones():
    foo = Granted(Rights.to(ViewResources(namespaces=("foo",))))

    def rights(policy):
        return policy.allows(NOBODY, None, "mcp")

    assert (EVERYTHING, NOTHING) == (rights(OPEN), rights(CLOSED))
    assert (EVERYTHING, NOTHING) == (rights(Not(CLOSED)), rights(Not(OPEN)))
    assert (NOTHING, EVERYTHING) == (rights(AnyOf()), rights(AllOf()))
    assert NOTHING == rights(AllOf((foo, Not(foo))))
    assert EVERYTHING == rights(AnyOf((foo, Not(foo))))


def test_every_rule_is_explained():
    told = explain(
        of(
            rule("cluster-a/**", **FOO),
            rule("cluster-b/**", "deny", **FOO),
            ceiling=(rule("cluster-a/**", collections=("*",)),),
        ),
        ISTIOD,
        None,
        "xds",
    )

    assert ("policy[0]", "ceiling[0]") == told.matched
    assert [
        ("settings", "policy[0]", "allow", "namespace foo", True),
        ("settings", "policy[1]", "deny", "namespace foo", False),
        ("ceiling", "ceiling[0]", "allow", "everything", True),
    ] == [tuple(one.as_json().values())[:5] for one in told.rules]
    assert "spiffe://cluster-b/**" in told.rules[1].mismatch
    assert "namespace foo" == str(told.rights)


@pytest.mark.parametrize(
    ("rules", "places"),
    [
        ([rule("a/**")], [(0,)]),
        ([rule("a/**", "deny", nodes=("x",), **FOO)], [(0, "to", "nodes")]),
        ([rule("a/**", views=("v",), **FOO)], [(0, "resources", "views")]),
        ([rule("a/**", views=("w",))], [(0, "resources", "views", 0)]),
        ([rule("A", **FOO)], [(0, "to", "spiffe", 0)]),
        ([rule("a", **FOO)] * (MOST + 1), [()]),
        ([Rule("t", Subject(any="all"), RuleResources(("*",)))] * 2, [(1, "title")]),
    ],
)
def test_what_is_wrong_with_rules_is_said_with_its_place(rules, places):
    assert places == [path for path, _ in faults(rules, ["v"])]


# --------------------------------------------------------------------------- against the oracle

SUBJECTS = st.one_of(
    st.sampled_from(["spiffe://a/**", "spiffe://a/x", "spiffe://b/x"]).map(
        lambda text: Subject(spiffe=(text,))
    ),
    st.sampled_from(["spiffe://a/**", "spiffe://b/x"]).map(
        lambda text: Subject(spiffe=(text,), nodes=ViewNodes(ids=("n-*",)))
    ),
    st.sampled_from([Subject(any="known"), Subject(any="all"), Subject(claims=(("sub", "s*"),))]),
    st.just(Subject(any="known", protocols=("mcp*",))),
)
MEANT = st.builds(
    RuleResources,
    namespaces=st.lists(st.sampled_from(["foo", "bar", "*"]), max_size=2).map(tuple),
    labels=st.sampled_from([(), (("team", "a*"),)]),
    collections=st.sampled_from([(), ("c/*",), ("d",)]),
)


def some_rules(effects=("allow", "only", "deny")):
    one = st.builds(
        lambda to, what, effect: Rule(
            to=Subject(to.spiffe, claims=to.claims, any=to.any, protocols=to.protocols)
            if effect == "deny"
            else to,
            resources=what,
            effect=effect,
        ),
        SUBJECTS,
        MEANT,
        st.sampled_from(effects),
    )
    return st.lists(one, max_size=4).map(tuple)


PEERS = (
    NOBODY,
    peer("a/x"),
    peer("a/y"),
    peer("b/x"),
    Peer(means="jwt", claims={"sub": "s1"}, identity="jwt:s1@i"),
)


@given(some_rules(), some_rules(), some_rules())
def test_rights_are_those_of_an_oracle_that_knows_no_rights(settings, repository, ceiling):
    some = of(*settings, repository=repository, ceiling=ceiling)
    told = {"settings": settings, "repository": repository, "ceiling": ceiling}

    for who in PEERS:
        for node in (None, "n-1", "m"):
            for protocol in ("xds", "mcp"):
                claimed = None if node is None else Node(node)
                rights = some.policy.allows(who, claimed, protocol)
                assert set(rights.selectors()) <= set(some.selectors())
                for collection in ("c/1", "d"):
                    for name in ("foo/a", "bar/b", "c"):
                        for labels in ({}, {"team": "ab"}):
                            space = name.partition("/")[0] if "/" in name else ""
                            assert may(
                                told, who, node, protocol, collection, name, labels
                            ) == rights.admits(collection, space, labels, {})


def test_no_rules_are_no_rules():
    assert Rules() == of().repository
