"""Several repositories in one snapshot: a team's commit is that team's, and so is its mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsource.model import LayerRevision, composed_id
from repositories import Upstream
from running import VS, Gitsource, broken, closing, eventually, route

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


class Layered(Gitsource):
    """A running server that follows *layers*, the lowest first, each by name."""

    def __init__(self, folder: Path, layers: dict[str, str], settings: str = QUIET) -> None:
        self.layers = layers
        super().__init__(folder, "", settings)

    def configure(self, url: str, settings: str = "") -> None:  # noqa: ARG002 - none of its own
        """Write the config file."""
        self.folder.mkdir(exist_ok=True)
        rows = [f"- {{name: {name}, {told}}}\n" for name, told in self.layers.items()]
        self.config.write_text(
            f"layers:\n{''.join(rows)}"
            "state_dir: state\n"
            "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
            "log: {format: json}\n" + settings
        )

    def hosts(self) -> dict[str, str]:
        """Return where each VirtualService that is served sends to."""
        with closing(self.sink(VS)) as sink:
            found = {}
            for each in sink.next().resources:
                found[each.metadata.name] = each.body.value
        return {name: _host(body) for name, body in found.items()}

    def layer(self, name: str) -> dict[str, object]:
        """Return how one layer stands."""
        (found,) = [each for each in self.status()["layers"] if each["name"] == name]
        return found


def _host(body: bytes) -> str:
    """Return the destination's host, which the tests name to-something."""
    start = body.index(b"to-")
    end = start
    while end < len(body) and (body[end : end + 1].isalnum() or body[end : end + 1] == b"-"):
        end += 1
    return body[start:end].decode()


def repository(upstream: Upstream, more: str = "") -> str:
    return f"repository: {{url: '{upstream.url}'{more}}}"


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

    outcome = server.sync()

    assert "published" == outcome["outcome"]
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
