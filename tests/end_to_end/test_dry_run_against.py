"""A dry-run beside a running instance: who would be reached, and where what is served differs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repositories import Upstream
from running import DR, SE, VS, Gitsource, cli, closing, eventually, route

VIEWS = """\
poll: {interval: 1h}
watch: {enabled: false}
views:
- name: shop
  nodes: {ids: [shop-*]}
  resources: {namespaces: [shop]}
- name: pay
  nodes: {ids: [pay-*]}
  resources: {namespaces: [pay]}
"""


@pytest.fixture
def viewed(tmp_path: Path, upstream: Upstream) -> Iterator[Gitsource]:
    """Return a server with two views that serves what is on main."""
    with Gitsource(tmp_path / "gitsource", upstream.url, VIEWS) as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        yield running


def dry_run(
    upstream: Upstream, against: str, *args: str
) -> tuple[dict, subprocess.CompletedProcess[str]]:
    """Return what is told of the instance (or file) *against*, and how the command went."""
    done = cli(
        "dry-run", "--repo", upstream.folder, "--against", against, "--output", "json", *args
    )
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)["against"], done


def admin(server: Gitsource) -> str:
    return f"127.0.0.1:{server.ports['admin']}"


def accepted(server: Gitsource, count: int) -> None:
    def all_of_them() -> bool:
        rows = server.status()["sinks"]
        told = [each for row in rows for each in row["collections"].values()]
        return len(told) == count and all(each["acked"] for each in told)

    eventually(all_of_them, "sinks that accepted")


def test_only_the_sinks_whose_views_show_the_change_would_be_reached(
    viewed: Gitsource, upstream: Upstream
) -> None:
    """And exactly those are sent something when it is pushed."""
    with (
        closing(viewed.sink(VS, SE, node="shop-1")) as shop,
        closing(viewed.sink(VS, node="pay-1")) as pay,
        closing(viewed.sink(VS, node="else-1")) as other,
    ):
        for sink, pushes in ((shop, 2), (pay, 1), (other, 1)):
            for _ in range(pushes):
                sink.next()
        accepted(viewed, 4)
        upstream.commit(
            {"mesh/more.yaml": route("more", "x")}, branch="change", parents=[upstream.tip()]
        )
        told, _ = dry_run(upstream, admin(viewed), "--base", "main", "--head", "change")
        upstream.commit({"mesh/more.yaml": route("more", "x")})
        viewed.sync()
        push = shop.next()
        after = viewed.status()

    (reached,) = told["sinks"]
    has = {(each["sink"], each["why"]): each["collections"] for each in told["kept"]}
    assert {
        ("pay-1", "nothing changes of what its views show"),
        ("else-1", "nothing changes of what it gets"),
    } == has.keys()
    assert all(each["accepted"] for (each,) in has.values())
    assert ("shop-1", ["shop"], 2) == (reached["sink"], reached["views"], told["unreached"])
    ((collection, before, then),) = (tuple(each.values()) for each in reached["collections"])
    rows = {row["id"]: row["collections"] for row in after["sinks"]}
    assert (VS, push.collection) == (collection, VS)
    assert then == rows["shop-1"][VS]["sent"] != before
    assert told["drift"] == []


def test_what_is_served_otherwise_than_the_base_is_named(
    server: Gitsource, upstream: Upstream
) -> None:
    """A branch that left off before what is served now."""
    first = upstream.tip()
    upstream.commit({"mesh/rule.yaml": route("rule", "y")}, branch="change", parents=[first])
    later = upstream.commit({"mesh/web.yaml": route("web", "v2"), "mesh/new.yaml": route("n", "z")})
    server.sync()
    server.cli("pin", later, "--reason", "drill")

    told, _ = dry_run(upstream, admin(server), "--head", "change")

    assert (later, True) == (told["revision"], told["pinned"])
    assert [VS] == [each["collection"] for each in told["drift"]]
    assert ["shop/n", "shop/web"] == told["drift"][0]["resources"]
    assert [f"it serves {later[:12]}, and the plan starts from {first[:12]}"] == told["notes"][:1]
    assert any("pin is in force" in note for note in told["notes"])


def test_a_sink_that_lags_behind_what_is_served_is_reached_where_that_drifted(
    server: Gitsource, upstream: Upstream
) -> None:
    """What counts for it is what it accepted, not what the branch is based on."""
    first = upstream.tip()
    upstream.commit({"mesh/web.yaml": route("web", "v2")})
    server.sync()
    with closing(server.sink(VS, DR, node="old")) as sink:
        sink.next()
        sink.next()
        accepted(server, 2)
        told, _ = dry_run(upstream, admin(server), "--base", first, "--head", first)

    (reached,) = told["sinks"]
    assert [VS] == [each["collection"] for each in reached["collections"]]


def test_a_sink_that_refuses_what_it_was_sent_is_told(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink(VS, node="picky", accept=lambda push: push.nonce == "1")) as sink:
        sink.next()
        upstream.commit({"mesh/bad.yaml": route("bad", "x")})
        server.sync()
        sink.next()
        eventually(lambda: server.status()["refusals"], "a refusal")
        upstream.commit({"mesh/bad.yaml": None}, branch="mend", parents=[upstream.tip()])
        told, _ = dry_run(upstream, admin(server), "--head", "mend")

    assert [VS] == told["sinks"][0]["refuses"]


def test_an_exported_snapshot_takes_the_place_of_an_instance(
    upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "good.snapshot"
    assert cli("export", "--repo", upstream.folder, "-o", file).returncode == 0
    first = upstream.tip()
    upstream.commit({"mesh/more.yaml": route("more", "x")})

    told, _ = dry_run(upstream, str(file), "--base", first)
    drifted, _ = dry_run(upstream, str(file), "--base", "main", "--head", "main")

    assert (first, [], []) == (told["revision"], told["drift"], told["sinks"])
    assert any("knows no sinks" in note for note in told["notes"])
    assert told["knows_sinks"] is False
    assert ["shop/more"] == drifted["drift"][0]["resources"]


def test_nobody_there_ends_the_dry_run_with_whose_fault_it_is(upstream: Upstream) -> None:
    done = cli("dry-run", "--repo", upstream.folder, "--against", "127.0.0.1:1")

    assert 2 == done.returncode
    assert "cannot reach gitsource at http://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_neither_a_file_nor_an_address_is_told(upstream: Upstream) -> None:
    done = cli("dry-run", "--repo", upstream.folder, "--against", "prod.snapshot")

    assert 2 == done.returncode
    assert "neither a file that is there nor an address" in done.stderr


def test_a_door_for_sinks_is_not_taken_for_the_admin_door(
    server: Gitsource, upstream: Upstream
) -> None:
    done = cli(
        "dry-run", "--repo", upstream.folder, "--against", f"127.0.0.1:{server.ports['mcp']}"
    )

    assert 2 == done.returncode
    assert "is not the admin HTTP of gitsource" in done.stderr


RIGHTS = """\
poll: {interval: 1h}
watch: {enabled: false}
authorization:
  policy:
  - {to: {any: all}, resources: {namespaces: [shop]}}
"""


def test_a_sink_that_may_not_have_what_changes_is_not_reached(
    tmp_path: Path, upstream: Upstream
) -> None:
    """Rights are applied as views are: by the code that serves."""
    change = {"mesh/more.yaml": route("more", "x")}
    other = {"mesh/more.yaml": route("more", "x", namespace="pay")}
    upstream.commit(change, branch="change", parents=[upstream.tip()])
    upstream.commit(other, branch="other", parents=[upstream.tip()])
    with (
        Gitsource(tmp_path / "gitsource", upstream.url, RIGHTS) as server,
        closing(server.sink(VS, node="one")) as sink,
    ):
        sink.next()
        accepted(server, 1)
        kept, _ = dry_run(upstream, admin(server), "--base", "main", "--head", "other")
        told, _ = dry_run(upstream, admin(server), "--base", "main", "--head", "change")
        upstream.commit(change)
        server.sync()
        sink.next()
        (row,) = server.status()["sinks"]

    (reached,) = told["sinks"]
    assert ([], 1) == (kept["sinks"], kept["unreached"])
    assert row["collections"][VS]["sent"] == reached["collections"][0]["after"]


LOCKED = """\
poll: {interval: 1h}
watch: {enabled: false}
admin: {tokens: [{name: ci, file: TOKEN}]}
"""


def test_a_door_with_tokens_takes_one_that_may_read(tmp_path: Path, upstream: Upstream) -> None:
    """And says which flag is missing to who shows none."""
    token = tmp_path / "token"
    token.write_text("a-token-of-twenty-characters\n")
    token.chmod(0o600)
    settings = LOCKED.replace("TOKEN", str(token))
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        refused = cli("dry-run", "--repo", upstream.folder, "--against", admin(server))
        told, _ = dry_run(upstream, admin(server), "--admin-token-file", str(token))
        server.stop()

    assert 2 == refused.returncode
    assert "--admin-token-file" in refused.stderr
    assert "a-token-of-twenty" not in refused.stderr + refused.stdout
    assert told["source"] == f"http://{admin(server)}"
