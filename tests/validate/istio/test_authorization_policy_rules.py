"""What the corpus cannot say of AuthorizationPolicy: several findings, and what is left alone."""

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
HEAD = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: checkout, namespace: shop}
spec:
"""


def found(spec: str) -> list[tuple[str, int]]:
    """Return code and line of each finding, the first line of *spec* being 1."""
    data = (HEAD + spec).encode()
    judged = judge(data, None, CATALOG, bounds(CATALOG), json=False)
    findings = [*judged.findings, *judged.documents[0].findings]
    return [(one.code, one.line - 4) for one in findings]


def test_a_selector_without_labels_is_a_warning():
    data = (HEAD + "  selector: {}\n").encode()
    judged = judge(data, None, CATALOG, bounds(CATALOG), json=False)

    assert [("AP-02", True)] == [(f.code, f.warning) for f in judged.documents[0].findings]
    assert judged.documents[0].version


def test_everything_that_is_wrong_is_told_at_once():
    spec = """\
  action: CUSTOM
  rules:
    - from:
        - source: {ipBlocks: [10.0.0, ""], namespaces: [a]}
        - {}
      to:
        - operation: {ports: [a, "", "1"], paths: ["/{a}", "/{*}{"]}
      when:
        - {key: source.ip, values: [a, ""], notValues: [b]}
        - {key: request.auth.claims, values: [a]}
"""
    expected = [
        ("AP-11", 1),
        ("AP-25", 4),
        ("AP-24", 4),
        ("AP-14", 4),
        ("AP-21", 5),
        ("AP-33", 7),
        ("AP-32", 7),
        ("AP-34", 7),
        ("AP-34", 7),
        ("AP-42", 9),
        ("AP-45", 9),
        ("AP-45", 9),
        ("AP-44", 10),
        ("AP-15", 10),
    ]

    assert sorted(expected) == sorted(found(spec))


def test_the_values_of_an_unknown_key_are_not_looked_at():
    assert [("AP-43", 1)] == found("  rules: [{when: [{key: source.ips, values: [a]}]}]\n")


def test_an_action_that_does_not_exist_is_told_once():
    assert ["GS301"] == [code for code, _ in found("  action: BLOCK\n")]


def test_a_rule_to_deny_is_seen_as_a_whole():
    """One entry that names what TCP has is enough, wherever it stands."""
    blind = """\
  action: DENY
  rules:
    - from: [{source: {requestPrincipals: [a]}}, {source: {namespaces: [a]}}]
    - to: [{operation: {paths: [/a]}}, {operation: {notPorts: ["1"]}}]
    - when: [{key: "request.headers[a]", values: [b]}]
    - from: [{source: {namespaces: [a]}}]
      to: [{operation: {paths: [/a]}}]
"""

    assert [("AP-50", 6)] == found(blind)
