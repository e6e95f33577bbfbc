"""A dry-run of one layer's repository says what the fleet sees once it is merged: a real server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layered import Layered, repository
from repositories import Upstream, clone
from running import VS, broken, cli, closing, eventually, route

LAYERS = ("defaults", "team", "top")


class Scene:
    """Three layers, a server that follows them, and a clone of the one under review."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstreams = {name: Upstream(folder / f"{name}.git") for name in LAYERS}
        self.upstreams["defaults"].commit(
            {f"{name}.yaml": route(name, "to-default") for name in "abt"}, message="defaults"
        )
        self.team = self.upstreams["team"]
        self.team.commit({"a.yaml": route("a", "to-team"), "c.yaml": route("c", "to-team")})
        self.upstreams["top"].commit({"t.yaml": route("t", "to-top")})
        rows = {name: repository(one) for name, one in self.upstreams.items()}
        self.server = Layered(folder / "gitsource", rows)
        self.clone = folder / "clone"

    def propose(self, files: dict[str, str | None]) -> None:
        """Have a branch of the team's repository with *files*, and a clone of that."""
        self.team.commit(files, branch="change", parents=[self.team.tip()])
        clone(self.team, self.clone, "--branch", "change")

    def merge(self) -> dict[str, Any]:
        """Bring the same to what is followed; returns the status after it."""
        self.team.force(self.team.tip("change"))
        self.server.sync()
        return self.server.status()

    def sources(self, kind: str) -> list[str | Path]:
        """Return the arguments that say where the other layers are."""
        if kind == "checkouts":
            return [f"--with={name}={self.upstreams[name].folder}" for name in ("defaults", "top")]
        if kind == "state":
            return ["--state-dir", self.server.state]
        if kind == "export":
            file = self.folder / "served.snapshot"
            done = cli("export", "--state-dir", self.server.state, "-o", file)
            assert done.returncode == 0, done.stderr
            return ["--against", file]
        return ["--against", f"127.0.0.1:{self.server.ports['admin']}"]

    def config(self) -> Path:
        """Return the config file as a reviewer has it: without the server's state directory."""
        file = self.folder / "reviewer.yaml"
        file.write_text(self.server.config.read_text().replace("state_dir: state", "state_dir: no"))
        return file

    def run(self, *args: str | Path, repo: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a dry-run of the clone."""
        where = ("--repo", repo or self.clone, "--config", self.config())
        return cli("dry-run", *where, "--cache", "none", *args)

    def plan(self, *args: str | Path, code: int = 0) -> dict[str, Any]:
        """Return what it says."""
        done = self.run(*args, "--output", "json")
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    with made.server:
        eventually(lambda: made.server.status()["revision"], "a first snapshot")
        yield made


CHANGE = {
    "a.yaml": None,  # uncovers
    "b.yaml": route("b", "to-team"),  # covers
    "c.yaml": route("c", "to-newer"),
    "t.yaml": route("t", "to-team"),  # nobody sees it
}


@pytest.mark.parametrize("kind", ["checkouts", "state", "export", "address"])
def test_what_is_foretold_is_what_is_served_then(scene: Scene, kind: str) -> None:
    """Versions before and after, and who has the place of whom, wherever the others come from."""
    before = scene.server.status()
    scene.propose(CHANGE)
    told = scene.plan(*scene.sources(kind))
    after = scene.merge()

    assert (before["version"], after["version"]) == (told["version_before"], told["version_after"])
    assert (before["revision"], after["revision"]) == (
        told["composition_before"], told["composition_after"],
    )  # fmt: skip
    collection = told["collections"][VS]
    assert after["collections"][VS]["version"] == collection["version_after"]
    changed = {each["name"]: each for each in collection["changes"]}
    assert {"shop/a", "shop/b", "shop/c"} == changed.keys()
    places = {name: (each["layer_before"], each["layer"]) for name, each in changed.items()}
    assert ("team", "defaults") == places["shop/a"]
    assert ("defaults", "team") == places["shop/b"]
    assert ("c.yaml", "defaults:a.yaml") == (changed["shop/c"]["file"], changed["shop/a"]["file"])
    (hidden,) = told["no_effect"]
    assert ("shop/t", "top", "top:t.yaml", 1) == tuple(
        hidden[key] for key in ("name", "by", "by_file", "by_line")
    )


@pytest.mark.parametrize("kind", ["export", "address"])
def test_against_what_is_served_there_is_no_drift_but_what_drifted(scene: Scene, kind: str) -> None:
    scene.propose(CHANGE)

    assert [] == scene.plan(*scene.sources(kind))["against"]["drift"]


def test_fields_are_told_where_bodies_are_known_and_said_to_be_unknown_otherwise(
    scene: Scene,
) -> None:
    scene.propose({"a.yaml": None})
    full = scene.plan(*scene.sources("export"))
    bare = scene.plan(*scene.sources("address"))

    (known,) = full["collections"][VS]["changes"]
    (unknown,) = bare["collections"][VS]["changes"]
    assert (1, 0, 0, 1) == (
        len(known["fields"]), known["omitted"], len(unknown["fields"]), unknown["omitted"],
    )  # fmt: skip
    assert known["version_after"] == unknown["version_after"]
    assert any("names and versions alone" in note for note in bare["notes"])
    assert not any("names and versions alone" in note for note in full["notes"])


def test_a_checkout_stands_at_the_commit_that_is_served(scene: Scene) -> None:
    """Not at what it has newer: that is not what sinks have."""
    served = scene.upstreams["defaults"].tip()
    scene.upstreams["defaults"].commit({"new.yaml": route("new", "to-newer")})
    scene.propose({"c.yaml": route("c", "to-newer")})
    told = scene.plan(*scene.sources("checkouts"), *scene.sources("address"))
    newer = scene.plan(*scene.sources("checkouts"))

    commits = [
        {each["name"]: each["after"] for each in one["layers"]}["defaults"] for one in (told, newer)
    ]
    assert [served, scene.upstreams["defaults"].tip()] == commits
    assert [] == told["against"]["drift"]
    assert told["version_before"] == scene.server.status()["version"] != newer["version_before"]


def test_a_named_revision_of_a_checkout_is_what_counts(scene: Scene) -> None:
    old = scene.upstreams["defaults"].tip()
    scene.upstreams["defaults"].commit({"new.yaml": route("new", "to-newer")})
    scene.propose({"c.yaml": route("c", "to-newer")})
    folder, top = scene.upstreams["defaults"].folder, scene.upstreams["top"].folder

    told = scene.plan(f"--with=defaults={folder}@{old}", f"--with=top={top}")

    assert scene.server.status()["version"] == told["version_before"]


def test_a_layer_that_is_not_at_hand_is_an_error_that_says_what_cannot_be_known(
    scene: Scene,
) -> None:
    scene.propose(CHANGE)
    done = scene.run(f"--with=defaults={scene.upstreams['defaults'].folder}")

    assert 2 == done.returncode
    assert "layer top is not at hand" in done.stderr
    assert "conflicts" in done.stderr
    assert "--without top" in done.stderr


def test_a_plan_without_a_layer_tells_no_version_and_says_so(scene: Scene) -> None:
    scene.propose(CHANGE)
    told = scene.plan(f"--with=defaults={scene.upstreams['defaults'].folder}", "--without", "top")

    assert ("", "") == (told["version_before"], told["version_after"])
    assert {"missing"} == {each["how"] for each in told["layers"] if each["name"] == "top"}
    assert any("layer top is left out" in note for note in told["notes"])
    assert "shop/t" in told["collections"][VS]["changed"]


def test_an_override_that_must_not_be_is_a_finding_that_holds(scene: Scene) -> None:
    """As the server holds it when it comes."""
    file = scene.server.config
    file.write_text(file.read_text().replace("name: team, ", "name: team, overrides: error, "))
    scene.team.commit({"a.yaml": None})
    scene.propose({"b.yaml": route("b", "to-team")})
    told = scene.plan(*scene.sources("checkouts"), code=1)

    assert [("GS215", "b.yaml")] == [
        (each["code"], each["file"]) for each in told["findings"] if each["severity"] == "error"
    ]
    assert told["held"]


def test_what_does_not_validate_by_itself_holds_the_layer(scene: Scene) -> None:
    scene.propose({"bad.yaml": broken("bad")})
    told = scene.plan(*scene.sources("checkouts"), code=1)
    before = scene.server.status()["version"]
    after = scene.merge()

    assert ["bad.yaml"] == [each["file"] for each in told["findings"] if each["state"] == "new"]
    assert before == after["version"]
    assert scene.server.layer("team")["held"] is not None


def test_a_reference_across_layers_is_judged_where_documents_are_at_hand(scene: Scene) -> None:
    """And is not told as missing where they are not."""
    scene.upstreams["defaults"].commit(
        {
            "gate.yaml": "apiVersion: networking.istio.io/v1\nkind: Gateway\n"
            "metadata: {name: gate, namespace: shop}\nspec:\n  selector: {app: gate}\n"
            "  servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n"
            "    hosts: ['*']\n"
        }
    )
    scene.server.sync()
    good, bad = (
        route("c", "to-team").replace("  http:", f"  gateways: [shop/{gate}]\n  http:")
        for gate in ("gate", "gone")
    )
    scene.propose({"c.yaml": good, "d.yaml": bad.replace("name: c,", "name: d,")})

    judged = scene.plan(*scene.sources("checkouts"))
    unjudged = scene.plan(*scene.sources("export"))

    assert ["d.yaml"] == [each["file"] for each in judged["findings"] if each["code"] == "GS401"]
    assert [] == [each for each in unjudged["findings"] if each["code"] == "GS401"]
    assert any("is not judged" in note for note in unjudged["notes"])
    assert judged["version_after"] == unjudged["version_after"]


def test_a_guard_counts_what_is_gone_from_the_whole(scene: Scene) -> None:
    """What a layer below has in the place of what is removed is not gone."""
    many = {f"m{at}.yaml": route(f"m{at}", "to-team") for at in range(20)}
    scene.team.commit(many)
    scene.server.sync()
    scene.propose(dict.fromkeys(many))
    guarded = scene.plan(*scene.sources("checkouts"), code=3)
    scene.upstreams["defaults"].commit(many)

    assert ["GS207"] == [each["code"] for each in guarded["findings"] if each["state"] == "guard"]
    assert "clean" == scene.plan(*scene.sources("checkouts"))["ends"]


def test_a_working_tree_is_tried_as_it_lies(scene: Scene) -> None:
    scene.propose({"other.txt": "words"})
    (scene.clone / "b.yaml").write_text(route("b", "to-team"))
    told = scene.plan(*scene.sources("checkouts"), "--worktree")

    assert ["shop/b"] == told["collections"][VS]["changed"]
    assert "" == told["composition_after"]


def test_annotations_stand_at_files_of_the_repository_under_review(scene: Scene) -> None:
    """What is said of another layer's file names it, and is put at none of ours."""
    scene.propose({"t.yaml": route("t", "to-team"), "b.yaml": route("b", "to-team")})
    told = scene.run(*scene.sources("checkouts"), "--output", "github").stdout.splitlines()

    own = [line for line in told if line.startswith("::warning file=")]
    assert ["::warning file=b.yaml"] == [line.partition(",")[0] for line in own]
    assert any(line.startswith("::warning title=GS215::top:t.yaml:1:1: ") for line in told)
    assert any(
        line.startswith("::notice file=t.yaml,") and "no effect: overridden by layer top" in line
        for line in told
    )


def test_layers_that_are_folders_of_one_repository_move_together(tmp_path: Path) -> None:
    mono = Upstream(tmp_path / "mono.git")
    mono.commit(
        {"base/a.yaml": route("a", "to-base"), "base/b.yaml": route("b", "to-base"),
         "team/a.yaml": route("a", "to-team")}
    )  # fmt: skip
    rows = {name: repository(mono, f", path: {name}") for name in ("base", "team")}
    server = Layered(tmp_path / "gitsource", rows)
    mono.commit(
        {"base/b.yaml": None, "base/a.yaml": route("a", "to-newer"),
         "team/b.yaml": route("b", "to-team")},
        branch="change", parents=[mono.tip()],
    )  # fmt: skip
    done = cli(
        "dry-run", "--repo", mono.folder, "--head", "change", "--config", server.config,
        "--output", "json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    mono.force(mono.tip("change"))
    with server:
        after = eventually(lambda: (s := server.status())["revision"] and s, "a first snapshot")

    assert ["reviewed", "reviewed"] == [each["how"] for each in told["layers"]]
    assert after["version"] == told["version_after"]
    (change,) = told["collections"][VS]["changes"]
    assert ("shop/b", "base/b.yaml", "team/b.yaml") == (
        change["name"], change["file_before"], change["file"],
    )  # fmt: skip
    assert ["shop/a"] == [each["name"] for each in told["no_effect"]]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--with", "defaults"], "is not NAME=DIR"),
        (["--with", "nobody=."], "there is no layer 'nobody'"),
        (["--without", "nobody"], "there is no layer 'nobody'"),
        (["--layer", "nobody"], "there is no layer 'nobody'"),
        (["--path", "x"], "--path has no meaning for layers"),
    ],
)
def test_what_is_written_wrong_is_a_wrong_usage(tmp_path: Path, args: list[str], said: str) -> None:
    scene = Scene(tmp_path)
    scene.propose({})
    done = scene.run(*args)

    assert (2, True) == (done.returncode, said in done.stderr), done.stderr


def test_a_repository_that_is_no_layer_has_to_be_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    other = Upstream(tmp_path / "other.git")
    other.commit({"c.yaml": route("c", "to-other")})
    refused = scene.run(*scene.sources("checkouts"), repo=other.folder)
    named = scene.run(*scene.sources("checkouts"), "--layer", "team", repo=other.folder)

    assert (2, True) == (refused.returncode, "--layer: defaults, team, top" in refused.stderr)
    assert 0 == named.returncode, named.stderr


def test_without_layers_in_the_settings_nothing_can_be_said_of_them(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "up.git")
    upstream.commit({"c.yaml": route("c", "to-other")})
    done = cli("dry-run", "--repo", upstream.folder, "--layer", "team")

    assert (2, True) == (done.returncode, "the settings have no layers" in done.stderr)


def test_another_layer_that_does_not_validate_where_it_stands_is_told(tmp_path: Path) -> None:
    """Sinks have an earlier commit of it, and nobody says which."""
    scene = Scene(tmp_path)
    scene.upstreams["top"].commit({"bad.yaml": broken("bad")})
    scene.propose({"c.yaml": route("c", "to-newer")})
    done = scene.run(*scene.sources("checkouts"))

    assert 2 == done.returncode
    assert "layer top does not validate" in done.stderr
    assert "top:bad.yaml:9" in done.stderr


@pytest.mark.parametrize("kind", ["checkouts", "address"])
def test_the_sinks_that_are_reached_get_what_was_foretold(scene: Scene, kind: str) -> None:
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    with closing(scene.server.sink(VS, node="one")) as sink:
        sink.next()
        eventually(lambda: all(each["acked"] for each in _collections(scene.server)), "an answer")
        scene.propose(CHANGE)
        args = [*scene.sources(kind), "--against", address]
        told = scene.plan(*(args if kind == "checkouts" else args[:2]))
        scene.merge()
        sink.next()
        sent = [each["sent"] for each in _collections(scene.server)]

    (reached,) = told["against"]["sinks"]
    assert [("one", sent)] == [
        (reached["sink"], [each["after"] for each in reached["collections"]])
    ]


def _collections(server: Layered) -> list[dict[str, Any]]:
    return [each for row in server.status()["sinks"] for each in row["collections"].values()]


def test_a_config_file_of_the_layer_itself_is_taken_as_each_side_has_it(tmp_path: Path) -> None:
    """Here the change is one of precedence: the highest layer becomes the lowest."""
    scene = Scene(tmp_path)
    rows = [f"- {{name: {name}, {repository(one)}}}\n" for name, one in scene.upstreams.items()]
    first = f"layers:\n{''.join(rows)}state_dir: no\n"
    then = f"layers:\n{''.join(rows[2:] + rows[:2])}state_dir: no\n"
    scene.team.commit({"gitsource.yaml": first})
    scene.propose({"gitsource.yaml": then})
    done = cli(
        "dry-run", "--repo", scene.clone, "--config", scene.clone / "gitsource.yaml",
        *scene.sources("checkouts"), "--output", "json",
    )  # fmt: skip
    told = json.loads(done.stdout)

    assert ["top", "defaults", "team"] == [each["name"] for each in told["layers"]]
    (change,) = told["collections"][VS]["changes"]
    assert ("shop/t", "top", "defaults") == (
        change["name"], change["layer_before"], change["layer"],
    )  # fmt: skip
    assert ["gitsource.yaml"] == [each["file"] for each in told["settings"]]


# ------------------------------------------------------------------------------ verify


def verified(scene: Scene, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return cli("verify", "--config", scene.server.config, *args)


def test_a_composition_is_built_again_from_the_commits_of_its_layers(scene: Scene) -> None:
    """From the mirrors of the server itself, or from any repositories that have the commits."""
    status = scene.server.status()
    folders = [f"--with={name}={one.folder}" for name, one in scene.upstreams.items()]
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    for one in scene.upstreams.values():
        one.commit({"later.yaml": route("later", "to-later")})

    kept = verified(scene, status["version"], "--repo", scene.folder)
    asked = verified(scene, "--against", address, "--repo", scene.folder, *folders)

    assert [0, 0] == [kept.returncode, asked.returncode], kept.stderr + asked.stderr
    for done in (kept, asked):
        assert done.stdout.startswith(f"{status['revision'][:12]}: version {status['version']}")


def test_a_composition_that_was_not_made_of_its_commits_is_found_out(scene: Scene) -> None:
    """Here: by other rules of what may override what, which makes it unfit."""
    config = scene.config()
    config.write_text(config.read_text().replace("name: team, ", "name: team, overrides: error, "))
    folders = [f"--with={name}={one.folder}" for name, one in scene.upstreams.items()]
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    done = cli("verify", "--config", config, "--against", address, *folders)

    assert (1, True) == (done.returncode, "does not validate" in done.stderr), done.stderr


def test_a_commit_that_no_repository_has_is_told_with_its_layer(scene: Scene) -> None:
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    folder = scene.upstreams["team"].folder
    done = cli(
        "verify", "--config", scene.config(), "--against", address, "--repo", scene.folder,
        f"--with=defaults={folder}",
    )  # fmt: skip

    assert 2 == done.returncode
    assert "layer defaults is not at hand at" in done.stderr
    assert "--with defaults=DIR" in done.stderr


def test_settings_of_other_layers_cannot_verify_it(scene: Scene) -> None:
    config = scene.folder / "other.yaml"
    config.write_text(f"layers: [{{name: else, {repository(scene.team)}}}]\n")
    address = f"127.0.0.1:{scene.server.ports['admin']}"
    done = cli("verify", "--config", config, "--against", address)

    assert 2 == done.returncode
    assert (
        "composition of the layers defaults, team, top, and the settings have else" in done.stderr
    )
