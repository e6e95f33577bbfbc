"""A commit becomes a push; a broken one does not. Real git, real gRPC, a process of its own."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from repositories import Upstream
from running import DR, GW, SE, VS, Gitsource, Sink, broken, closing, eventually, route


def recomputed(sink: Sink, collection: str) -> str:
    """Return the version of what the sink holds, by the documented rule."""
    digest = hashlib.sha256()
    for name, version in sorted(sink.state[collection].items()):
        for text in (name, version):
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
    return base64.b64encode(digest.digest()).decode()


def test_a_new_sink_gets_every_collection_it_asks_for_also_the_empty_ones(
    server: Gitsource,
) -> None:
    with closing(server.sink(VS, DR, GW, SE, "acme/v1/unknown")) as sink:
        pushes = {push.collection: push for push in (sink.next() for _ in range(5))}

    assert {VS, DR, GW, SE, "acme/v1/unknown"} == set(pushes)
    assert ["shop/web"] == [each.metadata.name for each in pushes[VS].resources]
    assert not any(pushes[name].resources for name in (DR, GW, SE, "acme/v1/unknown"))


def test_what_a_sink_gets_says_where_it_is_from_and_when_it_was_born(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink()) as sink:
        (resource,) = sink.next().resources

    assert "type.googleapis.com/istio.networking.v1alpha3.VirtualService" == resource.body.type_url
    born = int(upstream.git("show", "-s", "--format=%ct", "main"))
    assert born == resource.metadata.create_time.seconds
    assert resource.metadata.version


@pytest.mark.parametrize("incremental", [False, True])
def test_edit_addition_and_deletion_arrive_in_turn(
    server: Gitsource, upstream: Upstream, *, incremental: bool
) -> None:
    with closing(server.sink(incremental=incremental)) as sink:
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        server.sync()
        edited = sink.next()
        upstream.commit({"mesh/api.yaml": route("api", "api-v1")})
        server.sync()
        added = sink.next()
        upstream.commit({"mesh/web.yaml": None})
        server.sync()
        deleted = sink.next()

        assert ["shop/web"] == [each.metadata.name for each in edited.resources]
        together = ["shop/api"] if incremental else ["shop/api", "shop/web"]
        assert together == [each.metadata.name for each in added.resources]
        assert (["shop/web"] if incremental else []) == list(deleted.removed_resources)
        assert {"shop/api"} == set(sink.state[VS])
        assert recomputed(sink, VS) == deleted.system_version_info


def test_a_commit_that_changes_no_content_pushes_nothing(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink()) as sink:
        sink.next()
        before = server.status()
        head = upstream.commit(
            {
                "README.md": "words",
                "mesh/web.yaml": "# a comment\n" + route("web", "web-v1"),
            }
        )
        server.sync()

        assert sink.quiet()
        assert head == server.status()["revision"]
        assert before["version"] == server.status()["version"]


def test_a_broken_revision_is_held_whole_and_the_next_good_one_goes_out(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink()) as sink:
        sink.next()
        good = upstream.tip()
        bad = upstream.commit(
            {
                "mesh/web.yaml": route("web", "web-v9"),
                "mesh/api.yaml": broken("api"),
            }
        )
        outcome = server.sync()

        assert "held" == outcome["outcome"]
        assert sink.quiet()
        told = server.status()
        assert good == told["revision"]
        assert bad == told["held"]["revision"]
        (finding,) = told["findings"]
        place = finding["file"], finding["line"], finding["column"]
        assert ("mesh/api.yaml", 9, 15) == place
        assert "VirtualService/shop/api" == finding["resource"]
        assert "plenty" in finding["message"]

        fixed = upstream.commit({"mesh/api.yaml": route("api", "api-v1")})
        assert "published" == server.sync()["outcome"]
        assert {"shop/api", "shop/web"} == {each.metadata.name for each in sink.next().resources}
        told = server.status()
        assert fixed == told["revision"]
        assert told["held"] is None
        assert [] == told["findings"]


def test_the_finding_is_in_the_log_too(server: Gitsource, upstream: Upstream) -> None:
    upstream.commit({"mesh/api.yaml": broken("api")})

    server.sync()

    eventually(lambda: "mesh/api.yaml:9:15" in server.log.read_text(), "the finding in the log")


def test_several_broken_commits_and_a_good_one_leave_only_the_good_one(
    server: Gitsource, upstream: Upstream
) -> None:
    for number in range(3):
        upstream.commit({f"mesh/b{number}.yaml": broken(f"b{number}")})
        server.sync()
    assert 3 == len(server.status()["findings"])
    upstream.commit({f"mesh/b{number}.yaml": None for number in range(3)})

    assert "published" == server.sync()["outcome"]


def test_two_files_with_one_name_are_held_naming_both(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({"mesh/again.yaml": route("web", "other")})

    outcome = server.sync()

    assert "held" == outcome["outcome"]
    (finding,) = outcome["findings"]
    assert "GS304" == finding["code"]
    assert {"mesh/again.yaml", "mesh/web.yaml"} == {
        finding["file"],
        *(name for name in ("mesh/web.yaml", "mesh/again.yaml") if name in finding["message"]),
    }


def test_a_file_that_was_deleted_and_added_again_is_born_again(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink()) as sink:
        (first,) = sink.next().resources
    upstream.commit({"mesh/web.yaml": None})
    upstream.commit({"mesh/web.yaml": route("web", "web-v1")}, when=1_800_000_000)
    server.sync()

    with closing(server.sink()) as sink:
        (second,) = sink.next().resources

    assert 1_800_000_000 == second.metadata.create_time.seconds
    assert first.metadata.version == second.metadata.version


def test_a_force_push_is_followed(server: Gitsource, upstream: Upstream) -> None:
    with closing(server.sink()) as sink:
        sink.next()
        upstream.commit({"mesh/new.yaml": route("new", "x")}, parents=(), whole=True)
        server.sync()

        assert ["shop/new"] == [each.metadata.name for each in sink.next().resources]


def test_when_the_branch_is_deleted_the_last_good_snapshot_stays(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.branch("other")
    upstream.delete_branch("main")

    outcome = server.sync()

    assert "failed" == outcome["outcome"]
    assert "main" in outcome["error"]
    told = server.status()
    assert told["stale_since"]
    with closing(server.sink()) as sink:
        assert ["shop/web"] == [each.metadata.name for each in sink.next().resources]


def test_a_repository_without_commits_is_waited_for(tmp_path: Path) -> None:
    empty = Upstream(tmp_path / "empty.git")
    quiet = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
    with Gitsource(tmp_path / "gitsource", empty.url, quiet) as server:
        eventually(lambda: server.status()["last_sync"], "a first look")
        assert 503 == server.ask("GET", "/readyz")[0]
        with closing(server.sink(VS, "acme/v1/unknown")) as sink:
            assert sink.quiet()
            empty.commit({"web.yaml": route("web", "a")})
            server.sync()
            pushes = {sink.next().collection, sink.next().collection}

        assert {VS, "acme/v1/unknown"} == pushes
        assert 200 == server.ask("GET", "/readyz")[0]


def test_only_the_configured_folder_is_looked_at(tmp_path: Path, upstream: Upstream) -> None:
    upstream.commit({"other/api.yaml": broken("api")})
    settings = "poll: {interval: 1h}\n"
    running = Gitsource(tmp_path / "gitsource", upstream.url, settings)
    text = running.config.read_text().replace("ref: main}", "ref: main, path: mesh}")
    running.config.write_text(text)
    with running as server, closing(server.sink()) as sink:
        assert ["shop/web"] == [each.metadata.name for each in sink.next().resources]


def test_noise_in_the_repository_is_ignored_and_counted(
    server: Gitsource, upstream: Upstream
) -> None:
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
    upstream.commit(
        {
            "k8s/deployment.yaml": deployment,
            "chart/values.yaml": "replicas: 3\n",
            "logo.png": b"\x89PNG\x00\x01",
            "mesh/.hidden": "{{ template }}",
        }
    )

    outcome = server.sync()

    assert "published" == outcome["outcome"]
    assert 2 == server.status()["ignored"]["documents"]
    assert [] == server.status()["findings"]


def test_a_hundred_thousand_files_that_are_not_ours_do_no_harm(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({f"data/{n // 1000}/{n}.txt": "x" for n in range(100_000)})

    outcome = server.sync()

    assert "published" == outcome["outcome"]


def test_the_poll_and_the_watch_notice_by_themselves(tmp_path: Path, upstream: Upstream) -> None:
    for name, settings in {
        "poll": "poll: {interval: 100ms}\nwatch: {enabled: false}\n",
        "watch": "poll: {interval: 1h}\n",
    }.items():
        with Gitsource(tmp_path / name, upstream.url, settings) as server:
            eventually(lambda server=server: server.status()["revision"], "a first revision")
            if name == "watch":
                eventually(lambda server=server: "watching" in server.log.read_text(), "watching")
            head = upstream.commit({"mesh/web.yaml": route("web", f"by-{name}")})
            eventually(
                lambda server=server, head=head: server.status()["revision"] == head,
                f"a look by {name}",
            )
            assert [name] == server.status()["published"]["triggers"]


def test_a_schema_in_the_repository_judges_again_when_it_changes(
    tmp_path: Path, upstream: Upstream
) -> None:
    flag = "apiVersion: acme.dev/v1\nkind: Flag\nmetadata: {name: dark}\nspec: {share: 50}\n"
    schema = '{"properties": {"spec": {"properties": {"share": {"maximum": %d}}}}}'
    upstream.commit({"flags/dark.yaml": flag, "schemas/flags.json": schema % 100})
    settings = (
        "poll: {interval: 1h}\nwatch: {enabled: false}\n"
        "collections:\n- {name: acme/v1/flags, api_version: acme.dev/v1, kind: Flag, "
        "schema: schemas/flags.json}\n"
    )
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        with closing(server.sink("acme/v1/flags")) as sink:
            (resource,) = sink.next().resources
        assert "default/dark" == resource.metadata.name
        assert "type.googleapis.com/google.protobuf.Struct" == resource.body.type_url
        upstream.commit({"schemas/flags.json": schema % 10})

        outcome = server.sync()

        assert "held" == outcome["outcome"]
        (finding,) = outcome["findings"]
        assert ("flags/dark.yaml", 4, 15) == (finding["file"], finding["line"], finding["column"])
