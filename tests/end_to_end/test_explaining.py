"""An operator asks what became of revisions, and why one commit did or did not go out."""

from __future__ import annotations

import json
from pathlib import Path

from repositories import Upstream
from running import Gitsource, eventually, route


def outcomes(server: Gitsource) -> list[tuple[str, str]]:
    _, told = server.ask("GET", "/history")
    return [(row["outcome"], row["subject"]) for row in told["revisions"]]


def verdict(server: Gitsource, commit: str) -> tuple[str, int]:
    """Return the first line's last word, and the exit code."""
    done = server.cli("explain", "commit", commit)
    return done.stdout.partition("\n")[0].rpartition(": ")[2], done.returncode


def test_every_commit_is_explained(server: Gitsource, upstream: Upstream) -> None:
    first = upstream.tip()
    words = upstream.commit({"README.md": "words"}, message="words")
    server.sync()
    broken = upstream.commit({"mesh/bad.yaml": "kind: [\n"}, message="broken")
    server.sync()
    held = verdict(server, broken)
    mended = upstream.commit({"mesh/bad.yaml": None}, message="mended")
    head = upstream.commit({"mesh/api.yaml": route("api", "a")}, message="api")
    server.sync()

    assert ("held", 1) == held
    assert ("published", 0) == verdict(server, first)
    assert ("no-effect", 0) == verdict(server, words)
    assert ("superseded", 0) == verdict(server, broken)
    assert ("superseded", 0) == verdict(server, mended)
    assert ("published", 0) == verdict(server, head[:8])
    assert ("published", 0) == verdict(server, "main")
    assert ("unknown", 1) == verdict(server, "0123456789abcdef")
    assert ("unknown", 1) == verdict(server, "no-such-branch")


def test_a_commit_that_was_pushed_away_is_not_on_the_ref(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    gone = upstream.commit({"mesh/bad.yaml": "kind: [\n"})
    server.sync()
    upstream.commit({"mesh/api.yaml": route("api", "a")}, parents=[first])
    server.sync()

    assert ("not-on-ref", 1) == verdict(server, gone)


def test_what_holds_a_commit_is_told_with_its_findings(
    server: Gitsource, upstream: Upstream
) -> None:
    broken = upstream.commit({"mesh/bad.yaml": "kind: [\n"}, message="broken \x1b[31m")
    server.sync()

    done = server.cli("explain", "commit", broken)

    assert "held by validation" in done.stdout
    assert "mesh/bad.yaml:2:1: error GS102" in done.stdout
    assert "\x1b" not in done.stdout
    assert "next: push a commit that mends it\n" == done.stderr
    told = json.loads(server.cli("explain", "commit", broken, "--output", "json").stdout)
    assert ("held", "validation") == (told["verdict"], told["by"]["held_by"])
    assert ["mesh/bad.yaml"] == told["paths"]["configuration"]


def test_a_commit_outside_of_the_followed_folder_is_ignored(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream.git")
    upstream.commit({"mesh/web.yaml": route("web", "a")})
    with Gitsource(tmp_path / "gitsource", upstream.url, "poll: {interval: 1h}\n") as server:
        server.config.write_text(server.config.read_text().replace("ref:", "path: mesh, ref:"))
        server.stop()
        server.start()
        server.sync()
        outside = upstream.commit({"other/web.yaml": route("web", "b")})
        server.sync()

        done = server.cli("explain", "commit", outside)

    assert done.stdout.startswith(f"commit {outside}: no-effect\n")
    assert "outside of repository.path" in " ".join(done.stdout.split())


def test_the_history_survives_a_kill(server: Gitsource, upstream: Upstream) -> None:
    upstream.commit({"mesh/bad.yaml": "kind: [\n"}, message="broken")
    server.sync()
    upstream.commit({"mesh/bad.yaml": None}, message="mended")
    server.sync()
    expected = [("published", "mended"), ("held", "broken"), ("published", "first")]
    eventually(
        lambda: "mended" in (server.state / "revisions.jsonl").read_text(), "the row on disk"
    )
    server.kill()

    server.start()

    eventually(lambda: outcomes(server) == expected, "the same rows")


def test_a_revision_whose_row_was_lost_in_a_crash_is_found_in_the_history_of_snapshots(
    server: Gitsource,
) -> None:
    eventually((server.state / "revisions.jsonl").exists, "the file")
    server.kill()
    (server.state / "revisions.jsonl").unlink()

    server.start()

    eventually(lambda: outcomes(server) == [("published", "first")], "the published revision")


def test_a_remote_that_is_away_is_one_row(server: Gitsource, upstream: Upstream) -> None:
    eventually(lambda: outcomes(server), "a first row")
    upstream.folder.rename(upstream.folder.with_suffix(".gone"))
    for _ in range(3):
        server.sync()

    _, told = server.ask("GET", "/history")

    assert ["failed", "published"] == [row["outcome"] for row in told["revisions"]]
    assert (3, "network") == (told["revisions"][0]["looks"], told["revisions"][0]["fault"])
    done = server.cli("history")
    assert "3 looks came to this" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_what_names_no_commit_is_refused(server: Gitsource) -> None:
    for query in ("", "?commit=", "?commit=x%00", "?commit=..%2f..%2fetc", "?commit=-x", "?c=1"):
        code, told = server.ask("GET", f"/explain{query}")

        assert (400, "operator") == (code, told["fault"]), query


def test_what_was_let_through_is_told_with_who_did_and_why(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream.git")
    first = {f"mesh/r{number}.yaml": route(f"r{number}", "a") for number in range(4)}
    upstream.commit(first)
    guard = "poll: {interval: 1h}\nguard: {removals: {share: 20%, count: 1}}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, guard) as server:
        server.sync()
        gone = upstream.commit(dict.fromkeys([*first][:3]), message="less")
        server.sync()
        held = server.cli("history").stdout
        server.cli("allow", gone, "--reason", "spring cleaning", "--who", "ann")
        _, rows = server.ask("GET", "/history")
        page = " ".join(server.cli("history").stdout.split())
        told = " ".join(server.cli("explain", "commit", gone).stdout.split())

    assert "next: " in held
    assert ["published", "held"] == [row["outcome"] for row in rows["revisions"][:2]]
    assert [None, None] == [row["superseded_by"] for row in rows["revisions"][:2]]
    assert {"who": "ann", "reason": "spring cleaning"} == rows["revisions"][0]["allowed"]
    assert "let through by ann: spring cleaning" in page
    assert "superseded" not in page
    assert "held by the guard until ann let it through (spring cleaning)" in told
