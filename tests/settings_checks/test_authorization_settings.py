"""The settings of authorization: read from the config file or a file of their own, and refused."""

from __future__ import annotations

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.security.authorize.documents import COLLECTION
from gitsource.settings.rights import Rule, RuleResources, Subject
from gitsource.settings.views import ViewNodes


def loaded(folder, text):
    file = folder / "gitsource.yaml"
    file.write_text(text)
    return load(file, {}, {})


ONLY = """
- to: {spiffe: ["spiffe://cluster-a/ns/istio-system/sa/istiod"]}
  resources: {namespaces: [foo]}
  effect: only
"""


def indented(text):
    return text.replace("\n", "\n  ")


def test_only_istiod_of_a_cluster_receives_a_namespace_in_three_lines(tmp_path):
    found = loaded(tmp_path, f"authorization:\n  policy:{indented(ONLY)}")

    assert (
        Rule(
            to=Subject(spiffe=("spiffe://cluster-a/ns/istio-system/sa/istiod",)),
            resources=RuleResources(namespaces=("foo",)),
            effect="only",
        ),
    ) == found.authorization.policy


def test_the_rules_may_stand_in_a_file_of_their_own(tmp_path):
    (tmp_path / "policy.yaml").write_text(f"policy:{indented(ONLY)}")
    found = loaded(tmp_path, "authorization: {policy_file: policy.yaml}")

    assert ["only"] == [rule.effect for rule in found.authorization.policy]


def test_mistakes_in_that_file_are_told_with_their_place_in_it(tmp_path):
    (tmp_path / "policy.yaml").write_text(
        "policy:\n- to: {spiffe: [prod]}\n  resources: {namespaces: [foo]}\n"
    )
    with pytest.raises(ConfigurationError, match=r"policy\.yaml:2:17: .*policy\[0\]\.to\.spiffe"):
        loaded(tmp_path, "authorization: {policy_file: policy.yaml}")


def test_what_a_node_says_may_be_asked_for_as_well(tmp_path):
    found = loaded(
        tmp_path,
        "authorization:\n  policy:\n"
        "  - title: gold\n"
        '    to: {any: known, nodes: {metadata: {TIER: gold}}, protocols: ["xds*"]}\n'
        '    resources: {collections: ["envoy/*"]}\n',
    )
    (rule,) = found.authorization.policy

    assert ViewNodes(metadata=(("TIER", "gold"),)) == rule.to.nodes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("policy: [{to: {any: known}}]", "policy[0]: expected the resources it is about"),
        ("policy: [{resources: {namespaces: [a]}}]", "policy[0].to: expected what the sink has to"),
        (
            "policy: [{to: {nodes: {ids: [a]}}, resources: {namespaces: [a]}}]",
            "policy[0].to: expected what the sink has to prove",
        ),
        ("policy: [{to: {any: known}, resources: {views: [shop]}}]", "there is no view shop"),
        ("policy: [{to: {any: all}, allow: {}}]", 'unknown key "allow"'),
        ("repository_file: authz/*.yaml", "needs authorization.ceiling"),
        (
            "{repository_file: ../a, ceiling: [{to: {any: known}, resources: {namespaces: [a]}}]}",
            "expected a glob of paths inside the repository",
        ),
        (
            "ceiling: [{to: {any: known}, resources: {namespaces: [a]}}]",
            "is for authorization.repository_file",
        ),
        ("policy_file: gone.yaml", "gone.yaml cannot be read"),
        ("{policy_file: a, policy: []}", "authorization.policy is given as well"),
    ],
)
def test_what_would_not_hold_is_refused(tmp_path, text, told):
    text = text if text.startswith("{") else f"{{{text}}}"
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"authorization: {text}\n")

    assert told in str(caught.value)


def test_files_of_the_repository_make_a_collection_that_is_routed_by_their_path(tmp_path):
    found = loaded(
        tmp_path,
        "authorization:\n  repository_file: authz/*.yaml\n"
        '  ceiling: [{to: {any: known}, resources: {collections: ["*"]}}]\n',
    )
    catalog = catalog_for(found, None)

    assert COLLECTION == catalog.route("authz/sinks.yaml").collection
    assert catalog.route("other/sinks.yaml") is None
