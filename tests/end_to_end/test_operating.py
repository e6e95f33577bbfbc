"""What the on-call engineer does: wait, roll back, pin, suspend, look at what was."""

from __future__ import annotations

import json

from repositories import Upstream
from running import VS, Gitsource, broken, cli, closing, eventually, route


def names(push) -> set[str]:
    return {each.metadata.name for each in push.resources}


def test_status_tells_what_each_sink_was_sent_and_accepted(server: Gitsource) -> None:
    with closing(server.sink(VS, node="istiod-1")) as sink:
        sink.next()
        version = server.status()["collections"][VS]["version"]
        (told,) = eventually(
            lambda: [each for each in server.status()["sinks"] if each["collections"][VS]["acked"]],
            "an ACK in the status",
        )

    assert "istiod-1" == told["id"]
    assert version == told["collections"][VS]["sent"] == told["collections"][VS]["acked"]
    assert not told["collections"][VS]["error"]
    assert told["peer"]
    assert told["connected_at"]


def test_a_nack_is_told_with_the_sinks_own_words(server: Gitsource, upstream: Upstream) -> None:
    def refuses(push) -> bool:
        return "shop/bad" not in names(push)

    with closing(server.sink(VS, node="picky", accept=refuses)) as sink:
        sink.next()
        upstream.commit({"mesh/bad.yaml": route("bad", "x")})
        server.sync()
        sink.next()
        (told,) = eventually(
            lambda: [s for s in server.status()["sinks"] if s["collections"][VS]["nacked"]],
            "a NACK in the status",
        )
        assert sink.quiet()

        assert "refused by the test" in told["collections"][VS]["error"]
        assert told["collections"][VS]["acked"] != told["collections"][VS]["nacked"]
        upstream.commit({"mesh/bad.yaml": None, "mesh/good.yaml": route("good", "x")})
        server.sync()
        assert {"shop/web", "shop/good"} == names(sink.next())


def test_wait_returns_when_the_sinks_have_accepted_and_says_when_they_did_not(
    server: Gitsource, upstream: Upstream
) -> None:
    head = upstream.tip()
    with closing(server.sink()) as sink:
        sink.next()
        accepted = server.cli("wait", "--revision", head, "--sinks", "1", "--timeout", "20")
        too_few = server.cli("wait", "--revision", head, "--sinks", "2", "--timeout", "0.3")

    assert (0, 1) == (accepted.returncode, too_few.returncode), accepted.stderr + too_few.stderr


def test_wait_for_a_held_revision_ends_with_its_findings(
    server: Gitsource, upstream: Upstream
) -> None:
    bad = upstream.commit({"mesh/bad.yaml": broken("bad")})
    server.sync()

    done = server.cli("wait", "--revision", bad, "--timeout", "20")

    assert 1 == done.returncode
    assert "mesh/bad.yaml:9:15" in done.stdout + done.stderr


def test_rollback_serves_the_old_content_under_its_old_version_until_released(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    with closing(server.sink()) as sink:
        old = sink.next().system_version_info
        second = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        server.sync()
        new = sink.next().system_version_info

        done = server.cli("rollback", first, "--reason", "incident 7", "--who", "ann")
        back = sink.next().system_version_info
        told = server.status()
        third = upstream.commit({"mesh/api.yaml": route("api", "a")})
        server.sync()
        quiet = sink.quiet()
        held = server.status()["held"]["reason"]
        server.cli("unpin", "--reason", "over", "--who", "ann")
        released = names(sink.next())

    assert 0 == done.returncode, done.stderr
    assert old == back != new
    assert first == told["revision"] == told["pin"]["revision"]
    assert ("incident 7", "ann") == (told["pin"]["reason"], told["pin"]["who"])
    assert quiet
    assert "incident 7" in held
    assert {"shop/web", "shop/api"} == released
    assert third == server.status()["revision"] != second


def test_a_pin_is_kept_over_a_restart(server: Gitsource, upstream: Upstream) -> None:
    first = upstream.tip()
    eventually(lambda: server.status()["revision"] == first, "a first snapshot")
    upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
    server.sync()
    server.cli("pin", first, "--reason", "incident 7")
    server.kill()

    server.start()

    eventually(lambda: server.status()["last_sync"], "a look")
    assert first == server.status()["revision"]
    assert "incident 7" == server.status()["pin"]["reason"]


def test_a_rollback_to_what_never_was_or_does_not_validate_changes_nothing(
    server: Gitsource, upstream: Upstream
) -> None:
    bad = upstream.commit({"mesh/bad.yaml": broken("bad")})
    server.sync()
    before = server.status()["revision"]

    unknown = server.cli("rollback", "0" * 40, "--reason", "x")
    unfit = server.cli("rollback", bad, "--reason", "x")

    assert 0 not in (unknown.returncode, unfit.returncode)
    assert "does not validate" in unfit.stderr
    assert before == server.status()["revision"]
    assert server.status()["pin"] is None


def test_suspended_nothing_new_is_looked_at_until_resumed(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    eventually(lambda: server.status()["revision"] == first, "a first snapshot")
    server.cli("suspend", "--reason", "freeze")
    head = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})

    assert "suspended" == server.sync()["outcome"]
    assert first == server.status()["revision"]
    assert "freeze" == server.status()["suspended"]["reason"]
    server.cli("resume", "--reason", "over")
    eventually(lambda: server.status()["revision"] == head, "going on")


def test_metrics_count_what_happened(server: Gitsource, upstream: Upstream) -> None:
    with closing(server.sink()) as sink:
        sink.next()
        upstream.commit({"mesh/bad.yaml": broken("bad")})
        server.sync()
        told = eventually(
            lambda: (
                (text := server.ask("GET", "/metrics")[1])
                and f'gitsource_acks_total{{collection="{VS}"}} 1.0' in text
                and text
            ),
            "an ACK in the metrics",
        )

    assert "gitsource_held_revisions_total 1.0" in told
    assert "gitsource_sinks 1.0" in told
    assert f'gitsource_resources{{collection="{VS}"}} 1.0' in told


def test_snapshots_can_be_listed_shown_and_compared_offline(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    eventually(lambda: server.status()["revision"] == first, "a first snapshot")
    head = upstream.commit({"mesh/api.yaml": route("api", "a"), "mesh/web.yaml": None})
    server.sync()
    version = server.status()["version"]
    server.stop()
    state = str(server.state)

    listed = json.loads(cli("snapshot", "list", "--state-dir", state, "--output", "json").stdout)
    shown = json.loads(cli("snapshot", "show", "--state-dir", state, "--output", "json").stdout)
    compared = json.loads(
        cli("snapshot", "diff", first, "--state-dir", state, "--output", "json").stdout
    )
    rebuilt = json.loads(
        cli("snapshot", "show", head, "--repo", str(upstream.folder), "--output", "json").stdout
    )

    judged = json.loads(
        cli("snapshot", "list", "--repo", str(upstream.folder), "--output", "json").stdout
    )

    assert [head, first] == [each["commit"] for each in listed["snapshots"]]
    assert [each["version"] for each in listed["snapshots"]] == [
        each["version"] for each in judged["snapshots"]
    ]
    assert version == shown["version"] == rebuilt["version"]
    assert ["shop/api"] == compared["collections"][VS]["added"]
    assert ["shop/web"] == compared["collections"][VS]["removed"]


def test_unpin_goes_to_the_head_and_not_over_what_was_rolled_back(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink()) as sink:
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "bad")})
        server.sync()
        bad = sink.next().system_version_info
        server.cli("rollback", "--reason", "it is bad")
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "fixed")})
        server.sync()
        server.cli("unpin", "--reason", "fixed")

        fixed = sink.next().system_version_info
        assert bad != fixed == server.status()["collections"][VS]["version"]
        assert sink.quiet()


def test_unpin_serves_the_last_good_revision_when_the_head_is_not_fit(
    server: Gitsource, upstream: Upstream
) -> None:
    eventually(lambda: server.status()["revision"], "a first snapshot")
    good = upstream.commit({"mesh/web.yaml": route("web", "good")})
    server.sync()
    server.cli("rollback", "--reason", "a drill")
    upstream.commit({"mesh/bad.yaml": broken("bad")})
    server.sync()

    server.cli("unpin", "--reason", "over")

    assert good == server.status()["revision"]


def test_a_collection_that_became_empty_is_still_told(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({"mesh/web.yaml": None}, message="Gitsource-Allow: empty all")
    server.sync()

    assert 0 == server.status()["collections"][VS]["count"]
