"""Several repositories in one snapshot: a team's commit is that team's, and so is its mistake."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsource.model import LayerRevision, composed_id
from layered import QUIET, Layered, repository
from repositories import Upstream
from running import VS, Gitsource, broken, cli, closing, eventually, route


@pytest.fixture
def defaults(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "defaults.git")
    files = {"a.yaml": route("a", "to-default"), "b.yaml": route("b", "to-default")}
    made.commit(files, message="defaults", author="Pat Platform <pat@example.org>")
    return made


@pytest.fixture
def team(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "team.git")
    made.commit({"a.yaml": route("a", "to-team")}, message="team", when=1_704_200_000)
    return made


@pytest.fixture
def server(tmp_path: Path, defaults: Upstream, team: Upstream) -> Iterator[Layered]:
    layers = {"defaults": repository(defaults), "team": repository(team)}
    with Layered(tmp_path / "gitsource", layers) as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        yield running


def test_the_higher_layer_wins_whole_and_the_override_is_told(server: Layered) -> None:
    assert {"shop/a": "to-team", "shop/b": "to-default"} == server.hosts()

    (told,) = server.status()["findings"]

    assert ("team:a.yaml", "GS215", "warning") == (told["file"], told["code"], told["severity"])
    assert "defaults:a.yaml" in told["message"]


def test_a_document_may_ask_to_be_let_alone_with_what_it_overrides(
    server: Layered, team: Upstream
) -> None:
    asking = "shop, annotations: {gitsource.dev/suppress: GS215}"
    team.commit({"a.yaml": route("a", "to-team", asking)})
    server.sync()

    assert [] == server.status()["findings"]
    assert ["GS215"] == [each["code"] for each in server.status()["suppressed"]]


def test_the_revision_is_the_composition_and_names_each_layers_commit(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    rows = [LayerRevision("defaults", defaults.tip()), LayerRevision("team", team.tip())]
    status = server.status()

    assert composed_id(rows) == status["revision"] == status["head"]
    assert [
        {"name": row.name, "revision": row.commit, "head": row.commit, "held": None} for row in rows
    ] == [{key: each[key] for key in ("name", "revision", "head", "held")}
          for each in status["layers"]]  # fmt: skip


def test_a_broken_layer_is_held_while_the_other_one_moves(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    good = team.tip()
    bad = team.commit({"bad.yaml": broken("bad")})
    defaults.commit({"b.yaml": route("b", "to-newer")})

    outcome = server.sync()

    assert "published" == outcome["outcome"]
    assert {"shop/a": "to-team", "shop/b": "to-newer"} == server.hosts()
    told = server.layer("team")
    assert (good, bad) == (told["revision"], told["head"])
    assert "team:bad.yaml:9:15" in told["held"]["reason"]
    assert server.layer("defaults")["held"] is None
    assert server.status()["held"]["revision"] == bad
    team.commit({"bad.yaml": None})
    server.sync()
    assert server.layer("team")["held"] is None
    assert server.status()["held"] is None


def test_a_delete_in_the_higher_layer_uncovers_what_lies_below_with_its_own_create_time(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    def created() -> int:
        with closing(server.sink(VS)) as sink:
            (found,) = [e for e in sink.next().resources if e.metadata.name == "shop/a"]
        return found.metadata.create_time.seconds

    before = created()
    team.commit({"a.yaml": None})
    server.sync()

    assert {"shop/a": "to-default", "shop/b": "to-default"} == server.hosts()
    assert (1_704_200_000, int(defaults.git("log", "-1", "--format=%ct"))) == (before, created())
    assert [] == server.status()["findings"]


def test_a_layer_out_of_reach_stays_at_what_it_has_while_the_others_move(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    defaults.commit({"b.yaml": route("b", "to-newer")})
    team.folder.rename(team.folder.with_name("away.git"))

    outcome = server.sync()

    assert "published" == outcome["outcome"]
    assert {"shop/a": "to-team", "shop/b": "to-newer"} == server.hosts()
    assert server.layer("team")["error"]
    assert server.status()["stale_since"]
    again = server.sync()
    assert ("failed", True) == (again["outcome"], "layer team" in again["error"])
    team.folder.with_name("away.git").rename(team.folder)
    assert "unchanged" == server.sync()["outcome"]
    assert server.status()["stale_since"] is None


def test_a_restart_serves_the_last_good_composition_and_builds_on_it(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    before = server.status()
    server.kill()
    hidden = [each.folder.rename(each.folder.with_suffix(".away")) for each in (defaults, team)]
    server.start()
    assert before["version"] == server.status()["version"]
    for upstream, folder in zip((defaults, team), hidden, strict=True):
        folder.rename(upstream.folder)
    team.commit({"a.yaml": None})

    server.sync()  # unless the look of the start came late enough to find it

    assert {"shop/a": "to-default", "shop/b": "to-default"} == server.hosts()


def test_replicas_that_see_the_same_heads_serve_the_same_version(
    server: Layered, defaults: Upstream, team: Upstream, tmp_path: Path
) -> None:
    """One of them walked the history commit by commit, the other one starts at the end."""
    for number in range(3):
        defaults.commit({f"n{number}.yaml": route(f"n{number}", "to-default")})
        server.sync()
        team.commit({f"n{number}.yaml": route(f"n{number}", "to-team")})
        server.sync()
    team.commit({"n1.yaml": None})
    server.sync()
    with Layered(tmp_path / "other", server.layers) as other:
        found = eventually(lambda: other.status()["revision"], "a first snapshot")

        assert server.status()["revision"] == found
        assert server.status()["version"] == other.status()["version"]
        assert server.status()["findings"] == other.status()["findings"]


def test_layers_that_do_not_go_together_leave_the_one_out_that_does_the_harm(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    """The lower one is innocent of it, whichever of them is asked first."""
    third = Upstream(tmp_path / "third.git")
    third.commit({"c.yaml": route("c", "to-third")})
    layers = {
        "defaults": repository(defaults),
        "team": repository(team) + ", overrides: error",
        "third": repository(third),
    }
    team.commit({"a.yaml": None, "t.yaml": route("t", "to-team")})
    with Layered(tmp_path / "gitsource", layers) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        third.commit({"c.yaml": route("c", "to-newer")})
        team.commit({"b.yaml": route("b", "to-team")})
        outcome = server.sync()

        assert "published" == outcome["outcome"]
        assert "to-newer" == server.hosts()["shop/c"]
        assert "to-default" == server.hosts()["shop/b"]
        assert "GS215" in server.layer("team")["held"]["reason"]
        assert server.layer("third")["held"] is None


def test_two_folders_of_one_repository_are_two_layers(tmp_path: Path) -> None:
    mono = Upstream(tmp_path / "mono.git")
    base = {"base/a.yaml": route("a", "to-base"), "base/b.yaml": route("b", "to-base")}
    mono.commit(base | {"prod/a.yaml": route("a", "to-prod")})
    layers = {
        "base": repository(mono, ", path: base"),
        "prod": repository(mono, ", path: prod"),
    }
    with Layered(tmp_path / "gitsource", layers, "poll: {interval: 1h}\n") as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        first = server.hosts()
        mono.commit({"prod/b.yaml": route("b", "to-prod")})  # noticed by the watch
        eventually(lambda: server.hosts()["shop/b"] == "to-prod", "the watch notices")

        assert {"shop/a": "to-prod", "shop/b": "to-base"} == first
        assert {"prod:prod/a.yaml", "prod:prod/b.yaml"} == {
            each["file"] for each in server.status()["findings"]
        }


def test_a_webhook_of_any_layers_repository_has_it_looked_at(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    hook = "webhook: {listen: '127.0.0.1:0', secret_file: hook-secret}\n"
    layers = {
        "defaults": repository(defaults),
        "team": f"repository: {{url: '{team.url}', ref: live}}",
    }
    team.git("update-ref", "refs/heads/live", team.tip())
    made = Layered(tmp_path / "gitsource", layers, QUIET + hook)
    (made.folder / "hook-secret").write_text("s3cret-of-the-hook\n")
    with made as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        eventually(lambda: "webhook" in server.ports, "the webhook's door")
        commit = team.commit({"t.yaml": route("t", "to-team")}, branch="live")
        live = deliver(server, "refs/heads/live", commit)
        eventually(lambda: server.layer("team")["revision"] == commit, "the announced commit")
        eventually(lambda: server.status()["announced"] is None, "nothing is awaited")
        other = deliver(server, "refs/heads/other", commit)

        assert ("accepted", "other_ref") == (live, other)


def deliver(server: Gitsource, ref: str, commit: str) -> str:
    """Send what GitHub sends on a push; returns the verdict."""
    body = json.dumps({"ref": ref, "before": "0" * 40, "after": commit}).encode()
    proof = hmac.new(b"s3cret-of-the-hook", body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["webhook"], timeout=20)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": f"d-{ref}",
        "X-Hub-Signature-256": f"sha256={proof}",
    }
    connection.request("POST", "/webhook", body, headers)
    verdict = json.loads(connection.getresponse().read())["verdict"]
    connection.close()
    return verdict


def test_a_nack_is_traced_to_file_commit_and_author_in_the_right_repository(
    server: Layered, defaults: Upstream
) -> None:
    pushes = []

    def accepts(push) -> bool:
        pushes.append(push)
        return len(pushes) == 1

    with closing(server.sink(VS, node="picky", accept=accepts)) as sink:
        sink.next()
        files = {"b.yaml": route("b", "to-newer")}
        defaults.commit(files, author="Pat Platform <pat@example.org>")
        server.sync()
        (row,) = eventually(
            lambda: (
                [
                    each
                    for refusal in server.status()["refusals"]
                    for each in refusal["resources"]
                    if each.get("commit") and each["name"] == "shop/b"
                ]
                or None
            ),
            "the refusal is traced",
        )

    assert ("defaults:b.yaml", defaults.tip(), "Pat Platform <pat@example.org>") == (
        row["file"], row["commit"], row["author"],
    )  # fmt: skip


def test_history_and_explain_tell_which_layer_it_was_and_why(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    good = team.commit({"t.yaml": route("t", "to-team")}, message="a good one")
    server.sync()
    bad = team.commit({"bad.yaml": broken("bad")}, message="a bad one")
    mine = defaults.commit({"b.yaml": route("b", "to-newer")}, message="an innocent one")
    server.sync()

    def verdict(spec: str) -> tuple[str, str]:
        told = json.loads(server.cli("explain", "commit", spec, "--output", "json").stdout)
        return told["layer"], told["verdict"]

    _, told = server.ask("GET", "/history")
    rows = [(row["outcome"], row["layer"], row["subject"]) for row in told["revisions"][:3]]

    assert ("team", "published") == verdict(good) == verdict(f"team:{good[:10]}")
    assert ("team", "held") == verdict(bad) == verdict("team:main")
    assert ("defaults", "published") == verdict(mine)
    assert [
        ("published", None, "defaults: an innocent one"),
        ("held", "team", "a bad one"),
        ("published", None, "team: a good one"),
    ] == rows
    layers = {row["name"]: row for row in told["revisions"][0]["layers"]}
    assert (good, bad) == (layers["team"]["commit"], layers["team"]["head"])
    assert "does not validate" in layers["team"]["held"]
    text = server.cli("history").stdout + server.cli("status").stdout
    assert f"team:{good[:12]} (its head is held)" in text
    assert "it is the newest that holds good; held back: team" in text
    assert "which layer is" in server.cli("explain", "commit", "1234567").stderr


def test_a_composition_is_explained_with_what_it_is_of(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    good = team.commit({"t.yaml": route("t", "to-team")}, message="a good one")
    server.sync()
    whole = server.status()["revision"]
    bad = team.commit({"bad.yaml": broken("bad")}, message="a bad one")
    server.sync()
    head = server.status()["head"]

    out, back = (server.cli("explain", "commit", each) for each in (whole[:12], head))
    parts = json.loads(server.cli("explain", "commit", whole, "--output", "json").stdout)["layers"]

    assert (0, 1) == (out.returncode, back.returncode)
    assert out.stdout.startswith(f"composition {whole}: published\n")
    assert f"team:{good[:12]}" in out.stdout
    assert {"defaults": defaults.tip(), "team": good} == {p["name"]: p["commit"] for p in parts}
    assert back.stdout.startswith(f"composition {head}: held\n")
    assert "does not validate" in " ".join(back.stdout.split())
    assert f"team:{bad[:12]}" in back.stdout


def test_published_snapshots_are_listed_with_what_they_are_of(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    good = team.commit({"t.yaml": route("t", "to-team")})
    server.sync()
    team.commit({"bad.yaml": broken("bad")})
    mine = defaults.commit({"b.yaml": route("b", "to-newer")})
    server.sync()
    state = ("--state-dir", str(server.state))

    def told(*command: str) -> Any:
        return json.loads(cli("snapshot", *command, *state, "--output", "json").stdout)

    newest, before = told("list")["snapshots"][:2]
    commits = {layer["name"]: layer["commit"] for layer in newest["layers"]}
    texts = [cli("snapshot", command, *state).stdout for command in ("list", "show")]

    assert {"team": good, "defaults": mine} == commits
    assert {"team": good, "defaults": mine} != {
        layer["name"]: layer["commit"] for layer in before["layers"]
    }
    assert newest["layers"] == told("show")["layers"]
    for text in texts:
        assert f"defaults:{mine[:12]}" in text
        assert f"team:{good[:12]} (its head is held)" in text


def test_which_layer_is_held_or_out_of_reach_is_a_metric(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    team.commit({"bad.yaml": broken("bad")})
    defaults.commit({"b.yaml": route("b", "to-newer")})
    server.sync()
    held = server.ask("GET", "/metrics")[1]
    defaults.folder.rename(defaults.folder.with_suffix(".gone"))
    server.sync()
    failing = server.ask("GET", "/metrics")[1]

    assert 'gitsource_layer_held{layer="team"} 1.0' in held
    assert 'gitsource_layer_held{layer="defaults"} 0.0' in held
    assert 'gitsource_layer_failing{layer="defaults"} 0.0' in held
    assert 'gitsource_layer_failing{layer="defaults"} 1.0' in failing
    assert 'gitsource_layer_failing{layer="team"} 0.0' in failing


def test_wait_knows_commits_of_layers(server: Layered, team: Upstream) -> None:
    first = team.tip()
    bad = team.commit({"bad.yaml": broken("bad")})
    server.sync()
    with closing(server.sink(VS)) as sink:
        sink.next()
        done = [
            server.cli("wait", "--revision", spec, "--sinks", "1", "--timeout", "20").returncode
            for spec in (first, f"team:{first[:12]}", server.status()["revision"], bad)
        ]

    assert [0, 0, 0, 1] == done


def test_going_back_is_to_a_composition_and_lasts_until_it_is_released(
    server: Layered, defaults: Upstream, team: Upstream
) -> None:
    before, commit = server.status()["revision"], team.tip()
    team.commit({"a.yaml": route("a", "to-newer")})
    server.sync()
    server.ask("POST", "/rollback", {"revision": "", "reason": "worse", "who": "ann"})
    back = server.status()["revision"], server.hosts()["shop/a"]
    defaults.commit({"b.yaml": route("b", "to-newer")})
    held = server.sync()["outcome"]
    server.kill()
    server.start()
    kept = server.status()["revision"]
    server.ask("POST", "/unpin", {"reason": "mended", "who": "ann"})
    eventually(lambda: server.hosts()["shop/b"] == "to-newer", "the newest again")
    newest = server.hosts()["shop/a"]
    _, pinned = server.ask(
        "POST", "/pin", {"revision": f"team:{commit}", "reason": "x", "who": "ann"}
    )

    assert (before, "to-team") == back
    assert ("held", before, "to-newer") == (held, kept, newest)
    assert before == pinned["pinned"]


MANY = {f"many{n}.yaml": route(f"many{n}", "to-many") for n in range(6)}
GONE = dict.fromkeys(list(MANY)[:5])


def test_what_a_layer_removes_is_confirmed_by_that_layer_alone(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    defaults.commit(MANY)
    layers = {"defaults": repository(defaults), "team": repository(team)}
    guard = "guard: {removals: {share: 20%, count: 2}}\n"
    with Layered(tmp_path / "gitsource", layers, QUIET + guard) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        gone = defaults.commit(GONE)
        confirming = f"of another\n\nGitsource-Allow: removals {VS}\n"
        team.commit({"t.yaml": route("t", "to-team")}, message=confirming)
        outcome = server.sync()
        held = server.layer("defaults")["held"]
        innocent = "shop/t" in server.hosts()
        allowed = server.cli("allow", f"defaults:{gone[:12]}", "--reason", "meant").returncode

        told = " ".join(server.cli("explain", "commit", f"defaults:{gone[:12]}").stdout.split())

        assert "let it through (meant): needs a confirmation" in told
        assert ("published", True, 0) == (outcome["outcome"], innocent, allowed)
        assert held["reason"].startswith("needs a confirmation: GS207")
        assert "shop/many1" not in server.hosts()
        assert server.layer("defaults")["revision"] == gone


def test_a_commit_of_the_layer_itself_confirms_what_it_removes(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    defaults.commit(MANY)
    layers = {"defaults": repository(defaults), "team": repository(team)}
    guard = "guard: {removals: {share: 20%, count: 2}}\n"
    with Layered(tmp_path / "gitsource", layers, QUIET + guard) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        defaults.commit(GONE)
        held = server.sync()["outcome"]
        defaults.commit({}, message=f"mean it\n\nGitsource-Allow: removals {VS}\n")

        assert ("held", "published") == (held, server.sync()["outcome"])


def test_what_is_gone_with_a_layer_is_for_an_operator_to_confirm(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    """No commit of another layer can do that; a line too few in the settings does no harm."""
    team.commit(MANY)
    layers = {"defaults": repository(defaults), "team": repository(team)}
    guard = "guard: {removals: {share: 20%, count: 2}}\n"
    with Layered(tmp_path / "gitsource", layers, QUIET + guard) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        del server.layers["team"]
        server.configure("", QUIET + guard)
        server.stop()
        server.start()
        confirming = f"x\n\nGitsource-Allow: removals {VS}\n"
        defaults.commit({"c.yaml": route("c", "to-c")}, message=confirming)
        held, before = server.sync(), set(server.hosts())
        head = server.status()["head"]
        allowed = server.cli("allow", head, "--reason", "meant")

        assert "held" == held["outcome"]
        assert "GS207" in held["error"]
        assert "shop/many1" in before
        assert 0 == allowed.returncode, allowed.stderr
        assert {"shop/a", "shop/b", "shop/c"} == set(server.hosts())


def test_a_rewound_layer_is_held_while_the_other_one_moves(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    first = team.tip()
    team.commit({"t.yaml": route("t", "to-team")})
    layers = {
        "defaults": repository(defaults),
        "team": repository(team, ", non_fast_forward: hold"),
    }
    with Layered(tmp_path / "gitsource", layers) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        team.git("update-ref", "refs/heads/main", first)
        defaults.commit({"b.yaml": route("b", "to-newer")})
        outcome = server.sync()

        assert "published" == outcome["outcome"]
        assert "GS208" in server.layer("team")["held"]["reason"]
        assert {"to-newer"} == {server.hosts()["shop/b"]}
        assert "shop/t" in server.hosts()


def test_a_layer_of_which_nothing_was_ever_good_holds_the_whole(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    """What it would override is not meant to be seen."""
    team.commit({"a.yaml": broken("a")})
    layers = {"defaults": repository(defaults), "team": repository(team)}
    with Layered(tmp_path / "gitsource", layers) as server:
        first = server.sync()
        ready = server.status()["ready"]
        team.commit({"a.yaml": route("a", "to-team")})
        second = server.sync()

        assert ("held", False) == (first["outcome"], ready)
        assert "layer team" in first["error"]
        assert "published" == second["outcome"]


def test_a_layer_that_never_could_be_reached_is_named(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    team.folder.rename(team.folder.with_name("away.git"))
    layers = {"defaults": repository(defaults), "team": repository(team)}
    with Layered(tmp_path / "gitsource", layers) as server:
        first = server.sync()
        team.folder.with_name("away.git").rename(team.folder)

        assert "failed" == first["outcome"]
        assert first["error"].startswith("layer team: ")
        assert "published" == server.sync()["outcome"]


def test_a_layer_that_is_added_while_another_one_is_broken_goes_out(
    server: Layered, defaults: Upstream, team: Upstream, tmp_path: Path
) -> None:
    """Everything is judged anew then; the broken one takes part with what was good of it."""
    good = team.tip()
    team.commit({"bad.yaml": broken("bad")})
    server.sync()
    third = Upstream(tmp_path / "third.git")
    third.commit({"b.yaml": route("b", "to-third")})
    server.layers["third"] = repository(third)
    server.configure("", QUIET)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.hosts()["shop/b"] == "to-third", "the third layer")

    assert {"shop/a": "to-team", "shop/b": "to-third"} == server.hosts()
    assert (good, True) == (server.layer("team")["revision"], bool(server.layer("team")["held"]))


def test_a_single_repository_may_become_layers_and_go_back(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    made = Gitsource(tmp_path / "gitsource", defaults.url, QUIET)
    with made as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        server.stop()
    layers = {"defaults": repository(defaults), "team": repository(team)}
    with Layered(tmp_path / "gitsource", layers) as server:
        several = eventually(
            lambda: server.hosts() if len(server.status()["layers"][0]["revision"] or "") else None,
            "the layers",
        )
        eventually(lambda: server.hosts()["shop/a"] == "to-team", "the composition")
        server.stop()
    made.configure(defaults.url, QUIET)
    with made as server:
        eventually(lambda: server.status()["revision"] == defaults.tip(), "the repository")

    assert {"shop/a", "shop/b"} == set(several)


def test_references_are_judged_over_all_layers_without_what_is_covered(
    tmp_path: Path, defaults: Upstream, team: Upstream
) -> None:
    """A subset that only the covered DestinationRule has is not there."""
    rule = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        "metadata: {name: web, namespace: shop}\n"
        "spec: {host: web.shop.svc.cluster.local, subsets: [{name: %s, labels: {v: a}}]}\n"
    )
    host = "host: web.shop.svc.cluster.local, subset: v1"
    to = route("a", "to-team").replace("host: to-team", host)
    defaults.commit({"rule.yaml": rule % "v1"})
    team.commit({"a.yaml": to})
    layers = {"defaults": repository(defaults), "team": repository(team) + ", overrides: 'off'"}
    strict = "references: {codes: {GS403: error}}\n"
    with Layered(tmp_path / "gitsource", layers, QUIET + strict) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        first = server.status()["findings"]
        team.commit({"rule.yaml": rule % "v2"})
        outcome = server.sync()
        reason = server.layer("team")["held"]["reason"]
        team.commit({"rule.yaml": rule % "v1"})
        mended = server.sync()["outcome"]
        server.kill()
        server.start()
        defaults.commit({"rule.yaml": None})
        after = server.sync()["outcome"]

    assert [] == first
    assert "held" == outcome["outcome"]
    assert "team:a.yaml:" in reason
    assert "GS403" in reason
    assert ("published", "published") == (mended, after)
