"""Rules in the repository: judged like any document, by place, and read back from a snapshot."""

import json

import pytest

from gitsource.build.joining import join
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.model import Collection, TreeEntry
from gitsource.security.authorize.documents import COLLECTION, in_force, rules_of, schema
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.views import ViewNodes, ViewRow
from gitsource.settings.whole import Settings
from gitsource.validate.schema import check_schema

HEAD = """\
apiVersion: gitsource.dev/v1
kind: SinkPolicy
metadata: {name: shop}
spec:
  rules:
"""
GOOD = """\
  - to: {spiffe: ["spiffe://prod/ns/shop/sa/*"], nodes: {ids: ["shop-*"]}}
    resources: {namespaces: [shop], labels: {team: "a*"}}
    effect: only
  - {title: ops, to: {any: known}, resources: {collections: ["*"]}}
"""


def catalog():
    rule = Rule(to=Subject(any="known"), resources=RuleResources(collections=("*",)))
    told = Authorization(repository_file="authz/*.yaml", ceiling=(rule,))
    return catalog_for(Settings(authorization=told), None)


def judged(text, path="authz/shop.yaml", by=None):
    by = by or catalog()
    entry = TreeEntry(path, "100644", "b" * 40)
    result = judge(text.encode(), by.route(path), by, bounds(by), json=False)
    state, findings = join(entry, 0, result)
    return state, findings


def test_rules_come_out_of_a_snapshot_as_they_were_written():
    state, findings = judged(HEAD + GOOD)
    (resource,) = [found for name, found in resources(state) if name == COLLECTION]
    (rules,) = in_force(Collection.of(COLLECTION, [resource]), ())

    assert [] == findings
    assert (
        Rule(
            "",
            Subject(spiffe=("spiffe://prod/ns/shop/sa/*",), nodes=ViewNodes(ids=("shop-*",))),
            RuleResources(namespaces=("shop",), labels=(("team", "a*"),)),
            "only",
        ),
        Rule("ops", Subject(any="known"), RuleResources(collections=("*",))),
    ) == tuple(row.rule for row in rules.rows)
    assert ["shop[0]", "ops"] == [row.title for row in rules.rows]


def resources(state):
    return [(collection, one) for collection, one, *_ in state.resources]


@pytest.mark.parametrize(
    ("rules", "line", "column", "code", "told"),
    [
        ("  - {to: {any: known}}\n", 6, 5, "GS310", "resources"),
        (
            "  - {to: {any: known}, resources: {namespaces: [a]}, allow: {}}\n",
            6,
            54,
            "GS310",
            "allow",
        ),
        (
            '  - {to: {spiffe: [prod]}, resources: {collections: ["*"]}}\n',
            6,
            20,
            "GS318",
            "expected a SPIFFE ID",
        ),
        (
            "  - to: {nodes: {ids: [a]}}\n    resources: {namespaces: [a]}\n",
            6,
            9,
            "GS318",
            "what the sink has to prove",
        ),
        ("  - {to: {any: nobody}, resources: {namespaces: [a]}}\n", 6, 16, "GS310", "known"),
    ],
)
def test_a_broken_policy_is_an_error_with_its_place(rules, line, column, code, told):
    state, findings = judged(HEAD + rules)

    assert [] == [one for _, one in resources(state)]
    (finding,) = [one for one in findings if one.code == code or one.line == line]
    assert (line, column, "error") == (finding.line, finding.column, finding.severity)
    assert told in finding.message


@pytest.mark.parametrize("effect", ["deny", "only"])
@pytest.mark.parametrize("views", ["[gone]", "[shop, gone]"])
def test_a_rule_that_takes_what_a_view_shows_does_not_go_with_the_view(effect, views):
    rules = f"  - {{to: {{any: known}}, resources: {{views: {views}}}, effect: {effect}}}\n"
    state, _ = judged(HEAD + GOOD + rules)
    (resource,) = [found for name, found in resources(state) if name == COLLECTION]

    with pytest.raises(ValueError, match="there is no view gone"):
        in_force(Collection.of(COLLECTION, [resource]), (ViewRow("shop"),))


def test_a_rule_that_grants_what_a_view_shows_grants_nothing_without_it():
    rules = "  - {to: {any: known}, resources: {views: [gone]}}\n"
    state, _ = judged(HEAD + rules)
    (resource,) = [found for name, found in resources(state) if name == COLLECTION]
    (listed,) = in_force(Collection.of(COLLECTION, [resource]), ())

    assert not listed.rows[0].rights.admits("envoy/clusters", "shop", {}, {})


def test_what_is_no_policy_has_no_place_in_its_files():
    _, findings = judged("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    assert {"error"} == {one.severity for one in findings}


def test_a_policy_elsewhere_counts_for_nothing_and_says_so():
    for path, by in (("other.yaml", None), ("authz/shop.yaml", Catalog())):
        state, (finding,) = judged(HEAD + GOOD, path, by)

        assert ("GS317", "warning") == (finding.code, finding.severity)
        assert [] == resources(state)


def test_the_schema_is_as_sound_as_a_users_has_to_be():
    check_schema(json.dumps(schema()), "SinkPolicy")


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {"rules": {}},
        {"rules": ["a"]},
        {"rules": [{"strange": 1}]},
        {"rules": [{"to": {"spiffe": "a"}}]},
        {"rules": [{"to": {"claims": {"a": 1}}}]},
        {"rules": [{"effect": "perhaps"}]},
        {"rules": [{"title": 1}]},
    ],
)
def test_what_is_no_rule_cannot_be_read(spec):
    with pytest.raises(ValueError, match=r"\w"):
        rules_of(spec)
