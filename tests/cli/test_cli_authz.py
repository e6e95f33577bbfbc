"""`gitsource authz test`: what a sink may receive, and why, counted in a revision."""

import json

import pytest
from click.testing import CliRunner

from gitsource.cli.main import cli
from repositories import Upstream

SETTINGS = """\
authorization:
  repository_file: authz/*.yaml
  ceiling:
  - {title: prod, to: {trust_domains: [prod]}, resources: {collections: ["*"]}}
  policy:
  - title: ops
    to: {claims: {sub: ops}}
    resources: {collections: ["*"]}
"""
POLICY = """\
apiVersion: gitsource.dev/v1
kind: SinkPolicy
metadata: {name: shop}
spec:
  rules:
  - to: {spiffe: ["spiffe://prod/ns/foo/**"]}
    resources: {namespaces: [foo]}
"""


def entry(namespace, name):
    return (
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{address: 10.0.0.1}}\n"
    )


@pytest.fixture
def authz(tmp_path):
    upstream = Upstream(tmp_path / "repo.git")
    files = {"a.yaml": entry("foo", "a"), "b.yaml": entry("bar", "b")}
    upstream.commit(files | {"authz/shop.yaml": POLICY})
    (tmp_path / "gitsource.yaml").write_text(SETTINGS)

    def test(*arguments, repo=True, config="gitsource.yaml"):
        command = ["authz", "test", *arguments]
        command += ["--config", str(tmp_path / config)] if config else []
        command += ["--repo", str(upstream.folder)] if repo else []
        return CliRunner().invoke(cli, command)

    return test


ENTRIES = "istio/networking/v1alpha3/workloadentries"


def test_every_rule_is_told_and_what_it_comes_to_is_counted(authz):
    told = authz("--as", "spiffe://prod/ns/foo/sa/web")

    assert 0 == told.exit_code, told.output
    lines = told.output.splitlines()
    assert "spiffe://prod/ns/foo/sa/web, over xds: " in lines[0]
    assert "  settings ops (allow everything): does not match: it showed no token" in lines
    assert "  repository shop[0] (allow namespace foo): matches" in lines
    assert "  ceiling prod (allow everything): matches" in lines
    assert f"  {ENTRIES}: 1 of 2" in lines
    assert "sinkpolicies" not in told.output


def test_a_stranger_may_receive_nothing(authz):
    for who in ("nobody", "spiffe://test/ns/foo/a", "dns:web.example.com"):
        told = authz("--as", who)

        assert 1 == told.exit_code
        assert f"  {ENTRIES}: 0 of 2" in told.output.splitlines()


def test_claims_certificates_and_nodes_are_taken_as_told(authz):
    told = authz("--as", "jwt:ops@issuer", "--claim", "sub=ops", "--output", "json")
    value = json.loads(told.output)

    assert (0, "everything", True) == (told.exit_code, value["rights"], value["receives"])
    assert {"receives": 2, "of": 2} == value["collections"][ENTRIES]


def test_one_collection_is_told_by_name_and_decides_the_exit_code(authz):
    asked = ("--as", "spiffe://prod/ns/foo/sa/web", "--collection")
    there, gone = authz(*asked, ENTRIES), authz(*asked, "envoy/clusters")

    assert (0, 1) == (there.exit_code, gone.exit_code)
    assert "    foo/a" in there.output.splitlines()


def test_rules_of_another_file_are_tried_in_place_of_those_of_the_settings(authz, tmp_path):
    (tmp_path / "tried.yaml").write_text(
        'policy:\n- {to: {dns: ["*.example.com"]}, resources: {namespaces: [bar]}}\n'
    )
    (tmp_path / "empty.yaml").write_text("{}\n")
    policy = ("--policy", str(tmp_path / "tried.yaml"))
    told = authz("--as", "dns:web.example.com", *policy, config="empty.yaml")
    without = authz("--as", "dns:web.example.com", *policy, config="empty.yaml", repo=False)

    assert 0 == told.exit_code, told.output
    assert f"  {ENTRIES}: 1 of 2" in told.output.splitlines()
    assert (0, True) == (without.exit_code, "no revision to count in" in without.output)


def test_without_rules_it_is_said_that_every_sink_may_receive_everything(authz, tmp_path):
    (tmp_path / "empty.yaml").write_text("{}\n")
    told = authz("--as", "nobody", config="empty.yaml")

    assert 0 == told.exit_code
    assert "there are no rules: every sink may receive everything" in told.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--as", "web"),
        ("--as", "nobody", "--claim", "a=b"),
        ("--as", "spiffe://a/b", "--revision", "0123456789"),
        ("--as", "spiffe://a/b", "--protocol", "http"),
    ],
)
def test_what_cannot_be_asked_is_no_answer(authz, arguments):
    assert 0 != authz(*arguments).exit_code


def test_rules_in_the_repository_need_a_revision(authz):
    told = authz("--as", "spiffe://prod/a", repo=False)

    assert 0 != told.exit_code


def test_whoever_the_door_refuses_is_said_to_be_refused(authz, tmp_path):
    door = "tls: {cert: c.pem, key: c.key, ca: c.pem, clients: optional}\n"
    names = "identity: {trust_domains: [{name: prod}]}\n"
    tokens = "tokens: {jwks_file: j.json, issuer: 'https://iss', audience: g}\n"
    (tmp_path / "door.yaml").write_text(SETTINGS + door + names + tokens)
    good = authz("--as", "spiffe://prod/ns/foo/sa/web", config="door.yaml")
    bad = authz("--as", "spiffe://evil/ns/foo/sa/web", config="door.yaml")
    bearer = authz("--as", "jwt:ops@https://iss", config="door.yaml")
    stranger = authz("--as", "jwt:ops@https://other", "--output", "json", config="door.yaml")

    assert (0, 1, 0, 1) == tuple(each.exit_code for each in (good, bad, bearer, stranger))
    assert "not let in: the trust domain evil is none of ours" in bad.output
    assert "somebody else issued it" in json.loads(stranger.output)["refused"]
