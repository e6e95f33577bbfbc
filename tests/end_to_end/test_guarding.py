"""Much removed at once, history rewritten, a branch gone: held, told, and let through by words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.git.mirror import Mirror
from repositories import Upstream, clone
from running import VS, Gitsource, cli, closing, route

QUIET = "watch: {enabled: false}\npoll: {interval: 1h}\n"
"""It looks when a test asks it to."""
MANY = {f"{n:02}.yaml": route(f"r{n:02}", "a") for n in range(20)}
GONE = dict.fromkeys(list(MANY)[:15])


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    found = Upstream(tmp_path / "upstream.git")
    found.commit(MANY)
    return found


def served(gitsource: Gitsource) -> int:
    """Return how many routes are served."""
    return gitsource.status()["collections"][VS]["count"]


def codes(told: dict) -> list[str]:
    return [each["code"] for each in told["findings"] if each["severity"] == "error"]


# --------------------------------------------------------------------------- much removed


def test_a_mass_removal_is_held_until_an_operator_lets_it_through(tmp_path, upstream):
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        running.sync()
        with closing(running.sink(VS)) as sink:
            sink.next()
            commit = upstream.commit(GONE)
            held = running.sync()
            status = running.cli("status").stdout
            unmoved = served(running), sink.quiet()
            done = running.cli("allow", commit[:12], "--reason", "spring cleaning")
            push = sink.next()

    assert ("held", ["GS207"]) == (held["outcome"], codes(held))
    assert "needs a confirmation: GS207: 15 of the 20" in " ".join(status.split())
    assert (20, True) == unmoved
    assert (0, True) == (done.returncode, f"allowed {commit}" in done.stdout)
    assert 5 == len(push.resources)


def test_what_was_allowed_stays_so_across_a_restart_and_for_that_revision_alone(tmp_path, upstream):
    running = Gitsource(tmp_path / "run", upstream.url, QUIET)
    with running:
        running.sync()
        commit = upstream.commit(GONE)
        running.sync()
        running.ask("POST", "/pin", {"revision": "", "reason": "x"})  # refused: nothing before
        running.ask("POST", "/allow", {"revision": commit, "reason": "meant", "who": "ann"})
        running.kill()
    with running:
        after = running.sync()["outcome"], served(running)
        allowed = running.status()["allowed"]
        upstream.commit(MANY)
        running.sync()
        upstream.commit(GONE)
        again = running.sync()

    assert ("unchanged", 5) == after
    assert (commit, "meant", "ann") == (allowed["revision"], allowed["reason"], allowed["who"])
    assert ("held", ["GS207"]) == (again["outcome"], codes(again))


def test_it_is_held_across_a_restart_and_let_through_then(tmp_path, upstream):
    running = Gitsource(tmp_path / "run", upstream.url, QUIET)
    with running:
        running.sync()
        commit = upstream.commit(GONE)
        running.sync()
        running.kill()
    with running:
        held = running.sync()
        told = running.cli("allow", commit, "--reason", "meant", "--output", "json")

    assert ("held", ["GS207"]) == (held["outcome"], codes(held))
    assert "published" == json.loads(told.stdout)["outcome"]


def test_a_commit_lets_it_through(tmp_path, upstream):
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        running.sync()
        upstream.commit(GONE)
        held = running.sync()
        upstream.commit({}, message=f"mean it\n\nGitsource-Allow: removals {VS}\n")
        published = running.sync()

    assert ("held", "published") == (held["outcome"], published["outcome"])


def test_a_first_revision_is_never_held_by_the_guard(tmp_path, upstream):
    upstream.commit(GONE)
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        assert "unchanged" == running.sync()["outcome"]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("share: 90%, count: 15", "published"),
        ("share: 90%, count: 14", "held"),
        ("share: 70%", "held"),
        ("share: 70%, floor: 15", "published"),
    ],
)
def test_the_bounds_are_settings(tmp_path, upstream, bounds, expected):
    settings = f"guard: {{removals: {{{bounds}}}}}\n" + QUIET
    with Gitsource(tmp_path / "run", upstream.url, settings) as running:
        running.sync()
        upstream.commit(GONE)

        assert expected == running.sync()["outcome"]


@pytest.mark.parametrize("message", ["Gitsource-Allow: empty all", None])
def test_a_tree_that_is_suddenly_empty_is_held(tmp_path, message):
    upstream = Upstream(tmp_path / "small.git")
    upstream.commit({"a.yaml": route("a", "a")})
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        running.sync()
        upstream.commit({}, whole=True)
        held = running.sync()
        commit = upstream.commit({}, message=message or "still empty", whole=True)
        after = running.sync()
        if message is None:
            _, after = running.ask("POST", "/allow", {"revision": commit, "reason": "meant"})

    assert ("held", ["GS209"]) == (held["outcome"], codes(held))
    assert "published" == after["outcome"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"revision": "HEAD~1", "reason": "x"}, "is not held"),
        ({"revision": "deadbeef", "reason": "x"}, "is not held"),
        ({"revision": "", "reason": "x"}, "which revision?"),
        ({"revision": "HEAD", "reason": " "}, "a reason is required"),
        ({"revision": "HEAD", "reason": "x"}, "GS301 is not a matter of confirmation"),
    ],
)
def test_what_cannot_be_allowed_is_refused(tmp_path, upstream, body, says):
    upstream.commit(MANY)
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        running.sync()
        upstream.commit({"bad.yaml": route("bad", "a") + "      weight: plenty\n"})
        running.sync()
        code, told = running.ask("POST", "/allow", body)

    assert (400, True) == (code, says in told["error"])


def test_a_dry_run_shows_what_the_guard_would_hold(tmp_path, upstream):
    folder = clone(upstream, tmp_path / "clone")
    base = upstream.tip()
    upstream.commit(GONE)
    from repositories import run_git

    run_git(folder, "fetch", "-q", "origin")
    done = cli("dry-run", "--repo", folder, "--base", base, "--head", "refs/remotes/origin/main")

    assert 3 == done.returncode
    assert "GS207" in done.stdout


# --------------------------------------------------------------------------- history rewritten


class Moved:
    """A gitsource that has published the second of two commits, under a policy."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.upstream = Upstream(folder / "upstream.git")
        self.first = self.upstream.commit({"a.yaml": route("a", "one")})
        self.second = self.upstream.commit({"a.yaml": route("a", "two")})
        self.running = Gitsource(folder / "run", self.upstream.url, QUIET)
        text = self.running.config.read_text()
        self.running.config.write_text(
            text.replace("ref: main}", f"ref: main, non_fast_forward: {policy}}}")
        )


def test_by_default_a_forced_push_is_followed(tmp_path):
    moved = Moved(tmp_path, "allow")
    with moved.running as running:
        running.sync()
        moved.upstream.force(moved.first)

        assert "published" == running.sync()["outcome"]


@pytest.mark.parametrize("aside", [True, False], ids=["aside", "back"])
def test_a_rewind_is_held_until_an_operator_lets_it_through(tmp_path, aside):
    moved = Moved(tmp_path, "hold")
    with moved.running as running:
        running.sync()
        if aside:
            moved.upstream.commit({"a.yaml": route("a", "three")}, parents=[moved.first])
        else:
            moved.upstream.force(moved.first)
        held = running.sync()
        body = {"revision": moved.upstream.tip(), "reason": "meant"}
        serving = running.status()["revision"]
        _, told = running.ask("POST", "/allow", body)
        again = running.sync()

    assert ("held", ["GS208"]) == (held["outcome"], codes(held))
    assert moved.second[:12] in held["error"]
    assert moved.second == serving
    assert ("published", "unchanged") == (told["outcome"], again["outcome"])


def test_a_line_in_the_new_head_lets_a_rewind_through(tmp_path):
    moved = Moved(tmp_path, "hold")
    with moved.running as running:
        running.sync()
        other = moved.upstream.commit(
            {"a.yaml": route("a", "three")},
            parents=[moved.first],
            message="Gitsource-Allow: rewind",
        )
        moved.upstream.commit({"a.yaml": route("a", "four")})
        held = running.sync()
        moved.upstream.force(other)
        published = running.sync()

    assert ("held", "published") == (held["outcome"], published["outcome"])


def test_a_rewind_is_noticed_after_a_restart_without_a_mirror(tmp_path):
    moved = Moved(tmp_path, "hold")
    with moved.running as running:
        running.sync()
        running.kill()
    (moved.running.state / "mirror.git" / "gitsource-mirror").unlink()
    moved.upstream.force(moved.first)
    with moved.running as running:
        held = running.sync()

    assert ("held", ["GS208"]) == (held["outcome"], codes(held))


def test_coming_back_releases_the_hold(tmp_path):
    moved = Moved(tmp_path, "hold")
    with moved.running as running:
        running.sync()
        moved.upstream.force(moved.first)
        running.sync()
        moved.upstream.force(moved.second)
        found = running.sync()

        assert ("unchanged", None) == (found["outcome"], running.status()["held"])


def test_a_denied_rewind_fails_the_look_and_is_not_fetched(tmp_path):
    moved = Moved(tmp_path, "deny")
    with moved.running as running:
        running.sync()
        moved.upstream.force(moved.first)
        failed = running.sync()
        status = running.status()

    assert "failed" == failed["outcome"]
    assert "does not follow from" in failed["error"]
    assert [moved.second] * 2 == [status["revision"], status["head"]]


def test_a_denied_rewind_is_held_where_no_mirror_could_stop_it(tmp_path):
    moved = Moved(tmp_path, "deny")
    with moved.running as running:
        running.sync()
        running.kill()
    (moved.running.state / "mirror.git" / "gitsource-mirror").unlink()
    moved.upstream.force(moved.first)
    with moved.running as running:
        held = running.sync()
        code, _ = running.ask("POST", "/allow", {"revision": moved.first, "reason": "x"})

    assert ("held", ["GS210"]) == (held["outcome"], codes(held))
    assert 400 == code


def test_following_another_branch_is_no_rewind(tmp_path):
    moved = Moved(tmp_path, "hold")
    moved.upstream.branch("other", moved.first)
    with moved.running as running:
        running.sync()
        running.stop()
    text = moved.running.config.read_text()
    moved.running.config.write_text(text.replace("ref: main", "ref: other"))
    with moved.running as running:
        running.sync()

        assert moved.first == running.status()["revision"]


# --------------------------------------------------------------------------- a branch that is gone


def test_a_deleted_branch_is_told_and_what_is_served_stays(tmp_path, upstream):
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        running.sync()
        commit = upstream.tip()
        upstream.delete_branch()
        failed = running.sync()
        status = running.cli("status").stdout

    assert "failed" == failed["outcome"]
    assert "refs/heads/main was deleted" in failed["error"]
    assert "what is served stays" in failed["hint"]
    assert commit in status
    assert "was deleted" in " ".join(status.split())


def test_a_mirror_tells_a_tag_from_its_commit(tmp_path, upstream):
    """What signatures of tags are looked for in."""
    from gitsource.settings.following import Repository

    upstream.tag("v1", annotated=True)
    upstream.tag("plain")
    found = []
    for name in ("v1", "plain"):
        repository = Repository(upstream.url, f"refs/tags/{name}")
        mirror = Mirror(tmp_path / name, repository)
        mirror.open()
        mirror.fetch()
        found.append((mirror.annotated() or ("", b""))[0])
        mirror.close()

    assert ["v1", ""] == found
